"""In: decisions.csv, the maker's own hand. Out: photos to drop, pairs that are not one shot."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.collect.text import read_utf8
from builders.pipeline.settings import WorkspaceError
from pdst.release import shown

COLUMNS = ("photo", "decision", "other", "by", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One line.

    Attributes:
        photo: "cat/03". other: the photo that it repeats, or is cleared of repeating.
        by: who decided. reason: in a sentence, for the card.
    """

    photo: str
    other: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The whole file.

    Attributes:
        drops: photo -> why.
        cleared: pairs of photos that somebody has looked at -> why they are two photographs.
    """

    drops: Mapping[str, Decision]
    cleared: Mapping[frozenset[str], Decision]

    def names(self) -> set[str]:
        """Every photo that is spoken of."""
        return {*self.drops, *(name for pair in self.cleared for name in pair)}


def read_decisions(path: Path) -> Decisions:
    """Read the file; there need not be one.

    Raises:
        WorkspaceError: for a line that says nothing known; it names the line.
    """
    drops: dict[str, Decision] = {}
    cleared: dict[frozenset[str], Decision] = {}
    if not path.is_file():
        return Decisions(drops=drops, cleared=cleared)
    reader = csv.DictReader(io.StringIO(read_utf8(path), newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise WorkspaceError(
            f"{path}: its header is {shown(reader.fieldnames)}, wanted {','.join(COLUMNS)}."
        )
    for row in reader:
        where = f"{path.name} line {reader.line_num}"
        if None in row:  # a cut reason would stand in the card
            raise WorkspaceError(
                f"{where}: has more than the {len(COLUMNS)} cells {','.join(COLUMNS)}. Is there a "
                'comma in the reason? Put the reason in quotes: "the same shot, mirrored".'
            )
        line = Decision(
            photo=(row["photo"] or "").strip(),
            other=(row["other"] or "").strip(),
            by=(row["by"] or "").strip(),
            reason=(row["reason"] or "").strip(),
        )
        what = (row["decision"] or "").strip()
        if not (line.photo and line.by and line.reason):
            raise WorkspaceError(f"{where}: wanted a photo, by whom, and a reason. Fill it in.")
        if what == "drop":
            drops[line.photo] = line
        elif what == "different" and line.other:
            cleared[frozenset({line.photo, line.other})] = line
        else:
            raise WorkspaceError(
                f"{where}: decision is {shown(what)}, wanted 'drop' (leave the photo out), or "
                "'different' with the other photo (alike, but not one shot)."
            )
    return Decisions(drops=drops, cleared=cleared)
