"""In: a base model and learned words. Out: pictures of prompts that hold `{}`.

A prompt's states are computed once and shared by all of its seeds; NeTI's, which are others at
every timestep and layer, too.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from pdst.diffusion.attention import Layered, told_by_layer
from pdst.diffusion.precision import swift_products
from pdst.diffusion.sampling import Told, prompt_states, sample_told, timesteps
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.diffusion.words import Rows, Said, Word, say
from pdst.methods.inversion import Classroom
from pdst.types import SLOT, Sampling

KEPT_PLAIN, KEPT_LAYERED = 64, 2
"""Prompts whose text states are kept, so that all seeds of a caption share them. NeTI's are 800
times as large: for each of 50 timesteps and 16 layers."""
ENCODED_AT_ONCE = 10
"""Timesteps a pass of the text encoder, sixteen rows each."""


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
        ids = room.vocabulary.tokens([prompt]).to(room.backbone.device)
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
        encoder = room.backbone.text_encoder
        with swift_products(room.backbone):
            return say(encoder, room.vocabulary, [rows], room.layers, alpha=room.alpha)
