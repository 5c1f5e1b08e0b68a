"""In: how far training is, from 0 to 1. Out: the contrastive loss's weight, from 0 to 1.

What the weight is multiplied with is the caller's setting.

Source: Li et al., arXiv 2503.06632, section 6.1 and Figs. 7 and 16, name the functions and find
that a low weight early is what matters. The formulas are METHODS 3.7. The paper's "exponential" did
worse than no contrastive loss, so it is read as the one that is high early; "exp_convex" is the
other reading.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from pdst.errors import SettingsError, unknown_name

Weighting: TypeAlias = Callable[[float], float]
"""From progress in [0, 1] to a weight in [0, 1], never falling."""

RATE = 5.0
"""Both exponentials', k."""

STEEPNESS = 12.0
"""The sigmoid's, kappa: it begins at 0.0025 and ends at 0.9975."""


def zero(progress: float) -> float:
    """No contrastive loss."""
    return 0.0


def one(progress: float) -> float:
    """The whole weight throughout; the paper's "identity function (value = 1)"."""
    return 1.0


def linear(progress: float) -> float:
    """Progress itself."""
    return progress


def exponential(progress: float) -> float:
    """Rises early and levels off, from 0 to 1."""
    return math.expm1(-RATE * progress) / math.expm1(-RATE)


def exp_convex(progress: float) -> float:
    """Stays low and rises late, from 0 to 1."""
    return math.expm1(RATE * progress) / math.expm1(RATE)


def sigmoid(progress: float) -> float:
    """Rises in the middle; neither end is reached."""
    return 1 / (1 + math.exp(-STEEPNESS * (progress - 0.5)))


def cosine(progress: float) -> float:
    """Rises in the middle, from 0 to 1: half a period of a cosine."""
    return (1 - math.cos(math.pi * progress)) / 2


WEIGHTINGS: Mapping[str, Weighting] = {
    "zero": zero,
    "one": one,
    "linear": linear,
    "exponential": exponential,
    "exp_convex": exp_convex,
    "sigmoid": sigmoid,
    "cosine": cosine,
}


def weighting(name: str) -> Weighting:
    """The function of a name in `WEIGHTINGS`.

    Raises:
        SettingsError: if there is none of that name.
    """
    if name not in WEIGHTINGS:
        raise SettingsError(unknown_name("weighting", name, WEIGHTINGS))
    return WEIGHTINGS[name]


def progress(step: int, steps: int) -> float:
    """How far training is at a step: 0 at the first, 1 at the last.

    Args:
        step: counted from 0.
        steps: of the whole training; with a single one, it is the first: 0.

    Raises:
        ValueError: if the step is not one of them.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step is {step} of {steps}, wanted 0 to {steps - 1}: count from 0.")
    return step / (steps - 1) if steps > 1 else 0.0
