"""What a personalization method is to PDST: the Generator and Sampler protocols.

In: a subject, then prompts and seeds. Out: images. `pdst.loading` finds and builds generators.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from pdst.digest import Json, not_plain
from pdst.errors import GeneratorError
from pdst.types import Case, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorInfo:
    """Who drew the images, as written into every result.

    Attributes:
        name: as it should stand on a leaderboard ("NeTI+").
        revision: pins code and weights (a version, a commit, a checkpoint digest).
        settings: whatever else decides the pixels (steps, guidance, …); plain JSON.
        paper, code: links, or empty.

    Raises:
        GeneratorError: if name or revision is empty, a text is no printable str, or settings are
            not plain JSON: they are written into files and compared with what comes back.
    """

    name: str
    revision: str
    settings: Mapping[str, Json] = field(default_factory=dict)
    paper: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        """Refuse what would not come back from a file as it was."""
        for name in ("name", "revision", "paper", "code"):
            text: object = getattr(self, name)
            if not isinstance(text, str) or not text.isprintable():
                raise GeneratorError(
                    f"GeneratorInfo.{name} is {text!r}, wanted one line of text, as a str."
                )
        if not self.name.strip() or not self.revision.strip():
            raise GeneratorError(
                f"GeneratorInfo(name={self.name!r}, revision={self.revision!r}): neither may be "
                "empty. A revision pins code and weights: a version, a commit, a digest."
            )
        settings: object = self.settings
        plain = dict(settings) if isinstance(settings, Mapping) else None
        problem = f"settings is {settings!r}" if plain is None else not_plain(plain, "settings")
        if problem is not None:
            raise GeneratorError(
                f"GeneratorInfo of {self.name}: {problem}. Wanted plain JSON: None, bool, int, "
                "float, str, list, and dict with str keys."
            )


@runtime_checkable
class Sampler(Protocol):
    """A generator that already knows its subject."""

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> Sequence[Image.Image]:
        """Draw one image for each (prompt, seed), in order.

        Args:
            prompts: captions with exactly one `{}` each, where the method puts its own subject
                string ("sks dog", "<my-dog>").
            seeds: one integer in [0, 2**32) for each prompt. Same machine, prompt and seed: same
                pixels, whatever else is in the batch.

        Returns:
            As many images as prompts: PIL images of any mode, (H, W, 3) uint8 arrays, or float
            arrays in [0, 1].
        """
        ...


@runtime_checkable
class CaseSampler(Protocol):
    """A sampler that is told which held-out photo each image will be compared with.

    For bounding baselines and for images made elsewhere, which are found by their case.
    """

    def sample_cases(self, cases: Sequence[Case]) -> Sequence[Image.Image]:
        """Draw one image for each case, in order."""
        ...


class Generator(Protocol):
    """A personalized text-to-image method."""

    @property
    def info(self) -> GeneratorInfo:
        """Name and pinned revision, as written into every result."""
        ...

    def personalize(self, subject: Subject) -> Sampler | CaseSampler:
        """Learn the subject from its training photos. A tuning-free method only keeps them."""
        ...


@runtime_checkable
class Learner(Protocol):
    """A generator that learns several subjects together, and keeps what it has learned.

    Optional: a generator without `prepare` learns in `personalize`, one subject after the other.
    """

    def prepare(
        self, subjects: Sequence[Subject], folder: Path, progress: Callable[[float], None]
    ) -> None:
        """Learn subjects; each one's `personalize` follows.

        Args:
            subjects: as many as `pdst-eval --subjects-per-batch` says.
            folder: of the run. What is kept there spares a killed run from learning it again.
            progress: to be told now and then which share is done, in [0, 1].
        """
        ...
