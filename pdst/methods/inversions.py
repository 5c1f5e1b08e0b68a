"""In: a subject. Out: pictures by a frozen base model that has learned a word for it.

Textual Inversion, NeTI and, with the + pipeline of Li et al. (arXiv 2503.06632), TI+ and NeTI+. One
class a method; they differ in their settings alone, see `pdst.methods.inversion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

import torch
from PIL import Image
from torch import Tensor

from pdst.diffusion.attention import Layered, told_by_layer
from pdst.diffusion.backbone import load_backbone
from pdst.diffusion.photos import latent_photos
from pdst.diffusion.sampling import Told, prompt_states, sample_told, solver, timesteps
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.diffusion.training import TrainingOptions, settings_json, train
from pdst.diffusion.words import Rows, Said, Word, say
from pdst.digest import Json
from pdst.errors import SettingsError, unknown_name
from pdst.generator import GeneratorInfo
from pdst.methods.checkpoints import load_words
from pdst.methods.inversion import (
    Classroom,
    Inversion,
    InversionSettings,
    NeTISettings,
    PlusSettings,
)
from pdst.types import SLOT, Sampling, Subject

KEPT_PLAIN, KEPT_LAYERED = 64, 2
"""Prompts whose text states are kept, so that all seeds of a caption share them. NeTI's are 800
times as large: for each of 50 timesteps and 16 layers."""
ENCODED_AT_ONCE = 10
"""Timesteps a pass of the text encoder, sixteen rows each."""


class TextualInversion:
    """One learned vector: Gal et al., "An Image is Worth One Word" (2022)."""

    NAME: ClassVar[str] = "TI"
    SETTINGS: ClassVar[type[InversionSettings]] = InversionSettings
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"steps": 3000, "rate": 2e-3, "decay": 0.0}
    """The preset `reference`: diffusers' recipe, for the whole batch."""
    PLUS: ClassVar[bool] = False

    def __init__(
        self,
        base: str = "miniature",
        checkpoints: str | None = None,
        sampling_steps: int = Sampling().steps,
        guidance: float = Sampling().guidance,
        images_per_pass: int = 8,
        device: str = "auto",
        dtype: str = "auto",
        **overrides: Json,
    ) -> None:
        """Open the base model; nothing is learned yet.

        Args:
            base: as `pdst.diffusion.backbone.load_backbone`.
            checkpoints: a folder that keeps what is learned, a folder a subject, and that a killed
                training goes on from; None: nothing is kept.
            sampling_steps: of DPM-Solver++ 2M.
            guidance: of classifier-free guidance.
            images_per_pass: of the UNet; changes nothing but time and memory.
            device: as `load_backbone`.
            dtype: as there.
            overrides: any field of the method's settings ("steps", "rate", "seed", …).

        Raises:
            BackboneError: if the base model cannot be opened.
            SettingsError: if there is no such setting, or a value cannot work.
        """
        self._backbone = load_backbone(base, device=device, dtype=dtype)
        self._checkpoints = None if checkpoints is None else Path(checkpoints).expanduser()
        settings, plus = self._settings(overrides)
        self._room = Classroom(self._backbone, settings, plus)
        self._batch = images_per_pass
        resolution = settings.resolution or self._backbone.resolution
        self._sampling = Sampling(
            steps=sampling_steps, guidance=float(guidance), resolution=resolution
        )
        solver(self._backbone, self._sampling)  # refuses what cannot work before anything is drawn
        trained: dict[str, Json] = settings_json(settings)
        if plus is not None:
            trained |= cast("dict[str, Json]", _plain(asdict(plus)))
        self._trained: dict[str, Json] = {
            "method": self.NAME,
            "base": self._backbone.label,
            "base_digest": self._backbone.digest,
            "dtype": str(self._backbone.dtype).removeprefix("torch."),
            "training": trained,
        }
        self.info = GeneratorInfo(
            name=f"{self.NAME} ({self._backbone.name})",
            revision=f"1-{self._backbone.digest[:12]}",
            settings={
                **self._trained,
                "sampling": cast("dict[str, Json]", asdict(self._sampling)),
            },
        )

    @classmethod
    def _settings(
        cls, overrides: Mapping[str, Json]
    ) -> tuple[InversionSettings, PlusSettings | None]:
        own = {field.name for field in fields(cls.SETTINGS)}
        of_plus = {field.name for field in fields(PlusSettings)} if cls.PLUS else set()
        for name in overrides:
            if name not in own | of_plus:
                raise SettingsError(unknown_name(f"setting of {cls.NAME}", name, own | of_plus))
        given = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in overrides.items()
        }
        settings = cls.SETTINGS(
            **{**cls.DEFAULTS, **{name: given[name] for name in given if name in own}}
        )
        if not cls.PLUS:
            return settings, None
        plus: Any = {name: given[name] for name in given if name in of_plus}
        return settings, PlusSettings(**plus)

    def personalize(self, subject: Subject) -> "InversionSampler":
        """Learn a word for the subject, or read the one that was learned before.

        Raises:
            DatasetError: if a mask is needed and missing.
            SettingsError: if the init token is none, or the checkpoint is of other settings.
        """
        if self._checkpoints is not None:
            return self._learned(subject, self._checkpoints / subject.subject_id)
        with TemporaryDirectory() as folder:
            return self._learned(subject, Path(folder) / subject.subject_id)

    def _learned(self, subject: Subject, folder: Path) -> "InversionSampler":
        photos = latent_photos(
            self._backbone,
            subject.train,
            self._sampling.resolution,
            masked=self._room.plus is not None,
            soft=self._room.plus is not None and self._room.plus.mask_mode == "soft",
            cache=folder / "latents.safetensors",
        )
        record: dict[str, Json] = {
            **self._trained,
            "subject": subject.subject_id,
            "class_noun": subject.class_noun,
            "init_token": subject.init_token,
            "photos": [photo.sha256 for photo in subject.train],
        }
        student = Inversion(self._room, subject, photos)
        train(
            [student],
            self._room.lesson,
            self._room.settings,
            [record],
            [folder],
            TrainingOptions(),
        )
        return InversionSampler(self._room, load_words(folder), self._sampling, self._batch)


class NeTI(TextualInversion):
    """A word that is another one at every timestep and layer: Alaluf et al. (2023)."""

    NAME = "NeTI"
    SETTINGS = NeTISettings
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"steps": 1000, "rate": 8e-3, "decay": 0.01}


class TIPlus(TextualInversion):
    """Textual Inversion with the + pipeline: Li et al., section 4."""

    NAME = "TI+"
    DEFAULTS: ClassVar[Mapping[str, Any]] = {**TextualInversion.DEFAULTS, "templates": "pdst"}
    PLUS = True


class NeTIPlus(NeTI):
    """NeTI with the + pipeline: Li et al., section 4."""

    NAME = "NeTI+"
    DEFAULTS: ClassVar[Mapping[str, Any]] = {**NeTI.DEFAULTS, "templates": "pdst"}
    PLUS = True


class InversionSampler:
    """A base model, and a learned word for `{}`. The attractor is not used."""

    def __init__(
        self, room: Classroom, words: Mapping[str, Word], sampling: Sampling, batch: int
    ) -> None:
        """Nothing is computed yet."""
        self._room, self._sampling, self._batch = room, sampling, batch
        device = room.backbone.device
        self._words = {name: cast("Any", word).to(device).eval() for name, word in words.items()}
        self._timesteps = timesteps(room.backbone, sampling)
        kept = KEPT_LAYERED if room.layered else KEPT_PLAIN
        self._said = lru_cache(kept)(self._said_of)
        self._empty = prompt_states(room.backbone, "")

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        """Draw one image for each (prompt, seed), in order."""
        word = self._room.vocabulary.words(PLACEHOLDER)
        filled = [prompt.replace(SLOT, word) for prompt in prompts]
        backbone = self._room.backbone
        images: list[Image.Image] = []
        with told_by_layer(backbone.unet):
            images += sample_told(
                backbone,
                lambda first, last: self._told(filled[first:last]),
                seeds,
                self._sampling,
                batch=self._batch,
            )
        return images

    def _told(self, prompts: Sequence[str]) -> Told:
        """What the UNet is told at each timestep: the empty prompt, then these."""
        said = [self._said(prompt) for prompt in prompts]
        if not self._room.layered:
            rows = torch.stack(
                [self._empty.expand_as(one[0]) for one in said] + [o[0] for o in said]
            )
            told = rows.to(self._room.backbone.dtype)
            return lambda timestep: told
        places = {timestep: at for at, timestep in enumerate(self._timesteps)}

        def layered(timestep: int) -> Layered:
            at = places[timestep]
            return Layered(
                keys=self._with_empty([one[0][at] for one in said]),
                values=self._with_empty([one[1][at] for one in said]),
            )

        return layered

    def _with_empty(self, states: Sequence[Tensor]) -> Tensor:
        """(N, L, D) each to (N, 2 B, L, D), the empty prompt in the first half."""
        own = torch.stack([*states], 1)
        empty = self._empty.to(own.dtype).expand_as(own)
        return torch.cat([empty, own], 1)

    @torch.no_grad()
    def _said_of(self, prompt: str) -> tuple[Tensor, Tensor]:
        """A prompt's states for keys and values: (L, D), or (T, N, L, D) where layers differ."""
        room = self._room
        ids = room.vocabulary.tokens([prompt])
        if not room.layered:
            said = self._say(ids, [0])
            return said.keys[0, 0], said.values[0, 0]
        parts = [
            self._say(ids, self._timesteps[first : first + ENCODED_AT_ONCE])
            for first in range(0, len(self._timesteps), ENCODED_AT_ONCE)
        ]
        dtype = room.backbone.dtype
        keys = torch.cat([part.keys for part in parts], 1).transpose(0, 1).to(dtype)
        values = torch.cat([part.values for part in parts], 1).transpose(0, 1).to(dtype)
        return keys, values

    def _say(self, ids: Tensor, at: Sequence[int]) -> Said:
        room = self._room
        rows = Rows(
            ids=ids.expand(len(at), -1),
            timesteps=torch.tensor([*at], device=ids.device),
            words=self._words,
            keep={},
        )
        return say(
            room.backbone.text_encoder, room.vocabulary, [rows], room.layers, alpha=room.alpha
        )


def _plain(value: object) -> object:
    """Tuples as the lists that JSON makes of them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
