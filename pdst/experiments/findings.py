"""In: what was measured. Out: sentences about it, and whether a claim of the paper holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pdst.keys import run_marks, setting
from pdst.run import Run

if TYPE_CHECKING:  # it imports scipy, and the command line imports this
    from pdst.experiments.agreement import Apart

DECIDING = 6
"""Subjects that it takes to decide a claim: if there is no difference, five all lean to one side
once in sixteen times, six once in thirty-two, and so less often than an interval of 95 % errs."""


ERRING = 0.05
"""How often a claim may be decided though there is no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that the paper says, put so that data can decide it.

    Attributes:
        says: a clause ("cosine is above linear in DINO").
        holds: None where the data does not decide: an interval holds 0, or subjects are too few.
    """

    says: str
    holds: bool | None


def is_above(found: "Apart | None") -> bool | None:
    """Whether a difference is above 0.

    The interval alone would say so too often: of twenty subjects without a difference it leaves 0
    out in 8 %, of six in 14 %, since resampling few units shows too little of their spread.

    Returns:
        True or False if the interval is all on one side and flipped signs seldom (ERRING) do as
        well; None if not, or with fewer subjects than DECIDING.
    """
    if found is None or found.interval is None or found.units < DECIDING:
        return None
    if found.p_value is None or found.p_value > ERRING:
        return None
    if found.interval.low > 0:
        return True
    return False if found.interval.high < 0 else None


def both(*decided: bool | None) -> bool | None:
    """False if one is false; else undecided if one is; else True."""
    if False in decided:
        return False
    return None if None in decided else True


def verdict(source: str, claims: Sequence[Claim], subjects: Sequence[int]) -> str:
    """Say which claims hold, and what follows for them together.

    Args:
        source: where the paper says so ("Fig. 1").
        claims: all of them; at least one.
        subjects: how many each of the differences is of, as far as there are any.
    """
    outcome = {
        True: "is reproduced here",
        False: "is not reproduced here",
        None: "is neither reproduced nor refuted here",
    }[both(*(claim.holds for claim in claims))]
    return f"The paper's claim ({source}) {outcome}: {decided(claims)}.{few_sentence(subjects)}"


def decided(claims: Sequence[Claim]) -> str:
    """Each claim with its answer: "x: yes; y: undecided"."""
    words = {True: "yes", False: "no", None: "undecided"}
    return "; ".join(f"{claim.says}: {words[claim.holds]}" for claim in claims)


def few_sentence(subjects: Sequence[int]) -> str:
    """That too few subjects decide nothing, with a blank in front; empty if there are enough."""
    if min(subjects, default=0) >= DECIDING:
        return ""
    return f" What fewer than {DECIDING} subjects say stays undecided."


def setting_sentence(runs: Sequence[Run], subjects: int, what: str) -> str:
    """What was looked at, so that the numbers after it can be read alone.

    Args:
        runs: of one key; at least one.
        subjects: how many.
        what: was done with them.
    """
    name, version = (setting(runs[0], "settings", "benchmark", one) for one in ("name", "version"))
    protocol = setting(runs[0], "settings", "protocol", "name")
    sentence = f"{plural(subjects, 'subject')} of {name} {version}, protocol {protocol}: {what}."
    marks = dict.fromkeys(mark for run in runs for mark in run_marks(run))
    if marks:
        sentence += f" Not submittable ({'; '.join(marks)})."
    return sentence


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "training seed"), plural(3, "training seed")
    ('1 training seed', '3 training seeds')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def sentences(parts: Sequence[str]) -> str:
    """One paragraph."""
    return " ".join(part.strip() for part in parts if part.strip())
