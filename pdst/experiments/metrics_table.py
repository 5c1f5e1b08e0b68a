"""In: what was measured of the metrics, and of a control. Out: a table, sentences, plain JSON."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pdst.experiments.agreement import Estimate, Ranking
from pdst.experiments.effects import Background, Part
from pdst.experiments.metrics import GATE, MetricExperiment, MetricTruth
from pdst.metrics import METRICS
from pdst.report.rows import interval_text, number
from pdst.types import Interval, Kind

SCHEMA = 1
PLAINLY = {
    "main": "main colour",
    "second": "second colour",
    "third": "third colour",
    "first variant": "first part's shape",
    "second variant": "second part's shape",
    "third variant": "third part's shape",
}
"""Names of parts in words; other names are words already."""
FOOTNOTE = (
    "Spearman with what is known, 95 % intervals; the most that scores without ties can reach. "
    "Gate: within a class, over subjects and levels, each the mean over a subject's scenes; mean "
    "over classes. Pictures: the same, each picture a point. Subjects: within a subject, over its "
    "levels."
)


def experiment_table(found: MetricExperiment, control: MetricExperiment | None) -> RenderableType:
    """Both for the terminal: agreement, background, and what each metric is blind to."""
    parts: list[RenderableType] = [_agreement(found, control), _background(found, control)]
    for measured in found.metrics:
        lines = [Text(f"\n{measured.title}", "bold"), *map(Text, sentences(measured))]
        parts.extend(lines)
    return Group(*parts)


def gate_line(measured: MetricTruth) -> str:
    """The gate, what was measured, and whether that is enough."""
    value = measured.ranking("class means").spearman.value
    verdict = "met" if measured.reached else "MISSED"
    return f"{verdict}: {number(value)}, wanted at least {GATE:.2f}"


def sentences(measured: MetricTruth) -> list[str]:
    """What the metric sees and does not see, in plain words; every number from the measurement."""
    said = [f"Gate {gate_line(measured)}."]
    blind = [part for part in measured.parts if part.verdict == "blind"]
    faint = [part for part in measured.parts if part.verdict == "faint"]
    seen = [part for part in measured.parts if part.verdict == "seen"]
    noise = number(measured.noise)
    if blind:
        listed = "; ".join(
            f"{_plainly(part)} ({_estimate(part.drop, signed=True)})" for part in blind
        )
        said.append(f"Blind to: {listed}. The score does not surely fall.")
    if faint:
        listed = "; ".join(
            f"{_plainly(part)} (drop {number(part.drop.value)}; average {part.scenes} scenes)"
            for part in faint
        )
        said.append(
            f"Sees less than the noise from scene to scene ({noise}), so not in a single picture: "
            f"{listed}."
        )
    if seen:
        listed = "; ".join(f"{_plainly(part)} (drop {number(part.drop.value)})" for part in seen)
        said.append(f"Sees above the noise from scene to scene ({noise}): {listed}.")
    if METRICS[measured.metric].answers == "subject fidelity":
        apart = measured.apart
        what = "Another class instead of another individual of the class"
        if apart.interval is not None and apart.interval.low <= 0:
            said.append(f"{what} does not surely lower the score: {_estimate(apart, signed=True)}.")
        else:
            said.append(f"{what} lowers the score by {_estimate(apart)}.")
    if measured.background is not None:
        it = measured.background
        said.append(
            f"Another background alone lowers the score by {_estimate(it.background)}, another "
            f"individual alone by {_estimate(it.identity)}"
            + (
                f": the background counts {number(it.ratio, places=2)} times as much as identity "
                f"({_interval(it.ratio_interval)})."
                if it.ratio is not None
                else ": identity has no sure effect to compare with."
            )
        )
        said.append(
            f"The subject elsewhere scores above another individual in the same place for "
            f"{100 * it.subject_first.value:.0f} of 100 subjects."
        )
    return said


def experiment_json(found: MetricExperiment, control: MetricExperiment | None) -> dict[str, Any]:
    """All numbers as plain JSON: the experiment, its control, gates, sentences."""
    return {
        "schema": SCHEMA,
        "truth": found.truth,
        "gates": [
            {
                "metric": measured.metric,
                "statistic": "Spearman within class, means over a subject's scenes",
                "wanted": GATE,
                "measured": measured.ranking("class means").spearman.value,
                "met": measured.reached,
            }
            for measured in found.metrics
        ],
        "sentences": {measured.metric: sentences(measured) for measured in found.metrics},
        "measured": asdict(found),
        "control": None if control is None else asdict(control),
    }


def _agreement(found: MetricExperiment, control: MetricExperiment | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption=FOOTNOTE, caption_justify="left")
    table.add_column("metric", overflow="fold")
    for head in ("Spearman (gate)", "living", "rigid", "Kendall", "pictures", "subjects"):
        table.add_column(head, justify="right")
    table.add_column(f"≥ {GATE:.2f}")
    for row, measured in enumerate(found.metrics):
        verdict = Text("met", "green") if measured.reached else Text("missed", "bold red")
        table.add_row(*_agreement_cells(measured), verdict)
        if control is not None:
            cells = [Text(str(cell), "dim") for cell in _agreement_cells(control.metrics[row])]
            table.add_row(*cells, Text("control", "dim"))
    return table


def _agreement_cells(measured: MetricTruth) -> list[str]:
    gate = measured.ranking("class means")
    return [
        measured.title,
        f"{_stacked(gate.spearman)}\n(at most {number(gate.ceiling)})",
        *(_kind(gate, kind) for kind in ("living", "rigid")),
        _stacked(gate.kendall),
        _stacked(measured.ranking("class images").spearman),
        _stacked(measured.ranking("subject means").spearman),
    ]


def _kind(ranking: Ranking, kind: Kind) -> str:
    found = ranking.per_kind.get(kind)
    return "–" if found is None else _stacked(found)


def _background(found: MetricExperiment, control: MetricExperiment | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("drop of the score when only …", overflow="fold")
    for head in ("background changes", "identity changes", "ratio", "living", "rigid"):
        table.add_column(head, justify="right")
    for experiment, style in ((found, ""), (control, "dim")):
        for measured in () if experiment is None else experiment.metrics:
            it, per_kind = measured.background, measured.background_per_kind
            if it is None:
                continue
            cells = [
                measured.title,
                _stacked(it.background),
                _stacked(it.identity),
                f"{number(it.ratio, places=2)}\n{_interval(it.ratio_interval)}",
                *(_ratio(it_kind) for it_kind in (per_kind.get("living"), per_kind.get("rigid"))),
            ]
            table.add_row(*(Text(cell, style) for cell in cells))
    return table


def _plainly(part: Part) -> str:
    return PLAINLY.get(part.name, part.name)


def _ratio(background: Background | None) -> str:
    return number(None if background is None else background.ratio, places=2)


def _stacked(estimate: Estimate) -> str:
    return f"{number(estimate.value)}\n{_interval(estimate.interval)}"


def _estimate(estimate: Estimate, *, signed: bool = False) -> str:
    between = _interval(estimate.interval)
    return number(estimate.value, signed=signed) + (f" [{between}]" if between else "")


def _interval(interval: Interval | None) -> str:
    return interval_text(interval)
