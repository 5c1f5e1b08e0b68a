"""In: entries, new and accepted. Out: what a board does not take, and what it does not rank."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdst.digest import Json
from pdst.keys import RunKey, key_differences

SKETCH = 64
"""Hashes in a sketch: enough to tell a half from a tenth."""

ALIKE = 0.5
"""Entries that share so much of their images, or of their scores to the last bit, are one."""

RANKED_SHARE = 0.99
"""Of its images an entry must have scored so many to be ranked."""

COPIED_SHARE = 0.01
"""Of its images so many may be copies of held-out photos in a ranked entry."""


def sketch(parts: Sequence[str]) -> list[int]:
    """The smallest hashes of a set: two sketches tell how much two sets share.

    Source:
        Broder, "On the resemblance and containment of documents" (1997): bottom-k sketches.
    """
    hashes = {
        int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big") >> 1 for part in parts
    }
    return sorted(hashes)[:SKETCH]


def resemblance(one: Sequence[int], other: Sequence[int]) -> float:
    """How much of their union two sketched sets share, in [0, 1], estimated."""
    lowest = sorted(set(one) | set(other))[:SKETCH]
    both = set(one) & set(other)
    return sum(value in both for value in lowest) / len(lowest) if lowest else 0.0


def plain(name: str) -> str:
    """A name without what eyes do not tell apart: width, case, blanks."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


@dataclass(slots=True)
class Known:
    """The entries that a new one is held against: accepted or refuted ones.

    Attributes:
        entries: rows of ACCEPTED.
        images, scores: their sketches, one row an entry, padded with -1.
    """

    entries: pd.DataFrame
    images: NDArray[np.int64]
    scores: NDArray[np.int64]

    @classmethod
    def of(cls, entries: pd.DataFrame) -> "Known":
        """From rows of ACCEPTED."""
        columns = ["digest", "name", "revision", "key", "standing"]
        return cls(
            entries[columns].reset_index(drop=True),
            _padded(entries["image_sketch"].tolist()),
            _padded(entries["score_sketch"].tolist()),
        )

    def add(self, entry: Mapping[str, Json]) -> None:
        """One more."""
        row = {name: entry[name] for name in ("digest", "name", "revision", "key")}
        row["standing"] = "accepted"
        self.entries = pd.concat([self.entries, pd.DataFrame([row])], ignore_index=True)
        self.images = np.concatenate([self.images, _padded([entry["image_sketch"]])])
        self.scores = np.concatenate([self.scores, _padded([entry["score_sketch"]])])

    def conflicts(self, entry: Mapping[str, Json]) -> list[str]:
        """Why a new entry cannot stand beside the known ones; empty if it can."""
        name, revision = str(entry["name"]), str(entry["revision"])
        found: list[str] = []
        standing = self.entries[
            (self.entries["key"] == entry["key"]) & (self.entries["standing"] == "accepted")
        ]
        for other, version, digest in zip(
            standing["name"], standing["revision"], standing["digest"], strict=True
        ):
            if plain(other) != plain(name):
                continue
            if other != name:
                found.append(
                    f"its name '{name}' reads like '{other}' ({digest[:12]}). Choose another."
                )
            elif plain(version) == plain(revision):
                found.append(
                    f"{name} {revision} is on the board ({digest[:12]}). Raise the revision, or "
                    "have that one withdrawn first."
                )
        for what, sketches in (("images", self.images), ("scores", self.scores)):
            mine = entry[f"{what[:-1]}_sketch"]
            assert isinstance(mine, list)
            own = [int(str(value)) for value in mine]
            if not len(sketches):
                continue
            for row in np.flatnonzero(np.isin(sketches, own).sum(axis=1) >= SKETCH // 8):
                other_sketch = sketches[row][sketches[row] >= 0].tolist()
                share = resemblance(own, other_sketch)
                if share >= ALIKE:
                    same = self.entries.iloc[row]
                    found.append(
                        f"about {share:.0%} of its {what} are those of {same['name']} "
                        f"{same['revision']} ({same['digest'][:12]}, {same['standing']}). "
                        "One run is one entry."
                    )
                    break
        return found


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


def _padded(sketches: Sequence[object]) -> NDArray[np.int64]:
    table = np.full((len(sketches), SKETCH), -1, np.int64)
    for row, values in enumerate(sketches):
        found = np.asarray(values, np.int64)
        table[row, : len(found)] = found
    return table
