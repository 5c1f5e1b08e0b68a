"""In: scores along training. Out: which similarity follows prompt fidelity, which stays flat."""

from dataclasses import dataclass
from typing import cast

import pandas as pd

from pdst.experiments.agreement import Estimate, estimate
from pdst.experiments.curves import COEFFICIENTS, Course, Together, along, course, together
from pdst.experiments.findings import Claim, is_above
from pdst.experiments.likeness import METRIC_OF
from pdst.metrics import METRICS, Family

PROMPT = "clip_t"


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyBias:
    """What was found with one encoder's similarity.

    Attributes:
        together: for each coefficient; none if no subject has enough checkpoints.
        left_out: subjects with fewer.
        course: None if no subject has all checkpoints.
        gaps: by step, similarity to training photos minus similarity to the held-out photo.
        nearest: by step, highest cosine with a training photo, mean over images.
    """

    metric: str
    together: tuple[Together, ...]
    left_out: tuple[str, ...]
    course: Course | None
    gaps: dict[int, Estimate | None]
    nearest: dict[int, Estimate | None]


def measure_bias(data: pd.DataFrame, family: Family) -> FamilyBias:
    """All statistics of one family.

    Args:
        data: a row a subject, step and training seed: `subject_id`, `step`, `seed`, "clip_t", and
            of the family's metric m: m, m_train, m_nearest.
        family: "dino" or "clip".
    """
    metric = METRIC_OF[family]
    train, nearest = f"{metric}_train", f"{metric}_nearest"
    gap = data.assign(gap=data[train] - data[metric])
    correlations = [
        together(data, one, prompt=PROMPT, train=train, test=metric) for one in COEFFICIENTS
    ]
    found = tuple(one for one in correlations if one is not None)
    everyone = tuple(sorted(str(one) for one in data["subject_id"].unique()))
    return FamilyBias(
        metric=metric,
        together=found,
        left_out=found[0].left_out if found else everyone,
        course=course(data, train=train, test=metric),
        gaps=by_step(gap, "gap"),
        nearest=by_step(data, nearest),
    )


def by_step(data: pd.DataFrame, column: str) -> dict[int, Estimate | None]:
    """A column's mean over subjects at each step: of those that have it in every training seed."""
    return {
        int(cast("int", step)): estimate(known.tolist()) if len(known) else None
        for step, known in ((step, curve.dropna()) for step, curve in along(data, column).items())
    }


def bias_claims(found: FamilyBias) -> tuple[Claim, ...]:
    """The paper's claim in parts that data can decide, asked of one metric."""
    title = METRICS[found.metric].title
    more = f"held-out {title} correlates with CLIP-T more than training {title}"
    claims = [
        Claim(says=f"{more} ({one.coefficient.capitalize()})", holds=is_above(one.apart))
        for one in found.together
    ] or [Claim(says=more, holds=None)]
    flat = Claim(says=f"training {title} stays flat after its plateau", holds=_is_flat(found))
    return (*claims, flat)


def _is_flat(found: FamilyBias) -> bool | None:
    """Whether training similarity stays where it rose to; None if it does not surely rise."""
    if found.course is None or found.course.plateau is None:
        return None
    moves = is_above(found.course.plateau.excess)
    return None if moves is None else not moves
