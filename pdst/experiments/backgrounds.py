"""In: a subject's training photos with masks. Out: their backgrounds alone, and the subject alone.

As a benchmark of its own, whose held-out photos are the backgrounds and whose training photos are
the crops: so a word's pictures are drawn, kept, embedded and scored as those of any run.
"""

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdst.digest import digest_bytes, digest_json
from pdst.errors import DatasetError
from pdst.types import SLOT, Benchmark, Photo, Subject, TestPhoto

PROMPT = f"A photo of {SLOT}."
"""Of the paper's Fig. 9."""


def background_alone(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The photo with the subject painted over.

    Args:
        image: "RGB".
        mask: "L", as large; 255 where the subject is.

    Returns:
        As large; the subject's pixels have the background's mean colour.

    Raises:
        DatasetError: if there is no background.
    """
    pixels, inside = _arrays(image, mask)
    if inside.all():
        raise DatasetError("The mask covers the whole photo: there is no background. Mend it.")
    pixels[inside] = np.rint(pixels[~inside].mean(axis=0)).astype(np.uint8)
    return Image.fromarray(pixels)


def subject_alone(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The subject cut out, on a square of its own mean colour.

    Args:
        image: "RGB".
        mask: "L", as large; 255 where the subject is.

    Returns:
        A square with the side of the subject's box; encoders crop to squares, and none of the
        subject shall be lost.

    Raises:
        DatasetError: if there is no subject.
    """
    pixels, inside = _arrays(image, mask)
    if not inside.any():
        raise DatasetError("The mask is empty: there is no subject. Mend it.")
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    fill = np.rint(pixels[inside].mean(axis=0)).astype(np.uint8)
    cut = np.where(inside[box][..., None], pixels[box], fill)
    height, width = cut.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), fill, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = cut
    return Image.fromarray(square)


def background_benchmark(benchmark: Benchmark, subjects: Sequence[str]) -> Benchmark:
    """Backgrounds to compare with, crops beside them, and one prompt.

    Args:
        benchmark: whose training photos have masks.
        subjects: which; ids.

    Raises:
        DatasetError: if a photo has no mask, or shows nothing but subject or background.
    """
    chosen = [benchmark.subject(one) for one in subjects]
    return Benchmark(
        name=f"{benchmark.name} backgrounds",
        version=benchmark.version,
        fingerprint=digest_json(["backgrounds-1", benchmark.fingerprint, list(subjects)]),
        subjects=tuple(_cropped(one) for one in chosen),
        test=tuple(test for one in chosen for test in _backgrounds(one)),
    )


def _cropped(subject: Subject) -> Subject:
    return Subject(
        subject_id=subject.subject_id,
        class_noun=subject.class_noun,
        init_token=subject.init_token,
        kind=subject.kind,
        train=tuple(
            _photo(photo, f"{photo.image_id}-subject", subject_alone(*_seen(subject, photo)))
            for photo in subject.train
        ),
    )


def _backgrounds(subject: Subject) -> list[TestPhoto]:
    return [
        TestPhoto(
            subject_id=subject.subject_id,
            photo=_photo(
                photo, f"{photo.image_id}-background", background_alone(*_seen(subject, photo))
            ),
            captions=(PROMPT,),
        )
        for photo in subject.train
    ]


def _seen(subject: Subject, photo: Photo) -> tuple[Image.Image, Image.Image]:
    mask = photo.mask()
    if mask is None:
        raise DatasetError(
            f"{subject.subject_id}/train/{photo.image_id} has no mask, and the attractor is about "
            "what is outside of it. Give a release with masks."
        )
    return photo.image(), mask


def _photo(original: Photo, image_id: str, image: Image.Image) -> Photo:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    encoded = buffer.getvalue()
    return Photo(
        image_id=image_id,
        sha256=digest_bytes(encoded),
        encoded=partial(bytes, encoded),
        source=original.source,
        author=original.author,
        licence=original.licence,
        licence_url=original.licence_url,
    )


def _arrays(image: Image.Image, mask: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return np.array(image.convert("RGB")), np.asarray(mask.convert("L")) >= 128
