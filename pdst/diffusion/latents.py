"""In: pictures, or latents. Out: the other. One seam for both kinds of autoencoder.

`AutoencoderKL` (Stable Diffusion's) gives a normal distribution of latents, `AutoencoderTiny` (the
miniature's) gives the latents themselves. Latents are scaled here, as the UNet takes them: variance
about 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pdst.images import to_rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Pictures as an autoencoder encodes them: a normal distribution, or its mean alone.

    Attributes:
        mean: (B, C, h, w) float32, scaled.
        logvar: the same shape: logarithm of the variance, of scaled latents; None: no spread.
    """

    mean: Tensor
    logvar: Tensor | None

    def draw(self, noise: Tensor) -> Tensor:
        """Latents of the distribution: (B, C, h, w) float32.

        Args:
            noise: standard normal, of that shape; of no effect where there is no spread.
        """
        if self.logvar is None:
            return self.mean
        return self.mean + torch.exp(0.5 * self.logvar) * noise


def encode(vae: Any, pixels: Tensor) -> Encoded:
    """Encode pictures.

    Args:
        vae: AutoencoderKL or AutoencoderTiny.
        pixels: (B, 3, H, W) float32 in [0, 1], sRGB, on the autoencoder's device; H and W
            multiples of its factor.
    """
    # Both classes take [-1, 1].
    made = vae.encode((2 * pixels - 1).to(vae.dtype))
    shift, factor = _scale(vae)
    if hasattr(made, "latents"):
        return Encoded(mean=(made.latents.float() - shift) * factor, logvar=None)
    spread = made.latent_dist
    return Encoded(
        mean=(spread.mean.float() - shift) * factor,
        logvar=spread.logvar.float() + 2 * math.log(factor),
    )


def decode(vae: Any, latents: Tensor) -> Tensor:
    """Decode scaled latents: (B, C, h, w) float32 to (B, 3, H, W) float32 in [0, 1], sRGB."""
    shift, factor = _scale(vae)
    made: Tensor = vae.decode((latents / factor + shift).to(vae.dtype)).sample
    return (made.float() / 2 + 0.5).clamp(0, 1)


def to_pixels(images: Sequence[Image.Image], size: int) -> Tensor:
    """Pictures as (B, 3, size, size) float32 in [0, 1], sRGB, resized whole: bicubic, antialiased.

    Not cropped: a subject at the edge stays in the picture, as in Textual Inversion's training.
    """
    resized = [to_rgb(image).resize((size, size), Image.Resampling.BICUBIC) for image in images]
    values = np.stack([np.asarray(image, np.float32) for image in resized])
    return torch.from_numpy(values).permute(0, 3, 1, 2) / 255


def to_images(pixels: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [0, 1], sRGB, as "RGB" images, rounded to the nearest of 256 levels."""
    levels = (pixels.float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture) for picture in levels]


def _scale(vae: Any) -> tuple[float, float]:
    """What is taken off raw latents, and what they are then multiplied by."""
    shift = getattr(vae.config, "shift_factor", None)
    return float(shift or 0.0), float(vae.config.scaling_factor)
