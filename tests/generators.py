"""Small generators for tests: one that paints, and ones that fail in every way a method may."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from pdst.generator import GeneratorInfo
from pdst.types import Subject


@dataclass
class Painter:
    """Paints coloured blocks from prompt and seed; counts how often it is asked.

    Attributes:
        size: side of an image in pixels.
        before: called with the number of images drawn so far, before each one.
        learn: called with each subject that is met.
        replace: turns a painted image into what is returned instead.
    """

    size: int = 32
    before: Callable[[int], None] | None = None
    replace: Callable[[int, Image.Image], object] | None = None
    revision: str = "1"
    learn: Callable[[Subject], None] | None = None
    met: list[str] = field(default_factory=list)
    drawn: int = 0

    @property
    def info(self) -> GeneratorInfo:
        return GeneratorInfo(name="Painter", revision=self.revision, settings={"size": self.size})

    def personalize(self, subject: Subject) -> "Painter":
        self.met.append(subject.subject_id)
        if self.learn is not None:
            self.learn(subject)
        return self

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        images = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            if self.before is not None:
                self.before(self.drawn)
            image = painted(prompt, seed, self.size)
            replaced = image if self.replace is None else self.replace(self.drawn, image)
            images.append(replaced)
            self.drawn += 1
        return images  # type: ignore[return-value]  # `replace` breaks the contract on purpose


def painted(prompt: str, seed: int, size: int = 32) -> Image.Image:
    """Blocks of colour that depend on both."""
    rng = np.random.default_rng([seed, *prompt.encode()])
    blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((size, size), Image.Resampling.NEAREST)


class Interrupting(Painter):
    """Raises KeyboardInterrupt at its n-th image, once: somebody pressed Ctrl-C."""

    def __init__(self, at: int, size: int = 32) -> None:
        super().__init__(size=size)

        def stop(drawn: int) -> None:
            if drawn == at:
                self.drawn += 1
                raise KeyboardInterrupt

        self.before = stop


def hang(_drawn: int) -> None:
    """Sleep far longer than any test."""
    time.sleep(3600)
