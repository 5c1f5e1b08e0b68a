"""In: a workspace. Out: its stages done, in order, as far as people let them; how they stand."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from filelock import FileLock, Timeout

from builders.pipeline.parts import forget_parts
from builders.pipeline.rows import Candidate, from_table
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.stage import Stage
from builders.pipeline.stages.captions import CAPTION, NEUTRALIZE, REFINE
from builders.pipeline.stages.card import CARD
from builders.pipeline.stages.check import CHECK
from builders.pipeline.stages.collect import COLLECT
from builders.pipeline.stages.mask import MASK
from builders.pipeline.stages.pack import PACK
from builders.pipeline.stages.publish import PUBLISH
from builders.pipeline.stages.review import REVIEW
from builders.pipeline.stages.split import SPLIT
from builders.pipeline.workspace import Workspace

STAGES: tuple[Stage, ...] = (
    COLLECT, REVIEW, SPLIT, CAPTION, REFINE, NEUTRALIZE, CHECK, MASK, PACK, CARD, PUBLISH,
)  # fmt: skip
NAMES = tuple(stage.name for stage in STAGES)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build did.

    Attributes:
        done: the stages that were due and were done.
        waiting: what people have yet to do; the build stopped there.
    """

    done: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one stage stands.

    Attributes:
        state: "blocked": a stage before it is not done.
        rows: that it wrote; None if it has not been done.
        waiting: what people have yet to do. notes: what was found.
        why: it is due: what has changed.
    """

    stage: str
    state: Literal["done", "waiting", "due", "blocked"]
    rows: int | None
    waiting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


def build(
    workspace: Workspace,
    *,
    until: str = NAMES[-1],
    anew: str | None = None,
    told: Callable[[str], None] = lambda stage: None,
) -> Built:
    """Do what is due, in order; stop where people are needed.

    A build that was killed goes on where it stopped. Two at once are refused.

    Args:
        workspace: to build.
        until: the last stage.
        anew: a stage that is done from its beginning, even if nothing has changed.
        told: is called with each stage's name before it is done.

    Raises:
        PdstError: for what the maker has to mend; all that was done before is kept.
    """
    if anew and NAMES.index(anew) > NAMES.index(until):
        raise WorkspaceError(
            f"{anew} shall be done anew, but the last stage to do is {until}, which comes before "
            f"it. Give --until {anew}, or leave it out."
        )
    try:
        with FileLock(workspace.folder / ".lock", timeout=0):
            return _build(workspace, until, anew, told)
    except Timeout as error:
        raise WorkspaceError(
            f"{workspace.folder} is being built by another process. Wait for it."
        ) from error


def _build(
    workspace: Workspace, until: str, anew: str | None, told: Callable[[str], None]
) -> Built:
    workspace.clean()
    done: list[str] = []
    for stage in STAGES[: NAMES.index(until) + 1]:
        record = workspace.record(stage.name)
        if stage.name == anew or stage.state(workspace) == "due":
            told(stage.name)
            if stage.name == anew:
                forget_parts(workspace, stage.name)
                stage.forget(workspace)
            record = stage.do(workspace)
            done.append(stage.name)
        assert record is not None, "a stage that is not due has a record"
        if record.waiting:
            again = (_not_anew(anew, stage.name),) if anew and anew not in done else ()
            return Built(done=tuple(done), waiting=(*record.waiting, *again))
    forget_parts(workspace)
    return Built(done=tuple(done), waiting=())


def _not_anew(anew: str, waits: str) -> str:
    return f"{anew} was not done anew, as it comes after {waits}: give --anew {anew} once more then"


def standings(workspace: Workspace) -> tuple[Standing, ...]:
    """How every stage stands; nothing is changed."""
    found: list[Standing] = []
    for stage in STAGES:
        record = workspace.record(stage.name)
        rows = None if record is None else workspace.rows(stage.name).num_rows
        if found and found[-1].state != "done":
            found.append(Standing(stage=stage.name, state="blocked", rows=rows))
        else:
            state = stage.state(workspace)
            why = stage.why_due(workspace) if state == "due" else ()
            now = record if record is not None and state != "due" else None
            found.append(
                Standing(
                    stage=stage.name,
                    state=state,
                    rows=rows,
                    waiting=now.waiting if now else (),
                    notes=now.notes if now else (),
                    why=why,
                )
            )
    return tuple(found)


def dropped(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """Photos left out so far, each with the reason, by the latest stage that says so."""
    for stage in ("split", "review", "collect"):
        if workspace.record(stage) is not None:
            rows = from_table(Candidate, workspace.rows(stage))
            return tuple((row.name, row.reason) for row in rows if row.status != "kept")
    return ()
