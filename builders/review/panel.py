"""In: a workspace and a kind of review. Out: its reviewers' answers, put together, and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from builders.pipeline.workspace import Workspace, digest_files
from builders.review.agreement import Agreement, Verdict, agreements, verdict
from builders.review.answers import read_answers
from builders.review.items import Item, ReviewKind
from pdst.digest import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What one kind of review has come to.

    Attributes:
        notes: how the reviewers agree, a sentence a pair.
        waiting: what they have yet to do, a sentence a reviewer.
    """

    verdict: Verdict
    agreements: tuple[Agreement, ...]
    notes: tuple[str, ...]
    waiting: tuple[str, ...]


def reviewers_of(workspace: Workspace, kind: ReviewKind) -> tuple[str, ...]:
    """Who reviews this kind, by the settings."""
    names: tuple[str, ...] = getattr(workspace.settings.review, kind)
    return names


def panel(workspace: Workspace, kind: ReviewKind, items: Sequence[Item]) -> Panel:
    """Read the answers and put them together."""
    names = reviewers_of(workspace, kind)
    answers = {name: read_answers(workspace.answers_file(kind, name), items) for name in names}
    found, agree = verdict(items, answers), agreements(answers)
    waiting = tuple(
        f"{name} has {count} of {len(items)} {kind} to look at: "
        f"python -m builders review {workspace.folder} --kind {kind} --reviewer {name}"
        for name, count in found.missing.items()
    )
    return Panel(
        verdict=found,
        agreements=agree,
        notes=tuple(agreement_text(kind, own) for own in agree if own.items),
        waiting=waiting,
    )


def panel_inputs(workspace: Workspace, kind: ReviewKind) -> Mapping[str, Json]:
    """What the answers of a kind depend on."""
    names = reviewers_of(workspace, kind)
    files = [workspace.answers_file(kind, name) for name in names]
    return {"reviewers": list(names), "answers": digest_files(files, workspace.folder)}


def agreement_text(kind: str, found: Agreement) -> str:
    """Agreement in a sentence."""
    kappa = (
        "not defined, both gave one answer alone" if found.kappa is None else f"{found.kappa:.3f}"
    )
    return (
        f"{kind}: {found.one} and {found.other} agree on {found.same} of {found.items} "
        f"({found.rate:.1%}); Cohen's kappa {kappa}"
    )
