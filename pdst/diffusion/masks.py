"""In: a subject mask as large as its photo. Out: which latent cells show subject or background.

Messages do not name the photo: the caller knows which it is.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pdst.errors import DatasetError, SettingsError

HALF = 0.5
"""The share of a cell from which the cell shows the subject."""


def latent_mask(mask: Image.Image, resolution: int, factor: int, *, soft: bool = False) -> Tensor:
    """The subject's cells in the latents of a photo that is resized whole, not cropped.

    Nearest neighbours bring the mask to the resolution, each cell is the mean of its pixels, and
    cells from one half up show the subject. A subject too small for that (fewer cells than
    `fewest`) gets every cell that it touches.

    A mirrored mask gives the mirrored cells exactly, at every size.

    Args:
        mask: "L", 255 = subject, 0 = background, as `Photo.mask` gives it; any size.
        resolution: of the pixels that are encoded: a multiple of `factor`.
        factor: pixels a latent cell, along each side: 8 in Stable Diffusion.
        soft: return the means, in [0, 1], not rounded.

    Returns:
        (1, h, w) float32 with h = w = resolution / factor; 1 = subject.

    Raises:
        DatasetError: if no pixel is left of the subject.
        SettingsError: if the resolution is no multiple of the factor.

    Source:
        METHODS 3.3. Li et al., arXiv 2503.06632, give the masks (section 4) and not their
        resizing.
    """
    if factor < 1 or resolution < factor or resolution % factor:
        raise SettingsError(
            f"resolution is {resolution}, wanted a multiple of {factor}, the pixels a latent cell."
        )
    subject = np.asarray(mask.convert("L")) >= 128
    rows, columns = (_nearest(length, resolution) for length in subject.shape)
    near = subject[rows][:, columns].astype(np.float32)
    side = resolution // factor
    share = torch.from_numpy(near).reshape(1, side, factor, side, factor).mean(dim=(2, 4))
    if not share.any():
        raise DatasetError(
            f"The mask has {int(subject.sum())} subject pixels, and none is left at {resolution} x "
            f"{resolution}: mend the mask or leave the photo out."
        )
    if soft:
        return share
    cells = share >= HALF
    if int(cells.sum()) < fewest(share):
        cells = share > 0
    return cells.float()


def background(mask: Tensor) -> Tensor:
    """The background's cells: one minus the subject's.

    Args:
        mask: (1, h, w) float32 in [0, 1], as `latent_mask` makes it.

    Returns:
        (1, h, w) float32; with `mask` it sums to 1 in every cell.

    Raises:
        DatasetError: if fewer cells than `fewest` show the background, by half or more.
    """
    rest = 1 - mask
    count = int((rest >= HALF).sum())
    if count < fewest(mask):
        raise DatasetError(
            f"The subject leaves {count} of {mask.numel()} latent cells to the background, wanted "
            f"at least {fewest(mask)}: keep the photo out of background prompts, or mend its mask."
        )
    return rest


def fewest(mask: Tensor) -> int:
    """Cells that a subject or a background needs: 16 of Stable Diffusion's 64 x 64.

    The same share of smaller or larger latents, and at least 1.

    Args:
        mask: (1, h, w).
    """
    return max(1, round(16 * mask.numel() / (64 * 64)))


def _nearest(length: int, size: int) -> NDArray[np.int64]:
    """For each of `size` places, the nearest of `length` pixels: (size,) int64.

    Of two that are equally near, the one towards the middle: Pillow's NEAREST takes the right one,
    and a mirrored mask would give other cells.
    """
    left = (2 * np.arange((size + 1) // 2, dtype=np.int64) + 1) * length // (2 * size)
    return np.concatenate([left, length - 1 - left[: size // 2][::-1]])
