"""In: what the grid shows. Out: who is highest in it, what is missing, and one paragraph of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pdst.experiments.entries import Entry, labels
from pdst.experiments.findings import (
    Claim,
    decided,
    few_sentence,
    plural,
    sentences,
    setting_sentence,
    verdict,
)
from pdst.experiments.grid_plan import GridPlan
from pdst.experiments.rivals import method_means
from pdst.experiments.tables import counted_text
from pdst.report.rows import metric_title
from pdst.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the grid is of.

    Attributes:
        runs: a method's name -> which of its runs is shown.
        data: a row a method and image; every method has the same cases, in the benchmark's order.
        left_out: a method's name -> how many of its cases are asked for and not in every run.
    """

    runs: Mapping[str, Run]
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


def by_case(data: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a case, a column a method, whether it has a score or not."""
    return data.pivot(index=["subject_id", "caption_index", "key"], columns="method", values=metric)


def grid_finding(
    entries: Sequence[Entry],
    shown: Shown,
    plan: GridPlan,
    claims: Sequence[Claim],
    others: Sequence[Claim],
) -> str:
    """One paragraph.

    Args:
        entries: the methods.
        shown: what the grid is of.
        plan: what was asked for.
        claims: of the paper.
        others: differences that the paper does not speak of.
    """
    called, data = labels(entries), shown.data
    subjects = data["subject_id"].nunique()
    parts = [
        setting_sentence([*shown.runs.values()], subjects, _what(data)),
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
        parts.append(verdict(_source(plan), claims, [subjects]))
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
        parts.append(
            f"Asked for were {' and '.join(asked)}, which not every run, or not the benchmark, has."
        )
    if any(shown.left_out.values()):
        listed = ", ".join(
            f"{count} of {called[name]}" for name, count in shown.left_out.items() if count
        )
        parts.append(
            f"Shown are the {data['key'].nunique()} cases that all runs have; left out, because "
            f"another run lacks them: {listed}."
        )
    if any(len(entry.runs) > 1 for entry in entries):
        parts.append("Of several runs of a method that of its lowest training seed is shown.")
    return parts


def _metric_sentences(called: Mapping[str, str], data: pd.DataFrame, metric: str) -> list[str]:
    """Who is highest in the mean, and on how many prompts."""
    title, subjects = metric_title(metric), data["subject_id"].nunique()
    means = method_means(data, metric)
    found = [(called[name], one) for name, one in means.items() if one is not None]
    if not found:
        return [f"No image has a score in {title}."]
    listed = ", ".join(
        f"{name} {counted_text(one, subjects)}"
        for name, one in sorted(found, key=lambda row: -row[1].value)
    )
    without = [called[name] for name, one in means.items() if one is None]
    none = f"; without a score: {', '.join(without)}" if without else ""
    parts = [f"{title} of what is shown, highest first: {listed}{none}."]
    if len(means) > 1:
        led = leads(data, metric)
        counted = ", ".join(f"{called[name]} {count}" for name, count in led.of.items())
        ties = f"; {plural(led.ties, 'tie')}" if led.ties else ""
        dropped = f"; {led.without} not scored for every method" if led.without else ""
        parts.append(f"Prompts on which a method leads in it: {counted}{ties}{dropped}.")
    return parts


def leads(data: pd.DataFrame, metric: str) -> Leads:
    """Who leads on each prompt, by the mean over the images that have a score for every method."""
    scored = by_case(data, metric).dropna()
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
        return "Figs. 6, 14 and 15, on what is shown"
    where = "Fig. 8" if plan.training else "section 6"
    return f"{where}, fictional designs, here with the prompts of Fig. 13, on what is shown"


def _beside(others: Sequence[Claim], subjects: int) -> str:
    """Differences that no figure of the paper shows."""
    few = few_sentence([subjects])
    return f"The paper's figures do not compare these on such prompts; here {decided(others)}.{few}"
