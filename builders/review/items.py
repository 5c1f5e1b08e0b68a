"""In: candidates, captions, masks. Out: the questions that reviewers answer, in a fixed order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from builders.pipeline.rows import Approval, Candidate, MaskRow, kept
from pdst.digest import digest_json

ReviewKind: TypeAlias = Literal["photos", "captions", "masks"]
KINDS: tuple[ReviewKind, ...] = ("photos", "captions", "masks")

QUESTIONS: dict[ReviewKind, str] = {
    "photos": "Is this the same subject as the anchor?",
    "captions": "Is the caption true of the photo, and does it tell nothing of who or what {} is?",
    "masks": "Does the mask cover the subject, the whole of it and nothing else?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question.

    Attributes:
        name: what it is about: "cat/03", or "cat/03#4" for a caption.
        shown: digest of what the reviewer sees; an answer counts for that alone.
        photo: file of the stored photo. anchor, mask: files beside it; "" if there is none.
        text: the caption; "" if there is none.
    """

    kind: ReviewKind
    name: str
    shown: str
    photo: str
    anchor: str = ""
    mask: str = ""
    text: str = ""


def photo_items(rows: Sequence[Candidate]) -> tuple[Item, ...]:
    """Every photo but each subject's first, which is the anchor."""
    items = []
    for _, group in groupby(kept(rows), key=lambda row: row.subject_id):
        anchor, *others = group
        items += [
            Item(
                kind="photos",
                name=row.name,
                shown=digest_json(["photos", row.sha256, anchor.sha256]),
                photo=row.file,
                anchor=anchor.file,
            )
            for row in others
        ]
    return tuple(items)


def caption_items(rows: Iterable[Approval], photos: Sequence[Candidate]) -> tuple[Item, ...]:
    """Every caption that the checks let through."""
    photo_of = {photo.name: photo for photo in photos}
    return tuple(
        Item(
            kind="captions",
            name=row.name,
            shown=digest_json(["captions", photo_of[row.photo].sha256, row.text]),
            photo=photo_of[row.photo].file,
            text=row.text,
        )
        for row in rows
        if row.checked != "failed"
    )


def mask_items(rows: Sequence[MaskRow], photos: Sequence[Candidate]) -> tuple[Item, ...]:
    """Every mask there is."""
    photo_of = {photo.name: photo for photo in photos}
    return tuple(
        Item(
            kind="masks",
            name=row.name,
            shown=digest_json(["masks", photo_of[row.name].sha256, row.sha256]),
            photo=photo_of[row.name].file,
            mask=row.file,
        )
        for row in rows
        if row.file
    )
