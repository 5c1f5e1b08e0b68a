"""In: a caption and what its subject is called. Out: what gives the subject away, hard and soft.

A hard leak names the subject, or a colour, material or marking of it: nothing is released with one.
A soft leak is a word that makes one think of the class. The paper's own captions have those ("dog
bed", "its tongue out"); they are counted and shown to the reviewer, not forbidden.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from spacy.tokens import Token

from builders.language.mentions import Mention, mentions
from builders.language.parsing import Parsed, parse, subject_of
from builders.language.rows import Called
from builders.language.words import subject_words, term, word_lists
from pdst.captions import count_slots, has_one_slot, too_long
from pdst.clip_tokens import TokenCounter, find_counter
from pdst.types import SLOT

Level: TypeAlias = Literal["hard", "soft"]

PLACEHOLDERS = ("[SUBJ]", "[subject]", "<subject>", "<A*>", "{*}", "{ }")
"""What captions hold for `{}` before they are neutralized, or by mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One thing about a caption that a person should mend or look at.

    Attributes:
        code: the kind of leak, stable ("class-name").
        word: as it stands in the caption.
        message: what it is, and what to do.
    """

    level: Level
    code: str
    word: str
    message: str


def find_leaks(caption: str, subject: Called) -> tuple[Leak, ...]:
    """Everything that is wrong with one caption, hard leaks first.

    Args:
        caption: with one `{}` for the subject.
        subject: what it is called.
    """
    parsed = parse(caption)
    words = subject_words(subject)
    by_letters = tuple(_term_leaks(caption, subject))
    found = [
        *_slot_leaks(caption, parsed),
        *by_letters,
        *_mention_leaks(parsed, mentions(parsed, words), subject, told=by_letters),
        *_attribute_leaks(parsed),
        *_length(caption, subject),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda leak: leak.level == "soft"))


# --- the slot ------------------------------------------------------------------------------------


def _slot_leaks(caption: str, parsed: Parsed) -> Iterator[Leak]:
    if not caption.strip():
        yield _hard("empty", "", "the caption is empty. Write one.")
        return
    for placeholder in PLACEHOLDERS:
        if placeholder.casefold() in caption.casefold():
            message = f"'{placeholder}' stands where {SLOT} should. Write {SLOT} for it."
            yield _hard("placeholder", placeholder, message)
    slots = count_slots(caption)
    if not slots:
        message = f"no {SLOT}: a method could not draw its subject. Put {SLOT} where it is named."
        yield _hard("no-slot", "", message)
    if slots > 1:
        message = (
            f"{slots} times {SLOT}, wanted once. Keep the first, and write 'it' or "
            "'its' for the others."
        )
        yield _hard("several-slots", SLOT, message)
    if slots == 1 and not has_one_slot(caption):
        message = f"a brace that is not of {SLOT}: no release may hold one. Take it out."
        yield _hard("brace", "", message)
    for slot in parsed.slots:
        bare = not any(child.dep_ in ("det", "poss") for child in slot.lefts)
        misfit = slot.i > 0 and slot.nbor(-1).lower_ == "an"
        if misfit or (bare and slot.dep_ not in ("compound", "nmod", "amod")):
            message = f"{SLOT} has no article that suits it. Write 'a {SLOT}' or 'the {SLOT}'."
            yield _soft("article", SLOT, message)


# --- names ---------------------------------------------------------------------------------------

_NAMED: dict[str, str] = {
    "class": "names the subject",
    "kind": "says which kind the subject is",
    "rare kind": "says which kind the subject is",
}


def _term_leaks(caption: str, subject: Called) -> Iterator[Leak]:
    """The subject's own leak terms, by their letters alone.

    A parser takes "Levi's" apart, and "Sunny" for an adjective. A name that may be a word, too, is
    found as a name: "Sunny", not "a sunny day". "nike" is found however it is written.
    """
    for own in filter(str.strip, subject.leak_terms):
        name = own.isalpha() and own[0].isupper()
        said, wanted = (
            _plain(text) if name else _plain(text).casefold() for text in (caption, own)
        )
        if re.search(rf"(?<!\w){re.escape(wanted)}(?:'?s)?(?!\w)", said):
            yield _term_leak(own)


def _term_leak(own: str) -> Leak:
    return _hard("leak-term", own, f"'{own}' is among the subject's leak terms. Take it out.")


def _plain(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").replace("-", " ").split())


def _mention_leaks(
    parsed: Parsed, found: list[Mention], subject: Called, *, told: tuple[Leak, ...]
) -> Iterator[Leak]:
    leak_terms = set(map(term, subject.leak_terms))
    for mention in found:
        text = mention.text
        if tuple(token.lower_ for token in mention.tokens) in leak_terms:
            if not told:
                yield _term_leak(text)
        elif mention.role == "subject" and mention.sense in _NAMED:
            code = "class-name" if mention.sense == "class" else "kind-name"
            message = f"'{text}' {_NAMED[mention.sense]}. {_instead(parsed)}"
            yield _hard(code, text, message)
        elif not parsed.slots and mention.sense in ("class", "kind") and _stands_alone(mention):
            message = f"'{text}' names the subject. Write {SLOT} for it."
            yield _hard("class-name", text, message)
        elif mention.sense in ("class", "kind"):
            shown = _with_compound(mention)
            message = (
                f"'{shown}' does not mean the subject, but holds its class. Reword if you can."
            )
            yield _soft("class-word", shown, message)
        elif mention.sense == "above" and mention.role == "subject":
            message = f"'{text}' says what the subject is a kind of. Write 'it', or leave it out."
            yield _soft("kind-above", text, message)
        elif mention.sense in ("part", "hint"):
            how = "is a part of" if mention.sense == "part" else "goes with"
            message = f"'{text}' {how} such a subject and hints at its class. Reword if you can."
            yield _soft(f"class-{mention.sense}", text, message)


def _instead(parsed: Parsed) -> str:
    return f"{SLOT} stands for it already: take it out." if parsed.slots else f"Write {SLOT}."


def _stands_alone(mention: Mention) -> bool:
    return mention.head.dep_ not in ("compound", "nmod", "amod")


def _with_compound(mention: Mention) -> str:
    """Of the mention "dog", "dog bed"."""
    head = mention.head
    if head.dep_ == "compound" and head.head.i == head.i + 1:
        return f"{mention.text} {head.head.text}"
    return mention.text


# --- colour, material, marking -------------------------------------------------------------------


def attribute(token: Token) -> str | None:
    """What of the subject a word would tell: "colour", "material", "marking", "texture", "name".

    A name is a proper noun or adjective ("Nike", "Siamese").
    """
    lists = word_lists()
    kinds = {
        "colour": lists.colours,
        "material": lists.materials,
        "marking": lists.markings,
        "texture": lists.textures,
    }
    for word in (token.lower_, token.lemma_.casefold()):
        if word.endswith(lists.colour_endings):
            return "colour"
        for kind, words in kinds.items():
            if word in words:
                return kind
    is_name = token.pos_ == "PROPN" or (token.i > 0 and token.text[:1].isupper())
    return "name" if is_name else None


def described(parsed: Parsed, slot: Token) -> Iterator[Token]:
    """The words that describe the subject: before it ("a red {}") or said of it ("{} is red")."""
    yield from _before(slot)
    for token in parsed.doc:
        if token.dep_ in ("acomp", "oprd", "attr") and token.pos_ in ("ADJ", "NOUN"):
            subject = subject_of(token.head)
            if subject is not None and subject.i == slot.i:
                yield token
                yield from (child for child in token.conjuncts if child.pos_ == "ADJ")


def _before(token: Token) -> Iterator[Token]:
    for child in token.lefts:
        if child.dep_ in ("amod", "compound", "nmod", "npadvmod"):
            yield child
            yield from _before(child)
            yield from child.conjuncts


def _attribute_leaks(parsed: Parsed) -> Iterator[Leak]:
    for slot in parsed.slots:
        for token in described(parsed, slot):
            what = attribute(token)
            if what == "texture":
                message = f"'{token.text}' tells what the subject feels like. Reword if you can."
                yield _soft("texture", token.text, message)
            elif what is not None:
                article = "a brand, breed or other name" if what == "name" else f"the {what}"
                message = f"'{token.text}' gives {article} of the subject away. Take it out."
                yield _hard(what, token.text, message)


# --- length --------------------------------------------------------------------------------------


@cache
def _counter() -> TokenCounter | None:
    return find_counter()


def _length(caption: str, subject: Called) -> Iterator[Leak]:
    counter = _counter()
    if counter is None:
        return
    if said := too_long(caption, subject.class_noun, counter):
        yield _soft("long", "", said)


def _hard(code: str, word: str, message: str) -> Leak:
    return Leak(level="hard", code=code, word=word, message=message)


def _soft(code: str, word: str, message: str) -> Leak:
    return Leak(level="soft", code=code, word=word, message=message)
