"""In: text states and seeds. Out: images. The sampler that all diffusion methods share.

DPM-Solver++ 2M (Lu et al., 2022), as diffusers computes it, with classifier-free guidance. An image
starts from noise of its own, so that the batch it is drawn in changes nothing but rounding.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from diffusers import DPMSolverMultistepScheduler
from PIL import Image
from torch import Tensor

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.latents import decode, to_images
from pdst.digest import Json
from pdst.encoders.tower import exact
from pdst.errors import SettingsError
from pdst.types import Sampling

SAMPLER = "dpmsolver++2m"

SOLVER: dict[str, Json] = {
    "algorithm_type": "dpmsolver++",
    "solver_order": 2,
    "solver_type": "midpoint",
    "timestep_spacing": "linspace",
    "final_sigmas_type": "zero",
    "lower_order_final": True,
    "euler_at_final": False,
    "use_karras_sigmas": False,
    "thresholding": False,
}
"""Every setting of diffusers' solver that moves a pixel. With 50 steps, timesteps are 999, 979, …,
40, 20, those of NeTI's published sampler."""

DECODED_AT_ONCE = 4
"""Images a pass of the decoder, whose arrays are larger than the UNet's."""

Told: TypeAlias = Callable[[int], Any]
"""From a timestep to what the UNet takes as `encoder_hidden_states`: one row an image for the empty
prompt, then one an image for its prompt. A method may tell each timestep something else."""


def solver(backbone: Backbone, sampling: Sampling) -> Any:
    """A new scheduler with its timesteps set; it has a state and serves one batch.

    Raises:
        SettingsError: if it is another sampler than the one here, or a number cannot work.
    """
    _require_possible(backbone, sampling)
    made = DPMSolverMultistepScheduler(**{**backbone.noise, **SOLVER})
    made.set_timesteps(sampling.steps, device=backbone.device)
    made.set_begin_index(0)
    return made


def timesteps(backbone: Backbone, sampling: Sampling) -> tuple[int, ...]:
    """The timesteps that the UNet is asked at, noisiest first."""
    return tuple(int(step) for step in solver(backbone, sampling).timesteps.tolist())


def start(backbone: Backbone, seeds: Sequence[int], resolution: int) -> Tensor:
    """The noise that images start from: (B, C, h, w) float32 on the device.

    Each image's comes from a generator of its own on the CPU, in float32: the same on every device
    and for every arithmetic.
    """
    side = resolution // backbone.factor
    shape = (backbone.unet.config.in_channels, side, side)
    rows = [
        torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
        for seed in seeds
    ]
    return torch.stack(rows).to(backbone.device)


def denoise(backbone: Backbone, noise: Tensor, told: Told, sampling: Sampling) -> Tensor:
    """From noise to scaled latents, (B, C, h, w) float32 both.

    The solver's arithmetic is float32, whatever the UNet's.

    Args:
        backbone: whose UNet is asked, once a step, for both halves of the guidance.
        noise: as `start` makes it.
        told: what the UNet is told at a timestep, 2 B rows.
        sampling: steps and guidance.

    Raises:
        SettingsError: as `solver`.
    """
    steps = solver(backbone, sampling)
    latents: Tensor = noise * steps.init_noise_sigma
    with exact(backbone.device):
        for number, step in zip(steps.timesteps.tolist(), steps.timesteps, strict=True):
            taken = torch.cat([latents, latents]).to(backbone.dtype)
            made = backbone.unet(taken, step, encoder_hidden_states=told(number)).sample.float()
            without, with_prompt = made.chunk(2)
            guided = without + sampling.guidance * (with_prompt - without)
            latents = steps.step(guided, step, latents).prev_sample
    return latents


def sample(
    backbone: Backbone,
    states: Sequence[Tensor],
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    empty: Tensor,
    batch: int,
) -> list[Image.Image]:
    """Draw one image for each pair of text states and seed, in order.

    Args:
        backbone: who draws.
        states: (L, D) each, as `prompt_states` makes them; images of one prompt share a tensor.
        seeds: one in [0, 2**32) each.
        sampling: how.
        empty: the text states of the empty prompt.
        batch: images a pass of the UNet, which takes twice as many rows.

    Raises:
        SettingsError: as `solver`.
    """

    def told(first: int, last: int) -> Told:
        some = torch.stack([*states[first:last]])
        return _always(torch.cat([empty.expand_as(some), some]).to(backbone.dtype))

    return sample_told(backbone, told, seeds, sampling, batch=batch)


def sample_told(
    backbone: Backbone,
    told: Callable[[int, int], Told],
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    batch: int,
) -> list[Image.Image]:
    """Draw one image for each seed, in order, whatever the UNet is told of it.

    Args:
        backbone: who draws.
        told: from the first image of a batch and the one after its last to what the UNet is told.
        seeds: one in [0, 2**32) each.
        sampling: how.
        batch: images a pass of the UNet, which takes twice as many rows.

    Raises:
        SettingsError: as `solver`.
    """
    images: list[Image.Image] = []
    for first in range(0, len(seeds), batch):
        last = min(first + batch, len(seeds))
        noise = start(backbone, seeds[first:last], sampling.resolution)
        latents = denoise(backbone, noise, told(first, last), sampling)
        with exact(backbone.device):
            for part in torch.split(latents, DECODED_AT_ONCE):
                images.extend(to_images(decode(backbone.vae, part)))
    return images


def prompt_states(backbone: Backbone, prompt: str) -> Tensor:
    """What the UNet is told of a prompt: (L, D) float32.

    Computed for this prompt alone, so that the same prompt is told alike in every batch.
    """
    with exact(backbone.device):
        return backbone.text_states([prompt])[0]


def _always(rows: Tensor) -> Told:
    return lambda timestep: rows


def _require_possible(backbone: Backbone, sampling: Sampling) -> None:
    if sampling.sampler != SAMPLER:
        raise SettingsError(
            f"The sampler is '{sampling.sampler}', wanted '{SAMPLER}', the only one here."
        )
    most = backbone.noise.get("num_train_timesteps", 1000)
    assert isinstance(most, int)
    if not 1 <= sampling.steps <= most:
        raise SettingsError(f"steps is {sampling.steps}, wanted a number from 1 to {most}.")
    if not math.isfinite(sampling.guidance):
        raise SettingsError(f"guidance is {sampling.guidance}, wanted a number, often 7.5.")
    # The UNet halves latents three times.
    least = 8 * backbone.factor
    if sampling.resolution < least or sampling.resolution % least:
        raise SettingsError(
            f"resolution is {sampling.resolution}, wanted a multiple of {least} pixels. This base "
            f"model was trained at {backbone.resolution}."
        )
