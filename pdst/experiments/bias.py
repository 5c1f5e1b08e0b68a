"""In: a method's checkpoints along training. Out: whether scores against training photos mislead.

Fig. 1 of the paper: along a training, similarity to held-out photos is to move with prompt
fidelity, while similarity to training photos stays high although the model has long overfit. The
paper names no statistic; the one here is each subject's correlation over checkpoints.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import pandas as pd

from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.experiments.agreement import Estimate
from pdst.experiments.curves import COEFFICIENTS, Plateau, Together, plateau, together
from pdst.experiments.findings import (
    Claim,
    is_above,
    plural,
    sentences,
    setting_sentence,
    verdict,
)
from pdst.experiments.likeness import FAMILIES, METRIC_OF, nearest_train
from pdst.experiments.results import Results
from pdst.experiments.study import Study
from pdst.experiments.tables import estimate_text, over_subjects, subject_rows
from pdst.generator import Generator
from pdst.keys import distinct_names
from pdst.loading import LoadedGenerator
from pdst.metrics import METRICS, Family
from pdst.report.rows import number
from pdst.run import Run

PROMPT = "clip_t"

SMALL = 0.25
"""A band is small if it is at most this part of the rise before it. The paper says "nearly
unchanged" and no more."""

At = Callable[[int], Generator | LoadedGenerator]
"""From a training step to the method as it stood there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyBias:
    """What was found with one encoder's similarity.

    Attributes:
        together: for each coefficient that could be computed.
        plateau: None if none was seen.
        gaps: by step, similarity to training photos minus similarity to the held-out photo.
        nearest: by step, highest cosine with a training photo, mean over images.
    """

    metric: str
    together: tuple[Together, ...]
    plateau: Plateau | None
    gaps: dict[int, Estimate | None]
    nearest: dict[int, Estimate | None]


def bias(study: Study, trainings: Sequence[At], steps: Sequence[int]) -> Results:
    """Draw and score at each step, then ask which similarity follows prompt fidelity.

    Args:
        study: where and on what.
        trainings: one a training seed.
        steps: of training, at least three, rising.

    Raises:
        SettingsError: if the steps do not rise, or are too few for a correlation.
        GeneratorError: if a method cannot learn or draw a subject.
    """
    if len(steps) < 3 or list(steps) != sorted(set(steps)) or steps[0] < 0:
        raise SettingsError(
            f"--steps is {','.join(map(str, steps))}, wanted at least three steps, rising: "
            "0,100,200,400."
        )
    tables, runs = [], []
    for seed, at in enumerate(trainings):
        for step in steps:
            run = study.run(f"seed-{seed}-step-{step}", at(step))
            runs.append(run)
            tables.append(_rows(study, run, seed=seed, step=step))
    data = pd.concat(tables, ignore_index=True)
    found = [measure_bias(data, family) for family in FAMILIES]
    name = distinct_names([runs[-1]])[0]
    return Results(
        experiment="bias",
        data=data,
        summary=_summary(name, found),
        finding=_finding(name, data, found, runs),
    )


def _rows(study: Study, run: Run, *, seed: int, step: int) -> pd.DataFrame:
    rows = subject_rows(run, seed=seed, step=step)
    for family in FAMILIES:
        rows[f"{METRIC_OF[family]}_nearest"] = [
            nearest_train(run, study.benchmark.subject(one), family) for one in rows["subject_id"]
        ]
    return rows


def measure_bias(data: pd.DataFrame, family: Family) -> FamilyBias:
    """All statistics of one family.

    Args:
        data: a row a subject, step and training seed: `subject_id`, `step`, "clip_t", and of the
            family's metric m: m, m_train, m_nearest.
        family: "dino" or "clip".
    """
    metric = METRIC_OF[family]
    train, nearest = f"{metric}_train", f"{metric}_nearest"
    gap = data.assign(gap=data[train] - data[metric])
    correlations = (
        together(data, one, prompt=PROMPT, train=train, test=metric) for one in COEFFICIENTS
    )
    return FamilyBias(
        metric=metric,
        together=tuple(one for one in correlations if one is not None),
        plateau=plateau(data, train=train, test=metric),
        gaps=by_step(gap, "gap"),
        nearest=by_step(data, nearest),
    )


def by_step(data: pd.DataFrame, column: str) -> dict[int, Estimate | None]:
    """A column's mean over subjects at each step."""
    return {
        int(cast("int", step)): over_subjects(rows, column)
        for step, rows in data.groupby("step", sort=True)
    }


def bias_claims(found: FamilyBias) -> tuple[Claim, ...]:
    """The paper's claim in parts that data can decide."""
    title = METRICS[found.metric].title
    claims = [
        Claim(
            says=f"held-out {title} moves with CLIP-T more than training {title} "
            f"({one.coefficient.capitalize()})",
            holds=is_above(one.apart),
        )
        for one in found.together
    ] or [Claim(says=f"held-out {title} moves with CLIP-T more", holds=None)]
    flat = None
    if found.plateau is not None and found.plateau.rise > 0:
        flat = found.plateau.band.value <= SMALL * found.plateau.rise
    return (*claims, Claim(says=f"training {title} stays flat after its plateau", holds=flat))


def _finding(
    name: str, data: pd.DataFrame, found: Sequence[FamilyBias], runs: Sequence[Run]
) -> str:
    steps = sorted(data["step"].unique())
    what = (
        f"{name} at {len(steps)} checkpoints from step {steps[0]} to {steps[-1]}, "
        f"{plural(data['seed'].nunique(), 'training seed')}"
    )
    parts = [setting_sentence(runs, data["subject_id"].nunique(), what)]
    missing = int(data["expected"].sum() - data["images"].sum())
    if missing:
        parts.append(f"{missing} of {int(data['expected'].sum())} images are missing.")
    for one in found:
        parts += _said(one)
    parts.append(verdict("Fig. 1", bias_claims(found[0]), data["subject_id"].nunique()))
    return sentences(parts)


def _said(found: FamilyBias) -> list[str]:
    title = METRICS[found.metric].title
    parts = []
    for one in found.together:
        parts.append(
            f"{one.coefficient.capitalize()} correlation of {title} with CLIP-T over a subject's "
            f"checkpoints, mean over {one.apart.units} subjects: "
            f"{estimate_text(one.test, signed=True)} against held-out photos, "
            f"{estimate_text(one.train, signed=True)} against training photos, difference "
            f"{estimate_text(one.apart, signed=True)}."
        )
        if one.left_out:
            parts.append(f"Left out, for want of checkpoints: {', '.join(one.left_out)}.")
    first, last = min(found.gaps), max(found.gaps)
    parts.append(
        f"The gap {title} training minus held-out goes from "
        f"{estimate_text(found.gaps[first], signed=True)} to "
        f"{estimate_text(found.gaps[last], signed=True)}; the nearest training photo's cosine from "
        f"{estimate_text(found.nearest[first])} to {estimate_text(found.nearest[last])}."
    )
    flat = found.plateau
    if flat is None:
        parts.append(f"Training {title} shows no plateau before the last checkpoint.")
    else:
        parts.append(
            f"Training {title} rises by {number(flat.rise)} and reaches its plateau at step "
            f"{flat.step}; from there it stays within {estimate_text(flat.band)} (small: at most "
            f"{number(SMALL * flat.rise)}), held-out {title} within "
            f"{estimate_text(flat.test_band)}."
        )
    return parts


def _summary(name: str, found: Sequence[FamilyBias]) -> dict[str, Json]:
    content: dict[str, Json] = {"method": name}
    for one in found:
        told = asdict(one)
        told["gaps"] = {str(step): value for step, value in told["gaps"].items()}
        told["nearest"] = {str(step): value for step, value in told["nearest"].items()}
        told["claims"] = [asdict(claim) for claim in bias_claims(one)]
        content[one.metric] = cast("Json", told)
    return content
