"""In: scores along training. Out: Fig. 1: both similarities and prompt fidelity over steps."""

from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.bias_measures import PROMPT, by_step
from pdst.experiments.figures import DIM, colour, draw_curve, new_figure, style
from pdst.experiments.likeness import FAMILIES, METRIC_OF
from pdst.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HELD_OUT, TRAINING, NEAREST = colour(0), colour(1), colour(4)


def bias_figure(data: pd.DataFrame, name: str) -> "Figure":
    """Above: similarity and CLIP-T. Below: the gap, and the nearest training photo.

    Args:
        data: as `pdst.experiments.bias.bias` makes it.
        name: of the method.
    """
    with style():
        figure = new_figure(9, 6.4)
        grid = figure.subplots(2, 2, sharex=True)
        for column, family in enumerate(FAMILIES):
            _similarity(grid[0, column], data, METRIC_OF[family])
            _gap(grid[1, column], data, METRIC_OF[family])
        figure.suptitle(f"{name}: scores along training (means over subjects, 95 % intervals)")
    return figure


def _similarity(axes: "Axes", data: pd.DataFrame, metric: str) -> None:
    title = METRICS[metric].title
    curves = (
        (f"{metric}_train", f"{title}, training photos", TRAINING),
        (metric, f"{title}, held-out photo", HELD_OUT),
    )
    for column, label, ink in curves:
        found = by_step(data, column)
        draw_curve(axes, list(found), list(found.values()), label=label, colour=ink)
    axes.set_ylabel(title)
    axes.set_title(METRICS[metric].title)
    other = axes.twinx()
    found = by_step(data, PROMPT)
    draw_curve(
        other, list(found), list(found.values()), label="CLIP-T (right)", colour=DIM, dashed=True
    )
    other.set_ylabel("CLIP-T")
    lines = [*axes.get_lines(), *other.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], fontsize=8)


def _gap(axes: "Axes", data: pd.DataFrame, metric: str) -> None:
    gap = data.assign(gap=data[f"{metric}_train"] - data[metric])
    found = by_step(gap, "gap")
    draw_curve(axes, list(found), list(found.values()), label="gap", colour=TRAINING)
    axes.axhline(0, color=DIM, lw=0.8)
    axes.set_ylabel("training minus held-out")
    axes.set_xlabel("training step")
    other = axes.twinx()
    near = by_step(data, f"{metric}_nearest")
    draw_curve(
        other,
        list(near),
        list(near.values()),
        label="nearest training photo (right)",
        colour=NEAREST,
        dashed=True,
    )
    other.set_ylabel("cosine")
    lines = [*axes.get_lines()[:1], *other.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], fontsize=8)
