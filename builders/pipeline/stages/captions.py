"""In: test photos. Out: captions: `caption` reads or writes them, `refine` and `neutralize` mend.

Captions of a file are as their writers want them; `captions.rewrite` mends those, too.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from builders.language import rows as caption_rows
from builders.pipeline import rows as photo_rows
from builders.pipeline.parts import photo_by_photo
from builders.pipeline.rows import Candidate, kept
from builders.pipeline.settings import EndpointSettings
from builders.pipeline.stage import Stage
from builders.pipeline.versions import language_versions
from builders.pipeline.workspace import Outcome, Workspace, digest_files
from pdst.digest import Json
from pdst.files import whole_file
from pdst.images import decode_rgb

if TYPE_CHECKING:  # the language steps bring spaCy along: seconds, that only they shall cost
    from builders.language import Called, Captioner, CaptionRow, Pictured, Refiner
    from builders.language.endpoint import Endpoint
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


def _nouns(workspace: Workspace) -> Json:
    """What of the subjects a prompt says (`builders.language.prompts`): their class nouns alone."""
    return {name: subject.class_noun for name, subject in workspace.settings.subjects.items()}


# --- caption -------------------------------------------------------------------------------------


def _caption_inputs(workspace: Workspace) -> Mapping[str, Json]:
    captions = workspace.settings.captions
    file = workspace.path(captions.file)
    found = digest_files([file] if captions.file else [], workspace.folder)
    if captions.file and not _is_written(file):
        found = dict.fromkeys(found)  # our own empty sheet is as good as no file
    return {
        "files": found,
        "model": captions.model,
        "endpoint": _endpoint_json(captions.endpoint),
        "per_photo": captions.per_photo,
        "nouns": _nouns(workspace),
    }


def _caption(workspace: Workspace) -> Outcome:
    from builders.language import caption

    settings = workspace.settings.captions
    if settings.file and not _is_written(workspace.path(settings.file)):
        asked = _ask_for_file(workspace, workspace.path(settings.file))
        return Outcome(table=caption_rows.to_table(()), waiting=(asked,))
    photos = [_pictured(workspace, row) for row in test_photos(workspace)]

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
    table = photo_by_photo(workspace, "caption", inputs, make)
    return Outcome(table=table, notes=tuple(_not_taken(workspace)))


def _not_taken(workspace: Workspace) -> Iterator[str]:
    """Captions of the file that stand in no row, by photo, with why."""
    from builders.language import read_captions

    settings = workspace.settings.captions
    if not settings.file:
        return
    photos = photo_rows.from_table(Candidate, workspace.rows("split"))
    known, wanted = ({row.name for row in rows} for rows in (photos, kept(photos, "test")))
    for key, texts in sorted(read_captions(workspace.path(settings.file)).texts.items()):
        name, number = "/".join(key), sum(map(bool, texts))
        if name in wanted:
            number, why = number - settings.per_photo, f"per_photo is {settings.per_photo}"
        else:
            why = "it is not in test" if name in known else "no such photo was collected"
        if number > 0:
            yield f"{settings.file}: {number} captions of {name} were not taken: {why}"


def _is_written(path: Path) -> bool:
    """Whether there is a file of captions with a caption in it."""
    if path.suffix != ".csv" or not path.is_file():
        return path.is_file()
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    no_sheet = "caption" not in (rows.fieldnames or ())  # reading it says what is wrong
    return no_sheet or any((row["caption"] or "").strip() for row in rows)


def _ask_for_file(workspace: Workspace, path: Path) -> str:
    """Write a sheet to fill in, if it is to be a CSV; returns what people have yet to do."""
    count, photos = workspace.settings.captions.per_photo, test_photos(workspace)
    wanted = f"{count} captions of each test photo ({', '.join(row.name for row in photos)})"
    if path.suffix != ".csv":
        return f"write {path}: {wanted}"
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("subject_id", "image_id", "caption", "photo"))
    for row in photos:
        photo = workspace.folder / "stored" / "photos" / row.file
        writer.writerows([(row.subject_id, row.image_id, "", photo)] * count)
    with whole_file(path) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8")
    return f"fill in the column 'caption' of {path}, a line a caption: {wanted}"


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

        return read_captions(workspace.path(settings.file))
    if settings.endpoint is not None:
        from builders.language.endpoint import EndpointCaptioner

        return EndpointCaptioner(_endpoint(workspace, settings.endpoint, "captions.endpoint"))
    from builders.language.qwen2vl import load_qwen2vl

    return load_qwen2vl(settings.model) if settings.model else load_qwen2vl()


def _endpoint(workspace: Workspace, given: EndpointSettings, where: str) -> "Endpoint":
    from builders.language.endpoint import Endpoint

    if not given.key_variable:
        return Endpoint(url=given.url, model=given.model)
    key = workspace.secret(given.key_variable, where)
    return Endpoint(url=given.url, model=given.model, key=key)


def _endpoint_json(given: EndpointSettings | None) -> Json:
    """What of an endpoint the rows depend on; not where its key is."""
    return None if given is None else {"url": given.url, "model": given.model}


# --- refine, neutralize --------------------------------------------------------------------------


def _rewrites(workspace: Workspace) -> bool:
    settings = workspace.settings.captions
    return settings.rewrite or not settings.file


def _refine_inputs(workspace: Workspace) -> Mapping[str, Json]:
    return {
        "rewrite": _rewrites(workspace),
        "refiner": workspace.settings.captions.refiner,
        "endpoint": _endpoint_json(workspace.settings.captions.refiner_endpoint),
        "nouns": _nouns(workspace),
    }


def _neutral_inputs(workspace: Workspace) -> Mapping[str, Json]:
    return {
        "rewrite": _rewrites(workspace),
        "subjects": called_json(workspace),
        "versions": language_versions() if _rewrites(workspace) else {},
    }


def _refine(workspace: Workspace) -> Outcome:
    if not _rewrites(workspace):
        return _unchanged(workspace, "caption")
    from builders.language import from_table, refine

    rows = from_table(workspace.rows("caption"))

    def make(done: "Collection[Key]") -> "Iterator[tuple[CaptionRow, ...]]":
        if len(done) == len({row.key for row in rows}):
            return iter(())  # so that no model is loaded for nothing
        return refine(rows, _refiner(workspace), called_subjects(workspace), done=done)

    inputs = REFINE.depends_on(workspace)
    return Outcome(table=photo_by_photo(workspace, "refine", inputs, make))


def _refiner(workspace: Workspace) -> "Refiner":
    settings = workspace.settings.captions
    if (endpoint := settings.refiner_endpoint) is not None:
        from builders.language.endpoint import EndpointRefiner

        return EndpointRefiner(_endpoint(workspace, endpoint, "captions.refiner_endpoint"))
    from builders.language import load_refiner

    return load_refiner(settings.refiner)


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
REFINE = Stage(name="refine", reads=("caption",), inputs=_refine_inputs, run=_refine)
NEUTRALIZE = Stage(name="neutralize", reads=("refine",), inputs=_neutral_inputs, run=_neutralize)
