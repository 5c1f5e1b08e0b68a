"""In: finished runs. Out: a row a subject, and what is said of many: means and differences."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pdst.compare import subject_differences
from pdst.errors import ComparisonError
from pdst.experiments.agreement import Apart, Estimate, estimate, estimate_apart
from pdst.metrics import METRICS
from pdst.report.rows import interval_text, number
from pdst.run import Run
from pdst.summarize import subject_means, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric, one method minus another, on the same cases; units are subjects."""

    metric: str
    value: Apart


def common_cases(runs: Sequence[Run]) -> frozenset[str]:
    """The keys of the cases that all runs planned, drawn or not.

    Raises:
        ComparisonError: if there is none.
    """
    planned = [set(run.scores(["key"])["key"]) for run in runs]
    shared = frozenset(set.intersection(*planned))
    if not shared:
        raise ComparisonError(
            f"No case is in all of {', '.join(str(run.path) for run in runs)}. Run all of them on "
            "the same --subjects and --limit."
        )
    return shared


def missing_sentence(data: pd.DataFrame, by: str) -> str:
    """How many images are missing, and whose; empty if none is.

    Args:
        data: rows as of `subject_rows`.
        by: the column that says whose.
    """
    lost = (data["expected"] - data["images"]).groupby(data[by], sort=False).sum()
    if not lost.sum():
        return ""
    listed = ", ".join(f"{name} {count}" for name, count in lost.items() if count)
    return f"{lost.sum()} of {data['expected'].sum()} images are missing ({listed})."


def subject_rows(
    run: Run, *, cases: Collection[str] | None = None, **facts: str | int
) -> pd.DataFrame:
    """A run, a row a subject.

    Args:
        run: a finished one.
        cases: keys of those that count; None: all.
        facts: columns to put in front, the same in every row ("step").

    Returns:
        The facts; `subject_id`, `kind`; every metric's mean over the subject's images; `images` of
        `expected`. A mean without any value is null.
    """
    scores = run.scores()
    if cases is not None:
        scores = scores[scores["key"].isin(cases)].reset_index(drop=True)
    first = scores.drop_duplicates("subject_id").sort_values("subject_id")
    by_subject = scores.groupby("subject_id", sort=True)["reason"]
    columns: dict[str, object] = {
        **{name: [fact] * len(first) for name, fact in facts.items()},
        "subject_id": first["subject_id"].tolist(),
        "kind": first["kind"].tolist(),
        "images": by_subject.apply(lambda reasons: int(reasons.isna().sum())).tolist(),
        "expected": by_subject.size().tolist(),
    }
    scores = scores.reindex(columns=[*dict.fromkeys([*scores.columns, *METRICS])])
    for metric in METRICS:  # what an older run lacks is null
        means = subject_means(scores, values(scores, metric))
        columns[metric] = [means[str(one)] for one in first["subject_id"]]
    return pd.DataFrame(columns).astype(dict.fromkeys(METRICS, np.float64))


def over_subjects(rows: pd.DataFrame, column: str) -> Estimate | None:
    """The mean over subjects of each one's mean over its rows (seeds); None without any value."""
    means = _subject_means(rows, column)
    return estimate(means) if means else None


def apart_over_subjects(rows: pd.DataFrame, column: str) -> Apart | None:
    """As `over_subjects`, of a column that holds differences."""
    means = _subject_means(rows, column)
    return estimate_apart(means) if means else None


def _subject_means(rows: pd.DataFrame, column: str) -> list[float]:
    means = rows.groupby("subject_id", sort=True)[column].mean().dropna()
    return [float(value) for value in means]


def differences(
    first: Sequence[Run], second: Sequence[Run], metrics: Sequence[str]
) -> tuple[Difference, ...]:
    """The first's runs minus the second's, pair by pair on the same cases.

    Args:
        first: one run a training seed.
        second: as many; a subject's difference is the mean over the pairs.
        metrics: which; those that no case was scored by in both are left out.

    Raises:
        ComparisonError: if the runs may not be compared.
    """
    found: dict[str, dict[str, list[float]]] = {metric: {} for metric in metrics}
    for one, other in zip(first, second, strict=True):
        for metric, of_subject in subject_differences(one, other, metrics).items():
            for subject_id, difference in of_subject.items():
                if difference is not None:
                    found[metric].setdefault(subject_id, []).append(difference)
    said = []
    for metric, by_subject in found.items():
        means = [float(np.mean(by_subject[name])) for name in sorted(by_subject)]
        if means:
            said.append(Difference(metric=metric, value=estimate_apart(means)))
    return tuple(said)


def counted_text(found: Estimate | None, subjects: int, *, signed: bool = False) -> str:
    """An estimate; of how many subjects, if not of all that there are."""
    fewer = found is not None and found.units < subjects
    of = f" (of {found.units} of {subjects} subjects)" if found is not None and fewer else ""
    return estimate_text(found, signed=signed) + of


def estimate_text(found: Estimate | None, *, signed: bool = False) -> str:
    """A mean and its interval: "0.412 [0.380–0.441]"."""
    if found is None:
        return number(None)
    between = interval_text(found.interval, signed=signed)
    return number(found.value, signed=signed) + (f" [{between}]" if between else "")
