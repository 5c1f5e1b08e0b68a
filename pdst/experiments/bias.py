"""In: a method's checkpoints along training. Out: whether scores against training photos mislead.

Fig. 1 of the paper: along a training, similarity to held-out photos is to move with prompt
fidelity, while similarity to training photos stays high although the model has long overfit. The
paper names no statistic; the one here is each subject's correlation over checkpoints. The paper's
figure shows DINO alone, so DINO decides; CLIP-I is asked the same and told by its own name.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import cast

import pandas as pd

from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.experiments.bias_measures import FamilyBias, bias_claims, measure_bias
from pdst.experiments.bias_sentences import bias_sentences
from pdst.experiments.findings import plural, sentences, setting_sentence
from pdst.experiments.likeness import FAMILIES, METRIC_OF, nearest_train
from pdst.experiments.results import Results
from pdst.experiments.study import Study
from pdst.experiments.tables import subject_rows
from pdst.generator import Generator
from pdst.keys import distinct_names
from pdst.loading import LoadedGenerator
from pdst.run import Run

At = Callable[[int], Generator | LoadedGenerator]
"""From a training step to the method as it stood there."""


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
            f"--steps is {','.join(map(str, steps))}, wanted at least three steps, rising "
            "from 0 or above: 0,100,200,400."
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


def _finding(
    name: str, data: pd.DataFrame, found: Sequence[FamilyBias], runs: Sequence[Run]
) -> str:
    steps = sorted(data["step"].unique())
    seeds = data["seed"].nunique()
    what = (
        f"{name} at {len(steps)} checkpoints from step {steps[0]} to {steps[-1]}, "
        f"{plural(seeds, 'training seed')}{', averaged' if seeds > 1 else ''}"
    )
    subjects = data["subject_id"].nunique()
    parts = [setting_sentence(runs, subjects, what)]
    missing = int(data["expected"].sum() - data["images"].sum())
    if missing:
        parts.append(f"{missing} of {int(data['expected'].sum())} images are missing.")
    return sentences([*parts, *bias_sentences(found, subjects)])


def _summary(name: str, found: Sequence[FamilyBias]) -> dict[str, Json]:
    content: dict[str, Json] = {"method": name}
    for one in found:
        told = asdict(one)
        told["gaps"] = {str(step): value for step, value in told["gaps"].items()}
        told["nearest"] = {str(step): value for step, value in told["nearest"].items()}
        told["claims"] = [asdict(claim) for claim in bias_claims(one)]
        content[one.metric] = cast("Json", told)
    return content
