"""In: contestants. Out: how long each takes in turn, and ratios of those times, round by round.

Contestants run in one process, one after the other and in turning order, so that a slow minute of
the machine hits all of them. A ratio is taken within each round.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One comparison of times.

    Attributes:
        what: "usual loop / ours".
        median, low, high: over the rounds.
        target: what the median is to be; "at least" or "at most" of it.
    """

    what: str
    median: float
    low: float
    high: float
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the target."""
        return self.median >= self.target if self.at_least else self.median <= self.target


def in_turns(
    contestants: dict[str, Callable[[], None]],
    rounds: int,
    progress: Callable[[str], None],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each, round by round; each round begins with another one."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            began = clock()
            contestants[name]()
            times[name].append(clock() - began)
            progress(f"round {number + 1} of {rounds}: {name} {times[name][-1]:.2f} s")
    return times


def compared(
    what: str, above: Sequence[float], below: Sequence[float], target: float, *, at_least: bool
) -> Ratio:
    """One comparison, round by round."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return Ratio(
        what=what,
        median=round(statistics.median(ratios), 3),
        low=round(min(ratios), 3),
        high=round(max(ratios), 3),
        target=target,
        at_least=at_least,
    )
