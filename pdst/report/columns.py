"""In: rows of a table. Out: one metric over all of them, on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pdst.metrics import METRICS
from pdst.report.charts import Scale, scale_over
from pdst.report.rows import Row, encoder_title, metric_title, summary_of
from pdst.types import MetricSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One metric over all runs, on one axis. A run without the metric has None.

    Attributes:
        better: which direction is good ("higher is better"), or empty.
        signed: whether its numbers are differences.
    """

    metric: str
    title: str
    encoder: str
    better: str
    signed: bool
    axis: Scale
    summaries: tuple[MetricSummary | None, ...]

    def over(self, numbers: Sequence[float], *, zero: bool = False) -> "Column":
        """The same on an axis that shows these numbers."""
        return replace(self, axis=scale_over(numbers, zero=zero))


def column(rows: Sequence[Row], metric: str, *, gap: bool = False) -> Column:
    """A metric's means, or its train gaps."""
    summaries = tuple(
        summary_of(row.report.gaps if gap else row.report.metrics, metric) for row in rows
    )
    title = metric_title(metric)
    return Column(
        metric=metric,
        title=f"{title} train gap" if gap else title,
        encoder=encoder_title(metric, rows[0].encoders),
        better="" if gap else _better(metric),
        signed=gap,
        axis=scale_over(_ends(summaries), zero=gap),
        summaries=summaries,
    )


def _ends(summaries: Sequence[MetricSummary | None]) -> list[float]:
    """Every number that a meter of these summaries shows."""
    numbers: list[float | None] = []
    for summary in summaries:
        if summary is not None:
            numbers.append(summary.macro)
            if summary.interval is not None:
                numbers += [summary.interval.low, summary.interval.high]
    return [value for value in numbers if value is not None]


def _better(metric: str) -> str:
    higher = METRICS[metric].higher_is_better if metric in METRICS else None
    return {True: "higher is better", False: "lower is better", None: ""}[higher]
