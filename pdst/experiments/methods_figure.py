"""In: scores of methods. Out: Fig. 5: DINO to the right, CLIP-I up, CLIP-T as area, + as arrows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.entries import short_names, undistinguished, with_plus
from pdst.experiments.figures import DIM, LINE, colour, new_figure, style
from pdst.experiments.rivals import method_means
from pdst.report.rows import number
from pdst.types import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST, MOST = 60.0, 700.0
"""Areas of the bubbles of the lowest and the highest CLIP-T, in square points."""
ARROW = "#c1121f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """A method in the plane."""

    name: str
    x: float
    y: float
    prompt: float
    across: Interval | None
    up: Interval | None


def methods_figure(data: pd.DataFrame) -> "Figure":
    """One bubble a method; whiskers are 95 % intervals; the areas' scale is printed.

    Args:
        data: as `pdst.experiments.methods.methods` makes it.
    """
    return bubbles_figure(_bubbles(data))


def bubbles_figure(bubbles: Sequence[Bubble]) -> "Figure":
    """The same of any bubbles."""
    prompts = [one.prompt for one in bubbles]
    with style():
        figure = new_figure(8.5, 4.8)
        axes = figure.add_subplot()
        axes.grid(color=LINE, lw=0.6)
        axes.set_axisbelow(True)
        for place, one in enumerate(bubbles):
            _draw(axes, one, colour(place), area(one.prompt, prompts))
        _arrows(axes, {one.name: one for one in bubbles})
        axes.set_xlabel("DINO, held-out photo")
        axes.set_ylabel("CLIP-I, held-out photo")
        axes.margins(0.12)
        _legends(figure, axes, bubbles)
    return figure


def area(prompt: float, prompts: Sequence[float]) -> float:
    """A bubble's area: linear between the lowest CLIP-T shown and the highest."""
    low, high = min(prompts), max(prompts)
    if high == low:
        return (LEAST + MOST) / 2
    return LEAST + (MOST - LEAST) * (prompt - low) / (high - low)


def _bubbles(data: pd.DataFrame) -> list[Bubble]:
    across, up, prompt = (method_means(data, metric) for metric in ("dino", "clip_i", "clip_t"))
    found = []
    for name in across:
        x, y, size = across[name], up[name], prompt[name]
        if x is not None and y is not None and size is not None:
            found.append(
                Bubble(
                    name=name,
                    x=x.value,
                    y=y.value,
                    prompt=size.value,
                    across=x.interval,
                    up=y.interval,
                )
            )
    return found


def _draw(axes: "Axes", one: Bubble, ink: str, size: float) -> None:
    if one.across is not None:
        axes.plot([one.across.low, one.across.high], [one.y, one.y], color=ink, lw=0.8, alpha=0.6)
    if one.up is not None:
        axes.plot([one.x, one.x], [one.up.low, one.up.high], color=ink, lw=0.8, alpha=0.6)
    axes.scatter([one.x], [one.y], s=size, color=ink, alpha=0.75, linewidths=0, zorder=3)


def _arrows(axes: "Axes", bubbles: Mapping[str, Bubble]) -> None:
    for name, one in bubbles.items():
        grown = with_plus(undistinguished(name))
        for other in (bubbles[its] for its in bubbles if undistinguished(its) == grown):
            axes.annotate(
                "",
                (other.x, other.y),
                (one.x, one.y),
                arrowprops={"arrowstyle": "-|>", "color": ARROW, "lw": 1.4},
                zorder=5,
            )


def _legends(figure: "Figure", axes: "Axes", bubbles: Sequence[Bubble]) -> None:
    """Beside the plane, where no bubble can hide them: who is who, and what the areas mean."""
    prompts = [one.prompt for one in bubbles]
    called = short_names([one.name for one in bubbles])
    names = [
        axes.scatter(
            [],
            [],
            s=60,
            color=colour(place),
            label=f"{called[one.name]} (CLIP-T {number(one.prompt)})",
        )
        for place, one in enumerate(bubbles)
    ]
    areas = [
        axes.scatter([], [], s=area(value, prompts), color=DIM, label=f"CLIP-T {number(value)}")
        for value in (dict.fromkeys([min(prompts), max(prompts)]) if prompts else ())
    ]
    figure.legend(handles=names, loc="outside right upper", fontsize=8)
    figure.legend(
        handles=areas,
        loc="outside right lower",
        title="area: linear in CLIP-T",
        fontsize=8,
        labelspacing=1.6,
        borderpad=1,
    )
