"""In: per-subject means of methods. Out: the rank of each, and between which places it may lie.

One rule tells of two methods whether one is better: its mean is higher, and so it is in 97.5 % of
resampled sets of subjects (the same sets for both, which removes what is hard about a subject). It
is `pdst compare`'s 95 % interval of the paired difference lying above zero. From it follow both

- the rank, one more than the number of methods that are better than this one or than any method
  with as high a mean: by being unsure of itself a method does not pass one with a higher mean;
- the rank's range, from one more than the number of better methods to as many as are not worse.

So a rank lies in its range; it depends on no order; equal entries are equal; and since each
resampled mean rises with every score, nobody ever gains by lowering a score. Being told apart is
not transitive: of three methods the first may be better than the third while the second is told
from neither. Equal ranks therefore mean "as many are better", not "equally good".

Each comparison is made at 95 % by itself, as a reader of two rows makes it, so that what others
submit does not change what is said of these two. Of many equally good methods some pair will be
told apart by chance; a range is not a joint statement about all ranks.

Source:
    Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks with Applications to Mobility across
    Neighbourhoods and Academic Achievement across Countries" (Review of Economic Studies, 2024):
    ranges of ranks from the signs of pairwise differences, and why resampled ranks are no
    substitute: among methods that are nearly equal they are too sure. Klein, Wright and Wieczorek,
    "A Joint Confidence Region for an Overall Ranking of Populations" (2020), has the same form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdst.summarize import LEVEL

RESAMPLES = 500
FAILS = int(RESAMPLES * (1.0 - LEVEL) / 2.0)
"""In so many of the resampled sets a better method may fail to be higher. Twice as many sets move a
rank among 10,000 by some ten places, and take twice as long."""

FEWEST = 6
"""Below so many subjects nothing is told apart: five of five would be chance in 6 % of cases."""

GRID = 2**14
"""Resampled means are held in units of 1/GRID: finer than two machines' scores agree."""

FINE = 2**32
"""Means are first held in units of 1/FINE, whose sums are exact in any order."""

CHUNK = 250
"""Resampled sets at once; their count fits one byte."""

BLOCK = 96
"""Methods that share one copy of those that may be better."""

Draws = NDArray[np.int16]
"""(RESAMPLES, N): resampled means, of which differences between columns matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Places among N methods; all (N,) int32, 1 is best, low <= rank <= high."""

    rank: NDArray[np.int32]
    low: NDArray[np.int32]
    high: NDArray[np.int32]


def ranks(values: NDArray[np.float64]) -> Ranks:
    """Rank methods by the mean over subjects.

    Args:
        values: (N, S): method by subject, cosines in [-1, 1], no NaN; higher is better.
            N >= 1.

    Returns:
        Rank and range of each. Time and memory grow as the number of pairs that are neither far
        apart nor alike.
    """
    count = len(values)
    fine = np.rint(values * FINE)
    total = fine.sum(axis=1)
    order = np.argsort(-total, kind="stable")
    better, worse = _told_apart(fine[order], total[order])
    # Of equal means the last counts, so that all of them have seen the same others.
    last = np.searchsorted(-total[order], -total[order], side="right") - 1
    shown = np.maximum.accumulate(better)[last]
    found = np.empty((3, count), np.int32)
    found[:, order] = [shown + 1, better + 1, count - worse]
    return Ranks(rank=found[0], low=found[1], high=found[2])


def _told_apart(
    fine: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many are better than each method, and how many worse; rows by falling total."""
    count, subjects = fine.shape
    better, worse = np.zeros(count, np.int32), np.zeros(count, np.int32)
    if subjects < FEWEST:
        return better, worse
    means = _resampled(fine)
    low, high = _trimmed(means)
    ahead = np.searchsorted(-total, -total, side="left")  # so many have a higher mean
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        unsure = np.flatnonzero(low[:stop] <= high[start:stop].max())
        others, own = means.take(unsure, axis=1), means[:, start:stop].T.copy()
        for place in range(start, stop):
            told = low[: ahead[place]] > high[place]
            among = int(np.searchsorted(unsure, ahead[place]))
            told[unsure[:among]] = _mostly_above(others[:, :among], own[place - start])
            better[place] = np.count_nonzero(told)
            worse[: len(told)] += told
    return better, worse


def _resampled(fine: NDArray[np.float64]) -> Draws:
    """Means of the resampled sets, less the mean over methods, which keeps the spread small."""
    count, subjects = fine.shape
    draws = np.random.default_rng(0).integers(subjects, size=(RESAMPLES, subjects))
    weights = np.stack([np.bincount(draw, minlength=subjects) for draw in draws]).astype(np.float64)
    means = np.empty((RESAMPLES, count), np.int16)
    for start in range(0, RESAMPLES, CHUNK // 5):
        part = np.rint(weights[start : start + CHUNK // 5] @ fine.T * (GRID / FINE / subjects))
        part -= np.rint(part.mean(axis=1, keepdims=True))
        means[start : start + len(part)] = np.clip(part, -2 * GRID + 1, 2 * GRID - 1)
    return means


def _trimmed(means: Draws) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Each method's lowest and highest mean but for FAILS // 2 sets at either end.

    Where one's lowest is above another's highest, it fails to be higher in at most FAILS sets.
    """
    cut = FAILS // 2
    columns = np.partition(means.T.copy(), [cut, RESAMPLES - 1 - cut], axis=1)
    return columns[:, cut].copy(), columns[:, RESAMPLES - 1 - cut].copy()


def _mostly_above(others: Draws, own: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which columns are above `own` in all but FAILS of the resampled sets.

    Columns come by falling mean, so those that have failed too often are mostly the last ones, and
    are not looked at any longer.
    """
    fails = np.zeros(others.shape[1], np.uint16)
    left = len(fails)
    for start in range(0, RESAMPLES, CHUNK):
        rows = slice(start, start + CHUNK)
        failed = others[rows, :left] <= own[rows, None]
        fails[:left] += np.add.reduce(failed.view(np.uint8), axis=0, dtype=np.uint8)
        alive = np.flatnonzero(fails[:left] <= FAILS)
        left = int(alive[-1]) + 1 if len(alive) else 0
    told = np.zeros(len(fails), np.bool_)
    told[:left] = fails[:left] <= FAILS
    return told
