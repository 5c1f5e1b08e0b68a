"""In: entries, new and accepted. Out: what a board does not take, and what it does not rank."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leaderboard.names import claimed_verdict, mixed_scripts, readings
from pdst.digest import Json, digest_bytes
from pdst.keys import RunKey, key_differences

SKETCH = 64
"""Hashes in a sketch: enough to tell a half from a tenth."""

ALIKE = 0.5
"""Entries that share so much of their images, or of their scores, are one."""

PRINTED = ("clip_t", "clip_i", "dino")
CASES = 256
PRINT_SIZE = CASES * len(PRINTED)
"""Numbers of a print: the scores of so many cases, the same for all entries of a key."""

UNIT, MISSING = 4096, -32768
"""A print holds scores in units of 1/UNIT."""

NEAR = 25
"""Units. Scores of an image move by less when it gets noise of up to 8 grey levels, which nobody
sees; those of two methods' images differ by ten times as much (measured on the miniature)."""

RANKED_SHARE = 0.99
"""Of its images an entry must have scored so many to be ranked."""

COPIED_SHARE = 0.01
"""Of its images so many may be copies of held-out photos in a ranked entry."""


Shares: TypeAlias = NDArray[np.float64]
"""(N,) in [0, 1]."""


def sketch(parts: Sequence[str]) -> list[int]:
    """The smallest hashes of a set: two sketches tell how much two sets share.

    Source:
        Broder, "On the resemblance and containment of documents" (1997): bottom-k sketches.
    """
    hashes = {
        int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big") >> 1 for part in parts
    }
    return sorted(hashes)[:SKETCH]


def score_print(rows: pd.DataFrame) -> list[int]:
    """Scores of a few cases, by which pictures are known again when they were changed a little.

    Args:
        rows: of a bundle: `key` and PRINTED.

    Returns:
        PRINT_SIZE numbers or, with fewer cases, less; MISSING where there is no score.
    """
    order = sorted(range(len(rows)), key=lambda at: digest_bytes(rows["key"].iloc[at].encode()))
    values = rows[[*PRINTED]].iloc[order[:CASES]].to_numpy(np.float64, na_value=np.nan)
    whole = np.where(np.isnan(values), MISSING, np.rint(values * UNIT))
    return [int(value) for value in whole.ravel()]


def near_share(own: NDArray[np.int16], others: NDArray[np.int16], apart: int) -> Shares:
    """In how many of its scored cases an entry is like each other one.

    Args:
        own: (CASES, 3) a print.
        others: (N, CASES, 3) prints.
        apart: units that two scores may differ.
    """
    scored = (own != MISSING).all(axis=1)
    close = np.abs(others[:, scored].astype(np.int32) - own[scored]) <= apart
    shares: Shares = close.all(axis=2).sum(axis=1) / max(int(scored.sum()), 1)
    return shares


def resemblance(one: Sequence[int], other: Sequence[int]) -> float:
    """How much of their union two sketched sets share, in [0, 1], estimated."""
    lowest = sorted(set(one) | set(other))[:SKETCH]
    both = set(one) & set(other)
    return sum(value in both for value in lowest) / len(lowest) if lowest else 0.0


@dataclass(slots=True)
class Rows:
    """A table of numbers that grows by rows.

    Attributes:
        held: with room for more.
        count: rows in use.
        empty_value: pads short rows.
    """

    held: NDArray[Any]
    count: int
    empty_value: int

    @classmethod
    def empty(cls, width: int, dtype: type[np.integer[Any]], empty_value: int) -> "Rows":
        """No row yet."""
        return cls(np.empty((16, width), dtype), 0, empty_value)

    @property
    def table(self) -> NDArray[Any]:
        """(count, width), a view."""
        return self.held[: self.count]

    def add(self, values: Sequence[int]) -> None:
        """One row more."""
        if self.count == len(self.held):
            self.held = np.concatenate([self.held, np.empty_like(self.held)])
        self.held[self.count] = self.empty_value
        self.held[self.count, : len(values)] = values
        self.count += 1


NAMED = ("digest", "name", "revision", "by", "key")


@dataclass(slots=True)
class Known:
    """The entries that a new one is held against: accepted, refuted and withdrawn ones.

    Attributes:
        entries: their NAMED columns and `standing`, one an entry.
        images: their sketches, padded with -1.
        scores: their prints, padded with MISSING.
        read_as: reading of a name -> the accepted entries that bear it.
    """

    entries: list[dict[str, str]] = field(default_factory=list)
    images: Rows = field(default_factory=lambda: Rows.empty(SKETCH, np.int64, -1))
    scores: Rows = field(default_factory=lambda: Rows.empty(PRINT_SIZE, np.int16, MISSING))
    read_as: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: pd.DataFrame) -> "Known":
        """From rows of ACCEPTED, with their `standing`."""
        known = cls()
        for row in entries.to_dict("records"):
            known.add({str(name): value for name, value in row.items()}, row["standing"])
        return known

    def add(self, entry: Mapping[str, Any], standing: str = "accepted") -> None:
        """One more, a row of ACCEPTED."""
        self.entries.append({name: str(entry[name]) for name in NAMED} | {"standing": standing})
        self.images.add(entry["image_sketch"])
        self.scores.add(entry["score_print"])
        if standing == "accepted":
            for reading in readings(self.entries[-1]["name"]):
                self.read_as.setdefault(reading, []).append(self.entries[-1])

    def conflicts(self, entry: Mapping[str, Any]) -> list[str]:
        """Why a new entry cannot stand beside the known ones; empty if it can."""
        found = [*self._names(entry)]
        for what, shares in (("images", self._images(entry)), ("scores", self._scores(entry))):
            alike = np.flatnonzero(shares >= ALIKE)
            if len(alike):
                same = self.entries[alike[0]]
                found.append(
                    f"about {shares[alike[0]]:.0%} of its {what} are those of {same['name']} "
                    f"{same['revision']} ({same['digest'][:12]}, {same['standing']}). "
                    "One run is one entry."
                )
        return found

    def _names(self, entry: Mapping[str, Json]) -> Iterator[str]:
        """A method has one name, and no other one looks like it, under whatever key."""
        name, revision = str(entry["name"]), str(entry["revision"])
        if word := claimed_verdict(name):
            yield f"its name '{name}' says '{word}', which is the board's to say. Choose another."
        found = {
            other["digest"]: other
            for reading in sorted(readings(name))
            for other in self.read_as.get(reading, ())
        }
        for digest, other in found.items():
            if other["name"] != name:
                yield (
                    f"its name '{name}'{_spelt(name)} reads like '{other['name']}'"
                    f"{_spelt(other['name'])} ({digest[:12]}). Choose another."
                )
            elif other["key"] == entry["key"] and readings(other["revision"]) & readings(revision):
                yield (
                    f"{name} {revision} is on the board ({digest[:12]}). Raise the revision, or "
                    "have that one withdrawn first."
                )

    def _images(self, entry: Mapping[str, Any]) -> Shares:
        """How many of its images each known entry has; 0 for one that it may replace."""
        own, sketches = entry["image_sketch"], self.images.table
        shares = np.zeros(len(sketches))
        for row in np.flatnonzero(np.isin(sketches, own).sum(axis=1) >= SKETCH // 8):
            if not self._replaces(entry, row):
                shares[row] = resemblance(own, sketches[row][sketches[row] >= 0].tolist())
        return shares

    def _scores(self, entry: Mapping[str, Any]) -> Shares:
        """How many of its scores each known entry has. Its own author may come near them."""
        own = Rows.empty(PRINT_SIZE, np.int16, MISSING)
        own.add(entry["score_print"])
        mine, prints = (one.table.reshape(-1, CASES, len(PRINTED)) for one in (own, self.scores))
        shares = np.zeros(len(prints))
        of_key = [row for row, one in enumerate(self.entries) if one["key"] == entry["key"]]
        by_me = np.array([self.entries[row]["by"] == entry["by"] != "" for row in of_key], np.bool_)
        rows = np.array(of_key, np.intp)
        for group, apart in ((rows[by_me], 0), (rows[~by_me], NEAR)):
            shares[group] = near_share(mine[0], prints[group], apart)
        for row in np.flatnonzero(shares >= ALIKE):
            if self._replaces(entry, row):
                shares[row] = 0.0
        return shares

    def _replaces(self, entry: Mapping[str, Any], row: "int | np.intp") -> bool:
        """Whether a known entry was withdrawn and comes again, mended by its author."""
        known = self.entries[row]
        mine = all(known[part] == entry[part] for part in ("name", "by"))
        return mine and known["standing"] == "withdrawn"


RULE_COLUMNS = ("expected", "fewest_scored", "unscored_subjects", "copied_test", "copy_checked")
"""What `unranked` looks at."""


def unranked(entry: Mapping[str, int]) -> str | None:
    """Why an accepted entry gets no rank; None if it does.

    Args:
        entry: its RULE_COLUMNS.
    """
    expected, scored = entry["expected"], entry["fewest_scored"]
    copied, checked = entry["copied_test"], entry["copy_checked"]
    if entry["unscored_subjects"]:
        return f"{entry['unscored_subjects']} subjects have no score"
    if scored < RANKED_SHARE * expected:
        return f"only {scored} of {expected} images are scored"
    if copied >= COPIED_SHARE * max(checked, 1) and copied:
        return f"{copied} of {checked} images are copies of held-out photos"
    return None


def untaken_key(key: RunKey, taken: Sequence[RunKey]) -> list[str]:
    """Every difference to the nearest of the keys that a board takes; empty if it takes this one.

    Args:
        key: of a submission.
        taken: by the board; none: any.
    """
    differences = [key_differences(one, key) for one in taken]
    return min(differences, key=len, default=[])


def _spelt(name: str) -> str:
    """Which scripts a name mixes, in brackets; nothing if none."""
    scripts = mixed_scripts(name)
    return f" ({' and '.join(scripts)} letters)" if scripts else ""
