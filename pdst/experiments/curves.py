"""In: scores along training, subject by subject. Out: how far curves move together; plateaus.

Eight checkpoints make a noisy correlation. So each subject has its own, over its checkpoints, and
what is said is their mean over subjects, with an interval from resampling subjects. A subject's
curve is the mean of its training seeds' curves, taken before anything else is computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pdst.experiments.agreement import Apart, Estimate, estimate, estimate_apart
from pdst.experiments.findings import DECIDING, is_above
from pdst.experiments.ranks import spearman
from pdst.summarize import LEVEL, RESAMPLES
from pdst.types import Interval

Coefficient: TypeAlias = Literal["pearson", "spearman"]
COEFFICIENTS: tuple[Coefficient, ...] = ("pearson", "spearman")

FEWEST = 3
"""Checkpoints that a correlation needs: two points always lie on a line."""

REACHED = 0.9
"""A plateau begins where so much of the whole rise has been made."""

SMALL = 0.25
"""A curve is flat if it moves by at most this part of the rise before it. The paper says "nearly
unchanged" and no more."""


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
    test: Apart
    apart: Apart
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """Where the mean similarity to training photos stops rising, and how far it moves from there.

    How far: from the checkpoint at which the mean curve is highest to the one at which it is
    lowest, each subject's own difference. Noise helps to choose the two, so the band is wide rather
    than narrow: "flat" is said too seldom, and "not flat" somewhat too often. Simulated with 6 and
    20 subjects, 5 and 8 checkpoints, that is up to 15 % of curves that move by just SMALL of their
    rise, and 1 % of flat ones. Were the two chosen anew in each resample, noise would widen every
    band, and of the former 60 % would be called not flat. A mean curve that never falls is flat by
    this definition: at most 1 - REACHED of its rise is left.

    Attributes:
        step: the first checkpoint at which REACHED of the rise has been made, by the mean curve.
        checkpoints: how many from there on.
        band: how far; an interval below 0 means that either of both may be the higher one.
        share: the band in parts of the rise, at least 0; both are resampled together.
        excess: the band minus SMALL of the rise; below 0: flat.
        test_band: of the similarity to held-out photos, over the same checkpoints, as `band`.
    """

    step: int
    checkpoints: int
    band: Estimate
    share: Estimate
    excess: Apart
    test_band: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How similarity to training photos goes along training; units are subjects.

    Of subjects with all checkpoints alone: a mean over other subjects at each would move by itself.

    Attributes:
        first, top: the first checkpoint, and the one at which the mean curve is highest.
        rise: from one to the other. Noise helps to choose the top: of 20 subjects that learn
            nothing, about one time in ten it seems surely above 0 (simulated as above).
        plateau: None if there is no rise, or it would be the last checkpoint alone, and so has not
            been seen yet.
        left_out: subjects that lack a checkpoint.
    """

    first: int
    top: int
    rise: Apart
    plateau: Plateau | None
    left_out: tuple[str, ...]

    @property
    def rises(self) -> bool:
        """Whether it surely rises.

        Too few subjects to decide that go by the interval, one by its value: the plateau is told
        then, and decides nothing.
        """
        if self.rise.units >= DECIDING:
            return is_above(self.rise) is True
        between = self.rise.interval
        return (self.rise.value if between is None else between.low) > 0


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
    """A score as a matrix: a row a subject, a column a step, training seeds averaged.

    Args:
        rows: a row a subject, step and training seed.
        column: the score.

    Returns:
        NaN where any training seed lacks the score: a mean over other seeds than at the next step
        would move by itself.
    """
    cells = rows.groupby(["subject_id", "step"], sort=True)[column]
    whole = cells.count() == rows["seed"].nunique()
    return cells.mean().where(whole).unstack("step").sort_index().sort_index(axis="columns")


def together(
    rows: pd.DataFrame, coefficient: Coefficient, *, prompt: str, train: str, test: str
) -> Together | None:
    """Correlate within each subject, over its checkpoints.

    Args:
        rows: a row a subject, step and training seed: `subject_id`, `step`, `seed` and the columns
            below.
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
        test=estimate_apart([own for _, own in found]),
        apart=estimate_apart([to_test - to_train for to_train, to_test in found]),
        left_out=tuple(left_out),
    )


def course(rows: pd.DataFrame, *, train: str, test: str) -> Course | None:
    """Follow the mean curve to its top, and see whether it stays there.

    Args:
        rows: as `together` takes them.
        train: the column of similarity to training photos.
        test: of the similarity to the held-out photo.

    Returns:
        None if no subject has all checkpoints.
    """
    of_train, of_test = along(rows, train), along(rows, test)
    whole = of_train.notna().all(axis="columns") & of_test.notna().all(axis="columns")
    if not whole.any():
        return None
    curves, others = of_train[whole].to_numpy(float), of_test[whole].to_numpy(float)
    steps = [int(step) for step in of_train.columns]
    mean = curves.mean(axis=0)
    top = int(np.argmax(mean))
    rises = curves[:, top] - curves[:, 0]
    begun = Course(
        first=steps[0],
        top=steps[top],
        rise=estimate_apart(rises.tolist()),
        plateau=None,
        left_out=tuple(str(one) for one in of_train.index[~whole]),
    )
    begin = int(np.argmax(mean >= mean[0] + REACHED * (mean[top] - mean[0])))
    if not begun.rises or begin == len(steps) - 1:
        return begun
    bands = _bands(curves[:, begin:])
    found = Plateau(
        step=steps[begin],
        checkpoints=len(steps) - begin,
        band=estimate(bands.tolist()),
        share=_share(bands, rises),
        excess=estimate_apart((bands - SMALL * rises).tolist()),
        test_band=estimate(_bands(others[:, begin:]).tolist()),
    )
    return replace(begun, plateau=found)


def _bands(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each subject's value where the mean curve is highest, minus that where it is lowest."""
    mean = curves.mean(axis=0)
    lowest = len(mean) - 1 - int(np.argmin(mean[::-1]))  # of equals the last: never the highest too
    apart: NDArray[np.float64] = curves[:, int(np.argmax(mean))] - curves[:, lowest]
    return apart


def _share(bands: NDArray[np.float64], rises: NDArray[np.float64]) -> Estimate:
    """The mean band in parts of the mean rise; subjects are resampled with both."""
    count, interval = len(bands), None
    if count > 1:
        draws = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
        tail = (1.0 - LEVEL) / 2.0
        below = rises[draws].mean(axis=1)
        # A rise near 0 would make any share: its own interval says how low it may be.
        shares = bands[draws].mean(axis=1) / np.maximum(below, np.quantile(below, tail))
        low, high = np.quantile(shares, [tail, 1.0 - tail])
        interval = Interval(low=max(float(low), 0.0), high=max(float(high), 0.0))
    return Estimate(value=float(bands.mean() / rises.mean()), interval=interval, units=count)
