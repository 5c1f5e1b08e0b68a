"""In: pictures in rows, with words. Out: one figure of them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pdst.experiments.figures import DIM, new_figure, style
from pdst.images import decode_rgb
from pdst.types import Drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES, PIXELS = 1.25, 256
"""A tile's side in the figure, and the most pixels it keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A picture, or why there is none; what stands below, in lines, and above."""

    image: Image.Image | None
    below: str = ""
    head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRow:
    """One row; `text` stands in front of it."""

    text: str
    tiles: tuple[Tile, ...]


def tiles_figure(rows: Sequence[TileRow], *, title: str = "") -> "Figure":
    """Draw rows of tiles; heads are printed above the first row that has them.

    Args:
        rows: at least one; shorter ones are filled with nothing.
        title: above all, or empty.
    """
    columns = max(len(row.tiles) for row in rows)
    with style():
        figure = new_figure(INCHES * (columns + 1), INCHES * 1.18 * len(rows) + 0.5)
        grid = figure.subplots(len(rows), columns + 1, squeeze=False)
        for row, places in zip(rows, grid, strict=True):
            for axes in places:
                axes.set_axis_off()
            words = "\n".join(textwrap.wrap(row.text, 22, max_lines=10, placeholder=" …"))
            places[0].text(0, 0.5, words, va="center", fontsize=7, transform=places[0].transAxes)
            for tile, axes in zip(row.tiles, places[1:], strict=False):
                if tile.head:
                    axes.set_title("\n".join(textwrap.wrap(tile.head, 18)), fontsize=8)
                if tile.image is not None:
                    axes.imshow(np.asarray(small(tile.image)), interpolation="nearest")
                lines = [one for line in tile.below.split("\n") for one in textwrap.wrap(line, 24)]
                axes.text(
                    0.5,
                    -0.04,
                    "\n".join(lines[:3]),
                    va="top",
                    ha="center",
                    fontsize=6,
                    color=DIM,
                    transform=axes.transAxes,
                )
        if title:
            figure.suptitle(title, fontsize=10)
    return figure


def small(image: Image.Image) -> Image.Image:
    """No larger than a tile shows."""
    shown = image.convert("RGB")
    if max(shown.size) > PIXELS:
        shown.thumbnail((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    return shown


def drawn_tile(drawn: Drawn | None, *, below: str = "", head: str = "") -> Tile:
    """A generated image, or the reason why there is none."""
    if drawn is None or drawn.encoded is None:
        reason = "not in the run" if drawn is None else drawn.reason or "no image"
        return Tile(image=None, below=reason, head=head)
    return Tile(image=decode_rgb(drawn.encoded, drawn.case.key), below=below, head=head)
