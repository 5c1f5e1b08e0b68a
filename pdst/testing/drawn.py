"""In: nothing. Out: a drawn benchmark of two subjects, small enough for any test, on no disk."""

import io
import random
from collections.abc import Callable
from functools import partial

from PIL import Image, ImageDraw

from pdst.digest import Json, digest_bytes, digest_json
from pdst.types import Benchmark, Kind, Photo, Subject, TestPhoto

_SIZES = ((96, 72), (72, 96), (80, 80), (128, 64), (65, 97), (90, 60), (64, 64))
_TRAIN = 4
_CAPTIONS = (
    "A {} on a hill.",
    "Two trees beside a {} in the rain.",
    # Over CLIP's 77 tokens.
    "A {} in a street of a small town with " + "a red door, a green door and a blue door, " * 12,
)
_UPRIGHT, _TURNED = 1, 6
_ORIENTATION = 0x0112


def drawn_benchmark() -> Benchmark:
    """Two drawn subjects, "ball" (rigid) and "pup" (living): 4 training and 3 test photos each.

    The photos are PNG files of mixed sizes, tall, wide and odd; the last training photo is stored
    lying and turned upright by its EXIF tag. Every one has a mask. A test photo has 3 captions, the
    last of them over 77 CLIP tokens. Always the same.
    """
    subjects: list[Subject] = []
    test: list[TestPhoto] = []
    nouns: tuple[tuple[str, str, str, Kind], ...] = (
        ("ball", "toy ball", "ball", "rigid"),
        ("pup", "dog", "dog", "living"),
    )
    for subject_id, class_noun, init_token, kind in nouns:
        photos = [_photo(subject_id, index) for index in range(len(_SIZES))]
        subjects.append(
            Subject(
                subject_id=subject_id,
                class_noun=class_noun,
                init_token=init_token,
                kind=kind,
                train=tuple(photos[:_TRAIN]),
            )
        )
        test += [
            TestPhoto(subject_id=subject_id, photo=photo, captions=_CAPTIONS)
            for photo in photos[_TRAIN:]
        ]
    content: list[Json] = [photo.sha256 for subject in subjects for photo in subject.train]
    content += [held_out.photo.sha256 for held_out in test]
    return Benchmark(
        name="drawn",
        version="1",
        fingerprint=digest_json(content),
        subjects=tuple(subjects),
        test=tuple(test),
    )


def drawn_subject() -> Subject:
    """The first subject of `drawn_benchmark`."""
    return drawn_benchmark().subjects[0]


def _photo(subject_id: str, index: int) -> Photo:
    image_id = f"{index:02}"
    size = _SIZES[index]
    rng = random.Random(f"{subject_id}/{image_id}")
    image = Image.new("RGB", size, _colour(rng, 120, 255))
    mask = Image.new("L", size, 0)
    paint = ImageDraw.Draw(image)
    for _ in range(6):  # scenery
        paint.rectangle(_box(rng, size, 0.3), fill=_colour(rng, 80, 255))
    body = _box(rng, size, 0.5)
    colour = (200, 30, 40) if subject_id == "ball" else (90, 60, 30)
    for canvas, fill in ((paint, colour), (ImageDraw.Draw(mask), 255)):
        shape: Callable[..., None] = canvas.ellipse if subject_id == "ball" else canvas.rectangle
        shape(body, fill=fill)
    orientation = _TURNED if index == _TRAIN - 1 else _UPRIGHT
    encoded = _png(image, orientation)
    return Photo(
        image_id=image_id,
        sha256=digest_bytes(encoded),
        encoded=partial(bytes, encoded),
        encoded_mask=partial(bytes, _png(mask, _UPRIGHT)),
        author="drawn by pdst.testing",
        licence="CC0-1.0",
        licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
    )


def _png(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    lying = image.transpose(Image.Transpose.ROTATE_90) if orientation == _TURNED else image
    buffer = io.BytesIO()
    lying.save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def _box(
    rng: random.Random, size: tuple[int, int], part: float
) -> tuple[float, float, float, float]:
    width, height = size[0] * part, size[1] * part
    left, top = rng.uniform(0, size[0] - width), rng.uniform(0, size[1] - height)
    return (left, top, left + width, top + height)


def _colour(rng: random.Random, low: int, high: int) -> tuple[int, int, int]:
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))
