"""In: numbers. Out: axes with round ends, and where on them a number stands, in percent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FINEST = 0.05
"""An axis of scores is no finer: a few thousandths must not look like much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis with round ends."""

    low: float
    high: float
    step: float

    def at(self, value: float) -> float:
        """Position in percent of the axis, from 0 to 100."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    @property
    def ticks(self) -> list[float]:
        """The round values from end to end."""
        count = round((self.high - self.low) / self.step)
        return [round(self.low + index * self.step, 6) for index in range(count + 1)]


def scale_over(numbers: Sequence[float], *, zero: bool = False) -> Scale:
    """The tightest axis with round ends that shows every number, two to five steps long.

    Args:
        numbers: finite values; none gives the axis from 0 to 1.
        zero: whether 0 must be on the axis; it may then be finer than FINEST.
    """
    shown = [*numbers, 0.0] if zero else list(numbers)
    if not shown:
        return Scale(low=0.0, high=1.0, step=0.2)
    least, most = min(shown), max(shown)
    steps = [step for step in STEPS if zero or step >= FINEST]
    step = next((s for s in steps if most - least <= 4 * s), steps[-1])
    # The small shift keeps 0.3 / 0.1 = 2.9999… from starting a step early.
    low = math.floor(least / step + 1e-9) * step
    high = max(math.ceil(most / step - 1e-9) * step, low + 2 * step)
    return Scale(low=round(low, 6), high=round(high, 6), step=step)
