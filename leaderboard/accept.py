"""In: a board with new submissions. Out: each accepted or refused, with the reason in the log."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from leaderboard.guard import BOUNDS, Bounds, Guard
from leaderboard.judge import Judgement
from leaderboard.log import Event, read_log, standings, write_log
from leaderboard.place import Board, Submitted
from leaderboard.rules import Known
from leaderboard.tables import ACCEPTED, RESULTS
from pdst.digest import Json
from pdst.errors import SubmissionError
from pdst.keys import RunKey
from pdst.submission.reading import LIMITS

BATCH = 100
"""After so many submissions what was decided is written, so that a stop costs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One submission's fate.

    Attributes:
        reasons: why it was refused; empty if it was accepted.
    """

    digest: str
    name: str
    reasons: tuple[str, ...]


def accept(
    board: Board,
    releases: Sequence[str],
    *,
    again: bool = False,
    by: str = "board",
    bounds: Bounds = BOUNDS,
    tell: Callable[[Decision], None] = lambda decision: None,
) -> list[Decision]:
    """Judge every submission that has no decision yet, first come, first served.

    Args:
        board: where they lie.
        releases: that the board knows, names or folders.
        again: judge refused ones anew, too.
        by: who decides, for the log.
        bounds: of the reading process.
        tell: is told each decision as it is made.

    Raises:
        SubmissionError: if the board cannot be reached. No submission raises.
    """
    before = standings(read_log(board))
    waiting = [
        one
        for one in board.submitted()
        if one.digest not in before or (again and before[one.digest].event == "refused")
    ]
    if not waiting:
        return []
    known = Known.of(_standing_entries(board))
    decisions: list[Decision] = []
    with Guard(releases, taken_keys(board), bounds) as guard:
        for start in range(0, len(waiting), BATCH):
            judged = [(one, _judged(board, guard, one)) for one in waiting[start : start + BATCH]]
            decisions += _decide(board, judged, known, by, tell)
    return decisions


def check(path: Path, digest: str, releases: Sequence[str], keys: Sequence[RunKey]) -> Judgement:
    """Judge one file without a board, as a pull request's check does."""
    with Guard(releases, keys) as guard:
        return guard.judge(path, digest)


def taken_keys(board: Board) -> list[RunKey]:
    """The keys that a board takes; none: any of a release that it knows.

    Raises:
        SubmissionError: if board.json says something else.
    """
    keys = board.settings().get("keys", [])
    try:
        if not isinstance(keys, list):
            raise TypeError(f"it is a {type(keys).__name__}")
        return [RunKey(**key) for key in keys]  # type: ignore[arg-type]  # told below
    except TypeError as error:
        raise SubmissionError(
            f"{board.root}/board.json: keys is no list of keys ({error}). Make it with `init`."
        ) from error


def _standing_entries(board: Board) -> pd.DataFrame:
    """Rows of ACCEPTED of entries that are or were on the board, with that as `standing`."""
    found = standings(read_log(board))
    table = board.read("accepted", ACCEPTED).to_pandas().drop_duplicates("digest")
    table["standing"] = [
        found[digest].event if digest in found else "" for digest in table["digest"]
    ]
    kept: pd.DataFrame = table[table["standing"].isin(["accepted", "refuted", "withdrawn"])]
    return kept


def _judged(board: Board, guard: Guard, one: Submitted) -> Judgement:
    if one.size > LIMITS.file:
        return Judgement(problems=(f"{one.size} bytes, at most {LIMITS.file} are read.",))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{one.digest}.parquet"
        board.fetch(one.digest, path)
        return guard.judge(path, one.digest)


def _decide(
    board: Board,
    judged: Sequence[tuple[Submitted, Judgement]],
    known: Known,
    by: str,
    tell: Callable[[Decision], None],
) -> list[Decision]:
    decisions: list[Decision] = []
    events: list[Event] = []
    entries: list[dict[str, Json]] = []
    results: list[dict[str, Json]] = []
    for one, judgement in judged:
        reasons = judgement.problems
        if judgement.entry is not None:
            reasons = tuple(known.conflicts(judgement.entry))
        decision = Decision(digest=one.digest, name=judgement.name, reasons=reasons)
        if judgement.entry is not None and not reasons:
            known.add(judgement.entry)
            entries.append(judgement.entry)
            results.extend(judgement.results)
        events.append(
            Event(
                event="refused" if reasons else "accepted",
                digest=one.digest,
                name=judgement.name,
                tier=None if reasons else "reported",
                reason="; ".join(reasons) or "rows complete, aggregates computed from them agree",
                by=by,
            )
        )
        decisions.append(decision)
        tell(decision)
    # The log last: what it does not name is judged again, and rows that stand twice count once.
    board.add("accepted", pa.Table.from_pylist(entries, schema=ACCEPTED))
    board.add("results", pa.Table.from_pylist(results, schema=RESULTS))
    write_log(board, events)
    return decisions
