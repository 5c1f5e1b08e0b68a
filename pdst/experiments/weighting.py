"""In: a + method and functions that weigh its contrastive loss. Out: which function serves best.

Figs. 7 and 16 of the paper: everything but the function is the same, over several training seeds.
The order is printed with intervals, because means alone would always make one.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import cast

import numpy as np
import pandas as pd

from pdst.diffusion.weighting import WEIGHTINGS, weighting
from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.experiments.agreement import Apart, Estimate, estimate_apart
from pdst.experiments.findings import (
    Claim,
    is_above,
    plural,
    sentences,
    setting_sentence,
    verdict,
)
from pdst.experiments.results import Results
from pdst.experiments.rivals import SHOWN, ordered
from pdst.experiments.study import Study
from pdst.experiments.tables import (
    Difference,
    differences,
    estimate_text,
    missing_sentence,
    over_subjects,
    subject_rows,
)
from pdst.generator import Generator
from pdst.keys import distinct_names
from pdst.loading import LoadedGenerator
from pdst.report.rows import metric_title, number
from pdst.run import Run

NONE = "zero"
"""The function that stands for training without the contrastive loss."""
BEST, WORSE = ("cosine", "sigmoid"), ("exponential", "one")
"""What the paper finds best, and worse than NONE."""

POINTS = 201
"""Of a function's plot."""

Make = Callable[[str, int], Generator | LoadedGenerator]
"""From a function's name and a training seed to a method."""


def compare_weightings(
    study: Study, make: Make, schedules: Sequence[str], seeds: Sequence[int]
) -> Results:
    """Train, draw and score with each function and seed.

    Raises:
        SettingsError: if a function is unknown or named twice, or there is only one.
        GeneratorError: if the method cannot learn or draw a subject.
    """
    for name in schedules:
        weighting(name)
    if len(set(schedules)) != len(schedules) or len(schedules) < 2:
        raise SettingsError(
            f"--schedules is {','.join(schedules)}, wanted at least two functions, each once."
        )
    runs = {
        name: [study.run(f"{name}-seed-{seed}", make(name, seed)) for seed in seeds]
        for name in schedules
    }
    data = pd.concat(
        [
            subject_rows(run, schedule=name, seed=seed)
            for name, own in runs.items()
            for seed, run in zip(seeds, own, strict=True)
        ],
        ignore_index=True,
    )
    apart = {
        name: differences(own, runs[NONE], SHOWN)
        for name, own in runs.items()
        if NONE in runs and name != NONE
    }
    claims = weighting_claims(data, apart)
    return Results(
        experiment="weighting",
        data=data,
        summary=_summary(data, apart, claims),
        finding=_finding(runs, data, apart, claims),
        more={"functions": functions()},
    )


def functions() -> pd.DataFrame:
    """Every function's curve: a row a point, `weighting`, `progress`, `weight`; Fig. 16."""
    progress = np.linspace(0, 1, POINTS)
    return pd.DataFrame(
        {
            "weighting": [name for name in WEIGHTINGS for _ in progress],
            "progress": [float(at) for _ in WEIGHTINGS for at in progress],
            "weight": [function(float(at)) for function in WEIGHTINGS.values() for at in progress],
        }
    )


def schedule_means(data: pd.DataFrame, metric: str) -> dict[str, Estimate | None]:
    """A metric's mean with each function, in the data's order."""
    return {
        str(name): over_subjects(rows, metric)
        for name, rows in data.groupby("schedule", sort=False)
    }


def seed_spread(data: pd.DataFrame, metric: str) -> dict[str, float | None]:
    """Standard deviation over training seeds of the mean over subjects; None for one seed."""
    means = data.groupby(["schedule", "seed"], sort=False)[metric].mean()
    spread = means.groupby(level="schedule", sort=False).std(ddof=1)
    return {str(name): None if np.isnan(one) else float(one) for name, one in spread.items()}


def contrast(data: pd.DataFrame, name: str, metric: str) -> Apart | None:
    """One of the paper's best functions minus the mean of all that are none; units are subjects.

    Returns:
        None if the function was not drawn or not scored, or none of the others was.
    """
    means = data.pivot_table(index="subject_id", columns="schedule", values=metric, sort=True)
    others = [other for other in means.columns if other not in BEST]
    if not others or name not in means.columns:
        return None
    apart = (means[name] - means[others].mean(axis=1)).dropna()
    return estimate_apart([float(one) for one in apart]) if len(apart) else None


def weighting_claims(data: pd.DataFrame, apart: dict[str, tuple[Difference, ...]]) -> list[Claim]:
    """What the paper says of Fig. 7; a claim about a function that was not drawn is undecided.

    Args:
        data: a row a function, training seed and subject.
        apart: of each function, its differences to NONE.
    """
    drawn = set(data["schedule"])
    others = [name for name in WEIGHTINGS if name in drawn and name not in BEST]
    all_of_them = len(others) == len(WEIGHTINGS) - len(BEST)
    beside = "the others" if all_of_them else ", ".join(others) or "the others"
    claims = []
    for metric in SHOWN:
        for name in BEST:
            says = f"{name} is above the mean of {beside} in {metric_title(metric)}"
            holds = is_above(contrast(data, name, metric))
            claims.append(_claim(says, holds, drawn=name in drawn))
    for name in WORSE:
        found = {one.metric: is_above(one.value) for one in apart.get(name, ())}
        for metric in SHOWN:
            above = found.get(metric)
            says = f"{name} is below {NONE} in {metric_title(metric)}"
            holds = None if above is None else not above
            claims.append(_claim(says, holds, drawn={name, NONE} <= drawn))
    return claims


def _claim(says: str, holds: bool | None, *, drawn: bool) -> Claim:
    return Claim(says=says if drawn else f"{says} (not drawn)", holds=holds)


def _finding(
    runs: dict[str, list[Run]],
    data: pd.DataFrame,
    apart: dict[str, tuple[Difference, ...]],
    claims: Sequence[Claim],
) -> str:
    own = [run for of_schedule in runs.values() for run in of_schedule]
    what = (
        f"{distinct_names(own[:1])[0]} with {len(runs)} functions for the weight of the "
        f"contrastive loss, {plural(data['seed'].nunique(), 'training seed')} each"
    )
    parts = [
        setting_sentence(own, data["subject_id"].nunique(), what),
        missing_sentence(data, "schedule"),
    ]
    for metric in SHOWN:
        ranked = ordered(schedule_means(data, metric))
        listed = ", ".join(f"{name} {estimate_text(one)}" for name, one in ranked)
        parts.append(f"{metric_title(metric)}, highest first: {listed}.")
        spreads = [one for one in seed_spread(data, metric).values() if one is not None]
        if spreads:
            pooled = float(np.sqrt(np.mean(np.square(spreads))))
            parts.append(f"A training seed moves such a mean by {number(pooled)} (one sigma).")
    for name, found in apart.items():
        listed = ", ".join(
            f"{metric_title(one.metric)} {estimate_text(one.value, signed=True)}" for one in found
        )
        parts.append(f"{name} minus {NONE}: {listed}.")
    parts.append(verdict("Fig. 7", claims, [data["subject_id"].nunique()]))
    return sentences(parts)


def _summary(
    data: pd.DataFrame, apart: dict[str, tuple[Difference, ...]], claims: Sequence[Claim]
) -> dict[str, Json]:
    content: dict[str, object] = {
        "order": {
            metric: [
                {"schedule": name, **asdict(one)}
                for name, one in ordered(schedule_means(data, metric))
            ]
            for metric in SHOWN
        },
        "seed_spread": {metric: seed_spread(data, metric) for metric in SHOWN},
        "minus_zero": {name: [asdict(one) for one in found] for name, found in apart.items()},
        "claims": [asdict(claim) for claim in claims],
    }
    return cast("dict[str, Json]", content)
