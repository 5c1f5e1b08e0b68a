"""In: a caption that names its subject. Out: the same with one `{}`, and nothing that tells of it.

"A fluffy golden retriever in a red hat, the dog pants." becomes "A {} in a red hat, it pants." The
subject's breed, colours, material, markings and texture go; its article and pronouns stay, and so
does everything else in the picture. What cannot be cut out safely is left, with a reason.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spacy.tokens import Token

from builders.language.leaks import PLACEHOLDERS, attribute, described
from builders.language.mentions import (
    DEFINITE,
    Mention,
    follows_article,
    is_beside,
    mentions,
    sense_of,
    touches,
)
from builders.language.parsing import Parsed, parse, slot_text
from builders.language.rows import Called
from builders.language.words import ClassWords, subject_words, word_lists
from pdst.types import SLOT, Kind

ROUNDS = 8
"""Each round makes one kind of change and reads the caption anew; no caption needs as many."""

LONGEST_NAME = 5
"""Words of the longest name looked for, hyphens included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neutral:
    """A caption after neutralization.

    Attributes:
        changes: what was done, in order: "'golden retriever' became {}".
        problem: what is left for a person to do; None if nothing.
    """

    text: str
    changes: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """Words of a caption to be replaced by a text; an empty text takes them out."""

    tokens: tuple[Token, ...]
    text: str
    change: str


def neutralize_caption(caption: str, subject: Called) -> Neutral:
    """Put `{}` for the subject and take out what identifies it.

    Args:
        caption: holds a placeholder ("[SUBJ]", "{}") or the class noun, a synonym, a breed.
        subject: what it is called.
    """
    words = subject_words(subject)
    text, changes = _placeholders_to_slots(" ".join(caption.split())), []
    if text != caption:
        changes.append(f"tidied to {text!r}")
    for _ in range(ROUNDS):
        parsed = parse(text)
        edits = _next_edits(parsed, words, subject.kind)
        if not edits:
            break
        text = _edited(parsed, edits)
        changes += [edit.change for edit in edits]
    text = _tidied(text)
    return Neutral(text=text, changes=tuple(changes), problem=_problem(text, words))


def _placeholders_to_slots(text: str) -> str:
    for placeholder in PLACEHOLDERS:
        text = re.sub(re.escape(placeholder), SLOT, text, flags=re.IGNORECASE)
    return text


def _next_edits(parsed: Parsed, words: ClassWords, kind: Kind) -> list[_Edit]:
    """The first kind of change that the caption needs."""
    if not parsed.slots:
        return _slot_for_mention(parsed, words)
    found = mentions(parsed, words)
    return (
        list(_pronouns_for_slots(parsed))
        or list(_without_names(parsed, found))
        or list(_without_attributes(parsed, found, kind))
    )


# --- one slot ------------------------------------------------------------------------------------

_ROLES = ("nsubj", "nsubjpass", "dobj", "pobj")
"""What a caption's subject commonly is in its sentence, the likeliest first."""


def _slot_for_mention(parsed: Parsed, words: ClassWords) -> list[_Edit]:
    """`{}` for the name that is most likely the subject's; no more than one edit.

    Each name is tried: if `{}` in its place is a noun of its own, the name was one, too. So "the
    dog bed" is left, and "the backpack dangles" is not, though both look like compounds.
    """
    tried: list[tuple[int, int, _Edit]] = []
    for span in _named_spans(parsed, words):
        name = " ".join(token.text for token in span)
        edit = _Edit(tokens=span, text=SLOT, change=f"'{name}' became {SLOT}")
        (slot,) = parse(_edited(parsed, [edit])).slots
        if not _is_describing(slot):
            role = _ROLES.index(slot.dep_) if slot.dep_ in _ROLES else len(_ROLES)
            tried.append((role, span[0].i, edit))
    return [min(tried, key=lambda each: each[:2])[2]] if tried else []


def _named_spans(parsed: Parsed, words: ClassWords) -> Iterator[tuple[Token, ...]]:
    """Names of the class or of kinds of it, the longest at each word."""
    place = 0
    while place < len(parsed.doc):
        ends = range(min(place + LONGEST_NAME, len(parsed.doc)), place, -1)
        spans = (tuple(parsed.doc[place:end]) for end in ends)
        span = next((span for span in spans if _names(span, words)), None)
        if span is not None:
            yield span
        place += len(span or ".")


def _names(span: tuple[Token, ...], words: ClassWords) -> bool:
    plain = tuple(token for token in span if token.text != "-")
    if not plain or sense_of(plain, words) not in ("class", "kind"):
        return False
    return plain[-1].pos_ in ("NOUN", "PROPN") or follows_article(plain)


def _pronouns_for_slots(parsed: Parsed) -> Iterator[_Edit]:
    for slot in parsed.slots[1:]:
        yield _pronoun(slot, SLOT)


def _pronoun(head: Token, name: str) -> _Edit:
    """Puts "it" for "the {}", "its" for "the {}'s"."""
    start = min([head.i, *(t.i for t in head.lefts if _is_describing(t) or t.dep_ == "det")])
    owner = head.i + 1 < len(head.doc) and head.nbor(1).tag_ == "POS"
    pronoun = "its" if owner else "it"
    tokens = tuple(head.doc[start : head.i + 1 + owner])
    return _Edit(tokens=tokens, text=pronoun, change=f"the later '{name}' became '{pronoun}'")


def _is_describing(token: Token) -> bool:
    return token.dep_ in ("amod", "compound", "nmod")


# --- no name -------------------------------------------------------------------------------------


def _without_names(parsed: Parsed, found: list[Mention]) -> Iterator[_Edit]:
    """Breeds before or after the slot go; "the dog", said of the subject, becomes "it"."""
    for mention in found:
        if mention.role != "subject" or mention.sense not in ("class", "kind", "rare kind"):
            continue
        head, tokens = mention.head, mention.tokens
        change = f"took out '{mention.text}'"
        if _is_describing(head) or any(touches(slot, tokens) for slot in parsed.slots):
            yield _Edit(tokens=tuple(head.doc[tokens[0].i : head.i + 1]), text="", change=change)
        elif renamed := [s for s in parsed.slots if s.dep_ == "appos" and s.head.i == head.i]:
            yield from _before_apposition(head, renamed[0], change)
        elif head.dep_ == "appos" or any(is_beside(slot, tokens) for slot in parsed.slots):
            yield _Edit(tokens=_apposition(head), text="", change=change)
        elif any(child.lower_ in DEFINITE for child in head.children):
            yield _pronoun(head, mention.text)


def _apposition(head: Token) -> tuple[Token, ...]:
    """An apposition and the commas around it; it ends where the next comma is."""
    doc = head.doc
    start = head.i
    while start > 0 and doc[start].text != ",":
        start -= 1
    end = head.i + 1
    while end <= head.right_edge.i and doc[end].text != ",":
        end += 1
    return tuple(doc[start : end + (end < len(doc) and doc[end].text == ",")])


def _before_apposition(head: Token, slot: Token, change: str) -> Iterator[_Edit]:
    """Of "Rex, a {}, sits": "Rex," and the comma after."""
    doc = head.doc
    yield _Edit(tokens=tuple(doc[head.left_edge.i : slot.left_edge.i]), text="", change=change)
    after = slot.right_edge.i + 1
    if after < len(doc) and doc[after].text == ",":
        yield _Edit(tokens=(doc[after],), text="", change="and the comma after it")


# --- no attributes -------------------------------------------------------------------------------


def _without_attributes(parsed: Parsed, found: list[Mention], kind: Kind) -> Iterator[_Edit]:
    """Colours and the like go before the slot, and before its own parts ("its brown ears")."""
    wholes = [*parsed.slots, *(m.head for m in found if _is_own_part(parsed, m, kind))]
    for whole in wholes:
        before = [t for t in described(parsed, whole) if whole.left_edge.i <= t.i < whole.i]
        telling = {t.i for t in before if attribute(t)}
        if telling:
            tokens = _with_links(whole, telling)
            change = f"took out '{' '.join(token.text for token in tokens)}'"
            yield _Edit(tokens=tokens, text="", change=change)
            return  # the next round reads the rest anew


def _is_own_part(parsed: Parsed, mention: Mention, kind: Kind) -> bool:
    """The parts of things are often known as hints alone ("strap"); an animal's hints are worn."""
    if mention.sense not in (("part", "hint") if kind == "rigid" else ("part",)):
        return False
    owned = any(child.dep_ == "poss" for child in mention.head.children)
    carrier = mention.head.head
    having = carrier.lower_ == "with" and parsed.is_slot(carrier.head)
    return owned or having


def _with_links(whole: Token, telling: set[int]) -> tuple[Token, ...]:
    """The telling words, what tones them ("light", "very"), and the "and" or comma between them."""
    taken = set(telling)
    for index in telling:
        token = whole.doc[index]
        taken |= {t.i for t in token.subtree if t.dep_ in ("advmod", "npadvmod") and t.i < index}
        taken |= {t.i for t in token.lefts if t.dep_ in ("amod", "compound")}
    while (before_first := min(taken) - 1) >= whole.left_edge.i and (
        whole.doc[before_first].lower_ in word_lists().tones
    ):
        taken.add(before_first)
    for link in whole.doc[min(taken) : whole.i]:
        before, after = link.i - 1 in taken, link.i + 1 in taken or link.i + 1 == whole.i
        if (link.is_punct or link.dep_ == "cc") and before and (after or not link.is_alpha):
            taken.add(link.i)
    gap = min(taken) - 1
    if whole.left_edge.i < gap and whole.doc[gap].is_punct and max(taken) + 1 == whole.i:
        taken.add(gap)
    return tuple(whole.doc[index] for index in sorted(taken))


# --- writing the caption -------------------------------------------------------------------------


def _edited(parsed: Parsed, edits: list[_Edit]) -> str:
    """The caption with the edits made, `{}` for every slot that is left."""
    texts = {t.i: slot_text(t) if parsed.is_slot(t) else t.text for t in parsed.doc}
    for edit in edits:
        texts |= dict.fromkeys((token.i for token in edit.tokens), "")
        texts[edit.tokens[0].i] = edit.text
    blanks = {t.i: t.whitespace_ for t in parsed.doc}
    for edit in edits:
        blanks |= {token.i: "" for token in edit.tokens}
        blanks[edit.tokens[0].i] = edit.tokens[-1].whitespace_
    return _tidied("".join(texts[t.i] + blanks[t.i] for t in parsed.doc))


def _tidied(text: str) -> str:
    """Blanks, commas, the article before `{}` and the capital put right."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"([,;:])(\s*[,;:.])+", lambda m: m.group(0).strip()[-1], text)
    text = re.sub(rf"\b([Aa])n(?= {re.escape(SLOT)})", r"\1", text)
    return text[:1].upper() + text[1:]


def _problem(text: str, words: ClassWords) -> str | None:
    """What is left that rules could not mend."""
    parsed = parse(text)
    if not parsed.slots:
        return f"nothing in it names the subject. Write {SLOT} where it is meant."
    if len(parsed.slots) > 1:
        return f"it holds {SLOT} {len(parsed.slots)} times. Keep one."
    left = [m for m in mentions(parsed, words) if m.role == "subject" and m.sense != "above"]
    if left:
        return f"'{left[0].text}' still names the subject. Reword the caption without it."
    told = [t for t in described(parsed, parsed.slots[0]) if attribute(t) not in (None, "texture")]
    if told:
        return f"'{told[0].text}' still describes the subject. Reword the caption without it."
    return None
