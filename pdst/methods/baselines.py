"""In: a benchmark's own photos, or a seed. Out: images whose scores bound the scale. No model.

* `CopyTrain` copies a training photo: what overfitting ends in. High against the training photos,
  low on prompt fidelity.
* `RealOther` shows another held-out photo of the subject: what a perfect method would get.
* `CopyTest` hands in the very photo it is compared with: the ceiling that only cheating reaches.
* `Noise` is the floor.

Images are a photo's own pixels at full size.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from pdst.errors import GeneratorError
from pdst.generator import CaseSampler, Generator, GeneratorInfo, Sampler
from pdst.types import Benchmark, Case, Photo, Subject


class _Album:
    """Photos by image id, each decoded once, when first asked for."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._photos = {photo.image_id: photo for photo in photos}
        self._decoded: dict[str, Image.Image] = {}

    @property
    def image_ids(self) -> tuple[str, ...]:
        return tuple(self._photos)

    def image(self, image_id: str) -> Image.Image:
        """A copy, so that whoever changes it changes no later image."""
        if image_id not in self._decoded:
            self._decoded[image_id] = self._photos[image_id].image()
        return self._decoded[image_id].copy()


class CopyTrain:
    """Returns one of the subject's training photos, chosen by the seed; the prompt is ignored."""

    info = GeneratorInfo(name="Copy of a training photo", revision="1")

    def personalize(self, subject: Subject) -> Sampler:
        """Keep the training photos.

        Raises:
            GeneratorError: if the subject has none.
        """
        if not subject.train:
            raise GeneratorError(
                f"CopyTrain: subject '{subject.subject_id}' has no training photo to copy. "
                "Check the release with `pdst validate`."
            )
        return _CopyTrainSampler(_Album(subject.train))


class _CopyTrainSampler:
    def __init__(self, album: _Album) -> None:
        self._album = album

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        ids = self._album.image_ids
        return [self._album.image(ids[seed % len(ids)]) for seed in seeds]


class CopyTest:
    """Returns the very held-out photo that the image is compared with: the cheat ceiling."""

    info = GeneratorInfo(name="Copy of the test photo", revision="1")
    sees_test_split = True

    def __init__(self, benchmark: Benchmark) -> None:
        """Take a benchmark, held-out photos included; a run with it is marked."""
        self._benchmark = benchmark

    def personalize(self, subject: Subject) -> CaseSampler:
        """Look the subject's held-out photos up.

        Raises:
            GeneratorError: if the benchmark has none for it.
        """
        return _CopyTestSampler(subject, _held_out(self._benchmark, subject, "CopyTest"))


class _CopyTestSampler:
    def __init__(self, subject: Subject, album: _Album) -> None:
        self._subject = subject
        self._album = album

    def sample_cases(self, cases: Sequence[Case]) -> list[Image.Image]:
        for case in cases:
            _require_photo(case, self._subject, self._album, "CopyTest")
        return [self._album.image(case.image_id) for case in cases]


class RealOther:
    """Returns another held-out photo of the subject, chosen by the seed: what perfection would get.

    A subject with a single held-out photo has no other one: its images fail and are counted as
    missing, because any photo put in its place (a training photo, another subject's) would make the
    row mean something else.
    """

    info = GeneratorInfo(name="Another real photo", revision="1")
    sees_test_split = True

    def __init__(self, benchmark: Benchmark) -> None:
        """Take a benchmark, held-out photos included; a run with it is marked."""
        self._benchmark = benchmark

    def personalize(self, subject: Subject) -> CaseSampler:
        """Look the subject's held-out photos up.

        Raises:
            GeneratorError: if the benchmark has none for it.
        """
        return _RealOtherSampler(subject, _held_out(self._benchmark, subject, "RealOther"))


class _RealOtherSampler:
    def __init__(self, subject: Subject, album: _Album) -> None:
        self._subject = subject
        self._album = album

    def sample_cases(self, cases: Sequence[Case]) -> list[Image.Image]:
        return [self._album.image(self._other(case)) for case in cases]

    def _other(self, case: Case) -> str:
        _require_photo(case, self._subject, self._album, "RealOther")
        others = [image_id for image_id in self._album.image_ids if image_id != case.image_id]
        if not others:
            raise GeneratorError(
                f"no other photo: subject '{case.subject_id}' has the one held-out photo "
                f"'{case.image_id}', RealOther wanted a second. This case stays without a score."
            )
        return others[case.seed % len(others)]


class Noise:
    """Returns uniform RGB noise: the floor."""

    def __init__(self, size: int = 512) -> None:
        """Take the images' width and height in pixels.

        Raises:
            GeneratorError: if it is below 1.
        """
        if size < 1:
            raise GeneratorError(f"Noise: size is {size}, wanted at least 1 pixel.")
        self._size = size
        self.info = GeneratorInfo(name="Noise", revision="1", settings={"size": size})

    def personalize(self, subject: Subject) -> Sampler:
        """Learn nothing."""
        return _NoiseSampler(self._size)


class _NoiseSampler:
    def __init__(self, size: int) -> None:
        self._size = size

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        return [self._draw(seed) for seed in seeds]

    def _draw(self, seed: int) -> Image.Image:
        count = self._size * self._size * 3
        # The raw stream: numpy promises to keep it, and not what `Generator.integers` makes of it.
        words = np.random.PCG64(seed).random_raw(-(-count // 8)).astype("<u8")
        levels = words.view(np.uint8)[:count]
        return Image.fromarray(levels.reshape(self._size, self._size, 3))


BASELINES: Mapping[str, Callable[..., Generator]] = {
    "noise": Noise,
    "copy-train": CopyTrain,
    "real-other": RealOther,
    "copy-test": CopyTest,
}
"""Entry-point name -> class, in the order of a table: the floor first, the cheat ceiling last."""


def _held_out(benchmark: Benchmark, subject: Subject, asking: str) -> _Album:
    photos = [test.photo for test in benchmark.test_photos(subject.subject_id)]
    if not photos:
        raise GeneratorError(
            f"{asking}: benchmark '{benchmark.name}' has no held-out photo of subject "
            f"'{subject.subject_id}'. Give it the benchmark that the cases come from."
        )
    return _Album(photos)


def _require_photo(case: Case, subject: Subject, album: _Album, asking: str) -> None:
    if case.subject_id != subject.subject_id or case.image_id not in album.image_ids:
        raise GeneratorError(
            f"{asking}: {case.key} is none of subject '{subject.subject_id}', whose held-out "
            f"photos are {', '.join(album.image_ids)}. Personalize the case's own subject, with "
            "the benchmark that the cases come from."
        )
