"""In: decisions. Out: the public log, and what it says of each entry now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from leaderboard.place import Board
from leaderboard.tables import EVENTS, LOG
from pdst.errors import SubmissionError
from pdst.version import __version__

REASON = 2_000
"""Characters of a reason, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One decision about one entry. Fields as in `leaderboard.tables.LOG`."""

    event: str
    digest: str
    name: str = ""
    tier: str | None = None
    checked_images: int | None = None
    reason: str = ""
    by: str = "board"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the log says of an entry now.

    Attributes:
        event: "accepted", "refused", "withdrawn" or "refuted".
        tier: of an accepted one.
        checked_images: how many images the board has scored itself.
        at: when it was accepted, refused, … for the last time.
    """

    event: str
    name: str
    tier: str
    checked_images: int
    reason: str
    at: datetime


def write_log(board: Board, events: Iterable[Event]) -> None:
    """Add decisions, in order, with the time of now."""
    listed = list(events)
    assert all(one.event in EVENTS for one in listed)
    now = datetime.now(UTC)
    rows = [
        {
            "at": now,
            "event": one.event,
            "digest": one.digest,
            "name": one.name,
            "tier": one.tier,
            "checked_images": one.checked_images,
            "reason": one.reason[:REASON],
            "by": one.by,
            "pdst": __version__,
        }
        for one in listed
    ]
    board.add("log", pa.Table.from_pylist(rows, schema=LOG))


def read_log(board: Board) -> pa.Table:
    """Every decision, in the order of time."""
    return board.read("log", LOG).sort_by([("at", "ascending")])


def standings(log: pa.Table) -> dict[str, Standing]:
    """What each entry's last decision is, by digest."""
    found: dict[str, Standing] = {}
    columns = ("event", "digest", "name", "tier", "checked_images", "reason", "at")
    for event, digest, name, tier, checked, reason, at in zip(
        *(log.column(column).to_pylist() for column in columns), strict=True
    ):
        before = found.get(digest)
        if event == "verified":
            if before is not None and before.event == "accepted":
                found[digest] = Standing(
                    event="accepted",
                    name=before.name,
                    tier=tier or before.tier,
                    checked_images=max(checked or 0, before.checked_images),
                    reason=before.reason,
                    at=before.at,
                )
            continue
        found[digest] = Standing(
            event=event,
            name=name,
            tier=tier or "reported",
            checked_images=checked or 0,
            reason=reason,
            at=at,
        )
    return found


def one_of(found: Mapping[str, Standing], beginning: str) -> str:
    """The full digest of an entry from its beginning.

    Raises:
        SubmissionError: if none or several entries begin so.
    """
    fitting = [digest for digest in found if digest.startswith(beginning)]
    if len(fitting) != 1 or not beginning:
        raise SubmissionError(
            f"{len(fitting)} entries in the log begin with '{beginning}', wanted one. "
            "See: python -m leaderboard log URL"
        )
    return fitting[0]


def withdraw(board: Board, beginning: str, *, reason: str, by: str) -> str:
    """Take an accepted entry off the board; its file and the log stay.

    Returns:
        Its digest.

    Raises:
        SubmissionError: if it is not on the board, or no reason is given.
    """
    found = standings(read_log(board))
    digest = one_of(found, beginning)
    if found[digest].event != "accepted":
        raise SubmissionError(f"{digest} is not on the board: it was {found[digest].event}.")
    if not reason.strip():
        raise SubmissionError("A withdrawal needs a reason, for the log.")
    event = Event(
        event="withdrawn", digest=digest, name=found[digest].name, reason=reason.strip(), by=by
    )
    write_log(board, [event])
    return digest
