"""In: scored pictures. Out: what moves a score: each change, the scene, the background."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdst.experiments.agreement import Estimate, estimate
from pdst.experiments.points import Point, grouped
from pdst.summarize import LEVEL, RESAMPLES
from pdst.types import Interval

Verdict: TypeAlias = Literal["seen", "faint", "blind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one change costs in score, all else equal.

    Attributes:
        name: a parameter of the identity, or a fact of the caption.
        drop: score before minus after the change; units are subjects.
        verdict: "blind": the interval of the drop holds 0 or less. "faint": the drop is less than
            what the score moves from scene to scene of one subject. "seen": it is more.
        scenes: over how many scenes to average until the drop exceeds that noise; None if blind.
    """

    name: str
    drop: Estimate
    verdict: Verdict
    scenes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What the background does to a metric of subject fidelity, beside what identity does.

    Attributes:
        background: drop of the score when only the background changes; the mean over both
            individuals.
        identity: drop when only the individual changes; the mean over both backgrounds.
        ratio: of the two means; below 1, identity counts more. None unless identity's drop is
            surely above 0.
        ratio_interval: 95 %, subjects resampled.
        subject_first: how often the subject on another background scores above another individual
            on the reference's background.
    """

    background: Estimate
    identity: Estimate
    ratio: float | None
    ratio_interval: Interval | None
    subject_first: Estimate


def scene_noise(points: Sequence[Point]) -> float:
    """Standard deviation from scene to scene of one subject at the highest level, pooled."""
    best = grouped([point for point in points if point.level == 0], lambda p: p.subject_id)
    spreads = [
        np.var([point.score for point in own], ddof=1) for own in best.values() if len(own) > 1
    ]
    return float(np.sqrt(np.mean(spreads))) if spreads else 0.0


def single_changes(points: Sequence[Point], noise: float) -> tuple[Part, ...]:
    """Each change that makes a level of the level before it, in the same scene."""
    drops: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for own in grouped(points, lambda p: f"{p.subject_id}/{p.scene}").values():
        ordered = sorted(own, key=lambda point: point.level)
        for before, after in itertools.pairwise(ordered):
            new = after.differs - before.differs
            if len(new) == 1 and before.differs < after.differs:
                drops[next(iter(new))][before.subject_id].append(before.score - after.score)
    parts = [
        _part(name, estimate([float(np.mean(own)) for own in subjects.values()]), noise)
        for name, subjects in drops.items()
    ]
    return tuple(sorted(parts, key=lambda part: -part.drop.value))


def _part(name: str, drop: Estimate, noise: float) -> Part:
    if drop.interval is None or drop.interval.low <= 0:
        return Part(name=name, drop=drop, verdict="blind", scenes=None)
    return Part(
        name=name,
        drop=drop,
        verdict="faint" if drop.value < noise else "seen",
        scenes=max(1, int(np.ceil((noise / drop.value) ** 2))),
    )


def drop_apart(points: Sequence[Point], level: int) -> Estimate:
    """What the first level that is not ranked costs beside the last one that is, scene by scene."""
    last = {(p.subject_id, p.scene): p.score for p in points if p.level == level - 1}
    drops: dict[str, list[float]] = defaultdict(list)
    for point in points:
        if point.level == level:
            drops[point.subject_id].append(last[point.subject_id, point.scene] - point.score)
    return estimate([float(np.mean(own)) for own in drops.values()])


def background_effect(squares: Sequence[NDArray[np.float64]]) -> Background:
    """From (4,) scores a square: unmoved, moved, swapped, both."""
    unmoved, moved, swapped, both = np.stack(squares, axis=1)
    background = (unmoved - moved + swapped - both) / 2
    identity = (unmoved - swapped + moved - both) / 2
    of_identity = estimate(identity.tolist())
    ratio, interval = None, None
    if of_identity.interval is not None and of_identity.interval.low > 0:
        ratio = float(background.mean() / identity.mean())
        draws = np.random.default_rng(0).integers(len(squares), size=(RESAMPLES, len(squares)))
        ratios = background[draws].mean(axis=1) / identity[draws].mean(axis=1)
        tail = (1.0 - LEVEL) / 2.0
        low, high = np.quantile(ratios, [tail, 1.0 - tail])
        interval = Interval(low=float(low), high=float(high))
    return Background(
        background=estimate(background.tolist()),
        identity=of_identity,
        ratio=ratio,
        ratio_interval=interval,
        subject_first=estimate((moved > swapped).astype(float).tolist()),
    )
