"""In: what reviewers said about the same items. Out: what goes, what is missing, how they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from builders.review.answers import Answer
from builders.review.items import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all reviewers together say.

    Attributes:
        rejected: item -> who rejected it and why. One rejection is enough.
        missing: reviewer -> how many items they have yet to answer; without those who are done.
    """

    rejected: Mapping[str, str]
    missing: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two reviewers agree.

    Attributes:
        items: that both have answered. same: that they answered alike.
        kappa: Cohen's; None where chance alone would make them agree always (both said one thing).
    """

    one: str
    other: str
    items: int
    same: int
    kappa: float | None

    @property
    def rate(self) -> float:
        """Raw agreement, 0 to 1; 1 on no items."""
        return self.same / self.items if self.items else 1.0


def verdict(items: Sequence[Item], answers: Mapping[str, Mapping[str, Answer]]) -> Verdict:
    """Put the answers together.

    Args:
        items: all that was asked.
        answers: reviewer -> item -> answer.
    """
    rejected: dict[str, str] = {}
    for item in items:
        against = [
            f"{reviewer}{f': {own[item.name].reason}' if own[item.name].reason else ''}"
            for reviewer, own in answers.items()
            if item.name in own and not own[item.name].yes
        ]
        if against:
            rejected[item.name] = f"rejected by {'; '.join(against)}"
    missing = {
        reviewer: count
        for reviewer, own in answers.items()
        if (count := sum(item.name not in own for item in items))
    }
    return Verdict(rejected=rejected, missing=missing)


def agreements(answers: Mapping[str, Mapping[str, Answer]]) -> tuple[Agreement, ...]:
    """Every two reviewers, over the items that both have answered."""
    return tuple(
        cohen(one, answers[one], other, answers[other]) for one, other in combinations(answers, 2)
    )


def cohen(
    one: str, first: Mapping[str, Answer], other: str, second: Mapping[str, Answer]
) -> Agreement:
    """Raw agreement and Cohen's kappa of two reviewers.

    Source:
        J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
        Measurement 20 (1960): kappa = (p_o - p_e) / (1 - p_e).
    """
    both = [name for name in first if name in second]
    pairs = [(bool(first[name].yes), bool(second[name].yes)) for name in both]
    n, same = len(pairs), sum(a == b for a, b in pairs)
    kappa = None
    if n:
        yes_one, yes_other = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
        chance = yes_one * yes_other + (1 - yes_one) * (1 - yes_other)
        kappa = None if chance == 1 else (same / n - chance) / (1 - chance)
    return Agreement(one=one, other=other, items=n, same=same, kappa=kappa)
