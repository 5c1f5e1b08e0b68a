"""In: what the stages wrote. Out: the rows of the release, and all that was left out, with why."""

from builders.pipeline.rows import Approval, Candidate, MaskRow, from_table, kept
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace
from builders.rows import Dropped, PhotoRow
from pdst.digest import digest_bytes
from pdst.release import SPLITS


def release_rows(workspace: Workspace) -> tuple[PhotoRow, ...]:
    """One row a photo, ordered by subject and image.

    Raises:
        WorkspaceError: if a stored photo is not what it was when it was collected.
    """
    photos = kept(from_table(Candidate, workspace.rows("split")))
    masks = {row.name: row for row in from_table(MaskRow, workspace.rows("mask"))}
    captions: dict[str, list[str]] = {}
    for row in from_table(Approval, workspace.rows("check")):
        if row.status == "approved":
            captions.setdefault(row.photo, []).append(row.text)
    rows = [
        _row(workspace, photo, masks.get(photo.name), tuple(captions.get(photo.name, ())))
        for photo in photos
    ]
    return tuple(sorted(rows, key=lambda row: (row.subject_id, row.image_id)))


def _row(
    workspace: Workspace, photo: Candidate, mask: MaskRow | None, captions: tuple[str, ...]
) -> PhotoRow:
    data = workspace.photo(photo.file)
    if digest_bytes(data) != photo.sha256:
        raise WorkspaceError(
            f"{workspace.folder / 'stored' / 'photos' / photo.file} was changed after it was "
            "collected. Delete it, and give the build command once more."
        )
    subject = workspace.settings.subjects[photo.subject_id]
    (split,) = (split for split in SPLITS if split == photo.split)
    return PhotoRow(
        split=split,
        subject_id=photo.subject_id,
        class_noun=subject.class_noun,
        init_token=subject.init_token,
        kind=subject.kind,
        image_id=photo.image_id,
        image=data,
        suffix=f".{photo.file.rpartition('.')[2]}",
        mask=_mask(workspace, mask) if mask is not None and mask.file else None,
        source=photo.source,
        author=photo.author,
        licence=photo.licence,
        licence_url=photo.licence_url,
        captions=captions if split == "test" else (),
    )


def _mask(workspace: Workspace, row: MaskRow) -> bytes:
    data = workspace.mask(row.file)
    if digest_bytes(data) != row.sha256:
        raise WorkspaceError(
            f"{workspace.folder / 'stored' / 'masks' / row.file} was changed after it was looked "
            "at. Put a corrected mask into masks.folder instead, delete this file, and give the "
            "build command once more."
        )
    return data


def left_out(workspace: Workspace) -> tuple[Dropped, ...]:
    """Every photo that was collected and is not in the release."""
    return tuple(
        Dropped(
            image=row.name,
            split=next((split for split in SPLITS if split == row.split), "-"),
            like=row.like,
            reason=row.reason if row.status == "dropped" else f"in reserve: {row.reason}",
        )
        for row in from_table(Candidate, workspace.rows("split"))
        if row.status != "kept"
    )
