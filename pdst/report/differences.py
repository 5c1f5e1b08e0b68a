"""In: finished runs of one key. Out: paired differences of every two of them, ready for a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pdst.compare import Comparison, PairedDifference, compare
from pdst.report.charts import Scale, scale_over
from pdst.report.rows import HEADLINE
from pdst.run import Run

ALL_PAIRS = 5
"""Up to so many runs every two are compared; of more, each with the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs by position, and what their comparison says of each headline metric."""

    first: int
    second: int
    comparison: Comparison
    metrics: tuple[PairedDifference | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """All pairs. `metrics` and `axes` go together: an axis holds 0 and every interval."""

    pairs: tuple[Pair, ...]
    metrics: tuple[str, ...]
    axes: tuple[Scale, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, once each."""
        return tuple(dict.fromkeys(note for pair in self.pairs for note in pair.comparison.notes))


def paired(runs: Sequence[Run]) -> Differences:
    """Compare runs two by two; nothing with fewer than two."""
    positions = range(len(runs))
    wanted = (
        list(combinations(positions, 2))
        if len(runs) <= ALL_PAIRS
        else [(0, other) for other in positions[1:]]
    )
    compared = [(one, other, compare(runs[one], runs[other])) for one, other in wanted]
    metrics = tuple(
        metric
        for metric in HEADLINE
        if any(found.metric == metric for *_, both in compared for found in both.metrics)
    )
    pairs = tuple(
        Pair(
            first=one,
            second=other,
            comparison=both,
            metrics=tuple(
                next((found for found in both.metrics if found.metric == metric), None)
                for metric in metrics
            ),
        )
        for one, other, both in compared
    )
    axes = tuple(
        scale_over(_ends([pair.metrics[column] for pair in pairs]), zero=True)
        for column in range(len(metrics))
    )
    return Differences(pairs=pairs, metrics=metrics, axes=axes)


def _ends(found: Sequence[PairedDifference | None]) -> list[float]:
    numbers = [one.difference for one in found if one is not None]
    for one in found:
        if one is not None and one.interval is not None:
            numbers += [one.interval.low, one.interval.high]
    return [value for value in numbers if value is not None]
