"""In: finished runs of several methods. Out: the paper's Fig. 5 as data, and the table it lacks.

Means over subjects with intervals; what the + pipeline adds, on the same cases; whether NeTI leads
the methods without it.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import cast

import pandas as pd

from pdst.digest import Json
from pdst.experiments.agreement import Estimate
from pdst.experiments.entries import (
    Entry,
    entries_of,
    entry_rows,
    labels,
    pairing,
    plus_pairs,
    short,
)
from pdst.experiments.findings import (
    Claim,
    is_above,
    plural,
    sentences,
    setting_sentence,
    verdict,
)
from pdst.experiments.results import Results
from pdst.experiments.tables import (
    Difference,
    common_cases,
    differences,
    estimate_text,
    missing_sentence,
    over_subjects,
)
from pdst.report.rows import metric_title
from pdst.report.table import p_text
from pdst.run import Run

SHOWN = ("clip_t", "clip_i", "dino")
"""The three metrics of the paper."""

LEADER = "NeTI"
"""The best of the methods without the + pipeline, says the paper."""

FLOOR = "Class noun"
"""The base model without a look at the subject: what a method that learned it has to be above."""


def methods(runs: Sequence[Run]) -> Results:
    """Compare methods.

    Means are over the cases that all runs have; a difference is over those that its two runs have.

    Args:
        runs: finished runs of one key; several of one method are its training seeds.

    Raises:
        ComparisonError: if two runs' numbers do not mean the same thing, or no case is in all.
    """
    entries = entries_of(runs)
    cases = common_cases(runs)
    data = entry_rows(entries, cases)
    called = labels(entries)
    apart = {
        f"{called[pair.plus.name]} − {called[pair.base.name]}": pair.differences(SHOWN)
        for pair in plus_pairs(entries)
    }
    plus, leads = _plus_claims(apart), _leader_claims(entries, data)
    above = _above_floor(entries)
    return Results(
        experiment="methods",
        data=data,
        summary=_summary(data, apart | above, [*plus, *leads]),
        finding=sentences(
            [
                _looked_at(entries, data),
                _left_out(runs, cases),
                missing_sentence(data.assign(method=data["method"].map(called)), "method"),
                *_said(entries, data, apart),
                *_verdicts(plus, leads, data["subject_id"].nunique()),
            ]
        ),
        table=_table(data, apart | above),
    )


def method_means(data: pd.DataFrame, metric: str) -> dict[str, Estimate | None]:
    """A metric's mean of each method, in the data's order."""
    return {
        str(name): over_subjects(rows, metric) for name, rows in data.groupby("method", sort=False)
    }


def ordered(means: dict[str, Estimate | None]) -> list[tuple[str, Estimate]]:
    """The highest first."""
    found = [(name, one) for name, one in means.items() if one is not None]
    return sorted(found, key=lambda row: -row[1].value)


def _plus_claims(apart: dict[str, tuple[Difference, ...]]) -> list[Claim]:
    return [
        Claim(
            says=f"{name.replace(' − ', ' is above ')} in {metric_title(one.metric)}",
            holds=is_above(one.value),
        )
        for name, found in apart.items()
        for one in found
    ]


def _leader_claims(entries: Sequence[Entry], data: pd.DataFrame) -> list[Claim]:
    """NeTI beside the best of the other learned methods without +, by base model and metric."""
    plus = {pair.plus.name for pair in plus_pairs(entries)}
    learned = [entry for entry in entries if entry.name not in plus and _learns(entry)]
    called = labels(entries)
    claims = []
    for base in dict.fromkeys(_base(entry) for entry in learned):
        own = [entry for entry in learned if _base(entry) == base]
        leaders = [entry for entry in own if short(entry.method) == LEADER]
        others = {entry.name: entry for entry in own if entry not in leaders}
        if len(leaders) != 1:  # of several, who is to lead?
            continue
        for metric in SHOWN:
            means = {
                name: one for name, one in method_means(data, metric).items() if name in others
            }
            ranked = ordered(means)
            if not ranked:  # not one image of theirs was scored
                continue
            best = others[ranked[0][0]]
            paired = pairing(leaders[0], best)
            found = differences(paired.first, paired.second, [metric])
            says = (
                f"{called[leaders[0].name]} is above {called[best.name]}, the best of the others "
                f"without +, in {metric_title(metric)}"
            )
            claims.append(Claim(says=says, holds=is_above(found[0].value) if found else None))
    return claims


def _above_floor(entries: Sequence[Entry]) -> dict[str, tuple[Difference, ...]]:
    """What every learned method adds to the class noun, which has no training seeds."""
    called = labels(entries)
    floors = {_base(entry): entry for entry in entries if short(entry.method) == FLOOR}
    return {
        f"{called[entry.name]} − {FLOOR.lower()}": differences(
            entry.runs, floors[_base(entry)].runs[:1] * len(entry.runs), SHOWN
        )
        for entry in entries
        if _learns(entry) and _base(entry) in floors
    }


def _base(entry: Entry) -> str:
    """The base model, as the method's name has it."""
    return entry.method.partition(" (")[2]


def _learns(entry: Entry) -> bool:
    settings = cast("dict[str, dict[str, dict[str, dict[str, Json]]]]", entry.runs[0].settings)
    return "training" in settings["generator"]["info"]["settings"]


def _looked_at(entries: Sequence[Entry], data: pd.DataFrame) -> str:
    counts = sorted({len(entry.runs) for entry in entries if _learns(entry)})
    what = plural(len(entries), "method")
    if counts:
        seeds = plural(counts[-1], "training seed")
        what += f", {seeds}" if len(counts) == 1 else f", {counts[0]} to {seeds}"
        what += " each" if all(map(_learns, entries)) else " each of those that learn"
    runs = [run for entry in entries for run in entry.runs]
    return setting_sentence(runs, data["subject_id"].nunique(), what)


def _left_out(runs: Sequence[Run], cases: Collection[str]) -> str:
    """That some runs have cases which others lack; empty if all have the same."""
    more = {run.path.name: len(run.scores(["key"])) - len(cases) for run in runs}
    listed = ", ".join(f"{name} {count}" for name, count in more.items() if count)
    if not listed:
        return ""
    return (
        f"Means are over the {plural(len(cases), 'case')} that all runs have (others left out: "
        f"{listed}), differences over those that both have."
    )


def _said(
    entries: Sequence[Entry], data: pd.DataFrame, apart: dict[str, tuple[Difference, ...]]
) -> list[str]:
    called = labels(entries)
    parts = []
    for metric in SHOWN:
        ranked = ordered(method_means(data, metric))
        listed = ", ".join(f"{called[name]} {estimate_text(one)}" for name, one in ranked)
        parts.append(f"{metric_title(metric)}, highest first: {listed}.")
    for name, found in apart.items():
        listed = ", ".join(
            f"{metric_title(one.metric)} {estimate_text(one.value, signed=True)} "
            f"(p {p_text(one.value.p_value)})"
            for one in found
        )
        parts.append(f"{name}, on the same cases: {listed or 'no case was scored in both'}.")
    for pair in plus_pairs(entries):
        parts.append(pair.pairing.told(called[pair.plus.name], called[pair.base.name]))
    return parts


def _verdicts(plus: Sequence[Claim], leads: Sequence[Claim], subjects: int) -> list[str]:
    parts = []
    if plus:
        parts.append(verdict("Fig. 5, what the + pipeline adds", plus, subjects))
    else:
        parts.append("No pair with and without the + pipeline is there: nothing to test.")
    if leads:
        parts.append(verdict(f"Fig. 5, {LEADER} leads the others", leads, subjects))
    return parts


def _summary(
    data: pd.DataFrame, apart: dict[str, tuple[Difference, ...]], claims: Sequence[Claim]
) -> dict[str, Json]:
    content: dict[str, object] = {
        "means": {
            metric: {
                name: None if one is None else asdict(one)
                for name, one in method_means(data, metric).items()
            }
            for metric in SHOWN
        },
        "differences": {name: [asdict(one) for one in found] for name, found in apart.items()},
        "claims": [asdict(claim) for claim in claims],
    }
    return cast("dict[str, Json]", content)


def _table(data: pd.DataFrame, apart: dict[str, tuple[Difference, ...]]) -> str:
    """Markdown: methods with training gaps, then differences."""
    gaps = data.assign(
        dino_gap=data["dino_train"] - data["dino"], clip_i_gap=data["clip_i_train"] - data["clip_i"]
    )
    heads = ["method", "seeds", *map(metric_title, SHOWN), "DINO train gap", "CLIP-I train gap"]
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for name, rows in gaps.groupby("method", sort=False):
        cells = [estimate_text(over_subjects(rows, metric)) for metric in SHOWN]
        cells += [
            estimate_text(over_subjects(rows, gap), signed=True)
            for gap in ("dino_gap", "clip_i_gap")
        ]
        lines.append(_row([str(name), str(rows["seed"].nunique()), *cells]))
    lines += ["", "Mean over subjects of the mean over seeds, 95 % interval over subjects."]
    if apart:
        heads = ["on the same cases", *map(metric_title, SHOWN)]
        lines += ["", _row(heads), _row(["---", *["---:"] * len(SHOWN)])]
        for name, found in apart.items():
            by_metric = {one.metric: one for one in found}
            cells = [
                f"{estimate_text(by_metric[metric].value, signed=True)}, "
                f"p {p_text(by_metric[metric].value.p_value)}"
                if metric in by_metric
                else ""
                for metric in SHOWN
            ]
            lines.append(_row([name, *cells]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
