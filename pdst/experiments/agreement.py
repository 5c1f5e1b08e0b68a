"""In: scored pictures whose level is known. Out: how far scores and levels agree in order.

What counts as agreement is decided here, once, for every metric and encoder:

* `class means` (the gate's): within each class, the points are (subject, level), each the mean
  over the subject's scenes; Spearman over these points; mean over classes.
* `class images`: the same without averaging; each picture is a point. One picture is noisy, and
  this shows how much.
* `subject means`: within each subject, its levels only. What a comparison of two methods on the
  same prompts relies on; it forgives that one subject's scores lie higher than another's.

Intervals come from resampling the units that are averaged: classes, or subjects. Subjects are not
resampled inside a class: three are too few, and a repeated one repeats its order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pdst.compare import sign_flip_p
from pdst.experiments.points import Point, grouped, scene_means
from pdst.experiments.ranks import ceiling, kendall, spearman
from pdst.summarize import bootstrap_interval
from pdst.types import KINDS, Interval, Kind

Definition: TypeAlias = Literal["class means", "class images", "subject means"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over units.

    Attributes:
        interval: 95 %, by bootstrap over the units; None for a single one.
        units: how many.
    """

    value: float
    interval: Interval | None
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart(Estimate):
    """A mean difference over units.

    Attributes:
        p_value: two-sided, by flipping the signs of units; None with fewer than two.
    """

    p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Agreement in order between what is known and what a metric says.

    Attributes:
        definition: see the module.
        spearman, kendall: over all; tau-b.
        ceiling: the highest Spearman of a metric whose scores never tie; below 1 where several
            points share a level.
        per_kind: Spearman of the living and of the rigid.
    """

    definition: Definition
    spearman: Estimate
    kendall: Estimate
    ceiling: float
    per_kind: dict[Kind, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMean:
    """The mean score of a level; its units are subjects."""

    level: str
    score: Estimate


def rankings(points: Sequence[Point], levels: int) -> tuple[Ranking, ...]:
    """Agreement over the first so many levels, by every definition."""
    ranked = [point for point in points if point.level < levels]
    means = scene_means(ranked)
    return (
        _ranking("class means", grouped(means, lambda p: p.class_noun)),
        _ranking("class images", grouped(ranked, lambda p: p.class_noun)),
        _ranking("subject means", grouped(means, lambda p: p.subject_id)),
    )


def _ranking(definition: Definition, groups: Mapping[str, Sequence[Point]]) -> Ranking:
    rows = []
    for own in groups.values():
        known, scores = [-float(point.level) for point in own], [point.score for point in own]
        rows.append((own[0].kind, spearman(known, scores), kendall(known, scores), ceiling(known)))
    return Ranking(
        definition=definition,
        spearman=estimate([rho for _, rho, _, _ in rows]),
        kendall=estimate([tau for _, _, tau, _ in rows]),
        ceiling=float(np.mean([best for _, _, _, best in rows])),
        per_kind={
            kind: estimate([rho for own, rho, _, _ in rows if own == kind])
            for kind in KINDS
            if any(own == kind for own, _, _, _ in rows)
        },
    )


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values, one a unit, and its interval; at least one value."""
    return Estimate(
        value=float(np.mean(values)), interval=bootstrap_interval(values), units=len(values)
    )


def estimate_apart(differences: Sequence[float]) -> Apart:
    """The mean of differences, one a unit, and how sure it is; at least one."""
    return Apart(
        value=float(np.mean(differences)),
        interval=bootstrap_interval(differences),
        units=len(differences),
        p_value=sign_flip_p(differences),
    )


def level_means(points: Sequence[Point], names: Sequence[str]) -> tuple[LevelMean, ...]:
    """Mean score of each level that occurs, over subjects."""
    means = scene_means(points)
    return tuple(
        LevelMean(level=name, score=estimate([p.score for p in means if p.level == level]))
        for level, name in enumerate(names)
        if any(point.level == level for point in means)
    )
