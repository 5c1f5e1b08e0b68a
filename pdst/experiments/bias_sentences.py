"""In: what was measured along training. Out: sentences about it, and whether Fig. 1 holds."""

from collections.abc import Sequence

from pdst.experiments.agreement import Estimate
from pdst.experiments.bias_measures import FamilyBias, bias_claims
from pdst.experiments.curves import FEWEST, SMALL, Course
from pdst.experiments.findings import decided, is_above, plural, verdict
from pdst.experiments.tables import counted_text, estimate_text
from pdst.metrics import METRICS
from pdst.report.rows import number
from pdst.report.table import p_text


def bias_sentences(found: Sequence[FamilyBias], subjects: int) -> list[str]:
    """What was found, and what follows for the paper's claim.

    Args:
        found: DINO's, which the paper's figure shows, and then others'.
        subjects: how many there are.
    """
    parts = [sentence for one in found for sentence in _said(one, subjects)]
    parts += _left_out(found)
    parts.append(verdict("Fig. 1", bias_claims(found[0]), _units(found[0])))
    for one in found[1:]:
        told = decided(bias_claims(one))
        parts.append(f"{METRICS[one.metric].title}, which Fig. 1 does not show: {told}.")
    return parts


def _units(found: FamilyBias) -> list[int]:
    """Of how many subjects each part is."""
    units = [one.apart.units for one in found.together] or [0]
    return [*units, found.course.rise.units if found.course else 0]


def _said(found: FamilyBias, subjects: int) -> list[str]:
    title = METRICS[found.metric].title
    first, last = min(found.gaps), max(found.gaps)
    gaps, nearest = (
        [counted_text(of_step[step], subjects, signed=signed) for step in (first, last)]
        for of_step, signed in ((found.gaps, True), (found.nearest, False))
    )
    return [
        *_correlations(found),
        f"The gap {title} training minus held-out goes from {gaps[0]} to {gaps[1]}; the nearest "
        f"training photo's cosine from {nearest[0]} to {nearest[1]}.",
        _course_sentence(title, found.course),
    ]


def _correlations(found: FamilyBias) -> list[str]:
    title = METRICS[found.metric].title
    if not found.together:
        return [
            f"No subject has the {FEWEST} checkpoints that a correlation of {title} with CLIP-T "
            "takes."
        ]
    told = "; ".join(
        f"{one.coefficient.capitalize()} {estimate_text(one.test, signed=True)} against held-out "
        f"photos, {estimate_text(one.train, signed=True)} against training photos, difference "
        f"{estimate_text(one.apart, signed=True)} (p {p_text(one.apart.p_value)})"
        for one in found.together
    )
    parts = [
        f"Correlation of {title} with CLIP-T over a subject's checkpoints, mean over "
        f"{plural(found.together[0].apart.units, 'subject')}: {told}."
    ]
    if any(is_above(one.apart) and not is_above(one.test) for one in found.together):
        parts.append(
            f"Held-out {title}'s own correlation is not surely above 0: it moves with CLIP-T "
            "more than the other, and may still not move with it."
        )
    return parts


def _left_out(found: Sequence[FamilyBias]) -> list[str]:
    """Who is in no correlation, said once, and of which metric where not of all."""
    of_metric = {METRICS[one.metric].title: one.left_out for one in found if one.together}
    told = []
    for name in sorted({name for left_out in of_metric.values() for name in left_out}):
        titles = [title for title, left_out in of_metric.items() if name in left_out]
        told.append(name if len(titles) == len(found) else f"{name} ({', '.join(titles)})")
    if not told:
        return []
    return [f"Left out of correlations, with fewer than {FEWEST} checkpoints: {', '.join(told)}."]


def _course_sentence(title: str, found: Course | None) -> str:
    if found is None:
        return f"No subject has {title} at all checkpoints: no plateau can be looked for."
    who = f"Training {title}"
    if found.left_out:
        who += f", of the {plural(found.rise.units, 'subject')} with all checkpoints,"
    if found.top == found.first:
        return f"{who} does not rise: it is highest at step {found.first}."
    if not found.rises:
        return (
            f"{who} does not surely rise: at its highest, step {found.top}, it is "
            f"{estimate_text(found.rise, signed=True)} (p {p_text(found.rise.p_value)}) above step "
            f"{found.first}."
        )
    flat = found.plateau
    risen = f"{who} rises by {estimate_text(found.rise)}"
    if flat is None:
        return f"{risen} and shows no plateau before the last checkpoint."
    return (
        f"{risen} and is at its plateau from step {flat.step} on ({flat.checkpoints} checkpoints); "
        f"there it moves by {number(flat.band.value)}, {_percent(flat.share)} of the rise (flat: "
        f"at most {SMALL * 100:.0f} %, which it differs from with p "
        f"{p_text(flat.excess.p_value)}), held-out {title} by {number(flat.test_band.value)}."
    )


def _percent(found: Estimate) -> str:
    between = found.interval
    interval = f" [{between.low * 100:.0f}–{between.high * 100:.0f} %]" if between else ""
    return f"{found.value * 100:.0f} %{interval}"
