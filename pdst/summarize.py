"""In: the scores table of a run, one row an image. Out: a Report, and the Report as JSON.

The unit of evidence is the subject: images of one subject resemble each other, so a mean is the
mean over subjects of their means, and its interval comes from resampling subjects (20 of them, not
10,000 images).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdst.errors import StoreError
from pdst.types import KINDS, Interval, MetricSummary, Report

Values: TypeAlias = NDArray[np.float64]
"""(N,) float64, one value an image; NaN, inside this module only, stands for a missing score."""

CASE_COLUMNS = (
    "key",
    "subject_id",
    "kind",
    "image_id",
    "caption_index",
    "seed_index",
    "prompt",
    "reason",
)
"""What a row of the scores table says about its case; `reason` is null when the image was drawn."""

NEEDED_COLUMNS = ("subject_id", "kind", "reason")
"""Those that a summary is made from."""

COPY_COLUMNS = ("copy_similarity", "copy_photo", "copied")
"""The most similar photo of the benchmark ("dog6/train/00"), its cosine, whether that is a copy."""

GAPS = ("clip_i", "dino")
"""Metrics that are also computed against the train photos, as `<metric>_train`."""

RESAMPLES = 10_000
LEVEL = 0.95
SCHEMA = 1


def summarize(
    scores: pd.DataFrame, *, marks: Sequence[str], metrics: Sequence[str] | None = None
) -> Report:
    """Means with intervals, train-test gaps, copies and failures of one run.

    Args:
        scores: one row for every case of the plan, drawn or not: NEEDED_COLUMNS, one float column a
            metric (null: not scored) and COPY_COLUMNS.
        marks: what keeps the run from being submitted.
        metrics: which columns are metrics; None: every column not named in CASE_COLUMNS or
            COPY_COLUMNS, in the table's order.

    Returns:
        A Report. A missing score lowers `scored`, never a mean.

    Raises:
        ValueError: if a column is missing, or a score is infinite.
    """
    if metrics is None:
        metrics = [name for name in scores.columns if name not in CASE_COLUMNS + COPY_COLUMNS]
    missing = [name for name in (*NEEDED_COLUMNS, *metrics) if name not in scores.columns]
    if missing:
        raise ValueError(
            f"The scores table has no column {', '.join(missing)}; it has "
            f"{', '.join(scores.columns)}. Score the run again."
        )
    gaps = [name for name in GAPS if name in metrics and f"{name}_train" in metrics]
    failed = scores["reason"].dropna()
    copied = scores["copied"].dropna() if "copied" in scores.columns else pd.Series(dtype=bool)
    return Report(
        metrics=tuple(_summary(name, scores, values(scores, name)) for name in metrics),
        gaps=tuple(
            _summary(name, scores, values(scores, f"{name}_train") - values(scores, name))
            for name in gaps
        ),
        expected=len(scores),
        drawn=len(scores) - len(failed),
        copied=int(copied.astype(bool).sum()),
        copy_checked=len(copied),
        failures={
            str(code): int(count)
            for code, count in failed.map(reason_code).value_counts().sort_index().items()
        },
        marks=tuple(marks),
    )


def reason_code(reason: str) -> str:
    """What kind of failure a reason tells of.

    >>> reason_code("raised: RuntimeError: out of memory")
    'raised'
    """
    return reason.partition(":")[0].strip()


def values(scores: pd.DataFrame, column: str) -> Values:
    """One metric's column as float64, NaN where there is no score.

    Raises:
        ValueError: if a score is infinite.
    """
    found = scores[column].to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(found)
    if infinite.any():
        raise ValueError(
            f"{column} is infinite in row {int(infinite.argmax())} of the scores table, wanted a "
            "finite number or null. Score the run again."
        )
    return found


def subject_means(scores: pd.DataFrame, image_values: Values) -> dict[str, float | None]:
    """Mean over each subject's images that have a value, by subject id; None where none has."""
    codes, subjects = pd.factorize(scores["subject_id"], sort=True)
    known = ~np.isnan(image_values)
    counts = np.bincount(codes[known], minlength=len(subjects))
    sums = np.bincount(codes[known], weights=image_values[known], minlength=len(subjects))
    return {
        str(subject): float(total / count) if count else None
        for subject, total, count in zip(subjects, sums, counts, strict=True)
    }


def bootstrap_interval(subject_values: Sequence[float]) -> Interval | None:
    """The 95 % percentile bootstrap interval of a mean over subjects.

    Only subjects are resampled, and always by the same draws: the same values give the same
    interval, and two metrics of one run see the same resampled sets of subjects.

    Args:
        subject_values: one value a subject.

    Returns:
        None with fewer than two subjects: one says nothing about the spread between subjects.

    Source:
        Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    count = len(subject_values)
    if count < 2:
        return None
    draws = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    means = np.asarray(subject_values, dtype=np.float64)[draws].mean(axis=1)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(low=float(low), high=float(high))


def mean(numbers: Sequence[float] | Values) -> float | None:
    """The arithmetic mean; None of nothing."""
    return float(np.mean(numbers)) if len(numbers) else None


def _summary(metric: str, scores: pd.DataFrame, image_values: Values) -> MetricSummary:
    by_subject = subject_means(scores, image_values)
    scored = {subject: value for subject, value in by_subject.items() if value is not None}
    kind_of = dict(zip(scores["subject_id"], scores["kind"], strict=True))
    kinds = [kind for kind in KINDS if kind in set(kind_of.values())]
    known = image_values[~np.isnan(image_values)]
    return MetricSummary(
        metric=metric,
        macro=mean(list(scored.values())),
        micro=mean(known),
        interval=bootstrap_interval(list(scored.values())),
        scored=len(known),
        expected=len(image_values),
        per_subject=by_subject,
        per_kind={
            kind: mean([value for subject, value in scored.items() if kind_of[subject] == kind])
            for kind in kinds
        },
    )


def report_to_json(report: Report) -> str:
    """A Report as JSON text: keys sorted, no NaN; equal reports give equal text."""
    return (
        json.dumps(
            {"schema": SCHEMA, **asdict(report)},
            sort_keys=True,
            indent=2,
            ensure_ascii=False,
            allow_nan=False,
        )
        + "\n"
    )


def report_from_json(text: str, name: str = "summary.json") -> Report:
    """Read a Report back.

    Args:
        text: what `report_to_json` wrote.
        name: what to call it in an error.

    Raises:
        StoreError: if the text is no JSON, of another schema, or not a Report.
    """
    try:
        found: Any = json.loads(text)
        schema = found.pop("schema", None)
        if schema != SCHEMA:
            raise StoreError(
                f"{name}: schema {schema}, wanted {SCHEMA}. Read it with the PDST that wrote it."
            )
        for part in ("metrics", "gaps"):
            found[part] = tuple(_summary_from_json(row) for row in found[part])
        return Report(**{**found, "marks": tuple(found["marks"])})
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise StoreError(
            f"{name}: not a PDST report ({type(error).__name__}: {error}). "
            "Summarize the run again with `pdst show`."
        ) from error


def _summary_from_json(row: dict[str, Any]) -> MetricSummary:
    interval = None if row["interval"] is None else Interval(**row["interval"])
    return MetricSummary(**{**row, "interval": interval})
