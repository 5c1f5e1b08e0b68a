"""In: finished runs of one key. Out: the page's figures as PNG and SVG, for papers and slides.

Needs matplotlib, which is imported when a figure is drawn. The page itself does not.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pdst.experiments.figures import (
    DIM,
    LINE,
    colour,
    new_figure,
    require_matplotlib,
    save_figure,
    style,
)
from pdst.experiments.methods_figure import Bubble, bubbles_figure
from pdst.report.rows import HEADLINE, Row, metric_title, summary_of
from pdst.types import MetricSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 0.24
"""Inches of a bar."""


def write_figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write scores, train gap, scatter (the paper's Fig. 5) and subjects, a PNG and an SVG each.

    Args:
        rows: as `table_rows` gives them.
        folder: for the files; made if absent.

    Returns:
        Their paths. A figure whose metrics the runs do not have is left out.

    Raises:
        SettingsError: if matplotlib is not installed.
    """
    require_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, draw in FIGURES.items():
        figure = draw(rows)
        if figure is not None:
            written += save_figure(figure, folder / name)
    return written


def scores_figure(rows: Sequence[Row]) -> "Figure | None":
    """A panel a headline metric: a dot a run, whiskers are 95 % intervals."""
    metrics = _shared(rows, HEADLINE)
    if not metrics:
        return None
    with style():
        figure = new_figure(1.6 + 2.3 * len(metrics), 1.0 + HEIGHT * 1.4 * len(rows))
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for metric, axes in zip(metrics, panels, strict=True):
            for place, row in enumerate(rows):
                found = summary_of(row.report.metrics, metric)
                if found is None or found.macro is None:
                    continue
                if found.interval is not None:
                    ends = [found.interval.low, found.interval.high]
                    axes.plot(ends, [place, place], color=colour(place), lw=1.6)
                axes.plot([found.macro], [place], marker="o", markersize=5, color=colour(place))
            axes.set_yticks(range(len(rows)), labels=[_plain(row.name) for row in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(axis="x", color=LINE, lw=0.6)
            axes.set_title(metric_title(metric))
    return figure


def gap_figure(rows: Sequence[Row]) -> "Figure | None":
    """A panel a metric: a ring is the held-out photo, a disc are the training photos."""
    gaps = list(dict.fromkeys(one.metric for row in rows for one in row.report.gaps))
    if not gaps:
        return None
    with style():
        figure = new_figure(1.6 + 3.2 * len(gaps), 1.0 + HEIGHT * 1.4 * len(rows))
        panels = figure.subplots(1, len(gaps), sharey=True, squeeze=False)[0]
        for metric, axes in zip(gaps, panels, strict=True):
            for place, row in enumerate(rows):
                held = _macro(summary_of(row.report.metrics, metric))
                train = _macro(summary_of(row.report.metrics, f"{metric}_train"))
                if held is None or train is None:
                    continue
                ink = colour(place)
                axes.plot([held, train], [place, place], color=ink, lw=1.6, alpha=0.6)
                axes.plot([train], [place], marker="o", markersize=6, color=ink)
                axes.plot([held], [place], marker="o", markersize=6, color=ink, mfc="white")
            axes.set_yticks(range(len(rows)), labels=[_plain(row.name) for row in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(axis="x", color=LINE, lw=0.6)
            axes.set_title(f"{metric_title(metric)}: ring held-out, disc train")
    return figure


def scatter_figure(rows: Sequence[Row]) -> "Figure | None":
    """DINO to the right, CLIP-I up, CLIP-T as area."""
    bubbles = []
    for row in rows:
        x, y, size = (summary_of(row.report.metrics, m) for m in ("dino", "clip_i", "clip_t"))
        if x is None or y is None or size is None:
            continue
        if x.macro is None or y.macro is None or size.macro is None:
            continue
        bubbles.append(
            Bubble(
                name=_plain(row.name),
                x=x.macro,
                y=y.macro,
                prompt=size.macro,
                across=x.interval,
                up=y.interval,
            )
        )
    return bubbles_figure(bubbles) if bubbles else None


def subjects_figure(rows: Sequence[Row]) -> "Figure | None":
    """A panel a headline metric: a bar a subject and run, in the page's order."""
    metrics = _shared(rows, HEADLINE)
    if not metrics:
        return None
    found = {
        (metric, place): one.per_subject
        for metric in metrics
        for place, row in enumerate(rows)
        if (one := summary_of(row.report.metrics, metric)) is not None
    }
    subjects = subject_order(rows, found.get((metrics[-1], 0), {}))
    if not subjects:
        return None
    thick = 0.8 / len(rows)
    with style():
        figure = new_figure(
            1.6 + 2.3 * len(metrics), 1.2 + HEIGHT * len(subjects) * max(1.0, 0.55 * len(rows))
        )
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for metric, axes in zip(metrics, panels, strict=True):
            for place, row in enumerate(rows):
                values = [found.get((metric, place), {}).get(subject) for subject in subjects]
                axes.barh(
                    [n - 0.4 + thick * (place + 0.5) for n in range(len(subjects))],
                    [float("nan") if value is None else value for value in values],
                    height=thick * 0.9,
                    color=colour(place),
                    label=_plain(row.name),
                )
            axes.axvline(0.0, color=DIM, lw=0.6)
            axes.set_yticks(range(len(subjects)), labels=[_plain(name) for name in subjects])
            axes.set_ylim(len(subjects) - 0.5, -0.5)
            axes.grid(axis="x", color=LINE, lw=0.6)
            axes.set_axisbelow(True)
            axes.set_title(metric_title(metric))
        if len(rows) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(rows), 3))
    return figure


def subject_order(rows: Sequence[Row], first: Mapping[str, float | None]) -> list[str]:
    """Every run's subjects: by the first run's value, highest first; unknown ones last."""
    names = {name for row in rows for one in row.report.metrics for name in one.per_subject}

    def place(subject: str) -> tuple[float, str]:
        value = first.get(subject)
        return (2.0 if value is None else -value, subject)  # a cosine is at most 1: None is last

    return sorted(names, key=place)


FIGURES: Mapping[str, Callable[[Sequence[Row]], "Figure | None"]] = {
    "scores": scores_figure,
    "gap": gap_figure,
    "scatter": scatter_figure,
    "subjects": subjects_figure,
}
"""File name without suffix -> what draws it."""


def _shared(rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    """Those that some run has."""
    return [m for m in metrics if any(summary_of(row.report.metrics, m) for row in rows)]


def _macro(summary: MetricSummary | None) -> float | None:
    return None if summary is None else summary.macro


def _plain(name: str) -> str:
    """A name as text: matplotlib would read what stands between dollars as mathematics."""
    return name.replace("$", r"\$")
