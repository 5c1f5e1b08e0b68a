"""In: methods, or their runs. Out: what each draws of the same prompts from the same noise.

Figs. 6, 8 and 13 to 15 of the paper. What is shown is decided by the plan (the first held-out photo
of each subject, its first captions, the first seeds) and by which of it all runs have, never by a
score.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

import pandas as pd

from pdst.digest import Json
from pdst.errors import ComparisonError
from pdst.experiments.entries import Entry, PlusPair, entries_of, labels, plus_pairs, seed_of, short
from pdst.experiments.findings import Claim, is_above
from pdst.experiments.grid_finding import Shown, by_case, grid_finding, leads
from pdst.experiments.grid_plan import GridPlan, cut_name, planned_cases
from pdst.experiments.results import Results
from pdst.experiments.rivals import method_means
from pdst.experiments.tables import apart_over_subjects
from pdst.keys import run_key
from pdst.report.rows import metric_title
from pdst.run import Run
from pdst.types import Benchmark


def grid(runs: Sequence[Run], benchmark: Benchmark, plan: GridPlan) -> Results:
    """Put what runs drew side by side.

    Args:
        runs: finished runs of one key: ordinary ones, or of `grid_study`.
        benchmark: that they were drawn of.
        plan: how many captions and images of each subject are shown.

    Raises:
        ComparisonError: if two runs' numbers do not mean the same thing, they are of another
            benchmark, or no case is in all.
    """
    entries = entries_of(runs)
    _require_benchmark(runs[0], benchmark)
    shown = _shown(entries, benchmark, plan)
    data = shown.data
    pairs = plus_pairs(entries)
    claims = _claims(entries, [one for one in pairs if _in_paper(one, plan)], data, plan)
    others = _claims(entries, [one for one in pairs if not _in_paper(one, plan)], data, plan)
    return Results(
        experiment="grid",
        data=data,
        summary=cast(
            "dict[str, Json]",
            {
                "means": {
                    metric: {
                        name: None if one is None else asdict(one)
                        for name, one in method_means(data, metric).items()
                    }
                    for metric in plan.metrics
                },
                "leads": {metric: asdict(leads(data, metric)) for metric in plan.metrics},
                "left_out": dict(shown.left_out),
                "claims": [asdict(claim) for claim in claims],
                "not_of_the_paper": [asdict(claim) for claim in others],
            },
        ),
        finding=grid_finding(entries, shown, plan, claims, others),
    )


def shown_run(entry: Entry) -> Run:
    """Which of a method's runs is shown: of the lowest training seed; without any, the first."""
    seeds = [(seed, run) for run in entry.runs if isinstance(seed := seed_of(run), int)]
    return min(seeds, key=lambda one: one[0])[1] if seeds else entry.runs[0]


def _require_benchmark(run: Run, benchmark: Benchmark) -> None:
    """Refuse photos and captions that the runs were not drawn of."""
    key = run_key(run)
    if key.fingerprint == benchmark.fingerprint:
        return
    drawn_here = key.benchmark == f"{cut_name(benchmark)} {benchmark.version}"
    step = (
        "It was drawn by `pdst experiment grid`: give that command again, which draws nothing twice"
        if drawn_here
        else "Give the release that it was drawn of: --benchmark FOLDER"
    )
    raise ComparisonError(
        f"{run.path} is of {key.benchmark} (fingerprint {key.fingerprint[:12]}), wanted a run of "
        f"{benchmark.name} {benchmark.version} (fingerprint {benchmark.fingerprint[:12]}), whose "
        f"photos would stand beside it. {step}."
    )


def _shown(entries: Sequence[Entry], benchmark: Benchmark, plan: GridPlan) -> Shown:
    """The cases that are asked for and that every method has."""
    planned = planned_cases(benchmark, plan)
    runs = {entry.name: shown_run(entry) for entry in entries}
    tables = {name: run.scores().set_index("key") for name, run in runs.items()}
    own = {name: [key for key in planned if key in table.index] for name, table in tables.items()}
    common = set(planned).intersection(*own.values())
    if not common:
        called = labels(entries)
        there = "; ".join(
            f"{called[name]} has {_subjects(table)}" for name, table in tables.items()
        )
        raise ComparisonError(
            f"No case of what is asked for is in all runs: {there}. Wanted one at least. Run all "
            "on the same --subjects and --limit, or show fewer of them."
        )
    kept = [key for key in planned if key in common]
    cells = [_cells(name, table.loc[kept]) for name, table in tables.items()]
    return Shown(
        runs=runs,
        data=pd.concat(cells, ignore_index=True),
        left_out={name: len(keys) - len(kept) for name, keys in own.items()},
    )


def _subjects(table: pd.DataFrame) -> str:
    names = [str(name) for name in table["subject_id"].unique()]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _cells(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """What the grid shows of one method: a row an image."""
    facts = ["subject_id", "image_id", "caption_index", "seed_index", "key", "prompt", "reason"]
    metrics = ["dino", "dino_train", "clip_i", "clip_i_train", "clip_t"]
    found = rows.reset_index().reindex(columns=[*facts, *metrics])
    found.insert(0, "method", name)
    return found.astype(dict.fromkeys(metrics, "float64"))


def _in_paper(pair: PlusPair, plan: GridPlan) -> bool:
    """Whether the paper compares these two on such prompts.

    On captions of held-out photos it says so of both; on fictional designs (section 6) of NeTI. Its
    Fig. 13 shows NeTI+ alone.
    """
    return not plan.prompts or (plan.fictional and short(pair.base.method) == "NeTI")


def _claims(
    entries: Sequence[Entry], pairs: Sequence[PlusPair], data: pd.DataFrame, plan: GridPlan
) -> list[Claim]:
    """The + variants beside their bases, on what is shown: few images, so mostly undecided.

    Similarity to the training photos is no claim: that of a copy is high, too.
    """
    called = labels(entries)
    claims = []
    for pair in pairs:
        for metric in plan.metrics:
            cells = by_case(data, metric)[[pair.plus.name, pair.base.name]]
            if metric == "dino_train" or cells.isna().all(axis=None):
                continue
            apart = cells[pair.plus.name] - cells[pair.base.name]
            found = apart_over_subjects(apart.rename("apart").reset_index(), "apart")
            claims.append(
                Claim(
                    says=f"{called[pair.plus.name]} is above {called[pair.base.name]} in "
                    f"{metric_title(metric)}",
                    holds=is_above(found),
                )
            )
    return claims
