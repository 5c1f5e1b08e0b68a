"""In: what was measured of the metrics, and of a control. Out: mean score by level, as one SVG."""

from collections.abc import Sequence
from html import escape

from pdst.experiments.agreement import LevelMean
from pdst.experiments.metrics import MetricExperiment, MetricTruth
from pdst.report.charts import Scale, scale_over
from pdst.report.rows import number

PANEL, HEIGHT = 330, 290
LEFT, TOP, RIGHT, BOTTOM = 48, 46, 14, 76
INK, DIM, LINE = "#1f2430", "#8a8f99", "#d9dce2"
MEASURED = "#1f6f8b"
"""Colours, each readable on white."""


def levels_svg(found: MetricExperiment, control: MetricExperiment | None) -> str:
    """One panel a metric: what is known to the right is worse, so a good metric goes down."""
    panels = [
        _panel(measured, None if control is None else control.metrics[number_], PANEL * number_)
        for number_, measured in enumerate(found.metrics)
    ]
    width = PANEL * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
        f'width="{width}" height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="11" '
        f'role="img"><title>Mean score by known level</title>'
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>{"".join(panels)}</svg>\n'
    )


def _panel(measured: MetricTruth, control: MetricTruth | None, left: int) -> str:
    shown = [measured.levels] if control is None else [measured.levels, control.levels]
    scale = scale_over([end for levels in shown for level in levels for end in _ends(level)])
    rho = measured.ranking("class means").spearman.value
    parts = [
        _text(LEFT, 18, measured.title, INK, weight="600"),
        _text(LEFT, 33, f"Spearman within class {number(rho)}", DIM),
    ]
    for tick in scale.ticks:
        y = _y(scale, tick)
        parts.append(f'<path d="M{LEFT} {y}H{PANEL - RIGHT}" stroke="{LINE}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{tick:.2f}", DIM, anchor="end"))
    for place, level in enumerate(measured.levels):
        x = _x(place, len(measured.levels))
        parts.append(
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" fill="{INK}" text-anchor="end" '
            f'transform="rotate(-35 {x} {HEIGHT - BOTTOM + 16})">{escape(level.level)}</text>'
        )
    if control is not None:
        parts.append(_series(control.levels, scale, DIM, dashed=True))
        parts.append(_text(PANEL - RIGHT, HEIGHT - 6, "dashed: control", DIM, anchor="end"))
    parts.append(_series(measured.levels, scale, MEASURED))
    return f'<g transform="translate({left} 0)">{"".join(parts)}</g>'


def _series(levels: Sequence[LevelMean], scale: Scale, colour: str, *, dashed: bool = False) -> str:
    places = [(_x(n, len(levels)), _y(scale, row.score.value)) for n, row in enumerate(levels)]
    line = " ".join(f"{x},{y}" for x, y in places)
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    parts = [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>']
    for (x, y), level in zip(places, levels, strict=True):
        low, high = (_y(scale, end) for end in _ends(level))
        parts.append(f'<path d="M{x} {low}V{high}" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
    return "".join(parts)


def _ends(level: LevelMean) -> tuple[float, float]:
    interval = level.score.interval
    value = level.score.value
    return (value, value) if interval is None else (interval.low, interval.high)


def _x(place: int, count: int) -> float:
    return round(LEFT + (PANEL - LEFT - RIGHT) * (place + 0.5) / count, 1)


def _y(scale: Scale, value: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - scale.at(value) / 100), 1)


def _text(
    x: float, y: float, text: str, colour: str, *, anchor: str = "start", weight: str = "400"
) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
