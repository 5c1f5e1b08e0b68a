"""In: a subject's training photos. Out: one of them, tinted by the seed. A whole plug-in.

Once installed, it is called `tinted`: pdst-eval --model tinted --model-arg strength=0.5
"""

import random
from collections.abc import Sequence

from PIL import Image

from pdst.generator import GeneratorInfo
from pdst.types import Subject


class Tinted:
    """A training photo, chosen and tinted by the seed; the prompt is ignored."""

    def __init__(self, strength: float = 0.3) -> None:
        """Take the tint's share of the pixels, in [0, 1]."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength}, wanted 0 to 1")
        self.strength = strength

    @property
    def info(self) -> GeneratorInfo:
        """Name, revision, and what decides the pixels."""
        return GeneratorInfo(name="Tinted", revision="0.1.0", settings={"strength": self.strength})

    def personalize(self, subject: Subject) -> "TintedSampler":
        """Decode the training photos."""
        return TintedSampler([photo.image() for photo in subject.train], self.strength)


class TintedSampler:
    """Tints the photos of one subject."""

    def __init__(self, photos: Sequence[Image.Image], strength: float) -> None:
        """Keep the photos."""
        self.photos = photos
        self.strength = strength

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        """One image for each prompt and seed, in order."""
        return [self.draw(seed) for seed in seeds]

    def draw(self, seed: int) -> Image.Image:
        """The seed's image; nothing but the seed decides it."""
        rng = random.Random(seed)
        photo = rng.choice(self.photos)
        tint = Image.new("RGB", photo.size, (rng.randrange(256), rng.randrange(256), 0))
        return Image.blend(photo, tint, self.strength)
