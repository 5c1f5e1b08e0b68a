"""In: a timestep and a layer. Out: a token's vector and a bypass vector for them, as NeTI's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pdst.errors import SettingsError

TIMESTEPS = 1000
"""Of the noise schedule: timesteps are 0 to 999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperSettings:
    """What a mapper is like. The defaults are those of NeTI's released code.

    Attributes:
        width: D, of a token's vector.
        norm: of the embedding of the super-category's word, which vectors are scaled to.
        layers: cross-attention layers of the UNet.
        bypass: whether there is a second vector, for the text encoder's output.
        norm_mode: "joint": both halves together have that norm, as in the released code, so that
            the token's vector is shorter; "base": the token's vector has it, as in the paper, and
            of the bypass, of which only the direction counts, nothing is changed.
        sigma_t: standard deviation of the frequencies of timesteps.
        sigma_l: of those of layers.
        frequencies: F, random ones; an encoding has 2 F numbers.
        hidden: H, width of the hidden layers.
        anchor_step: timesteps between the anchors of the first layer, one for each layer and for
            timesteps 0, `anchor_step`, … below 1000.
        dropout: probability of nested dropout in a call, for `nested_keep`.

    Raises:
        SettingsError: if a value cannot work.
    """

    width: int
    norm: float
    layers: int = 16
    bypass: bool = True
    norm_mode: Literal["joint", "base"] = "joint"
    sigma_t: float = 0.03
    sigma_l: float = 2.0
    frequencies: int = 1024
    hidden: int = 128
    anchor_step: int = 100
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("width", "layers", "frequencies", "hidden", "anchor_step"):
            value = getattr(self, name)
            if value < 1:
                raise SettingsError(f"The mapper's {name} is {value}, wanted 1 or more.")
        for name in ("norm", "sigma_t", "sigma_l"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"The mapper's {name} is {value}, wanted a number above 0.")
        if self.norm_mode not in ("joint", "base"):
            raise SettingsError(
                f"The mapper's norm_mode is '{self.norm_mode}', wanted 'joint' or 'base'."
            )
        if not 0 <= self.dropout <= 1:
            raise SettingsError(
                f"The mapper's dropout is {self.dropout}, wanted a probability from 0 to 1."
            )


class Mapper(nn.Module):
    """A subject as a function: from timestep and layer to a token's vector and a bypass vector.

    With 768 numbers a vector, 563,616 parameters, or 464,544 without a bypass. The random
    frequencies of the encoding are a buffer and so part of the state dict.

    Source:
        Alaluf et al., "A Neural Space-Time Representation for Text-to-Image Personalization"
        (SIGGRAPH Asia 2023), and its released code.
    """

    waves: Tensor

    def __init__(self, settings: MapperSettings, seed: int) -> None:
        """A new mapper; all that is random comes from the seed, nothing from torch's own state."""
        super().__init__()
        self.settings = settings
        rng = torch.Generator().manual_seed(seed)
        spread = torch.tensor([settings.sigma_t, settings.sigma_l])
        self.register_buffer("waves", torch.randn(settings.frequencies, 2, generator=rng) * spread)
        times = torch.arange(0, TIMESTEPS, settings.anchor_step)
        anchors = torch.cartesian_prod(times, torch.arange(settings.layers))
        hidden = settings.hidden
        self.input = _linear(2 * settings.frequencies, len(anchors), rng)
        with torch.no_grad():
            self.input.weight.copy_(self.encoding(anchors[:, 0], anchors[:, 1]))
        self.body = nn.Sequential(
            _linear(len(anchors), hidden, rng),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(),
            _linear(hidden, hidden, rng),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(),
        )
        self.output = _linear(hidden, settings.width * (2 if settings.bypass else 1), rng)

    def encoding(self, timesteps: Tensor, layers: Tensor) -> Tensor:
        """Random Fourier features of timesteps and layers: (B,) each to (B, 2 F), unit norm.

        Inner products are about exp(-(sigma_t Δt)² / 2) exp(-(sigma_l Δl)² / 2).
        """
        # Products by hand: a matrix product in a GPU's reduced precision would lose the phase.
        time, layer = self.waves.unbind(dim=1)
        phase = timesteps[:, None] * time + layers[:, None] * layer
        return torch.cat([phase.sin(), phase.cos()], dim=1) / math.sqrt(len(self.waves))

    def forward(
        self, timesteps: Tensor, layers: Tensor, *, keep: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Vectors for pairs of timestep and layer.

        Args:
            timesteps: (B,) integers from 0 to 999, on the mapper's device.
            layers: (B,) integers from 0 to N - 1, in execution order.
            keep: (B,) integers: hidden coordinates from that index on are zeroed, for nested
                dropout or truncation; None: none are.

        Returns:
            (B, D) float32, the token's vectors; and (B, D) float32, those of the bypass, or None.
        """
        hidden = self.body(self.input(self.encoding(timesteps, layers)))
        if keep is not None:
            places = torch.arange(hidden.shape[1], device=hidden.device)
            hidden = hidden * (places < keep.to(hidden.device)[:, None])
        made: Tensor = self.output(hidden)
        settings = self.settings
        if settings.norm_mode == "joint":
            made = settings.norm * nn.functional.normalize(made, dim=1)
        vector = made[:, : settings.width]
        bypass = made[:, settings.width :] if settings.bypass else None
        if settings.norm_mode == "base":
            vector = settings.norm * nn.functional.normalize(vector, dim=1)
        return vector, bypass

    @torch.no_grad()
    def table(self, timesteps: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """All vectors that sampling needs: nothing dropped, no gradient.

        Args:
            timesteps: T of them.

        Returns:
            (T, N, D) float32, the token's vectors; and the same of the bypass, or None.
        """
        layers = torch.arange(self.settings.layers, device=self.waves.device)
        times = torch.tensor(timesteps, device=self.waves.device)
        shape = (len(times), len(layers))
        vector, bypass = self(times.repeat_interleave(len(layers)), layers.repeat(len(times)))
        if bypass is not None:
            bypass = bypass.unflatten(0, shape)
        return vector.unflatten(0, shape), bypass


def nested_keep(batch: int, hidden: int, probability: float, rng: torch.Generator) -> Tensor | None:
    """Draw what nested dropout keeps in one call of a mapper: one coin for all rows.

    Args:
        batch: B, rows of the call.
        hidden: H, coordinates.
        probability: that something is dropped.
        rng: of the CPU.

    Returns:
        None: nothing is dropped; or (B,) int64 on the CPU, uniform on 0 to H - 1: the first
        coordinate that is, with all after it.

    Source:
        Rippel et al., "Learning Ordered Representations with Nested Dropout" (ICML 2014), as NeTI
        uses it.
    """
    if torch.rand((), generator=rng).item() >= probability:
        return None
    return torch.randint(hidden, (batch,), generator=rng)


def _linear(inputs: int, outputs: int, rng: torch.Generator) -> nn.Linear:
    """An `nn.Linear` as torch initialises it by default, but from a generator of its own."""
    made = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    for weights in made.parameters():
        nn.init.uniform_(weights, -bound, bound, generator=rng)
    return made
