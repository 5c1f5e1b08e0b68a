"""In: methods. Out: who is held against whom: + against its base, NeTI against the best other.

And every method that learned against the class noun, which is what the base model draws without a
look at the subject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pandas as pd

from pdst.digest import Json
from pdst.experiments.agreement import Estimate
from pdst.experiments.entries import Entry, labels, pairing, plus_pairs, short
from pdst.experiments.findings import Claim, is_above
from pdst.experiments.tables import Difference, differences, over_subjects
from pdst.report.rows import metric_title

SHOWN = ("clip_t", "clip_i", "dino")
"""The three metrics of the paper."""

LEADER = "NeTI"
"""The best of the methods without the + pipeline, says the paper."""

FLOOR = "Class noun"
"""The base model without a look at the subject: what a method that learned it has to be above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The leader beside the best of the others on its base model, in one metric.

    Attributes:
        difference: leader minus best; None if no case was scored in both.
        seeds: what is to be told of their training seeds; mostly empty.
    """

    leader: str
    best: str
    metric: str
    difference: Difference | None
    seeds: str


def method_means(data: pd.DataFrame, metric: str) -> dict[str, Estimate | None]:
    """A metric's mean of each method, in the data's order."""
    return {
        str(name): over_subjects(rows, metric) for name, rows in data.groupby("method", sort=False)
    }


def ordered(means: dict[str, Estimate | None]) -> list[tuple[str, Estimate]]:
    """The highest first."""
    found = [(name, one) for name, one in means.items() if one is not None]
    return sorted(found, key=lambda row: -row[1].value)


def learns(entry: Entry) -> bool:
    """Whether a method's settings tell of a training."""
    settings = cast("dict[str, dict[str, dict[str, dict[str, Json]]]]", entry.runs[0].settings)
    return "training" in settings["generator"]["info"]["settings"]


def plus_differences(entries: Sequence[Entry]) -> dict[str, tuple[Difference, ...]]:
    """What the + pipeline adds, pair by pair ("TI+ − TI")."""
    called = labels(entries)
    return {
        f"{called[pair.plus.name]} − {called[pair.base.name]}": pair.differences(SHOWN)
        for pair in plus_pairs(entries)
    }


def floor_differences(entries: Sequence[Entry]) -> dict[str, tuple[Difference, ...]]:
    """What every learned method adds to the class noun, which has no training seeds."""
    called, bases = labels(entries), _bases(entries)
    floors = [entry for entry in entries if short(entry.method) == FLOOR]
    found = {}
    for entry in filter(learns, entries):
        own = [floor for floor in floors if bases[floor.name] == bases[entry.name]]
        for floor in own:
            name = FLOOR.lower() if len(own) == 1 else called[floor.name]
            found[f"{called[entry.name]} − {name}"] = differences(
                entry.runs, floor.runs[:1] * len(entry.runs), SHOWN
            )
    return found


def plus_claims(apart: dict[str, tuple[Difference, ...]]) -> list[Claim]:
    """That each + variant is above its base in every metric; undecided where none was scored."""
    claims = []
    for name, found in apart.items():
        above = {one.metric: is_above(one.value) for one in found}
        for metric in SHOWN:
            says = f"{name.replace(' − ', ' is above ')} in {metric_title(metric)}"
            claims.append(Claim(says=says, holds=above.get(metric)))
    return claims


def leads(entries: Sequence[Entry], data: pd.DataFrame) -> list[Lead]:
    """The leader beside the best of the others without +, by base model and metric.

    None on a base model that has several leaders: who of them is to lead?
    """
    called, bases = labels(entries), _bases(entries)
    plain = [one for one in entries if learns(one) and not short(one.method).endswith("+")]
    found = []
    for base in dict.fromkeys(bases[entry.name] for entry in plain):
        own = [entry for entry in plain if bases[entry.name] == base]
        leaders = [entry for entry in own if short(entry.method) == LEADER]
        others = {entry.name: entry for entry in own if entry not in leaders}
        if len(leaders) != 1:
            continue
        for metric in SHOWN:
            means = method_means(data[data["method"].isin(others)], metric)
            ranked = ordered(means)
            if not ranked:  # not one image of theirs was scored
                continue
            best = others[ranked[0][0]]
            paired = pairing(leaders[0], best)
            names = called[leaders[0].name], called[best.name]
            apart = differences(paired.first, paired.second, [metric])
            found.append(
                Lead(
                    leader=names[0],
                    best=names[1],
                    metric=metric,
                    difference=apart[0] if apart else None,
                    seeds=paired.told(*names),
                )
            )
    return found


def lead_claims(found: Sequence[Lead]) -> list[Claim]:
    """That the leader is above the best of the others."""
    return [
        Claim(
            says=f"{one.leader} is above {one.best}, the best of the others without +, in "
            f"{metric_title(one.metric)}",
            holds=None if one.difference is None else is_above(one.difference.value),
        )
        for one in found
    ]


def _bases(entries: Sequence[Entry]) -> dict[str, str]:
    """From a method's name to its base model, as the name has it ("TI (miniature)").

    A name that says none is of the only base model that others say, if there is but one.
    """
    said = {entry.name: entry.method.partition(" (")[2] for entry in entries}
    known = {base for base in said.values() if base}
    only = next(iter(known)) if len(known) == 1 else ""
    return {name: base or only for name, base in said.items()}
