"""In: test photos. Out: captions: `caption` reads or writes them, `refine` and `neutralize` mend.

Captions of a file are as their writers want them; `captions.rewrite` mends those, too.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from builders.pipeline import rows as photo_rows
from builders.pipeline.parts import photo_by_photo
from builders.pipeline.rows import Candidate, kept
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.stage import Stage
from builders.pipeline.workspace import Outcome, Workspace, digest_files
from pdst.digest import Json
from pdst.images import decode_rgb

if TYPE_CHECKING:  # the language steps bring spaCy along: seconds, that only they shall cost
    from builders.language import Called, Captioner, CaptionRow, Pictured
    from builders.language.rows import Key


def called_subjects(workspace: Workspace) -> "tuple[Called, ...]":
    """What each subject is called, for the language steps."""
    from builders.language import Called

    return tuple(
        Called(
            subject_id=subject_id,
            class_noun=subject.class_noun,
            kind=subject.kind,
            leak_terms=subject.leak_terms,
        )
        for subject_id, subject in workspace.settings.subjects.items()
    )


def called_json(workspace: Workspace) -> Json:
    """The same, as what a stage depends on."""
    return {
        name: [subject.class_noun, subject.kind, *subject.leak_terms]
        for name, subject in workspace.settings.subjects.items()
    }


# --- caption -------------------------------------------------------------------------------------


def _caption_inputs(workspace: Workspace) -> Mapping[str, Json]:
    captions = workspace.settings.captions
    files = [workspace.path(captions.file)] if captions.file else []
    return {
        "files": digest_files(files, workspace.folder),
        "model": captions.model,
        "per_photo": captions.per_photo,
        "subjects": called_json(workspace),
    }


def _caption(workspace: Workspace) -> Outcome:
    from builders.language import caption

    photos = [_pictured(workspace, row) for row in test_photos(workspace)]
    settings = workspace.settings.captions

    def make(done: "Collection[Key]") -> "Iterator[tuple[CaptionRow, ...]]":
        if len(done) == len(photos):
            return iter(())  # so that no model is loaded for nothing
        return caption(
            photos,
            _captioner(workspace),
            called_subjects(workspace),
            count=settings.per_photo,
            rounds=1 if settings.file else 5,
            done=done,
        )

    inputs = CAPTION.depends_on(workspace)
    return Outcome(table=photo_by_photo(workspace, "caption", inputs, make))


def test_photos(workspace: Workspace) -> list[Candidate]:
    """The photos that captions are about."""
    return kept(photo_rows.from_table(Candidate, workspace.rows("split")), "test")


def _pictured(workspace: Workspace, row: Candidate) -> "Pictured":
    from builders.language import Pictured

    return Pictured(
        subject_id=row.subject_id,
        image_id=row.image_id,
        image=lambda: decode_rgb(workspace.photo(row.file), row.name),
    )


def _captioner(workspace: Workspace) -> "Captioner":
    settings = workspace.settings.captions
    if settings.file:
        from builders.language import read_captions

        if not (path := workspace.path(settings.file)).is_file():
            names = ", ".join(row.name for row in test_photos(workspace))
            raise WorkspaceError(
                f"{path}: no such file. Write it (columns subject_id, image_id, caption), with "
                f"{settings.per_photo} captions of each test photo: {names}."
            )
        return read_captions(path)
    from builders.language.qwen2vl import load_qwen2vl

    return load_qwen2vl(settings.model) if settings.model else load_qwen2vl()


# --- refine, neutralize --------------------------------------------------------------------------


def _rewrites(workspace: Workspace) -> bool:
    settings = workspace.settings.captions
    return settings.rewrite or not settings.file


def _rewrite_inputs(workspace: Workspace) -> Mapping[str, Json]:
    return {
        "rewrite": _rewrites(workspace),
        "refiner": workspace.settings.captions.refiner,
        "subjects": called_json(workspace),
    }


def _refine(workspace: Workspace) -> Outcome:
    if not _rewrites(workspace):
        return _unchanged(workspace, "caption")
    from builders.language import from_table, load_refiner, refine

    rows = from_table(workspace.rows("caption"))
    refiner = load_refiner(workspace.settings.captions.refiner)

    def make(done: "Collection[Key]") -> "Iterator[tuple[CaptionRow, ...]]":
        return refine(rows, refiner, called_subjects(workspace), done=done)

    inputs = REFINE.depends_on(workspace)
    return Outcome(table=photo_by_photo(workspace, "refine", inputs, make))


def _neutralize(workspace: Workspace) -> Outcome:
    if not _rewrites(workspace):
        return _unchanged(workspace, "refine")
    from builders.language import from_table, neutralize

    rows = from_table(workspace.rows("refine"))

    def make(done: "Collection[Key]") -> "Iterator[tuple[CaptionRow, ...]]":
        return neutralize(rows, called_subjects(workspace), done=done)

    inputs = NEUTRALIZE.depends_on(workspace)
    return Outcome(table=photo_by_photo(workspace, "neutralize", inputs, make))


def _unchanged(workspace: Workspace, stage: str) -> Outcome:
    note = "captions of a file stay as their writers want them (captions.rewrite is not set)"
    return Outcome(table=workspace.rows(stage).replace_schema_metadata(None), notes=(note,))


CAPTION = Stage(name="caption", reads=("split",), inputs=_caption_inputs, run=_caption)
REFINE = Stage(name="refine", reads=("caption",), inputs=_rewrite_inputs, run=_refine)
NEUTRALIZE = Stage(name="neutralize", reads=("refine",), inputs=_rewrite_inputs, run=_neutralize)
