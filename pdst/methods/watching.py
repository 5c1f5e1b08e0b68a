"""In: a student in training. Out: pictures of what it knows so far, and when it knows enough.

A preview draws a few prompts. Validation scores drawings against a training photo that was kept
back, never against a test photo, and may end a training that no longer gets better.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from pdst.diffusion.training import Student
from pdst.encoders.spec import Embeddings, ImageEncoder
from pdst.errors import SettingsError
from pdst.files import whole_file
from pdst.generator import Sampler
from pdst.metrics.cosine import mean_cosine
from pdst.types import Photo, Subject

VALIDATION = "validation.jsonl"
BEST = "best"
PREVIEWS = "previews"
GAP = 4
"""Pixels between the pictures of a grid."""


class Drawer(Protocol):
    """Makes a sampler of what a student has learned so far."""

    def __call__(self, student: Student) -> Sampler:
        """Of this student, now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """How a training is validated; part of what decides the result.

    Attributes:
        every: steps between two looks.
        patience: looks without a better score after which the training ends; None: never.
        images: drawn at each look.
        prompt: with `{}`.
        metric: "dino" or "clip_i".
    """

    every: int
    patience: int | None = None
    images: int = 8
    prompt: str = "A photo of {}."
    metric: str = "dino"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        counts = {"every": self.every, "images": self.images, "patience": self.patience or 1}
        for name, value in counts.items():
            if value < 1:
                raise SettingsError(f"validation's {name} is {value}, wanted at least 1.")
        if self.metric not in ("dino", "clip_i"):
            raise SettingsError(
                f"validation's metric is '{self.metric}', wanted 'dino' or 'clip_i'."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a student came to.

    Attributes:
        step: of the training.
        score: the metric's.
        drift, undertrained: of what was learned by then, as a training's record has them.
    """

    step: int
    score: float
    drift: float
    undertrained: bool


def without_validation_photo(subject: Subject) -> tuple[Subject, Photo]:
    """The subject without its last training photo, and that photo.

    Raises:
        SettingsError: if nothing would be left to learn from.
    """
    *rest, kept_back = subject.train
    if not rest:
        raise SettingsError(
            f"{subject.subject_id} has one training photo, and validation keeps one back. Give at "
            "least two photos, or train without validation."
        )
    return replace(subject, train=tuple(rest)), kept_back


class Validator:
    """Looks at one subject: mean similarity of drawings to the photo that was kept back."""

    def __init__(
        self,
        settings: ValidationSettings,
        photo: Photo,
        draw: Drawer,
        encoder: ImageEncoder,
        folder: Path,
        tell: Callable[[str, int, Mapping[str, float]], None] = lambda name, step, terms: None,
    ) -> None:
        """Embed the photo.

        Args:
            settings: how.
            photo: kept back from the training.
            draw: makes a sampler.
            encoder: that the metric wants.
            folder: the student's; `validation.jsonl` and `best` go there.
            tell: is told each score.
        """
        self.settings, self.draw, self.encoder, self.folder = settings, draw, encoder, folder
        self.tell = tell
        self.reference = _embedded(encoder, [photo.image()])

    def look(self, student: Student, step: int) -> bool:
        """Score; keep the best. True if it has not become better for `patience` looks."""
        seeds = [*range(self.settings.images)]
        images = self.draw(student).sample([self.settings.prompt] * len(seeds), seeds)
        vectors = _embedded(self.encoder, images)
        score = float(np.mean(mean_cosine(vectors, self.reference)))
        before = [look for look in self.looks() if look.step < step]
        if score > max((look.score for look in before), default=-np.inf):
            student.save(self.folder / BEST)
        drift = student.drift()
        now = Look(step=step, score=score, drift=drift, undertrained=drift < student.least_drift)
        looks = [*before, now]
        with whole_file(self.folder / VALIDATION) as temporary:
            lines = (json.dumps(asdict(look)) + "\n" for look in looks)
            temporary.write_text("".join(lines), "utf-8")
        self.tell(student.name, step, {f"validation {self.settings.metric}": score})
        best = int(np.argmax([look.score for look in looks]))
        patience = self.settings.patience
        return patience is not None and len(looks) - 1 - best >= patience

    def looks(self) -> list[Look]:
        """All so far, in order."""
        path = self.folder / VALIDATION
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [Look(**json.loads(line)) for line in lines]

    def best(self) -> Look | None:
        """The best look, of equals the first; None before the first."""
        return max(self.looks(), key=lambda look: (look.score, -look.step), default=None)


class Previewer:
    """Draws a few prompts into `previews/step-N.png`: a row a prompt, a column a seed."""

    def __init__(
        self, draw: Drawer, folders: dict[str, Path], prompts: Sequence[str], seeds: int = 4
    ) -> None:
        """Nothing is drawn yet.

        Args:
            draw: makes a sampler.
            folders: of students, by name.
            prompts: with `{}`.
            seeds: columns.
        """
        self.draw, self.folders, self.prompts, self.seeds = draw, folders, prompts, seeds

    def look(self, student: Student, step: int) -> bool:
        """Draw; never ends a training."""
        path = self.folders[student.name] / PREVIEWS / f"step-{step:06}.png"
        picture = picture_grid(self.draw(student), self.prompts, range(self.seeds))
        with whole_file(path) as temporary:
            picture.save(temporary, "PNG")
        return False


def picture_grid(sampler: Sampler, prompts: Sequence[str], seeds: Sequence[int]) -> Image.Image:
    """Prompts down, seeds across, on white."""
    pairs = [(prompt, seed) for prompt in prompts for seed in seeds]
    images = [
        image.convert("RGB")
        for image in sampler.sample([prompt for prompt, _ in pairs], [seed for _, seed in pairs])
    ]
    width, height = (side + GAP for side in images[0].size)
    sheet = Image.new("RGB", (len(seeds) * width - GAP, len(prompts) * height - GAP), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, len(seeds))
        sheet.paste(image, (column * width, row * height))
    return sheet


def _embedded(encoder: ImageEncoder, images: Sequence[Image.Image]) -> Embeddings:
    return encoder.encode_images(np.stack([encoder.preprocess(i.convert("RGB")) for i in images]))
