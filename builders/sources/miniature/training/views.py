"""Drawn pictures in; what a scorer sees of them out: shifted, cropped, mirrored, normalized.

No view changes a colour beyond what light does: colour is half of who somebody is here.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

MEAN = STD = (0.5, 0.5, 0.5)
"""What the scorers' configurations say: pixels in [0, 1] become [-1, 1]."""


def normalized(images: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) uint8 to (B, 3, S, S) float32 in [-1, 1]."""
    whole = torch.from_numpy(np.ascontiguousarray(images))
    return whole.permute(0, 3, 1, 2).float() / 127.5 - 1


def shifted(pixels: Tensor, rng: torch.Generator, most: int = 4) -> Tensor:
    """Each picture moved by up to `most` pixels, its border continued: (B, 3, S, S)."""
    count, size = len(pixels), pixels.shape[-1]
    padded = functional.pad(pixels, (most,) * 4, mode="replicate")
    moves = torch.randint(2 * most + 1, (count, 2), generator=rng).tolist()
    return torch.stack(
        [
            picture[:, y : y + size, x : x + size]
            for picture, (y, x) in zip(padded, moves, strict=True)
        ]
    )


def mirrored(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Each picture mirrored with a chance of one half: (B, 3, S, S)."""
    turned = torch.rand(len(pixels), generator=rng) < 0.5
    return torch.where(turned[:, None, None, None], pixels.flip(3), pixels)


def cropped(pixels: Tensor, rng: torch.Generator, smallest: float = 0.7) -> Tensor:
    """Each picture's random square window, its side at least `smallest`, at full size."""
    side = smallest + (1 - smallest) * torch.rand(len(pixels), generator=rng)
    at = (2 * torch.rand((len(pixels), 2), generator=rng) - 1) * (1 - side)[:, None]
    maps = torch.zeros(len(pixels), 2, 3)
    maps[:, 0, 0] = maps[:, 1, 1] = side
    maps[:, :, 2] = at
    size = [len(pixels), *pixels.shape[1:]]
    grid = functional.affine_grid(maps, size, align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def on_plain(pixels: Tensor, masks: NDArray[np.uint8], rng: torch.Generator, count: int) -> Tensor:
    """The first `count` pictures with their subjects on plain grounds: (B, 3, S, S).

    Where nothing else is there to look at, what a subject is and wears is found soonest.

    Args:
        pixels: as `normalized` makes them.
        masks: (B, S, S) uint8, of the same pictures.
        rng: chooses the colours of the grounds.
        count: how many.
    """
    inside = torch.from_numpy(np.ascontiguousarray(masks[:count])).float()[:, None] / 255
    ground = 2 * torch.rand((count, 3, 1, 1), generator=rng) - 1
    plain = inside * pixels[:count] + (1 - inside) * ground
    return torch.cat([plain, pixels[count:]])


def softened(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """As a generator softens: half of the pictures blurred a little, and some noise on each.

    The blur is a mix with the picture at half its size and back, the noise at most 0.06 in the
    units of `normalized`.
    """
    size = pixels.shape[-1]
    half = functional.avg_pool2d(pixels, 2)
    soft = functional.interpolate(half, size=(size, size), mode="bilinear")
    share = (2 * torch.rand(len(pixels), generator=rng) - 1).clamp(min=0)[:, None, None, None]
    noise = torch.randn(pixels.shape, generator=rng)
    amount = 0.06 * torch.rand(len(pixels), generator=rng)[:, None, None, None]
    return (pixels + share * (soft - pixels) + amount * noise).clamp(-1, 1)
