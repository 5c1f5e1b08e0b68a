"""In: finished runs of one key. Out: one row a run; the one way in which numbers are printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pdst.errors import ComparisonError
from pdst.keys import RunKey, distinct_names, refuse_differences, run_key, run_marks
from pdst.metrics import METRICS
from pdst.run import Run
from pdst.summarize import COPY_COLUMNS, NEEDED_COLUMNS, summarize
from pdst.types import Interval, MetricSummary, Report

HEADLINE = ("clip_t", "clip_i", "dino")
"""The metrics that every table shows, in the order of `METRICS`."""

MISSING = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run in a table.

    Attributes:
        name: the generator's, made distinct.
        encoders: family -> title, for the column heads.
    """

    name: str
    report: Report
    encoders: Mapping[str, str]


def table_rows(runs: Sequence[Run]) -> list[Row]:
    """Summarize runs that may stand in one table.

    Raises:
        ComparisonError: if there is none, or two runs' keys differ; every difference is named.
        StoreError: if a run is not finished.
    """
    if not runs:
        raise ComparisonError("No run to show. Name at least one run folder.")
    names = distinct_names(runs)
    keys = [run_key(run) for run in runs]
    refuse_differences(list(zip(names, keys, strict=True)))
    return [
        Row(name=name, report=_report(run, key), encoders=key.encoders)
        for name, run, key in zip(names, runs, keys, strict=True)
    ]


def _report(run: Run, key: RunKey) -> Report:
    """Made from the scores themselves, so that a table cannot disagree with them."""
    metrics = [metric for metric in METRICS if metric in key.metrics]
    scores = run.scores([*NEEDED_COLUMNS, *metrics, *COPY_COLUMNS])
    return summarize(scores, marks=run_marks(run), metrics=metrics)


def summary_of(summaries: Sequence[MetricSummary], metric: str) -> MetricSummary | None:
    """The summary of one metric; None if the run does not have it."""
    return next((summary for summary in summaries if summary.metric == metric), None)


def metric_title(metric: str) -> str:
    """How tables call a metric, without its encoder ("CLIP-I")."""
    return METRICS[metric].title if metric in METRICS else metric


def encoder_title(metric: str, encoders: Mapping[str, str]) -> str:
    """What stands below a metric's title, because the encoder is part of it ("ViT-B/32")."""
    family = METRICS[metric].encoder if metric in METRICS else ""
    return encoders.get(family, "").removeprefix(f"{family.upper()} ")


def number(value: float | None, *, signed: bool = False, places: int = 3) -> str:
    """Fixed decimals and a true minus sign; a dash for no value.

    >>> number(0.7), number(-0.0312), number(0.05, signed=True), number(None)
    ('0.700', '−0.031', '+0.050', '–')
    """
    if value is None:
        return MISSING
    rounded = round(value, places) + 0.0  # -0.0 becomes 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{places}f}".replace("-", "−")


def interval_text(interval: Interval | None, *, signed: bool = False) -> str:
    """Both ends: "0.612–0.701", with signs "−0.012 to +0.020"; empty without an interval."""
    if interval is None:
        return ""
    between = " to " if signed or interval.low < 0 else "–"
    ends = (number(end, signed=signed) for end in (interval.low, interval.high))
    return between.join(ends)


def percent(part: int, whole: int) -> str:
    """A share without decimals, but never "0 %" of something nor "100 %" of less than all.

    >>> percent(0, 9), percent(1, 900), percent(450, 900), percent(899, 900), percent(1, 0)
    ('0 %', '<1 %', '50 %', '>99 %', '–')
    """
    if not whole:
        return MISSING
    share = 100 * part / whole
    if 0 < share < 1:
        return "<1 %"
    if 99 < share < 100:
        return ">99 %"
    return f"{share:.0f} %"


def count_text(part: int, whole: int) -> str:
    """Scored of expected: "9,998 of 10,000"."""
    return f"{part:,} of {whole:,}"


def marks_lines(rows: Sequence[Row]) -> list[str]:
    """One line a mark, with the runs that bear it; empty if every run may be submitted."""
    marks = dict.fromkeys(mark for row in rows for mark in row.report.marks)
    lines = []
    for mark in marks:
        bearers = [row.name for row in rows if mark in row.report.marks]
        who = "" if len(bearers) == len(rows) else f" ({', '.join(bearers)})"
        lines.append(f"{mark}{who}")
    return lines
