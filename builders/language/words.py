"""In: a class noun. Out: the words that name it, its kinds, its parts, and what goes with it.

WordNet knows names, kinds and parts. What it does not know stands in `data/words.toml`. Its hints
cover the classes of the releases; another class has WordNet's words and no hints of its own.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from builders.language.rows import Called
from builders.language.wordnet import Nouns, nouns
from pdst.types import Kind

Term: TypeAlias = tuple[str, ...]
"""A name in lower-case words, hyphens apart: ("golden", "retriever")."""

Sense: TypeAlias = Literal["class", "kind", "rare kind", "above", "part", "hint"]
"""How a term is related to the class: a name of it; a name of some of it (a breed), commonly or
rarely used so; what it is a kind of; a part of it; a word that makes one think of it."""

ABOVE = 3
"""Steps up that still say something: dog, canine, carnivore; not "whole" or "object"."""

RARE = 4
"""A part is looked for by names of which it is among the first so many senses."""

_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "living": ("animal", "plant"),
    "rigid": ("artifact", "food", "object", "plant", "substance", "communication", "body"),
}
"""Where WordNet files such things, the likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordLists:
    """`data/words.toml`; its comments say what each list is for."""

    colours: frozenset[str]
    colour_endings: tuple[str, ...]
    tones: frozenset[str]
    materials: frozenset[str]
    markings: frozenset[str]
    textures: frozenset[str]
    general: frozenset[str]
    body_parts: frozenset[str]
    places: frozenset[str]
    animals: frozenset[str]
    animal_hints: frozenset[str]
    names: Mapping[str, tuple[str, ...]]
    hints: Mapping[str, tuple[str, ...]]


@cache
def word_lists() -> WordLists:
    """The lists, read once."""
    path = Path(__file__).parent / "data" / "words.toml"
    lists = tomllib.loads(path.read_text("utf-8"))
    names, hints = (
        {noun: tuple(map(str.strip, own.split(","))) for noun, own in lists.pop(table).items()}
        for table in ("names", "hints")
    )
    endings = tuple(lists.pop("colour_endings").split())
    words = {name: frozenset(own.split()) for name, own in lists.items()}
    return WordLists(names=names, hints=hints, colour_endings=endings, **words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassWords:
    """What a class noun brings with it.

    Attributes:
        terms: each with its nearest relation to the class.
    """

    terms: Mapping[Term, Sense]


def term(name: str) -> Term:
    """A name as words: "pug-dog" -> ("pug", "dog")."""
    return tuple(name.casefold().replace("-", " ").split())


def subject_words(subject: Called) -> ClassWords:
    """The words of a subject's class, and its own leak terms as further names."""
    words = class_words(subject.class_noun, subject.kind)
    own: dict[Term, Sense] = dict.fromkeys(map(term, subject.leak_terms), "class")
    return ClassWords(terms={**words.terms, **own})


@cache
def class_words(class_noun: str, kind: Kind) -> ClassWords:
    """The words of a class.

    Args:
        class_noun: "dog".
        kind: picks the sense: of a "duck" that is living, the bird.
    """
    graph, lists = nouns(), word_lists()
    noun = " ".join(class_noun.casefold().split())
    number = _sense(graph, noun, kind)
    terms: dict[Term, Sense] = {}
    # Later lines win: a name of the class is that, whatever else it may be.
    if kind == "living":
        terms |= dict.fromkeys(map(term, lists.animal_hints), "hint")
        terms |= dict.fromkeys(map(term, lists.animals), "above")
        terms |= dict.fromkeys(_body_parts(graph), "part")
    terms |= dict.fromkeys(map(term, lists.hints.get(noun, ())), "hint")
    if number is not None:
        terms |= dict.fromkeys(_above(graph, number), "above")
        terms |= dict.fromkeys(_parts(graph, number) if kind == "rigid" else (), "part")
        terms |= _kinds(graph, number)
        for name, rank in graph.synsets[number].names.items():
            terms[term(name)] = "class" if rank <= 2 else "rare kind"
    terms |= dict.fromkeys(map(term, (*lists.names.get(noun, ()), noun)), "class")
    return ClassWords(terms=terms)


def _sense(graph: Nouns, noun: str, kind: Kind) -> int | None:
    """The commonest sense that names such a thing."""
    fields = {number: graph.synsets[number].field for number in graph.senses.get(noun, ())}
    fitting = [number for number, field in fields.items() if field in _FIELDS[kind]]
    return min(fitting, key=lambda number: _FIELDS[kind].index(fields[number]), default=None)


def _kinds(graph: Nouns, number: int) -> dict[Term, Sense]:
    """Names of what is a kind of the class; "rare" where the name commonly means something else."""
    found: dict[Term, Sense] = {}
    for below in graph.below(number):
        for name, rank in graph.synsets[below].names.items():
            if rank == 1 or term(name) not in found:
                found[term(name)] = "kind" if rank == 1 else "rare kind"
    return found


def _above(graph: Nouns, number: int) -> list[Term]:
    nearest = list(graph.above(number))[1 : ABOVE + 1]
    names = [name for above in nearest for name in graph.synsets[above].names]
    return [term(name) for name in names if name not in word_lists().general]


def _parts(graph: Nouns, number: int) -> list[Term]:
    """Parts of a thing and of the next things above it: of a sneaker, those of a shoe."""
    wholes = list(graph.above(number))[:ABOVE]
    parts = [graph.synsets[part].names for whole in wholes for part in graph.synsets[whole].parts]
    names = [name for each in parts for name, rank in each.items() if rank <= RARE]
    return [term(name) for name in names if name not in word_lists().general]


@cache
def _body_parts(graph: Nouns) -> list[Term]:
    """Parts of bodies, by names that commonly mean them."""
    (body_part,) = graph.senses["body part"]
    names = [graph.synsets[below].names for below in graph.below(body_part)]
    common = {name for each in names for name, rank in each.items() if rank == 1}
    lists = word_lists()
    return [term(name) for name in sorted((common | lists.body_parts) - lists.general)]
