"""In: two finished runs. Out: paired differences on the cases both have, or why they may not meet.

Numbers of two runs mean the same thing only if benchmark content, protocol and each metric's digest
agree. Then the same cases are subtracted, image by image, which removes what is hard about a case;
what is left is averaged within and then over subjects.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from pdst.errors import ComparisonError, StoreError
from pdst.keys import RunKey, distinct_names, refuse_differences, run_key, run_marks, setting
from pdst.metrics import METRICS
from pdst.run import Run
from pdst.summarize import (
    Values,
    bootstrap_interval,
    mean,
    reason_code,
    subject_means,
    values,
)
from pdst.types import Interval

EXACT_SUBJECTS = 16
"""Up to so many subjects every sign pattern is tried (65,536); above, FLIPS random ones."""

FLIPS = 99_999


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """One metric, first run minus second, on the cases scored in both.

    Attributes:
        mean_a, mean_b: macro means on those cases; None without any.
        difference: mean over subjects of the subject's mean difference; above 0: the first is
            higher.
        interval: of `difference`, by bootstrap over subjects; None with fewer than two.
        p_value: two-sided, by flipping the signs of subjects; None with fewer than two.
        pairs, subjects: how many cases, of how many subjects.
        dropped: why a shared case is no pair -> how many.
        per_subject: mean difference; None for a subject without a pair.
    """

    metric: str
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    interval: Interval | None
    p_value: float | None
    pairs: int
    subjects: int
    dropped: Mapping[str, int]
    per_subject: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, side by side.

    Attributes:
        a, b: their names, never equal.
        cases_a, cases_b, shared: planned cases of each, and of both.
        metrics: in the order of `METRICS`.
        marks: what keeps either run from being submitted.
        notes: what a reader must know: a subset, the same run twice, too few subjects.
    """

    a: str
    b: str
    cases_a: int
    cases_b: int
    shared: int
    metrics: tuple[PairedDifference, ...]
    marks: tuple[str, ...]
    notes: tuple[str, ...]


def compare(run_a: Run, run_b: Run) -> Comparison:
    """Subtract the second run from the first, case by case.

    Args:
        run_a: a finished run.
        run_b: one of the same key. With other subjects or another limit, the cases that both have
            are compared, and a note says so.

    Raises:
        ComparisonError: if the keys differ (every difference is named), or no case is in both.
        StoreError: if a run is not finished or its files do not fit together.
    """
    beside = _Beside(run_a, run_b)
    a, b, both_a, both_b = beside.a, beside.b, beside.both_a, beside.both_b
    differences = tuple(_paired(metric, both_a, both_b, a, b) for metric in beside.metrics)
    marks = [mark for run in (run_a, run_b) for mark in run_marks(run)]
    notes = _same_run_note(run_a, run_b)
    notes += _subset_note(run_a, a, beside.cases_a, run_b, b, beside.cases_b, len(both_a))
    notes += _metric_notes(beside.key_a, beside.key_b, a, b)
    notes += _format_note(run_a, run_b)
    notes += _power_note(both_a["subject_id"].nunique())
    return Comparison(
        a=a,
        b=b,
        cases_a=beside.cases_a,
        cases_b=beside.cases_b,
        shared=len(both_a),
        metrics=differences,
        marks=tuple(dict.fromkeys(marks)),
        notes=tuple(notes),
    )


def subject_differences(
    run_a: Run, run_b: Run, metrics: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """The mean differences of `compare` alone, without intervals and p-values, which take longer.

    Args:
        run_a: as `compare`.
        run_b: as `compare`.
        metrics: which; those that either run lacks are left out.

    Returns:
        By metric and subject, first minus second; None for a subject without a pair.

    Raises:
        ComparisonError: as `compare`.
        StoreError: as `compare`.
    """
    beside = _Beside(run_a, run_b)
    a, b = beside.both_a, beside.both_b
    return {
        metric: subject_means(a, values(a, metric) - values(b, metric))
        for metric in beside.metrics
        if metric in metrics
    }


class _Beside:
    """Two runs of one key, and the scores of the cases that both have, row by row."""

    def __init__(self, run_a: Run, run_b: Run) -> None:
        """Read both; refuse what may not be compared."""
        self.key_a, self.key_b = run_key(run_a), run_key(run_b)
        self.a, self.b = distinct_names([run_a, run_b])
        refuse_differences([(self.a, self.key_a), (self.b, self.key_b)])
        self.metrics = [
            one for one in METRICS if one in self.key_a.metrics and one in self.key_b.metrics
        ]
        scores_a, scores_b = _by_case(run_a), _by_case(run_b)
        self.cases_a, self.cases_b = len(scores_a), len(scores_b)
        shared = scores_a.index.intersection(scores_b.index, sort=False)
        if shared.empty:
            raise ComparisonError(
                f"No case is in both runs: {self.a} has {_subjects(scores_a)}, {self.b} has "
                f"{_subjects(scores_b)}. Run both on the same --subjects and --limit."
            )
        self.both_a, self.both_b = scores_a.loc[shared], scores_b.loc[shared]


def sign_flip_p(subject_differences: Sequence[float]) -> float | None:
    """Two-sided p-value of a mean difference: how often chance signs give as large a mean.

    If the two runs were alike, each subject's difference could as well have the other sign.

    Args:
        subject_differences: one mean difference a subject.

    Returns:
        In (0, 1]; exact up to EXACT_SUBJECTS subjects, then from FLIPS random sign patterns (the
        observed one counted in, so never 0). None with fewer than two subjects.

    Source:
        Fisher, "The Design of Experiments" (1935), section 21.
    """
    found = np.asarray(subject_differences, dtype=np.float64)
    count = len(found)
    if count < 2:
        return None
    if count <= EXACT_SUBJECTS:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        counted_in = 0  # the observed pattern is among them
    else:
        flips = np.random.default_rng(0).integers(2, size=(FLIPS, count), dtype=np.int8)
        counted_in = 1
    means = (1.0 - 2.0 * flips) @ found / count
    # Patterns that tie with the observed one must not fall below it by rounding.
    as_large = np.abs(means) >= abs(float(found.mean())) * (1.0 - 1e-9)
    return float((as_large.sum() + counted_in) / (len(flips) + counted_in))


def comparison_to_json(comparison: Comparison) -> str:
    """A Comparison as JSON text: keys sorted, no NaN; equal comparisons give equal text."""
    content = {"schema": 1, **asdict(comparison)}
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _paired(
    metric: str, scores_a: pd.DataFrame, scores_b: pd.DataFrame, a: str, b: str
) -> PairedDifference:
    values_a, values_b = values(scores_a, metric), values(scores_b, metric)
    apart = values_a - values_b
    paired = ~np.isnan(apart)
    by_subject = subject_means(scores_a, apart)
    known = [value for value in by_subject.values() if value is not None]
    missing: Counter[str] = Counter()
    for row in np.flatnonzero(~paired):
        code_a = _why(scores_a["reason"].iloc[row]) if np.isnan(values_a[row]) else None
        code_b = _why(scores_b["reason"].iloc[row]) if np.isnan(values_b[row]) else None
        if code_a == code_b:
            missing[f"both: {code_a}"] += 1
        else:
            codes = [f"{name}: {code}" for name, code in ((a, code_a), (b, code_b)) if code]
            missing[", ".join(codes)] += 1
    return PairedDifference(
        metric=metric,
        mean_a=_macro(scores_a, np.where(paired, values_a, np.nan)),
        mean_b=_macro(scores_b, np.where(paired, values_b, np.nan)),
        difference=mean(known),
        interval=bootstrap_interval(known),
        p_value=sign_flip_p(known),
        pairs=int(paired.sum()),
        subjects=len(known),
        dropped=dict(sorted(missing.items())),
        per_subject=by_subject,
    )


def _macro(scores: pd.DataFrame, image_values: Values) -> float | None:
    means = subject_means(scores, image_values).values()
    return mean([value for value in means if value is not None])


def _why(reason: object) -> str:
    return reason_code(reason) if isinstance(reason, str) else "not scored"


def _by_case(run: Run) -> pd.DataFrame:
    scores = run.scores()
    wanted = {"key", "subject_id", "reason", *run_key(run).metrics}
    numeric = set(scores.select_dtypes("number").columns)
    bad = sorted(wanted - set(scores.columns) | (set(run_key(run).metrics) - numeric))
    if bad or scores["key"].isna().any():
        raise StoreError(
            f"{run.path}/scores.parquet has no usable column {', '.join(bad) or 'key'}: it was "
            "changed by hand. Give the same pdst-eval command again."
        )
    scores = scores.set_index("key", drop=False)
    if not scores.index.is_unique:
        twice = scores.index[scores.index.duplicated()][0]
        raise StoreError(f"{run.path}/scores.parquet has {twice} twice. Score the run again.")
    return scores


def _subjects(scores: pd.DataFrame) -> str:
    names = sorted(scores["subject_id"].unique())
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{len(scores)} cases of {listed or 'no subject'}"


def _same_run_note(run_a: Run, run_b: Run) -> list[str]:
    if run_a.path.resolve() != run_b.path.resolve():
        return []
    return ["Both are the same run, so every difference is zero."]


def _subset_note(
    run_a: Run, a: str, cases_a: int, run_b: Run, b: str, cases_b: int, shared: int
) -> list[str]:
    if shared == cases_a == cases_b:
        return []
    parts = [
        f"{name} has {cases - shared} more ({_selection(run)})"
        for run, name, cases in ((run_a, a, cases_a), (run_b, b, cases_b))
    ]
    return [f"Compared on the {shared} cases that are in both runs: {', '.join(parts)}."]


def _format_note(run_a: Run, run_b: Run) -> list[str]:
    kept = [str(setting(run, "settings", "image_format")) for run in (run_a, run_b)]
    if kept[0] == kept[1] or "jpeg" not in kept:
        return []
    return [f"Images were kept as {kept[0]} and as {kept[1]}; JPEG moves scores a little."]


def _selection(run: Run) -> str:
    subjects, limit = setting(run, "settings", "subjects"), setting(run, "settings", "limit")
    chosen = f"{len(subjects)} chosen subjects" if isinstance(subjects, list) else "all subjects"
    return chosen if limit is None else f"{chosen}, limit {limit}"


def _metric_notes(key_a: RunKey, key_b: RunKey, a: str, b: str) -> list[str]:
    lines = []
    for name, mine, other in ((a, key_a.metrics, key_b.metrics), (b, key_b.metrics, key_a.metrics)):
        alone = [metric for metric in mine if metric not in other]
        if alone:
            lines.append(f"Only {name} has {', '.join(alone)}.")
    return lines


def _power_note(subjects: int) -> list[str]:
    if subjects < 2:
        return ["One subject only: no interval and no p-value, which are over subjects."]
    smallest = 2.0 ** (1 - subjects)
    if smallest <= 0.05:
        return []
    return [f"With {subjects} subjects no p-value can be below {smallest:.3g}."]
