"""In: methods, or their runs. Out: what each draws of the same prompts from the same noise.

Figs. 6, 8 and 13 to 15 of the paper. What is shown is decided by the plan (the first held-out photo
of each subject, its first captions, the first seeds), never by a score.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

import pandas as pd

from pdst.digest import Json, digest_json
from pdst.errors import SettingsError, unknown_name
from pdst.experiments.agreement import Estimate
from pdst.experiments.entries import Entry, entries_of, plus_pairs, short
from pdst.experiments.findings import (
    Claim,
    is_above,
    plural,
    sentences,
    setting_sentence,
    verdict,
)
from pdst.experiments.results import Results
from pdst.experiments.study import Study
from pdst.experiments.tables import apart_over_subjects, estimate_text, over_subjects
from pdst.report.rows import metric_title
from pdst.run import Run
from pdst.types import SLOT, Protocol

FICTIONAL = ("A colorful graffiti of {}.", "A photo of a {} on a beach.")
"""The prompts of the paper's Fig. 13."""

REFERENCES = ("held-out", "training")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """Which rows and how many images.

    Attributes:
        prompts: the same for every subject, with one `{}` each; empty: captions of the subject's
            first held-out photo.
        captions: how many of those; not used with prompts.
        images: a prompt and method, of the first seeds.
        training: whether all training photos stand in front, or the held-out photo.
    """

    prompts: tuple[str, ...] = ()
    captions: int = 1
    images: int = 1
    training: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for prompt in self.prompts:
            if prompt.count(SLOT) != 1:
                raise SettingsError(
                    f"--prompt is '{prompt}', wanted one {SLOT} in it: '{FICTIONAL[0]}'."
                )
        for name in ("captions", "images"):
            if getattr(self, name) < 1:
                raise SettingsError(f"--{name} is {getattr(self, name)}, wanted at least 1.")

    @property
    def metrics(self) -> tuple[str, str]:
        """One for the subject, one for the prompt.

        No held-out photo shows what a prompt of one's own says: similarity is then that to the
        training photos.
        """
        return ("dino_train" if self.prompts else "dino", "clip_t")


def grid_plan(
    prompts: Sequence[str], captions: int, images: int, reference: str, *, of_runs: bool = False
) -> GridPlan:
    """Read what was asked for.

    Args:
        prompts: "fictional" stands for FICTIONAL.
        captions: as `GridPlan`.
        images: as `GridPlan`.
        reference: of REFERENCES.
        of_runs: whether finished runs are shown, which have drawn captions already.

    Raises:
        SettingsError: if it cannot be drawn.
    """
    if prompts and of_runs:
        raise SettingsError("--prompt is for methods that are drawn now, not for runs. Leave it.")
    said = [
        one for prompt in prompts for one in (FICTIONAL if prompt == "fictional" else (prompt,))
    ]
    if reference not in REFERENCES:
        raise SettingsError(unknown_name("reference", reference, REFERENCES))
    return GridPlan(
        prompts=tuple(dict.fromkeys(said)),
        captions=captions,
        images=images,
        training=reference == "training",
    )


def grid_study(study: Study, plan: GridPlan) -> Study:
    """The study whose runs hold just what the grid shows.

    Its cases have the names that they have in an ordinary run, and so the same noise.
    """
    first = [study.benchmark.test_photos(one)[:1] for one in study.subject_ids]
    tests = tuple(
        replace(test, captions=plan.prompts or test.captions[: plan.captions])
        for photos in first
        for test in photos
    )
    if not tests:
        raise SettingsError("No subject has a held-out photo. Check it with `pdst validate`.")
    shown = [[test.subject_id, test.photo.image_id, list(test.captions)] for test in tests]
    benchmark = replace(
        study.benchmark,
        name=f"{study.benchmark.name} grid",
        fingerprint=digest_json(["grid-1", study.benchmark.fingerprint, cast("Json", shown)]),
        test=tests,
    )
    protocol = Protocol(
        name="grid",
        captions_per_photo=max(len(test.captions) for test in tests),
        images_per_caption=plan.images,
        sampling=study.settings.protocol.sampling,
    )
    settings = replace(study.settings, protocol=protocol)
    return replace(study, benchmark=benchmark, settings=settings)


def grid(runs: Sequence[Run], plan: GridPlan) -> Results:
    """Put what runs drew side by side.

    Args:
        runs: finished runs of one key: ordinary ones, or of `grid_study`.
        plan: how many captions and images of each subject are shown.

    Raises:
        ComparisonError: if two runs' numbers do not mean the same thing, or no case is in all.
    """
    entries = entries_of(runs)
    data = pd.concat([_cells(entry, plan) for entry in entries], ignore_index=True)
    claims = _claims(entries, data, plan)
    return Results(
        experiment="grid",
        data=data,
        summary=cast(
            "dict[str, Json]",
            {
                "means": {
                    metric: {
                        name: None if one is None else asdict(one)
                        for name, one in _means(data, metric).items()
                    }
                    for metric in plan.metrics
                },
                "claims": [asdict(claim) for claim in claims],
            },
        ),
        finding=_finding(entries, data, plan, claims),
    )


def _cells(entry: Entry, plan: GridPlan) -> pd.DataFrame:
    """What the grid shows of one method: a row an image, of its first training seed."""
    scores = entry.runs[0].scores()
    first = scores.groupby("subject_id", sort=False)["image_id"].transform("first")
    rows = scores[
        (scores["image_id"] == first)
        & (scores["caption_index"] < (len(plan.prompts) or plan.captions))
        & (scores["seed_index"] < plan.images)
    ]
    columns = ["subject_id", "image_id", "caption_index", "seed_index", "key", "prompt", "reason"]
    kept = ["dino", "dino_train", "clip_i", "clip_i_train", "clip_t"]
    found = rows[[*columns, *kept]].reset_index(drop=True)
    found.insert(0, "method", entry.name)
    return found


def _means(data: pd.DataFrame, metric: str) -> dict[str, Estimate | None]:
    return {
        str(name): over_subjects(rows, metric) for name, rows in data.groupby("method", sort=False)
    }


def _claims(entries: Sequence[Entry], data: pd.DataFrame, plan: GridPlan) -> list[Claim]:
    """The + variants beside their bases, on what is shown: few images, so mostly undecided."""
    claims = []
    for pair in plus_pairs(entries):
        for metric in plan.metrics:
            means = data.pivot_table(index="subject_id", columns="method", values=metric)
            apart = (means[pair.plus.name] - means[pair.base.name]).rename("apart").reset_index()
            claims.append(
                Claim(
                    says=f"{short(pair.plus.name)} is above {short(pair.base.name)} in "
                    f"{metric_title(metric)}",
                    holds=is_above(apart_over_subjects(apart, "apart")),
                )
            )
    return claims


def _finding(
    entries: Sequence[Entry], data: pd.DataFrame, plan: GridPlan, claims: Sequence[Claim]
) -> str:
    prompts = len(data[["subject_id", "caption_index"]].drop_duplicates())
    what = (
        f"{plural(len(entries), 'method')}, {plural(prompts, 'prompt')}, "
        f"{plural(plan.images, 'image')} each, the same noise for all"
    )
    runs = [entry.runs[0] for entry in entries]
    parts = [setting_sentence(runs, data["subject_id"].nunique(), what)]
    missing = int(data["reason"].notna().sum())
    if missing:
        parts.append(f"{missing} of {len(data)} images are missing.")
    for metric in plan.metrics:
        means = {name: one for name, one in _means(data, metric).items() if one is not None}
        ranked = sorted(means.items(), key=lambda row: -row[1].value)
        listed = ", ".join(f"{short(name)} {estimate_text(one)}" for name, one in ranked)
        parts.append(f"{metric_title(metric)} of what is shown, highest first: {listed}.")
        leads = _leads(data, metric)
        if len(entries) > 1 and leads:
            counted = ", ".join(f"{short(name)} {count}" for name, count in leads.items())
            parts.append(f"Prompts on which a method leads in it: {counted}.")
    if claims:
        parts.append(
            verdict("Figs. 6, 8, 14 and 15, on what is shown", claims, data["subject_id"].nunique())
        )
    return sentences(parts)


def _leads(data: pd.DataFrame, metric: str) -> dict[str, int]:
    """On how many prompts each method's mean is the highest; of equals, the first."""
    means = data.pivot_table(
        index=["subject_id", "caption_index"], columns="method", values=metric, sort=False
    ).dropna()
    best = means.idxmax(axis=1).value_counts(sort=False)
    return {name: int(best.get(name, 0)) for name in means.columns}
