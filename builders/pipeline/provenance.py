"""In: what every stage wrote. Out: the card's section on how the release was made, in numbers."""

from collections import Counter

from builders.card import table
from builders.collect.decisions import read_decisions
from builders.pipeline.probing import probe_captions, probe_table, released_captions
from builders.pipeline.rows import Approval, Candidate, MaskRow, from_table, kept
from builders.pipeline.workspace import Workspace
from builders.review.agreement import Agreement
from builders.review.items import (
    KINDS,
    Item,
    ReviewKind,
    caption_items,
    mask_items,
    photo_items,
)
from builders.review.panel import panel, reviewers_of


def provenance(workspace: Workspace) -> str:
    """Markdown: photos by fate, reviewers and how they agree, what the checks found."""
    parts = [
        "## From collection to release",
        fates_table(workspace),
        "## Decided by hand",
        decisions_table(workspace),
        "## Sessions",
        sessions_table(workspace),
        "## Reviews",
        reviews_table(workspace),
        f"Look-alikes: {sight(workspace)}.",
        "## Checks of the captions",
        checks_table(workspace),
        "What a classifier of words guesses from the captions of a subject, after reading those of "
        "the others (the leak probe: each subject is left out in turn; chance: classes dealt at "
        "random, and p: how often such a deal does as well):",
        probe_table(probe_captions(workspace, released_captions(workspace))),
    ]
    return "\n\n".join(parts)


def fates_table(workspace: Workspace) -> str:
    """How many photos were collected, and what became of them."""
    collected = from_table(Candidate, workspace.rows("collect"))
    reviewed = from_table(Candidate, workspace.rows("review"))
    split = from_table(Candidate, workspace.rows("split"))
    masks = from_table(MaskRow, workspace.rows("mask"))

    def dropped(rows: tuple[Candidate, ...]) -> int:
        return sum(row.status == "dropped" for row in rows)

    fates = Counter(row.split if row.status == "kept" else row.status for row in split)
    lines = [
        ("collected", len(collected)),
        ("dropped by the maker", dropped(collected)),
        ("dropped by reviewers", dropped(reviewed) - dropped(collected)),
        ("dropped with a subject that has too few", dropped(split) - dropped(reviewed)),
        ("in reserve", fates["reserve"]),
        ("train", fates["train"]),
        ("test", fates["test"]),
        ("with a mask", len(masks)),
    ]
    return table(("photos", "number"), lines)


def decisions_table(workspace: Workspace) -> str:
    """What the maker decided, who did, and why."""
    said = read_decisions(workspace.decisions)
    lines = [
        (f"`{own.photo}`", what, f"`{own.other}`" if own.other else "", own.by, own.reason)
        for what, decisions in (("left out", said.drops), ("another shot than", said.cleared))
        for own in sorted(decisions.values(), key=lambda own: (own.photo, own.other))
    ]
    return table(("photo", "decision", "other", "by", "reason"), lines) if lines else "Nothing."


def sessions_table(workspace: Workspace) -> str:
    """Of how many photos it is known what was taken together, and whether the split parts it."""
    photos = kept(from_table(Candidate, workspace.rows("split")))
    trained = {_together(row) for row in photos if row.split == "train"}
    shared = sum(row.split == "test" and _together(row) in trained - {None} for row in photos)
    lines = [
        ("of a session that their maker named", sum(bool(row.session) for row in photos)),
        (
            "of a series, by the times at which they were taken",
            sum(row.series > 0 for row in photos),
        ),
        ("test photos of a session or series that train photos are of", shared),
    ]
    return table(("photos", "number"), lines)


def _together(photo: Candidate) -> tuple[str, str | int] | None:
    """What photos taken together share; None: nothing is known."""
    known = photo.session or photo.series
    return (photo.subject_id, known) if known else None


def reviews_table(workspace: Workspace) -> str:
    """Who looked at what, and how they agree."""
    lines: list[tuple[object, ...]] = []
    for kind in KINDS:
        names = reviewers_of(workspace, kind)
        items = review_items(workspace, kind)
        if not names:
            lines.append((kind, "nobody", len(items), "", "", ""))
        found = panel(workspace, kind, items)
        rejected = len(found.verdict.rejected)
        if len(names) == 1:
            lines.append((kind, names[0], len(items), rejected, "", ""))
        lines += [
            (kind, f"{own.one}, {own.other}", own.items, rejected, f"{own.rate:.1%}", _kappa(own))
            for own in found.agreements
        ]
    return table(("", "reviewers", "looked at", "rejected", "agreement", "Cohen's kappa"), lines)


def review_items(workspace: Workspace, kind: ReviewKind) -> tuple[Item, ...]:
    """What there is to look at, once the stage before has been done."""
    if kind == "photos":
        return photo_items(from_table(Candidate, workspace.rows("collect")))
    photos = from_table(Candidate, workspace.rows("split"))
    if kind == "captions":
        return caption_items(from_table(Approval, workspace.rows("check")), photos)
    return mask_items(from_table(MaskRow, workspace.rows("mask")), photos)


def checks_table(workspace: Workspace) -> str:
    """What the automatic checks said of the released captions."""
    rows = released_captions(workspace)
    count = Counter(row.checked for row in rows)
    warned = f"{count['warned']} ({count['warned'] / max(len(rows), 1):.1%})"
    lines = [
        ("released", len(rows)),
        ("without a finding", count["passed"]),
        ("with a word that hints at the class or another warning", warned),
    ]
    return table(("captions", "number"), lines)


def _kappa(found: Agreement) -> str:
    return "not defined" if found.kappa is None else f"{found.kappa:.3f}"


def sight(workspace: Workspace) -> str:
    """How the split looked for look-alikes."""
    record = workspace.record("split")
    assert record is not None, "the card is made after the split"
    return record.notes[0]
