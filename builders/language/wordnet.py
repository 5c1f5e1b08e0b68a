"""In: WordNet's noun files, or the extract of them that lies here. Out: what a thing can be called.

The extract holds the nouns for things that can be photographed: their names, kinds and parts.
`python -m builders.language.wordnet DICT` makes it anew from WordNet 3.0's own `dict` folder, byte
for byte. No package of the usual index carries WordNet's data; the libraries that read it download
it first, and a check must work offline.
"""

import gzip
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builders.language.rows import LanguageError

EXTRACT = Path(__file__).parent / "data" / "wordnet-nouns.tsv.gz"

LEXICOGRAPHER_FILES = {
    "03": "tops",
    "05": "animal",
    "06": "artifact",
    "08": "body",
    "10": "communication",
    "13": "food",
    "17": "object",
    "20": "plant",
    "27": "substance",
}
"""WordNet's files that the extract keeps. Communication, for drawings; no persons, no acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synset:
    """One meaning.

    Attributes:
        field: the lexicographer file, "animal".
        names: lower case, words joined by blanks ("golden retriever") -> which sense of that name
            this is, 1 = the commonest, counted over all of WordNet's nouns.
        kinds_of: numbers of the meanings that this one is a kind of.
        parts: numbers of its parts.
    """

    field: str
    names: Mapping[str, int]
    kinds_of: tuple[int, ...]
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Nouns:
    """WordNet's graph of nouns for things.

    Attributes:
        synsets: number -> meaning. The number is the place in WordNet's file.
        senses: name -> numbers of its meanings here, the commonest first.
        kinds: number -> numbers of the meanings that are a kind of it, directly.
    """

    synsets: Mapping[int, Synset]
    senses: Mapping[str, tuple[int, ...]]
    kinds: Mapping[int, tuple[int, ...]]

    def below(self, number: int) -> Iterator[int]:
        """A meaning and all that are a kind of it, at any distance."""
        return _reached(number, self.kinds)

    def above(self, number: int) -> Iterator[int]:
        """A meaning and all that it is a kind of, the nearest first."""
        return _reached(number, {n: synset.kinds_of for n, synset in self.synsets.items()})


@cache
def nouns() -> Nouns:
    """The extract; read once, in under a second."""
    lines = gzip.decompress(EXTRACT.read_bytes()).decode().splitlines()
    synsets = dict(_synset(line) for line in lines)
    senses: dict[str, list[int]] = {}
    kinds: dict[int, list[int]] = {}
    for number, synset in synsets.items():
        for name in synset.names:
            senses.setdefault(name, []).append(number)
        for kind in synset.kinds_of:
            kinds.setdefault(kind, []).append(number)
    return Nouns(
        synsets=synsets,
        senses={name: _by_use(name, numbers, synsets) for name, numbers in senses.items()},
        kinds={number: tuple(below) for number, below in kinds.items()},
    )


def _by_use(name: str, numbers: list[int], synsets: Mapping[int, Synset]) -> tuple[int, ...]:
    """Meanings of a name, the commonest first."""
    return tuple(sorted(numbers, key=lambda number: synsets[number].names[name]))


def _synset(line: str) -> tuple[int, Synset]:
    number, field, names, kinds_of, parts = line.split("\t")
    ranks = (name.rpartition(":") for name in names.split("|"))
    return int(number), Synset(
        field=field,
        names={name: int(rank) for name, _, rank in ranks},
        kinds_of=tuple(map(int, kinds_of.split())),
        parts=tuple(map(int, parts.split())),
    )


def _reached(start: int, steps: Mapping[int, tuple[int, ...]]) -> Iterator[int]:
    """What can be reached, each once, the nearest first."""
    seen, front = {start}, [start]
    while front:
        yield from front
        nexts = dict.fromkeys(n for number in front for n in steps.get(number, ()))
        front = [number for number in nexts if number not in seen]
        seen.update(front)


# --- making the extract --------------------------------------------------------------------------


def extract(folder: Path) -> bytes:
    """The extract of WordNet's `dict` folder, compressed; the same bytes each time.

    Args:
        folder: holds `data.noun` and `index.noun` of WordNet 3.0.

    Raises:
        LanguageError: if they are not there.
    """
    try:
        data = (folder / "data.noun").read_text("utf-8").splitlines()
        index = (folder / "index.noun").read_text("utf-8").splitlines()
    except OSError as error:
        raise LanguageError(
            f"{folder}: not WordNet's dict folder ({error}). Give the folder of WordNet 3.0 that "
            "holds data.noun and index.noun."
        ) from error
    ranks = dict(_ranks(line) for line in index if not line.startswith(" "))
    kept = [line for line in data if line[9:11] in LEXICOGRAPHER_FILES]
    numbers = {line[:8] for line in kept}
    text = "".join(_row(line, ranks, numbers) for line in kept)
    return gzip.compress(text.encode(), 9, mtime=0)


def _ranks(line: str) -> tuple[str, dict[str, int]]:
    """A line of the index: a name, and its meanings in order of use."""
    fields = line.split()
    count = int(fields[2])
    return fields[0], {number: rank for rank, number in enumerate(fields[-count:], 1)}


def _row(line: str, ranks: Mapping[str, Mapping[str, int]], numbers: set[str]) -> str:
    """A line of the data file, in short: "number, file, names, kinds of, parts"."""
    fields = line.partition("|")[0].split()
    words = [fields[4 + 2 * place].lower() for place in range(int(fields[3], 16))]
    pointers = fields[5 + 2 * len(words) :]
    links = list(zip(pointers[::4], pointers[1::4], strict=True))
    named = "|".join(f"{word.replace('_', ' ')}:{ranks[word][fields[0]]}" for word in words)
    kinds_of = [target for sign, target in links if sign in ("@", "@i") and target in numbers]
    parts = [target for sign, target in links if sign == "%p" and target in numbers]
    columns = (fields[0], LEXICOGRAPHER_FILES[fields[1]], named, " ".join(kinds_of))
    return "\t".join((*columns, " ".join(parts))) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m builders.language.wordnet DICT, the folder of WordNet 3.0")
    EXTRACT.write_bytes(extract(Path(sys.argv[1])))
