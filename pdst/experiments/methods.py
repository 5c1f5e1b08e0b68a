"""In: finished runs of several methods. Out: the paper's Fig. 5 as data, and the table it lacks.

Means over subjects with intervals; what the + pipeline adds, on the same cases; whether NeTI leads
the methods without it.
"""

from collections.abc import Sequence
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
    paired_runs,
    plus_pairs,
    short,
)
from pdst.experiments.findings import Claim, is_above, sentences, setting_sentence, verdict
from pdst.experiments.results import Results
from pdst.experiments.tables import Difference, differences, estimate_text, over_subjects
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

    Args:
        runs: finished runs of one key; several of one method are its training seeds.

    Raises:
        ComparisonError: if two runs' numbers do not mean the same thing.
    """
    entries = entries_of(runs)
    data = entry_rows(entries)
    called = labels(entries)
    apart = {
        f"{called[pair.plus.name]} − {called[pair.base.name]}": pair.differences(SHOWN)
        for pair in plus_pairs(entries)
    }
    claims = [*_plus_claims(apart), *_leader_claims(entries, data)]
    above = _above_floor(entries)
    return Results(
        experiment="methods",
        data=data,
        summary=_summary(data, apart | above, claims),
        finding=_finding(entries, data, apart, claims),
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
    """NeTI beside the best of the other learned methods without +, metric by metric."""
    plus = {pair.plus.name for pair in plus_pairs(entries)}
    base = [entry for entry in entries if entry.name not in plus and _learns(entry)]
    leader = next((entry for entry in base if short(entry.name) == LEADER), None)
    others = {entry.name: entry for entry in base if entry is not leader}
    if leader is None or not others:
        return []
    claims = []
    for metric in SHOWN:
        means = {name: one for name, one in method_means(data, metric).items() if name in others}
        ranked = ordered(means)
        if not ranked:  # not one image of theirs was scored
            continue
        best = others[ranked[0][0]]
        found = differences(*paired_runs(leader, best), [metric])
        says = f"{LEADER} is above {short(best.name)}, the next, in {metric_title(metric)}"
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


def _finding(
    entries: Sequence[Entry],
    data: pd.DataFrame,
    apart: dict[str, tuple[Difference, ...]],
    claims: Sequence[Claim],
) -> str:
    seeds = sorted({len(entry.runs) for entry in entries})
    counts = " to ".join(str(count) for count in dict.fromkeys([seeds[0], seeds[-1]]))
    what = f"{len(entries)} methods, {counts} training seed{'' if counts == '1' else 's'} each"
    runs = [run for entry in entries for run in entry.runs]
    parts = [setting_sentence(runs, data["subject_id"].nunique(), what)]
    called = labels(entries)
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
        parts.append(f"{name}, on the same cases: {listed}.")
    if claims:
        parts.append(verdict("Fig. 5", claims, data["subject_id"].nunique()))
    else:
        parts.append("No pair with and without the + pipeline is there: nothing to test.")
    return sentences(parts)


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
