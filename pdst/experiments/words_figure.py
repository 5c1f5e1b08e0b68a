"""In: counted words. Out: Fig. 3: the most frequent ones, by kind of subject."""

from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.figures import LINE, colour, new_figure, style
from pdst.types import KINDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN, COLUMNS = 60, 3


def words_figure(data: pd.DataFrame) -> "Figure":
    """Bars in columns, the most frequent word first; living and rigid subjects stacked.

    Args:
        data: as `pdst.experiments.words.word_rows` makes it.
    """
    shown = data[data["shown"]].head(SHOWN)
    each = -(-len(shown) // COLUMNS)
    most = int(shown["count"].max()) if len(shown) else 1
    with style():
        figure = new_figure(9, 0.8 + 0.19 * max(each, 4))
        for number, axes in enumerate(figure.subplots(1, COLUMNS)):
            rows = shown.iloc[number * each : (number + 1) * each]
            places = range(len(rows))
            left = [0] * len(rows)
            for ink, kind in enumerate(KINDS):
                counts = [int(count) for count in rows[kind]]
                axes.barh(places, counts, left=left, color=colour(ink), label=kind, height=0.75)
                left = [before + count for before, count in zip(left, counts, strict=True)]
            axes.set_yticks(places, labels=[str(word) for word in rows["word"]], fontsize=8)
            axes.set_ylim(max(each, 1) - 0.4, -0.6)
            axes.set_xlim(0, most * 1.03)
            axes.grid(axis="x", color=LINE, lw=0.6)
            axes.set_axisbelow(True)
            if number == COLUMNS - 1 and len(rows):
                axes.legend(loc="lower right", fontsize=8)
        figure.supxlabel("times in the captions", fontsize=9)
    return figure
