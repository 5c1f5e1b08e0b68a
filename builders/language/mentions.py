"""In: a parsed caption and the words of a class. Out: where they occur, and whether they mean `{}`.

"A {} sits in a dog bed": "dog" names a bed. "A {}, a poodle, sits": "poodle" names the subject.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from spacy.tokens import Token

from builders.language.parsing import Parsed, subject_of
from builders.language.words import ClassWords, Sense, Term, word_lists

Role: TypeAlias = Literal["subject", "other"]

DEFINITE = frozenset({"the", "this", "that"})
OWNING = frozenset({"its", "his", "her", "their"})
LIKENING = frozenset({"like", "as"})
LONGEST = 4
"""Words of the longest name looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A term in a caption.

    Attributes:
        tokens: its words. head: the last of them, which carries the meaning.
        role: whether it names the subject, or something else.
    """

    tokens: tuple[Token, ...]
    sense: Sense
    role: Role

    @property
    def head(self) -> Token:
        """The word that the others describe."""
        return self.tokens[-1]

    @property
    def text(self) -> str:
        """As it stands in the caption."""
        return " ".join(token.text for token in self.tokens)


def mentions(parsed: Parsed, words: ClassWords) -> list[Mention]:
    """Every term of the class in the caption, the longest where several begin at one word."""
    found: list[Mention] = []
    tokens = list(parsed.words())
    place = 0
    while place < len(tokens):
        span = next(_spans(parsed, tokens, place, words), None)
        if span is None:
            place += 1
            continue
        matched, sense = span
        earlier = [mention for mention in found if mention.role == "other"]
        role: Role = "subject" if _is_subject(parsed, matched, sense, earlier) else "other"
        found.append(Mention(tokens=matched, sense=sense, role=role))
        place += len(matched)
    return found


def _spans(
    parsed: Parsed, tokens: list[Token], place: int, words: ClassWords
) -> Iterator[tuple[tuple[Token, ...], Sense]]:
    for length in range(LONGEST, 0, -1):
        matched = tuple(tokens[place : place + length])
        if len(matched) < length:
            continue
        sense = sense_of(matched, words)
        if sense is not None and _can_mean(parsed, matched, sense):
            yield matched, sense


def sense_of(matched: tuple[Token, ...], words: ClassWords) -> Sense | None:
    """What some words are to the class, as they stand or with the last in its dictionary form."""
    first: Term = tuple(token.lower_ for token in matched[:-1])
    exact = words.terms.get((*first, matched[-1].lower_))
    return exact or words.terms.get((*first, matched[-1].lemma_.casefold()))


def _can_mean(parsed: Parsed, matched: tuple[Token, ...], sense: Sense) -> bool:
    """Whether the words are used as what the term is: a noun, or, of hints, also a verb."""
    head = matched[-1]
    if sense == "hint":
        return head.pos_ in ("NOUN", "PROPN", "VERB", "ADJ")
    if head.pos_ not in ("NOUN", "PROPN"):
        # "A can stands", read as "may"; "a {} backpack", read as a verb.
        beside = any(touches(slot, matched) for slot in parsed.slots)
        return (sense == "class" and follows_article(matched)) or (
            sense in ("class", "kind") and beside
        )
    return sense != "part" or head.lemma_.casefold() not in word_lists().places or _is_owned(head)


def follows_article(matched: tuple[Token, ...]) -> bool:
    """Whether "a", "the" or the like stands right before some words."""
    return matched[0].i > 0 and matched[0].nbor(-1).tag_ == "DT"


def _is_owned(part: Token) -> bool:
    return any(
        child.dep_ == "poss" and (child.lower_ in OWNING or child.pos_ == "NOUN")
        for child in part.children
    )


# --- whom a mention means ------------------------------------------------------------------------


def _is_subject(
    parsed: Parsed, matched: tuple[Token, ...], sense: Sense, earlier: list[Mention]
) -> bool:
    """Whether a term names the subject itself."""
    if sense in ("part", "hint"):
        return False
    head = matched[-1]
    named = any(
        _is_named_by(slot, head) or _is_likened(slot, head) or is_beside(slot, matched)
        for slot in parsed.slots
    )
    if named or sense == "rare kind":
        return named
    spoken_of = {mention.head.lemma_ for mention in earlier}
    return _is_definite(head) and not parsed.is_slot(head.head) and head.lemma_ not in spoken_of


def _is_named_by(slot: Token, head: Token) -> bool:
    """As in "a poodle {}", "a {} dog", "a {}, a poodle,", "the {} is a poodle"."""
    if head.dep_ in ("compound", "amod", "nmod", "appos") and head.head.i == slot.i:
        return True
    if slot.dep_ in ("compound", "amod", "nmod", "appos") and slot.head.i == head.i:
        return True
    if head.dep_ in ("attr", "oprd"):
        subject = subject_of(head.head)
        return subject is not None and subject.i == slot.i
    return False


def is_beside(slot: Token, matched: tuple[Token, ...]) -> bool:
    """As in "a poodle {}", "a {} dog", "a {}, a dog,", whatever the parser makes of them."""
    if touches(slot, matched):
        return True
    doc, first, after = slot.doc, matched[0].i, matched[-1].i + 1
    between = [token.text for token in doc[slot.i + 1 : first]]
    enclosed = between[:1] == [","] and len(between) == 2 and follows_article(matched)
    return enclosed and after < len(doc) and doc[after].text in (",", ".")


def touches(slot: Token, matched: tuple[Token, ...]) -> bool:
    """Whether some words stand right before or after the slot."""
    return matched[-1].i + 1 == slot.i or slot.i + 1 == matched[0].i


def _is_likened(slot: Token, head: Token) -> bool:
    """As in "the {} looks like a poodle"."""
    if head.dep_ != "pobj" or head.head.lower_ not in LIKENING:
        return False
    subject = subject_of(head.head.head)
    return subject is not None and subject.i == slot.i


def _is_definite(head: Token) -> bool:
    """Of "the dog" it is true; not of "the dog bed", "the dogs", "the dog on the poster"."""
    if head.tag_ not in ("NN", "NNP") or head.dep_ in ("compound", "amod", "nmod"):
        return False
    children = list(head.children)
    told_apart = any(child.dep_ in ("prep", "relcl", "acl") for child in children)
    other = any(child.lower_ in ("other", "another", "second") for child in children)
    return any(child.lower_ in DEFINITE for child in children) and not (told_apart or other)
