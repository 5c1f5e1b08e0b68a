"""In: how many images, and real photos if there are any. Out: a benchmark and a run of it, drawn.

The layout is PDST's: many generated images a held-out photo, 10 captions times 5 seeds.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from pdst.digest import digest_bytes, digest_json
from pdst.generator import GeneratorInfo
from pdst.images import decode_rgb
from pdst.types import Benchmark, Case, Photo, Subject, TestPhoto

CAPTIONS = (
    "A {} sits in front of a bright orange backdrop.",
    "Seen from above, a {} lies on a wooden floor beside a window.",
    "The {} stands behind a white fence on a summer day.",
    "Snow falls on a {} at night, and a street lamp lights the scene.",
    "A {} in front of an old brick wall with ivy.",
    "A close view of the {} in the sun, with blurred trees behind it.",
    "Two trees and a {} between them at the edge of a lake.",
    "A {} waits at the side of a busy road in the rain.",
    "The {} leans against a blue door; a bicycle stands next to it.",
    "Grass and yellow flowers grow around a {} in a garden.",
)
SEEDS = 5
SIDE = 512
PHOTO_SIDE = 768
SUBJECTS = (("blob", "toy"), ("pup", "dog"))


def make_benchmark(images: int, photos: Path | None) -> Benchmark:
    """Two subjects with a training photo each, and as many held-out photos as `images` ask for.

    Args:
        images: generated images in all; one held-out photo for each 50, and at least two.
        photos: a folder with `<subject>/<NN>.jpg`; None: photos are drawn.
    """
    held_out = max(2, -(-images // (len(CAPTIONS) * SEEDS)))
    wanted = held_out + len(SUBJECTS)
    files = _real(photos, wanted) if photos is not None else _drawn(wanted)
    subjects, test = [], []
    for number, (subject_id, class_noun) in enumerate(SUBJECTS):
        subjects.append(
            Subject(
                subject_id=subject_id,
                class_noun=class_noun,
                init_token=class_noun,
                kind="rigid" if number == 0 else "living",
                train=(_photo("train", files[number]),),
            )
        )
    for number, data in enumerate(files[len(SUBJECTS) :]):
        subject_id = SUBJECTS[number % len(SUBJECTS)][0]
        photo = _photo(f"test{number:02}", data)
        test.append(TestPhoto(subject_id=subject_id, photo=photo, captions=CAPTIONS))
    return Benchmark(
        name="speed",
        version="1",
        fingerprint=digest_json([digest_bytes(data) for data in files]),
        subjects=tuple(subjects),
        test=tuple(test),
    )


@dataclass(frozen=True, slots=True)
class Variations:
    """A generator: crops, flips and tints of the photo that a case is about. All differ."""

    benchmark: Benchmark

    @property
    def info(self) -> GeneratorInfo:
        """Name and revision."""
        return GeneratorInfo(name="variations", revision="1")

    def personalize(self, subject: Subject) -> "Variations":
        """It knows all subjects."""
        return self

    def sample_cases(self, cases: Sequence[Case]) -> list[Image.Image]:
        """One image for each case, a function of the case alone."""
        photos = {
            (test.subject_id, test.photo.image_id): test.photo for test in self.benchmark.test
        }
        return [
            _varied(photos[case.subject_id, case.image_id].image(), case.seed) for case in cases
        ]


def _varied(image: Image.Image, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    side = int(min(image.size) * rng.uniform(0.5, 0.95))
    left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
    cut = image.crop((left, top, left + side, top + side))
    made = cut.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        made = ImageOps.mirror(made)
    for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        made = enhance(made).enhance(float(rng.uniform(0.6, 1.4)))
    return made


def _photo(image_id: str, data: bytes) -> Photo:
    return Photo(image_id=image_id, sha256=digest_bytes(data), encoded=lambda: data)


def _real(folder: Path, count: int) -> list[bytes]:
    """Photos of as many subjects as there are, one after the other."""
    paths = sorted(folder.glob("*/[0-9][0-9].jpg"), key=lambda path: (path.name, path.parent.name))
    if len(paths) < count:
        raise FileNotFoundError(
            f"{folder} holds {len(paths)} photos <subject>/<NN>.jpg, wanted {count}. "
            "Leave --photos out to draw them."
        )
    return [path.read_bytes() for path in paths[:count]]


def _drawn(count: int) -> list[bytes]:
    """JPEG files of soft patches under grain, which compress about as photos do."""
    files = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        patches = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        soft = patches.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 2, (PHOTO_SIDE, PHOTO_SIDE, 1))
        pixels = np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
        files.append(buffer.getvalue())
    assert all(decode_rgb(data).size == (PHOTO_SIDE, PHOTO_SIDE) for data in files)
    return files
