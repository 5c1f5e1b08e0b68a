"""In: what is known and what a metric says, number by number. Out: how far they agree in order."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def spearman(known: Sequence[float], scores: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank.

    Args:
        known: N >= 2 numbers, not all equal.
        scores: as many. All equal gives 0: a score that never moves orders nothing.

    Returns:
        In [-1, 1]. Where `known` has ties, 1 cannot be reached; see `ceiling`.

    Source:
        Spearman (1904); `scipy.stats.spearmanr`.
    """
    if np.ptp(scores) == 0:
        return 0.0
    return float(stats.spearmanr(known, scores).statistic)


def kendall(known: Sequence[float], scores: Sequence[float]) -> float:
    """Kendall's tau-b; arguments and ties as in `spearman`.

    Source:
        Kendall (1945); `scipy.stats.kendalltau`.
    """
    if np.ptp(scores) == 0:
        return 0.0
    return float(stats.kendalltau(known, scores).statistic)


def ceiling(known: Sequence[float]) -> float:
    """The highest Spearman of scores without ties: they order all that is known."""
    perfect = np.argsort(np.argsort(known, kind="stable"), kind="stable")
    return spearman(known, [float(rank) for rank in perfect])
