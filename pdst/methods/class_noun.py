"""In: a subject's class noun. Out: pictures of some such thing by an unmodified base model.

The floor of personalization: what the base model knows without having seen the subject.
"""

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image
from torch import Tensor

from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.sampling import prompt_states, sample, solver
from pdst.errors import SettingsError
from pdst.generator import GeneratorInfo
from pdst.types import SLOT, Sampling, Subject

KEPT = 64
"""Prompts whose text states are kept, so that all seeds of a caption share them."""


class ClassNoun:
    """Draws captions with the class noun in the subject's place."""

    def __init__(
        self,
        base: str = "miniature",
        steps: int = Sampling().steps,
        guidance: float | None = None,
        resolution: int | None = None,
        batch: int = 8,
        device: str = "auto",
        dtype: str = "auto",
    ) -> None:
        """Open the base model.

        Args:
            base: "miniature", "sd15", a folder, or `hub:org/name[@revision]`.
            steps: of DPM-Solver++ 2M.
            guidance: of classifier-free guidance; None: what the base model's folder says, or 7.5.
            resolution: pixels a side; None: what the base model was trained at.
            batch: images a pass of the UNet; changes nothing but time and memory.
            device: as `pdst.diffusion.backbone.load_backbone`.
            dtype: as there.

        Raises:
            BackboneError: if the base model cannot be opened.
            SettingsError: if a number cannot work.
        """
        if batch < 1:
            raise SettingsError(f"batch is {batch}, wanted at least 1 image.")
        self._batch = batch
        self._backbone = load_backbone(base, device=device, dtype=dtype)
        self._sampling = self._backbone.sampling(steps, guidance, resolution)
        solver(self._backbone, self._sampling)  # refuses what cannot work before anything is drawn
        self.info = GeneratorInfo(
            name=f"Class noun ({self._backbone.name})",
            revision=f"1-{self._backbone.digest[:12]}",
            settings={
                "base": self._backbone.label,
                "base_digest": self._backbone.digest,
                "dtype": str(self._backbone.dtype).removeprefix("torch."),
                "sampling": self._backbone.told(self._sampling),
            },
        )

    def personalize(self, subject: Subject) -> "ClassNounSampler":
        """Keep the class noun; nothing else of the subject is looked at."""
        return ClassNounSampler(self._backbone, self._sampling, self._batch, subject.class_noun)


class ClassNounSampler:
    """The base model, and a noun for `{}`."""

    def __init__(self, backbone: Backbone, sampling: Sampling, batch: int, class_noun: str) -> None:
        """Nothing is computed yet."""
        self._backbone = backbone
        self._sampling = sampling
        self._batch = batch
        self._class_noun = class_noun
        self._states = lru_cache(KEPT)(self._told)

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        """Draw one image for each (prompt, seed), in order."""
        return sample(
            self._backbone,
            [self._states(prompt.replace(SLOT, self._class_noun)) for prompt in prompts],
            seeds,
            self._sampling,
            empty=self._states(""),
            batch=self._batch,
        )

    def _told(self, prompt: str) -> Tensor:
        return prompt_states(self._backbone, prompt)
