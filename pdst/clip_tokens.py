"""In: a text. Out: how many tokens CLIP makes of it, without torch.

Captions of more than 77 tokens are cut before CLIP reads them, and an init token must be one token:
a release should be checked for both on any machine. `open_clip` carries CLIP's merge list as a
file, which is read here without importing the package, as that would import torch.
"""

import gzip
import html
import importlib.util
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONTEXT = 77
"""Tokens that CLIP reads, both end marks included."""

_MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 48_894
"""Lines of that file that CLIP's vocabulary of 49,408 uses; the rest is left over."""

_LONGEST = 2_000
"""Characters looked at: far more than 77 tokens hold, and a bound on the work."""

# CLIP's words: a contraction, a run of letters, one digit, a run of anything else. Fractions and
# raised digits are numbers in Unicode, but letters to `re`.
_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_¼½¾¹²³]+|[\d¼½¾¹²³]|(?:[^\s\w]|_)+")

# What `ftfy` makes of typographic quotes, as part of CLIP's cleaning.
_STRAIGHT = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})


def _alphabet() -> dict[int, str]:
    """The printable character that stands for each byte in the merge list."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [byte for byte in range(256) if byte not in plain]
    shifted = {byte: chr(256 + place) for place, byte in enumerate(other)}
    return {byte: chr(byte) for byte in plain} | shifted


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts as CLIP's tokenizer does, but for text so damaged that `ftfy` would repair it.

    Attributes:
        ranks: pair of symbols -> when it is merged, lowest first.
        letters: byte -> its symbol.
    """

    ranks: Mapping[tuple[str, str], int]
    letters: Mapping[int, str]

    def count(self, text: str) -> int:
        """Tokens before any cut, both end marks included.

        Of more than 2,000 characters only the first 2,000 count; that is over 77 in any case.
        """
        cleaned = html.unescape(html.unescape(text[:_LONGEST].translate(_STRAIGHT))).lower()
        return 2 + sum(self._count_word(word) for word in _WORDS.findall(cleaned))

    def _count_word(self, word: str) -> int:
        symbols = [self.letters[byte] for byte in word.encode()]
        symbols[-1] += "</w>"
        while len(symbols) > 1:
            pairs = set(itertools.pairwise(symbols))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, _MERGES))
            if best not in self.ranks:
                break
            symbols = _merged(symbols, best)
        return len(symbols)


def _merged(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with every occurrence of the pair joined, from the left."""
    joined: list[str] = []
    index = 0
    while index < len(symbols):
        if tuple(symbols[index : index + 2]) == pair:
            joined.append(pair[0] + pair[1])
            index += 2
        else:
            joined.append(symbols[index])
            index += 1
    return joined


def find_counter() -> TokenCounter | None:
    """A counter, if `open_clip` is installed; None otherwise. Does not import it."""
    spec = importlib.util.find_spec("open_clip")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / _MERGES_FILE
        if path.is_file():
            lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1 : _MERGES + 1]
            pairs = (line.partition(" ") for line in lines)
            ranks = {(first, second): rank for rank, (first, _, second) in enumerate(pairs)}
            return TokenCounter(ranks=ranks, letters=_alphabet())
    return None
