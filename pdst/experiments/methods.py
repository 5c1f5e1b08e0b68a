"""In: finished runs of several methods. Out: the paper's Fig. 5 as data, and the table it lacks.

Means over subjects with intervals; what the + pipeline adds, on the same cases; whether NeTI leads
the methods without it.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import cast

import pandas as pd

from pdst.digest import Json
from pdst.experiments.entries import Entry, entries_of, entry_rows, labels, plus_pairs, short
from pdst.experiments.findings import Claim, plural, sentences, setting_sentence, verdict
from pdst.experiments.results import Results
from pdst.experiments.rivals import (
    FLOOR,
    LEADER,
    SHOWN,
    Lead,
    floor_differences,
    lead_claims,
    leads,
    learns,
    method_means,
    ordered,
    plus_claims,
    plus_differences,
)
from pdst.experiments.tables import (
    Difference,
    common_cases,
    counted_text,
    estimate_text,
    missing_sentence,
    over_subjects,
)
from pdst.keys import distinct_names
from pdst.report.rows import metric_title
from pdst.report.table import p_text
from pdst.run import Run

FIGURE = "Fig. 5"


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
    apart, above = plus_differences(entries), floor_differences(entries)
    led = leads(entries, data)
    return Results(
        experiment="methods",
        data=data,
        summary=_summary(data, apart | above, led, [*plus_claims(apart), *lead_claims(led)]),
        finding=sentences(
            [
                _looked_at(entries, data),
                _left_out(runs, cases),
                missing_sentence(data.assign(method=data["method"].map(labels(entries))), "method"),
                *_order(entries, data),
                *_apart(entries, data, apart, led),
                *_verdicts(entries, apart, led),
            ]
        ),
        table=_table(data, apart | above),
    )


def _looked_at(entries: Sequence[Entry], data: pd.DataFrame) -> str:
    counts = sorted({len(entry.runs) for entry in entries if learns(entry)})
    what = plural(len(entries), "method")
    if counts:
        seeds = plural(counts[-1], "training seed")
        what += f", {seeds}" if len(counts) == 1 else f", {counts[0]} to {seeds}"
        what += " each" if all(map(learns, entries)) else " each of those that learn"
    runs = [run for entry in entries for run in entry.runs]
    return setting_sentence(runs, data["subject_id"].nunique(), what)


def _left_out(runs: Sequence[Run], cases: Collection[str]) -> str:
    """That some runs have cases which others lack; empty if all have the same."""
    more = [
        f"{name} {count - len(cases)}"
        for name, count in zip(
            distinct_names(runs), (len(run.scores(["key"])) for run in runs), strict=True
        )
        if count > len(cases)
    ]
    if not more:
        return ""
    return (
        f"Means are over the {plural(len(cases), 'case')} that all runs have (others left out: "
        f"{', '.join(more)}), differences over those that both have."
    )


def _order(entries: Sequence[Entry], data: pd.DataFrame) -> list[str]:
    called, subjects = labels(entries), data["subject_id"].nunique()
    parts = []
    for metric in SHOWN:
        ranked = ordered(method_means(data, metric))
        if not ranked:
            parts.append(f"No image has a score in {metric_title(metric)}.")
            continue
        listed = ", ".join(f"{called[name]} {counted_text(one, subjects)}" for name, one in ranked)
        parts.append(f"{metric_title(metric)}, highest first: {listed}.")
    return parts


def _apart(
    entries: Sequence[Entry],
    data: pd.DataFrame,
    apart: dict[str, tuple[Difference, ...]],
    led: Sequence[Lead],
) -> list[str]:
    called, subjects = labels(entries), data["subject_id"].nunique()
    parts = []
    for name, found in apart.items():
        listed = ", ".join(_difference(one, subjects) for one in found)
        parts.append(f"{name}, on the same cases: {listed or 'no case was scored in both'}.")
    for pair in plus_pairs(entries):
        parts.append(pair.pairing.told(called[pair.plus.name], called[pair.base.name]))
    beside: dict[str, list[str]] = {}
    for one in led:
        if one.difference is not None:
            beside.setdefault(f"{one.leader} − {one.best}", []).append(
                _difference(one.difference, subjects)
            )
    parts += [f"{name}, likewise: {', '.join(found)}." for name, found in beside.items()]
    return [*parts, *dict.fromkeys(one.seeds for one in led)]


def _difference(one: Difference, subjects: int) -> str:
    value = one.value
    of = f", {plural(value.units, 'subject')}" if value.units != subjects else ""
    told = estimate_text(value, signed=True)
    return f"{metric_title(one.metric)} {told} (p {p_text(value.p_value)}{of})"


def _verdicts(
    entries: Sequence[Entry], apart: dict[str, tuple[Difference, ...]], led: Sequence[Lead]
) -> list[str]:
    parts = []
    if apart:
        units = [one.value.units for found in apart.values() for one in found]
        parts.append(verdict(f"{FIGURE}, what the + pipeline adds", plus_claims(apart), units))
    else:
        parts.append("No pair with and without the + pipeline is there: nothing to test.")
    if led:
        units = [one.difference.value.units for one in led if one.difference is not None]
        parts.append(verdict(f"{FIGURE}, {LEADER} leads the others", lead_claims(led), units))
    elif sum(short(entry.method) == LEADER for entry in entries) > 1:
        parts.append(f"There are several {LEADER}: which is to lead the others is not asked.")
    silent = [entry for entry in entries if not learns(entry) and short(entry.method) != FLOOR]
    if silent:
        listed = ", ".join(labels(entries)[entry.name] for entry in silent)
        parts.append(f"In no such comparison, since their settings tell of no training: {listed}.")
    return parts


def _summary(
    data: pd.DataFrame,
    apart: dict[str, tuple[Difference, ...]],
    led: Sequence[Lead],
    claims: Sequence[Claim],
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
        "leads": [asdict(one) for one in led],
        "claims": [asdict(claim) for claim in claims],
    }
    return cast("dict[str, Json]", content)


def _table(data: pd.DataFrame, apart: dict[str, tuple[Difference, ...]]) -> str:
    """Markdown: methods with training gaps, then differences."""
    gaps = data.assign(
        dino_gap=data["dino_train"] - data["dino"], clip_i_gap=data["clip_i_train"] - data["clip_i"]
    )
    subjects = data["subject_id"].nunique()
    heads = ["method", "seeds", *map(metric_title, SHOWN), "DINO train gap", "CLIP-I train gap"]
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for name, rows in gaps.groupby("method", sort=False):
        cells = [counted_text(over_subjects(rows, metric), subjects) for metric in SHOWN]
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
