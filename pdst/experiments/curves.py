"""In: scores along training, subject by subject. Out: how far curves move together; plateaus.

Eight checkpoints make a noisy correlation. So each subject has its own, over its checkpoints, and
what is said is their mean over subjects, with an interval from resampling subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pdst.experiments.agreement import Apart, Estimate, estimate, estimate_apart
from pdst.experiments.ranks import spearman
from pdst.summarize import LEVEL, RESAMPLES
from pdst.types import Interval

Coefficient: TypeAlias = Literal["pearson", "spearman"]
COEFFICIENTS: tuple[Coefficient, ...] = ("pearson", "spearman")

FEWEST = 3
"""Checkpoints that a correlation needs: two points always lie on a line."""

REACHED = 0.9
"""A plateau begins where so much of the whole rise has been made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """How far image similarity moves with prompt fidelity along training; units are subjects.

    Attributes:
        train, test: mean correlation of CLIP-T with the similarity to training photos, and to the
            held-out photo.
        apart: test minus train.
        left_out: subjects with fewer than FEWEST checkpoints that have all three scores.
    """

    coefficient: Coefficient
    train: Estimate
    test: Estimate
    apart: Apart
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """Where the similarity to training photos stops rising, and what moves from there on.

    Attributes:
        step: the first checkpoint at which REACHED of the rise from the first checkpoint to the
            highest has been made, in the mean over subjects.
        rise: that of the mean curve, at least 0.
        band: highest minus lowest value of the mean curve from there on.
        test_band: the same of the similarity to held-out photos, over the same checkpoints.
    """

    step: int
    rise: float
    band: Estimate
    test_band: Estimate


def pearson(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's correlation.

    Args:
        one: N >= 2 numbers.
        other: as many. If all of either are equal, 0: what never moves moves with nothing.

    Returns:
        In [-1, 1].

    Source:
        Pearson (1895); `scipy.stats.pearsonr`.
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.pearsonr(one, other).statistic)


def correlation(coefficient: Coefficient, one: Sequence[float], other: Sequence[float]) -> float:
    """One of both coefficients; 0 where either side never moves."""
    if coefficient == "pearson":
        return pearson(one, other)
    return 0.0 if np.ptp(one) == 0 else spearman(one, other)


def along(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A score as a matrix: a row a subject, a column a step, training seeds averaged."""
    return rows.pivot_table(
        index="subject_id", columns="step", values=column, aggfunc="mean", dropna=False
    ).sort_index()


def together(
    rows: pd.DataFrame, coefficient: Coefficient, *, prompt: str, train: str, test: str
) -> Together | None:
    """Correlate within each subject, over its checkpoints.

    Args:
        rows: a row a subject, step and training seed: `subject_id`, `step` and the columns below.
        coefficient: which.
        prompt: the column of prompt fidelity.
        train: of the similarity to training photos.
        test: of the similarity to the held-out photo.

    Returns:
        None if no subject has enough checkpoints.
    """
    of_prompt, of_train, of_test = (along(rows, column) for column in (prompt, train, test))
    found: list[tuple[float, float]] = []
    left_out = []
    for subject_id in of_prompt.index:
        curves = np.stack(
            [curve.loc[subject_id].to_numpy(float) for curve in (of_prompt, of_train, of_test)]
        )
        whole = curves[:, ~np.isnan(curves).any(axis=0)]
        if whole.shape[1] < FEWEST:
            left_out.append(str(subject_id))
            continue
        said, to_train, to_test = whole.tolist()
        found.append(
            (correlation(coefficient, said, to_train), correlation(coefficient, said, to_test))
        )
    if not found:
        return None
    return Together(
        coefficient=coefficient,
        train=estimate([own for own, _ in found]),
        test=estimate([own for _, own in found]),
        apart=estimate_apart([to_test - to_train for to_train, to_test in found]),
        left_out=tuple(left_out),
    )


def plateau(rows: pd.DataFrame, *, train: str, test: str) -> Plateau | None:
    """Find the plateau of the mean curve, and how wide a band the curves stay in from there on.

    Returns:
        None if the plateau would be the last checkpoint alone: it has not been seen yet.
    """
    of_train, of_test = along(rows, train), along(rows, test)
    whole = of_train.notna().all(axis=1) & of_test.notna().all(axis=1)
    curves, others = of_train[whole].to_numpy(float), of_test[whole].to_numpy(float)
    if not len(curves):
        return None
    mean = curves.mean(axis=0)
    rise = float(mean.max() - mean[0])
    begin = int(np.argmax(mean >= mean[0] + REACHED * rise))
    if begin == len(mean) - 1:
        return None
    return Plateau(
        step=int(of_train.columns[begin]),
        rise=rise,
        band=_band(curves[:, begin:]),
        test_band=_band(others[:, begin:]),
    )


def _band(curves: NDArray[np.float64]) -> Estimate:
    """Width of the mean curve; subjects are resampled as whole curves."""
    count = len(curves)
    interval = None
    if count > 1:
        draws = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
        widths = np.ptp(curves[draws].mean(axis=1), axis=1)
        tail = (1.0 - LEVEL) / 2.0
        low, high = np.quantile(widths, [tail, 1.0 - tail])
        interval = Interval(low=float(low), high=float(high))
    return Estimate(value=float(np.ptp(curves.mean(axis=0))), interval=interval, units=count)
