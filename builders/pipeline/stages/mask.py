"""In: train photos, mask files or a segmenter. Out: a stored mask a photo, looked at by people."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builders.pipeline.misfits import misfits
from builders.pipeline.rows import Candidate, MaskRow, from_table, kept, to_table
from builders.pipeline.segmenting import Drawn, forget_segmented, open_segmenter, segment
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.stage import Stage
from builders.pipeline.versions import versions
from builders.pipeline.workspace import Outcome, Workspace, digest_files
from builders.review.items import mask_items
from builders.review.panel import panel, panel_inputs
from pdst.digest import Json, digest_bytes
from pdst.errors import PdstError
from pdst.images import decode_mask, decode_rgb
from pdst.masks import Segmenter, mask_flags


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    settings = workspace.settings.masks
    return {
        **panel_inputs(workspace, "masks"),
        "segmenter": settings.segmenter,
        "nouns": {
            name: own.class_noun
            for name, own in workspace.settings.subjects.items()
            if settings.segmenter
        },
        "files": digest_files(_files(workspace), workspace.folder),
        "versions": versions("numpy", "pillow", "scipy"),
    }


def _files(workspace: Workspace) -> list[Path]:
    """What lies in the folder of masks, but for what operating systems leave behind."""
    settings = workspace.settings.masks
    found = workspace.path(settings.folder).rglob("*") if settings.folder else ()
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _run(workspace: Workspace) -> Outcome:
    photos = from_table(Candidate, workspace.rows("split"))
    train = kept(photos, "train")
    settings = workspace.settings.masks
    if not (settings.folder or settings.segmenter):
        note = "no masks: the settings name neither a folder of masks nor a segmenter"
        return Outcome(table=to_table(MaskRow, ()), notes=(note,))
    fileless = [photo for photo in train if not _has_file(workspace, photo)]
    segmenter = open_segmenter(workspace, fileless) if settings.segmenter else None
    rows: list[MaskRow] = []
    problems: list[str] = []
    for photo in train:
        try:
            rows.append(_mask(workspace, photo, segmenter))
        except PdstError as error:
            problems.append(str(error))
    problems = [*dict.fromkeys(problems), *_repeated(rows)]  # of a missing package, once is enough
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise WorkspaceError(f"{len(problems)} masks cannot be used:\n{lines}\nMend each.")
    rows = _with_misfits(workspace, train, rows)
    found = panel(workspace, "masks", mask_items(rows, photos))
    redo = [
        f"mask of {name}: {reason}. Draw it anew."
        for name, reason in found.verdict.rejected.items()
    ]
    flags = [f"mask of {row.name}: {flag}" for row in rows for flag in row.flags]
    return Outcome(
        table=to_table(MaskRow, rows),
        notes=(*found.notes, *flags, *_strangers(workspace, photos)),
        waiting=(*found.waiting, *redo),
    )


def _mask(workspace: Workspace, photo: Candidate, segmenter: Segmenter | None) -> MaskRow:
    """Read or draw one mask, fit it to its stored photo and keep it."""
    path = _file_of(workspace, photo)
    if _has_file(workspace, photo):
        mask = _from_file(path, photo)
    elif segmenter is not None:
        mask = segment(workspace, photo, segmenter)
    else:
        raise WorkspaceError(
            f"{path}: no such file. Draw a mask of {photo.name} ({photo.width} x {photo.height} "
            "pixels, white is the subject), or name a segmenter in the settings' masks."
        )
    digest = digest_bytes(mask.data)
    workspace.write_stored("masks", f"{digest}.png", mask.data)
    return MaskRow(
        subject_id=photo.subject_id,
        image_id=photo.image_id,
        file=f"{digest}.png",
        sha256=digest,
        source=mask.source,
        share=round(float(_covered(mask.data).mean()), 6),
        flags=mask.flags,
    )


def _file_of(workspace: Workspace, photo: Candidate) -> Path:
    folder = workspace.path(workspace.settings.masks.folder)
    return folder / photo.subject_id / f"{photo.image_id}.png"


def _has_file(workspace: Workspace, photo: Candidate) -> bool:
    return bool(workspace.settings.masks.folder) and _file_of(workspace, photo).is_file()


def _strangers(workspace: Workspace, photos: Sequence[Candidate]) -> list[str]:
    """What to tell the maker of files that are no photo's mask: misspelt, mostly."""
    known = {_file_of(workspace, photo) for photo in photos}
    return [
        f"{path.relative_to(workspace.path(workspace.settings.masks.folder))} among the masks is "
        "none of a photo that was collected, wanted SUBJECT/IMAGE.png"
        for path in _files(workspace)
        if path not in known
    ]


def _from_file(path: Path, photo: Candidate) -> Drawn:
    data = _fitted(path.read_bytes(), photo, str(path))
    covered = _covered(data)
    if covered.all() or not covered.any():
        what = "everything" if covered.all() else "nothing"
        raise WorkspaceError(f"{path}: marks {what} as the subject. Draw it anew.")
    return Drawn(data=data, source="file", flags=mask_flags(covered))


def _covered(mask: bytes) -> NDArray[np.bool_]:
    return np.asarray(decode_mask(mask)) > 0


def _fitted(data: bytes, photo: Candidate, where: str) -> bytes:
    """A mask of the stored photo's size; one that fits already keeps its bytes.

    One drawn on the photo before it was made smaller has the same shape and is made smaller, too.
    """
    mask = decode_mask(data, where)
    size = (photo.width, photo.height)
    if mask.size == size and _plain(data):
        return data
    scale = mask.width / photo.width
    if abs(mask.height - photo.height * scale) > max(1.0, scale):
        turned = " Or was it drawn on the photo before it was turned upright?" * (
            mask.size == size[::-1]
        )
        raise WorkspaceError(
            f"{where}: {mask.width} x {mask.height} pixels, but {photo.name} has {photo.width} x "
            f"{photo.height}: is it the mask of another photo?{turned} Put the right one there."
        )
    if mask.size != size:
        mask = mask.resize(size, Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def _plain(data: bytes) -> bool:
    """Whether a file is a grey PNG of 0 and 255 alone, without metadata."""
    with Image.open(io.BytesIO(data)) as image:
        if image.format != "PNG" or image.mode not in ("L", "1") or image.info:
            return False
        values = np.unique(np.asarray(image.convert("L")))
    return set(values.tolist()) <= {0, 255}


def _repeated(rows: list[MaskRow]) -> list[str]:
    """One mask for two photos is wrong for one of them at least."""
    count = Counter(row.sha256 for row in rows)
    shared = {digest for digest, number in count.items() if number > 1}
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.sha256 in shared:
            names.setdefault(row.sha256, []).append(row.name)
    return [
        f"{' and '.join(own)} have the very same mask: for all but one it is another photo's. "
        "Draw theirs."
        for own in names.values()
    ]


def _with_misfits(
    workspace: Workspace, train: list[Candidate], rows: list[MaskRow]
) -> list[MaskRow]:
    """Flag masks whose outline fits another photo of the subject much better than its own."""
    photo_of = {photo.name: photo for photo in train}
    flagged: dict[str, str] = {}
    for subject_id in sorted({row.subject_id for row in rows}):
        own = [row for row in rows if row.subject_id == subject_id]
        found = misfits(
            {row.name: decode_rgb(workspace.photo(photo_of[row.name].file)) for row in own},
            {row.name: decode_mask(workspace.mask(row.file)) for row in own},
        )
        flagged |= {name: f"its outline fits {other} better: swapped?" for name, other in found}
    return [
        replace(row, flags=(*row.flags, flagged[row.name])) if row.name in flagged else row
        for row in rows
    ]


def _holds(workspace: Workspace) -> bool:
    rows = from_table(MaskRow, workspace.rows("mask"))
    return all(
        (workspace.folder / "stored" / "masks" / row.file).is_file() for row in rows if row.file
    )


MASK = Stage(
    name="mask",
    reads=("split",),
    inputs=_inputs,
    run=_run,
    holds=_holds,
    forget=forget_segmented,
)
