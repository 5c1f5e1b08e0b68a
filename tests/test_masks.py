"""Claims about masks: hand-made ones whose cells are known beforehand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from pdst.diffusion.masks import _nearest, background, fewest, latent_mask
from pdst.errors import DatasetError, SettingsError


def drawn(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (512, 512)) -> Image.Image:
    """A mask (height, width) with boxes (top, bottom, left, right) of subject."""
    values = np.zeros(size, np.uint8)
    for top, bottom, left, right in boxes:
        values[top:bottom, left:right] = 255
    return Image.fromarray(values)


def blob(height: int, width: int, seed: int) -> Image.Image:
    """A lopsided mask with a ragged edge, about a third of the picture."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0.1, 0.6, width)[None] * np.linspace(0.5, 1.3, height)[:, None]
    return Image.fromarray(np.where(rng.random((height, width)) < slope, 255, 0).astype(np.uint8))


def cells(mask: Tensor) -> int:
    return int(mask.sum())


# --- from pixels to cells ------------------------------------------------------------------------


def test_cells_are_means_of_eight_by_eight_pixels() -> None:
    # Rows 80..159 are cells 10..19. Columns 164..243: cell 20 (160..167) holds 4 of 8 columns,
    # cells 21..29 (168..239) all, cell 30 (240..247) again 4 of 8.
    mask = latent_mask(drawn((80, 160, 164, 244)), 512, 8, soft=True)
    expected = torch.zeros(1, 64, 64)
    expected[0, 10:20, 20] = 0.5
    expected[0, 10:20, 21:30] = 1
    expected[0, 10:20, 30] = 0.5
    assert mask.dtype == torch.float32
    assert torch.equal(mask, expected)


def test_a_cell_shows_the_subject_from_one_half_up() -> None:
    # Beside 100 whole cells: 32 of 64 pixels of cell (0, 0), 31 of 64 of cell (0, 2).
    mask = drawn((80, 160, 160, 240), (0, 4, 0, 8), (0, 3, 16, 24), (3, 4, 16, 23))
    made = latent_mask(mask, 512, 8)
    assert made[0, 0, 0] == 1
    assert made[0, 0, 2] == 0
    assert cells(made) == 101


def test_a_photo_of_another_shape_is_resized_whole() -> None:
    # The right half of a wide photo is the right half of the cells.
    made = latent_mask(drawn((0, 300, 400, 800), size=(300, 800)), 512, 8)
    assert made.shape == (1, 64, 64)
    assert not made[0, :, :32].any()
    assert made[0, :, 32:].all()


@pytest.mark.parametrize(("length", "size"), [(333, 512), (512, 512), (700, 512), (97, 96)])
def test_nearest_is_pillows_where_no_two_pixels_are_equally_near(length: int, size: int) -> None:
    line = Image.fromarray(np.arange(length, dtype=np.int32)[None])
    pillows: NDArray[np.int32] = np.asarray(line.resize((size, 1), Image.Resampling.NEAREST))
    assert _nearest(length, size).tolist() == pillows[0].tolist()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("size", [(512, 512), (1024, 1024), (2048, 1536), (333, 700), (96, 97)])
def test_a_mirrored_mask_gives_the_mirrored_cells(size: tuple[int, int], soft: bool) -> None:
    # 1024 and 2048 are twice and four times 512: there two pixels are equally near.
    mask = blob(*size, seed=5)
    straight = latent_mask(mask, 512, 8, soft=soft)
    mirrored = latent_mask(ImageOps.mirror(mask), 512, 8, soft=soft)
    assert torch.equal(mirrored, straight.flip(-1))
    assert not torch.equal(mirrored, straight)


@pytest.mark.parametrize("resolution", [0, 4, 100])
def test_a_resolution_that_leaves_part_of_a_cell_is_an_error(resolution: int) -> None:
    with pytest.raises(SettingsError, match=f"resolution is {resolution}, wanted a multiple of 8"):
        latent_mask(drawn((0, 512, 0, 512)), resolution, 8)


# --- guards --------------------------------------------------------------------------------------


def test_a_thin_subject_gets_every_cell_that_it_touches() -> None:
    # Two of eight rows, 64 cells long: no cell is half covered.
    made = latent_mask(drawn((80, 82, 0, 512)), 512, 8)
    assert cells(made) == 64
    assert made[0, 10].all()


def test_coverage_counts_below_sixteen_cells_and_not_from_sixteen_up() -> None:
    # Whole cells in a row, and a far cell with one pixel of subject.
    fifteen = latent_mask(drawn((0, 8, 0, 120), (80, 81, 80, 81)), 512, 8)
    sixteen = latent_mask(drawn((0, 8, 0, 128), (80, 81, 80, 81)), 512, 8)
    assert (cells(fifteen), fifteen[0, 10, 10].item()) == (16, 1)
    assert (cells(sixteen), sixteen[0, 10, 10].item()) == (16, 0)


def test_a_soft_mask_keeps_its_means_however_small() -> None:
    made = latent_mask(drawn((80, 81, 80, 81)), 512, 8, soft=True)
    assert made[0, 10, 10] == 1 / 64
    assert torch.count_nonzero(made) == 1


@pytest.mark.parametrize("soft", [False, True])
def test_a_mask_without_subject_is_an_error(soft: bool) -> None:
    with pytest.raises(DatasetError, match="0 subject pixels"):
        latent_mask(drawn(), 512, 8, soft=soft)


def test_a_subject_lost_in_resizing_is_an_error() -> None:
    # Of 2048 columns the nearest to 512 are 2, 6, 10, … on the left half: column 0 is none of them.
    with pytest.raises(DatasetError, match="2048 subject pixels, and none is left at 512 x 512"):
        latent_mask(drawn((0, 2048, 0, 1), size=(2048, 2048)), 512, 8)


def test_a_background_below_sixteen_cells_is_an_error() -> None:
    mask = torch.ones(1, 64, 64)
    mask[0, 0, :15] = 0
    with pytest.raises(DatasetError, match=r"15 of 4096 latent cells to the background, .* 16"):
        background(mask)
    mask[0, 0, 15] = 0
    assert cells(background(mask)) == 16


@pytest.mark.parametrize(("side", "cells_needed"), [(96, 36), (64, 16), (32, 4), (12, 1), (8, 1)])
def test_the_guard_is_the_same_share_of_other_latents(side: int, cells_needed: int) -> None:
    assert fewest(torch.zeros(1, side, side)) == cells_needed


def test_small_latents_do_not_fall_back_to_coverage() -> None:
    # 96 pixels, 12 x 12 cells: one whole cell is enough, so the single pixel stays outside.
    made = latent_mask(drawn((0, 8, 0, 8), (40, 41, 40, 41), size=(96, 96)), 96, 8)
    assert cells(made) == 1


# --- background ----------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True])
def test_subject_and_background_fill_every_cell(soft: bool) -> None:
    subject = latent_mask(blob(333, 700, seed=8), 512, 8, soft=soft)
    rest = background(subject)
    assert torch.equal(subject + rest, torch.ones(1, 64, 64))
    assert rest.any()
    assert subject.any()
