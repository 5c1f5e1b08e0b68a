"""In: two numbers of images. Out: the peak memory of the whole pipeline for each, and their ratio.

Each run is a process of its own: plan, draw, embed, score and summarize thousands of tiny images
with encoders as small as they come, so that what grows with the number of images would show.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.material import CAPTIONS, SEEDS
from pdst.digest import digest_bytes, digest_json
from pdst.generator import GeneratorInfo
from pdst.images import FORMATS
from pdst.types import Benchmark, Photo, Subject, TestPhoto

SIDE = 32
SUBJECTS = 20
TARGET = 1.10


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRun:
    """One run of the pipeline in a process of its own.

    Attributes:
        images: drawn and scored.
        at_start: bytes in memory with everything loaded, before the first image.
        peak: most bytes in memory at any time.
        seconds: of the pipeline.
    """

    images: int
    at_start: int
    peak: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """Two runs and what the larger one needs for what the smaller one does."""

    small: MemoryRun
    large: MemoryRun

    @property
    def ratio(self) -> float:
        """Peak of the large run for that of the small one."""
        return self.large.peak / self.small.peak

    @property
    def met(self) -> bool:
        """Whether memory stays flat."""
        return self.ratio <= TARGET

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        return {**asdict(self), "ratio": round(self.ratio, 4), "target": TARGET, "met": self.met}


def measure(
    *, small: int = 2_000, large: int = 20_000, progress: Callable[[str], None] = lambda text: None
) -> MemoryResult:
    """Run the pipeline twice, each time in a fresh process.

    Args:
        small: images of the first run.
        large: images of the second.
        progress: is told what happens.
    """
    runs = []
    for images in (small, large):
        with tempfile.TemporaryDirectory(prefix="pdst-memory-") as work:
            command = [sys.executable, "-m", "benchmarks.memory", str(images), work]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        runs.append(MemoryRun(**json.loads(done.stdout)))
        progress(f"{images} images: {runs[-1].peak / 2**20:.0f} MiB, {runs[-1].seconds:.0f} s")
    return MemoryResult(small=runs[0], large=runs[1])


def run_once(images: int, work: Path) -> MemoryRun:
    """Evaluate so many images in this process."""
    import time

    from benchmarks.tiny import write_clip, write_dino
    from pdst.embed import Encoders
    from pdst.encoders import load_clip, load_dino
    from pdst.evaluate import Settings, evaluate
    from pdst.plan import PROTOCOLS

    encoders = Encoders(
        clip=load_clip(str(write_clip(work / "clip", size=SIDE))),
        dino=load_dino(str(write_dino(work / "dino", size=SIDE))),
    )
    benchmark = many_photos(-(-images // (len(CAPTIONS) * SEEDS)))
    at_start, began = _peak(), time.monotonic()
    settings = Settings(protocol=PROTOCOLS["paper"], limit=images)
    report = evaluate(benchmark, TinyNoise(), encoders, work / "run", settings)
    assert report.drawn == images
    return MemoryRun(
        images=images, at_start=at_start, peak=_peak(), seconds=round(time.monotonic() - began, 1)
    )


@dataclass(frozen=True, slots=True)
class TinyNoise:
    """A generator of small noise; no two images are alike, so none is remembered."""

    @property
    def info(self) -> GeneratorInfo:
        """Name and revision."""
        return GeneratorInfo(name="tiny-noise", revision="1")

    def personalize(self, subject: Subject) -> "TinyNoise":
        """Noise has no subject."""
        return self

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        """One image for each seed."""
        return [_noise(seed) for seed in seeds]


def many_photos(held_out: int) -> Benchmark:
    """Subjects with a training photo each and `held_out` photos between them, 10 captions each."""
    photos = [_photo(number) for number in range(SUBJECTS + held_out)]
    return Benchmark(
        name="many",
        version="1",
        fingerprint=digest_json([photo.sha256 for photo in photos]),
        subjects=tuple(
            Subject(
                subject_id=f"s{number:02}",
                class_noun="toy",
                init_token="toy",
                kind="rigid" if number % 2 else "living",
                train=(photos[number],),
            )
            for number in range(SUBJECTS)
        ),
        test=tuple(
            TestPhoto(
                subject_id=f"s{number % SUBJECTS:02}",
                photo=photos[SUBJECTS + number],
                # Texts of its own for every photo, as in a real release.
                captions=tuple(f"{caption} Number {number}." for caption in CAPTIONS),
            )
            for number in range(held_out)
        ),
    )


def _photo(number: int) -> Photo:
    data = FORMATS["png"].encode(_noise(1_000_000 + number))
    return Photo(image_id=f"p{number:05}", sha256=digest_bytes(data), encoded=lambda: data)


def _noise(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


def _peak() -> int:
    """Most bytes that this process ever had in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # resource's number can be that of the process that started this one
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(run_once(int(sys.argv[1]), Path(sys.argv[2])))))
