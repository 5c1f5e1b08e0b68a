"""In: methods, or their runs. Out: what each draws of the same prompts from the same noise.

Figs. 6, 8 and 13 to 15 of the paper. What is shown is decided by the plan (the first held-out photo
of each subject, its first captions, the first seeds) and by which of it all runs have, never by a
score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

import pandas as pd

from pdst.digest import Json, digest_json
from pdst.errors import ComparisonError, SettingsError, unknown_name
from pdst.experiments.agreement import Estimate
from pdst.experiments.entries import (
    Entry,
    PlusPair,
    entries_of,
    labels,
    plus_pairs,
    seed_of,
    short,
)
from pdst.experiments.findings import (
    DECIDING,
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
from pdst.keys import run_key
from pdst.report.rows import metric_title
from pdst.run import Run
from pdst.types import SLOT, Benchmark, Case, Protocol, TestPhoto

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

    @property
    def each(self) -> int:
        """How many prompts are asked for of a subject."""
        return len(self.prompts) or self.captions

    @property
    def fictional(self) -> bool:
        """Whether its prompts are the paper's own, of Fig. 13."""
        return bool(self.prompts) and set(self.prompts) <= set(FICTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the grid is of.

    Attributes:
        data: a row a method and image; every method has the same cases, in the benchmark's order.
        left_out: a method's name -> how many of its cases are asked for and not in every run.
    """

    data: pd.DataFrame
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """On how many prompts a method's mean is above that of every other.

    Attributes:
        of: a method's name -> on how many.
        ties: prompts on which several are highest.
        without: prompts of which no image was scored for every method.
    """

    of: Mapping[str, int]
    ties: int
    without: int


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
    tests = _tests(study.benchmark, study.subject_ids, plan)
    if not tests:
        raise SettingsError("No subject has a held-out photo. Check it with `pdst validate`.")
    shown = [[test.subject_id, test.photo.image_id, list(test.captions)] for test in tests]
    benchmark = replace(
        study.benchmark,
        name=_cut_name(study.benchmark),
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
                        for name, one in _means(data, metric).items()
                    }
                    for metric in plan.metrics
                },
                "leads": {metric: asdict(_leads(data, metric)) for metric in plan.metrics},
                "left_out": dict(shown.left_out),
                "claims": [asdict(claim) for claim in claims],
                "not_of_the_paper": [asdict(claim) for claim in others],
            },
        ),
        finding=_finding(entries, shown, plan, claims, others),
    )


def shown_run(entry: Entry) -> Run:
    """Which of a method's runs is shown: that of the lowest training seed, else the first given."""
    seeds = [(seed, run) for run in entry.runs if isinstance(seed := seed_of(run), int)]
    return min(seeds, key=lambda one: one[0])[1] if seeds else entry.runs[0]


def _require_benchmark(run: Run, benchmark: Benchmark) -> None:
    """Refuse photos and captions that the runs were not drawn of."""
    key = run_key(run)
    if key.fingerprint == benchmark.fingerprint:
        return
    drawn_here = key.benchmark == f"{_cut_name(benchmark)} {benchmark.version}"
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


def _cut_name(benchmark: Benchmark) -> str:
    return f"{benchmark.name} grid"


def _tests(
    benchmark: Benchmark, subject_ids: Sequence[str], plan: GridPlan
) -> tuple[TestPhoto, ...]:
    """Each subject's first held-out photo, with the prompts that are asked for."""
    return tuple(
        replace(test, captions=plan.prompts or test.captions[: plan.captions])
        for subject_id in subject_ids
        for test in benchmark.test_photos(subject_id)[:1]
    )


def _planned(benchmark: Benchmark, plan: GridPlan) -> list[str]:
    """The keys of all cases that are asked for, in the benchmark's order."""
    return [
        Case(
            subject_id=test.subject_id,
            image_id=test.photo.image_id,
            caption_index=caption_index,
            seed_index=seed_index,
            prompt=prompt,
        ).key
        for test in _tests(benchmark, [one.subject_id for one in benchmark.subjects], plan)
        for caption_index, prompt in enumerate(test.captions)
        for seed_index in range(plan.images)
    ]


def _shown(entries: Sequence[Entry], benchmark: Benchmark, plan: GridPlan) -> Shown:
    """The cases that are asked for and that every method has."""
    planned = _planned(benchmark, plan)
    tables = {entry.name: shown_run(entry).scores().set_index("key") for entry in entries}
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


def _means(data: pd.DataFrame, metric: str) -> dict[str, Estimate | None]:
    return {
        str(name): over_subjects(rows, metric) for name, rows in data.groupby("method", sort=False)
    }


def _by_case(data: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a case, a column a method, whether it has a score or not."""
    return data.pivot(index=["subject_id", "caption_index", "key"], columns="method", values=metric)


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
            cells = _by_case(data, metric)[[pair.plus.name, pair.base.name]]
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


def _finding(
    entries: Sequence[Entry],
    shown: Shown,
    plan: GridPlan,
    claims: Sequence[Claim],
    others: Sequence[Claim],
) -> str:
    called, data = labels(entries), shown.data
    subjects = data["subject_id"].nunique()
    parts = [
        setting_sentence([shown_run(entry) for entry in entries], subjects, _what(data)),
        *_fewer(entries, shown, plan),
    ]
    missing = data[data["reason"].notna()]
    if len(missing):
        counts = missing["method"].value_counts(sort=False)
        listed = ", ".join(f"{counts[one]} of {called[one]}" for one in called if one in counts)
        parts.append(f"{len(missing)} of {len(data)} images are missing: {listed}.")
    for metric in plan.metrics:
        parts += _metric_sentences(called, data, metric)
    if claims:
        parts.append(verdict(_source(plan), claims, subjects))
    if others:
        parts.append(_beside(others, subjects))
    return sentences(parts)


def _what(data: pd.DataFrame) -> str:
    """How much is shown, not how much was asked for."""
    images = _images(data)
    counted = plural(int(images.max()), "image")
    if images.min() < images.max():
        counted = f"{images.min()} to {counted}"
    return (
        f"{plural(data['method'].nunique(), 'method')}, {plural(len(images), 'prompt')}, "
        f"{counted} each, the same noise for all"
    )


def _images(data: pd.DataFrame) -> pd.Series:
    """How many images each prompt of a subject has, of every method."""
    return data.groupby(["subject_id", "caption_index"], sort=False)["key"].nunique()


def _fewer(entries: Sequence[Entry], shown: Shown, plan: GridPlan) -> list[str]:
    """Sentences about what is not shown, and why."""
    parts, called, data = [], labels(entries), shown.data
    prompts = data.groupby("subject_id")["caption_index"].nunique()
    asked = []
    if _images(data).min() < plan.images:
        asked.append(f"{plural(plan.images, 'image')} a prompt")
    if prompts.min() < plan.each:
        asked.append(f"{plural(plan.each, 'prompt')} a subject")
    if asked:
        parts.append(f"Asked for were {' and '.join(asked)}, which not all runs have.")
    if any(shown.left_out.values()):
        listed = ", ".join(
            f"{count} of {called[name]}" for name, count in shown.left_out.items() if count
        )
        parts.append(
            f"Shown are the {data['key'].nunique()} cases that all runs have; left out, because "
            f"another run lacks them: {listed}."
        )
    if any(len(entry.runs) > 1 for entry in entries):
        parts.append("Of several training seeds the lowest is shown.")
    return parts


def _metric_sentences(called: Mapping[str, str], data: pd.DataFrame, metric: str) -> list[str]:
    """Who is highest in the mean, and on how many prompts."""
    title, subjects = metric_title(metric), data["subject_id"].nunique()
    means = _means(data, metric)
    found = [(called[name], one) for name, one in means.items() if one is not None]
    if not found:
        return [f"No image has a score in {title}."]
    listed = ", ".join(
        f"{name} {estimate_text(one)}"
        + (f" (of {plural(one.units, 'subject')} alone)" if one.units < subjects else "")
        for name, one in sorted(found, key=lambda row: -row[1].value)
    )
    without = [called[name] for name, one in means.items() if one is None]
    none = f"; without a score: {', '.join(without)}" if without else ""
    parts = [f"{title} of what is shown, highest first: {listed}{none}."]
    if len(means) > 1:
        leads = _leads(data, metric)
        counted = ", ".join(f"{called[name]} {count}" for name, count in leads.of.items())
        ties = f"; {plural(leads.ties, 'tie')}" if leads.ties else ""
        dropped = f"; {leads.without} not scored for every method" if leads.without else ""
        parts.append(f"Prompts on which a method leads in it: {counted}{ties}{dropped}.")
    return parts


def _leads(data: pd.DataFrame, metric: str) -> Leads:
    """Who leads on each prompt, by the mean over the images that have a score for every method."""
    scored = _by_case(data, metric).dropna()
    means = scored.groupby(level=["subject_id", "caption_index"], sort=False).mean()
    highest = means.eq(means.max(axis=1), axis=0)
    alone = highest[highest.sum(axis=1) == 1]
    return Leads(
        of={str(name): int(alone[name].sum()) for name in data["method"].unique()},
        ties=len(means) - len(alone),
        without=len(_images(data)) - len(means),
    )


def _source(plan: GridPlan) -> str:
    """Where the paper claims what is tested."""
    if not plan.prompts:
        return "Figs. 6, 8, 14 and 15, on what is shown"
    where = "Fig. 8" if plan.training else "section 6"
    return f"{where}, fictional designs, here with the prompts of Fig. 13, on what is shown"


def _beside(others: Sequence[Claim], subjects: int) -> str:
    """Differences that no figure of the paper shows."""
    words = {True: "yes", False: "no", None: "undecided"}
    listed = "; ".join(f"{one.says}: {words[one.holds]}" for one in others)
    few = f" Fewer than {DECIDING} subjects decide no difference." if subjects < DECIDING else ""
    return f"No claim of the paper's figures, which do not compare these on such prompts: {listed}.{few}"
