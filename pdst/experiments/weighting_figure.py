"""In: scores by weighting function. Out: Fig. 7, and Fig. 16: the functions themselves."""

from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.figures import colour, draw_bars, new_figure, style
from pdst.experiments.rivals import SHOWN
from pdst.experiments.weighting import functions, schedule_means
from pdst.report.rows import metric_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def weighting_figure(data: pd.DataFrame) -> "Figure":
    """A panel a metric, a row a function, in one order: that of DINO, highest first.

    Args:
        data: as `pdst.experiments.weighting.compare_weightings` makes it.
    """
    by_dino = schedule_means(data, "dino")
    names = sorted(
        by_dino, key=lambda name: -(one.value if (one := by_dino[name]) is not None else -2.0)
    )
    with style():
        figure = new_figure(9.5, 0.9 + 0.36 * len(names))
        for number, (metric, axes) in enumerate(
            zip(SHOWN, figure.subplots(1, len(SHOWN), sharey=True), strict=True)
        ):
            means = schedule_means(data, metric)
            draw_bars(axes, names, [means[name] for name in names], colour=colour(number))
            axes.set_title(metric_title(metric))
    return figure


def functions_figure() -> "Figure":
    """Weight over training, a line a function."""
    with style():
        figure = new_figure(5.5, 3.6)
        axes = figure.add_subplot()
        for number, (name, rows) in enumerate(functions().groupby("weighting", sort=False)):
            axes.plot(rows["progress"], rows["weight"], color=colour(number), label=str(name))
        axes.set_xlabel("share of the training")
        axes.set_ylabel("weight of the contrastive loss")
        axes.legend(fontsize=8)
    return figure
