"""In: nothing, or a figure. Out: an empty matplotlib figure; a PNG and an SVG of it, on no screen.

Matplotlib is imported when a figure is asked for. The same data gives the same bytes: no date, no
random ids in the SVG.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdst.errors import SettingsError
from pdst.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pdst.experiments.agreement import Estimate

INK, DIM, LINE = "#1f2430", "#8a8f99", "#d9dce2"
COLOURS = ("#1f6f8b", "#c8553d", "#5b8c3a", "#7a5195", "#d99a2b", "#3d5a80", "#8c6d5a", "#b0417c")
"""Of series, each readable on white; a ninth begins anew."""

STYLE: Any = {
    "font.size": 9,
    "axes.edgecolor": DIM,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "pdst",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures; around whatever draws or saves one.

    Raises:
        SettingsError: if matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def require_matplotlib() -> None:
    """Ask before hours of drawing, not after.

    Raises:
        SettingsError: if matplotlib is not installed.
    """
    try:
        import matplotlib.backends.backend_agg  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise SettingsError(
            "Figures need the package 'matplotlib', which is not installed. "
            "Run: pip install 'pdst[figures]'"
        ) from error


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches; within `style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", stem: Path) -> tuple[Path, Path]:
    """Write `stem.png` and `stem.svg`, each whole or not at all."""
    png, svg = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    with style():
        with whole_file(png) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
        with whole_file(svg) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    return png, svg


def colour(number: int) -> str:
    """The colour of a series."""
    return COLOURS[number % len(COLOURS)]


def draw_curve(
    axes: "Axes",
    steps: Sequence[int],
    estimates: Sequence["Estimate | None"],
    *,
    label: str,
    colour: str,
    dashed: bool = False,
) -> None:
    """A mean along steps, and its interval as a band."""
    shown = [(step, one) for step, one in zip(steps, estimates, strict=True) if one is not None]
    places = [step for step, _ in shown]
    axes.plot(
        places,
        [one.value for _, one in shown],
        marker="o",
        markersize=3,
        linestyle="--" if dashed else "-",
        color=colour,
        label=label,
    )
    ends = [_ends(one) for _, one in shown]
    axes.fill_between(
        places, [low for low, _ in ends], [high for _, high in ends], color=colour, alpha=0.15, lw=0
    )


def draw_bars(
    axes: "Axes", names: Sequence[str], estimates: Sequence["Estimate | None"], *, colour: str
) -> None:
    """A dot a name with its interval as a whisker, names from top to bottom."""
    for place, one in enumerate(estimates):
        if one is None:
            continue
        low, high = _ends(one)
        axes.plot([low, high], [place, place], color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot([one.value], [place], marker="o", markersize=5, color=colour)
    axes.set_yticks(range(len(names)), labels=list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color=LINE, lw=0.6)


def _ends(found: "Estimate") -> tuple[float, float]:
    interval = found.interval
    return (found.value, found.value) if interval is None else (interval.low, interval.high)
