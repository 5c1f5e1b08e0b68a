"""In: rows of a table and their columns. Out: planes of two metrics, each subject and each mean."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pdst.experiments.methods_figure import area
from pdst.report.columns import Column
from pdst.report.rows import Row, number
from pdst.types import Interval, MetricSummary

PLANES = (
    (
        "Subject fidelity, and the prompt as area",
        "Upper right: draws the subject. Each small dot is a subject; a disc is a generator's "
        "mean with its 95 % intervals, and its area is linear in CLIP-T, from the lowest shown to "
        "the highest.",
        ("dino", "clip_i", "clip_t"),
    ),
    (
        "Subject against prompt",
        "To the right: follows the prompt. Upwards: draws the subject.",
        ("clip_t", "dino", None),
    ),
)
"""Title, how to read it, and metrics: across, upwards, as area. The first is the paper's Fig. 5."""

PLAIN_RADIUS = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A subject of a run, by the run's position."""

    run: int
    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A run's means. `radius` is in units of the drawing; `size` is the number it stands for."""

    run: int
    name: str
    x: float
    y: float
    across: Interval | None
    up: Interval | None
    radius: float
    size: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """A plane of two metrics. `size` is the metric that areas show, or None."""

    title: str
    lead: str
    x: Column
    y: Column
    size: Column | None
    dots: tuple[Dot, ...]
    means: tuple[Mean, ...]


def scatters(rows: Sequence[Row], columns: Mapping[str, Column]) -> tuple[Scatter, ...]:
    """Every plane of PLANES whose metrics the runs have."""
    found = []
    for title, lead, metrics in PLANES:
        if not all(metric in columns for metric in metrics if metric is not None):
            continue
        across, upwards, size = (None if metric is None else columns[metric] for metric in metrics)
        assert across is not None
        assert upwards is not None
        plane = _plane(title, lead, rows, across, upwards, size)
        if plane is not None:
            found.append(plane)
    return tuple(found)


def _plane(
    title: str, lead: str, rows: Sequence[Row], x: Column, y: Column, size: Column | None
) -> Scatter | None:
    dots: list[Dot] = []
    means: list[Mean] = []
    sizes = [] if size is None else [s.macro for s in size.summaries if s and s.macro is not None]
    for index, row in enumerate(rows):
        across, up = x.summaries[index], y.summaries[index]
        bubble = None if size is None else size.summaries[index]
        if not _known(across) or not _known(up) or (size is not None and not _known(bubble)):
            continue
        assert across is not None
        assert up is not None
        for subject, value in across.per_subject.items():
            other = up.per_subject.get(subject)
            if value is not None and other is not None:
                dots.append(Dot(run=index, name=f"{row.name}, {subject}", x=value, y=other))
        value = None if bubble is None else bubble.macro
        means.append(
            Mean(
                run=index,
                name=_name(row.name, x, across, y, up, size, value),
                x=across.macro or 0.0,
                y=up.macro or 0.0,
                across=across.interval,
                up=up.interval,
                radius=PLAIN_RADIUS if value is None else _radius(value, sizes),
                size=value,
            )
        )
    if not means:
        return None
    shown: list[Dot | Mean] = [*dots, *means]
    return Scatter(
        title=title,
        lead=lead,
        x=x.over([one.x for one in shown] + _ends(one.across for one in means)),
        y=y.over([one.y for one in shown] + _ends(one.up for one in means)),
        size=size,
        dots=tuple(dots),
        means=tuple(means),
    )


def _known(summary: MetricSummary | None) -> bool:
    return summary is not None and summary.macro is not None


def _radius(value: float, shown: Sequence[float]) -> float:
    return round(math.sqrt(area(value, shown) / math.pi), 2)


def _ends(intervals: Iterable[Interval | None]) -> list[float]:
    return [end for one in intervals if one is not None for end in (one.low, one.high)]


def _name(
    name: str,
    x: Column,
    across: MetricSummary,
    y: Column,
    up: MetricSummary,
    size: Column | None,
    value: float | None,
) -> str:
    parts = [f"{x.title} {number(across.macro)}", f"{y.title} {number(up.macro)}"]
    if size is not None:
        parts.append(f"{size.title} {number(value)}")
    return f"{name}, mean: {', '.join(parts)}"
