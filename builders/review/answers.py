"""In: one reviewer's file of answers. Out: what counts of it; and one answer more, safely kept.

A line an answer, appended and synced: nothing is lost when the page or the machine dies, and taking
an answer back is one more line. The last line about an item counts, if it saw what is there now.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from builders.pipeline.settings import WorkspaceError
from builders.review.items import Item
from pdst.release import shown as shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reviewer said about an item.

    Attributes:
        item: its name. shown: digest of what the reviewer saw.
        yes: True: it stays; False: it goes; None: the answer is taken back.
        at: when, UTC, "2026-11-26T08:00:00+00:00"; for the record alone.
    """

    item: str
    shown: str
    yes: bool | None
    reason: str = ""
    at: str = ""


def now() -> str:
    """The time, as answers have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_answers(path: Path, items: Iterable[Item]) -> Mapping[str, Answer]:
    """The answers that count, by item.

    Raises:
        WorkspaceError: if a line is none of ours. A last line that was cut short is passed over.
    """
    answers: dict[str, Answer] = {}
    seen = {item.name: item.shown for item in items}
    for answer in _lines(path):
        if answer.shown != seen.get(answer.item):
            continue
        answers.pop(answer.item, None)
        if answer.yes is not None:
            answers[answer.item] = answer
    return answers


def append_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Keep answers: when this returns, they are on the disk.

    Raises:
        WorkspaceError: if they cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as opened:
            opened.seek(0, os.SEEK_END)
            if opened.tell():
                opened.seek(-1, os.SEEK_END)
                torn = opened.read(1) != b"\n"  # a line that a crash cut short stays one by itself
                opened.write(b"\n" * torn)
            for answer in answers:
                opened.write(json.dumps(asdict(answer), ensure_ascii=False).encode() + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be written ({error}). Mend that; no answer is lost "
            "that was kept before."
        ) from error


def _lines(path: Path) -> Iterable[Answer]:
    if not path.is_file():
        return
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            yield Answer(**said)
        except (ValueError, TypeError) as error:
            if not line.rstrip().endswith(b"}"):  # cut short by a crash; never confirmed
                continue
            raise WorkspaceError(
                f"{path} line {number}: {shortened(line)} is no answer. Remove the line."
            ) from error
