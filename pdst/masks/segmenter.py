"""In: a photo and the noun of its subject. Out: the subject's mask. What all segmenters share."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdst.digest import Json
from pdst.errors import PdstError
from pdst.masks.quality import cleaned, mask_flags
from pdst.types import Photo, Subject

ALTERNATIVES = (
    "Or give mask files (white on black, FOLDER/<image id>.png), take GrabCut (grabcut), or a "
    "method that needs no mask: TI, NeTI."
)


class SegmenterError(PdstError):
    """A mask cannot be made: a package, weights, a file or the subject is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in pixels of an upright photo: left <= x < right, top <= y < bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """In pixels; 0 if it is turned inside out."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmented:
    """A mask, and what is known of it.

    Attributes:
        mask: "L", 255 = subject, 0 = background, as large as the upright photo.
        source: the segmenter's label, for records.
        box: where the subject was looked for; None: nowhere in particular.
        candidates: things of that noun that were found; above 1, the right one was guessed.
        quality: the segmenter's own guess of the mask's IoU with the truth, in [0, 1]; None: it
            has none.
        flags: reasons for a look by a person, from `mask_flags`; empty: none.
    """

    mask: Image.Image
    source: str
    box: Box | None = None
    candidates: int = 1
    quality: float | None = None
    flags: tuple[str, ...] = ()

    def facts(self) -> dict[str, Json]:
        """All but the pixels, as plain JSON, to be kept beside the mask."""
        box = self.box
        corners: Json = None if box is None else [box.left, box.top, box.right, box.bottom]
        return {
            "source": self.source,
            "box": corners,
            "candidates": self.candidates,
            "quality": self.quality,
            "flags": list(self.flags),
        }


class Segmenter(Protocol):
    """Something that finds a subject in a photo."""

    @property
    def label(self) -> str:
        """Name and pinned revision, for records."""
        ...

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        """Find the subject, of that noun, in a photo.

        Raises:
            SegmenterError: if it cannot be found, or the segmenter cannot work here.
        """
        ...


def segmented(
    subject: NDArray[np.bool_],
    *,
    source: str,
    box: Box | None = None,
    candidates: int = 1,
    quality: float | None = None,
    guessed: bool = False,
) -> Segmented:
    """A found mask, cleaned and judged.

    Args:
        subject: (H, W), True where the subject is.
        source: as in `Segmented`.
        box: likewise.
        candidates: likewise.
        quality: likewise.
        guessed: the box is a guess that has not looked at the photo.
    """
    clean = cleaned(subject)
    flags = mask_flags(clean, quality=quality, candidates=candidates)
    return Segmented(
        mask=Image.fromarray(np.where(clean, 255, 0).astype(np.uint8)),
        source=source,
        box=box,
        candidates=candidates,
        quality=quality,
        flags=(*flags, "box: guessed") if guessed else flags,
    )


def with_masks(subject: Subject, segmenter: Segmenter) -> tuple[Subject, Mapping[str, Segmented]]:
    """A subject whose training photos all have a mask.

    Photos that have one keep it.

    Returns:
        The subject, and by image id what the segmenter found for those that had none.

    Raises:
        SegmenterError: as `Segmenter.segment`.
    """
    found: dict[str, Segmented] = {}
    photos = []
    for photo in subject.train:
        if photo.encoded_mask is not None:
            photos.append(photo)
            continue
        one = segmenter.segment(photo, subject.class_noun)
        found[photo.image_id] = one
        photos.append(replace(photo, encoded_mask=partial(bytes, encode_mask(one.mask))))
    return replace(subject, train=tuple(photos)), found


def encode_mask(mask: Image.Image) -> bytes:
    """A mask as a PNG file of one bit a pixel."""
    buffer = io.BytesIO()
    mask.point(lambda value: 255 if value >= 128 else 0).convert("1").save(buffer, "PNG")
    return buffer.getvalue()
