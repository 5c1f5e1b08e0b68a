"""Embeddings of pictures and a text encoder in; what CLIP says of each fact out.

A fact's value is the mean of many plain sentences about it, as CLIP's authors average their
templates (Radford et al., ICML 2021, section 3.1.4).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from builders.sources.miniature.captions import DOING, PLACE_WORDS
from builders.sources.miniature.facts import ACTIONS, CLASSES, PLACES
from builders.sources.miniature.identities import BRIGHT, FUR, FURRED
from builders.sources.miniature.training.data import FACTS, fact_values

Vectors = NDArray[np.float32]
"""(N, D), unit length."""
EncodeTexts = Callable[[Sequence[str]], Vectors]


def zero_shot(
    images: Vectors, facts: NDArray[np.int16], encode_texts: EncodeTexts
) -> dict[str, NDArray[np.bool_]]:
    """Whether CLIP's nearest class, place, colour and action is the right one, picture by picture.

    The class is one of 20, the place one of 14. The colour is one that the picture's class can
    have (6 of fur, or 10), and the action one of the class, both asked about that class.

    Args:
        images: of pictures.
        facts: theirs, (N, 9); see `FACTS`.
        encode_texts: of the same CLIP.
    """
    values = fact_values()
    column = {fact: facts[:, FACTS.index(fact)] for fact in FACTS}
    right = {
        "class": _nearest(images, class_vectors(encode_texts)) == column["class"],
        "place": _nearest(images, place_vectors(encode_texts)) == column["place"],
        "main": np.zeros(len(images), np.bool_),
        "action": np.zeros(len(images), np.bool_),
    }
    for number, noun in enumerate(CLASSES):
        rows = np.flatnonzero(column["class"] == number)
        if not len(rows):
            continue
        colours = FUR if noun in FURRED else BRIGHT
        actions = ACTIONS[noun]
        found = _nearest(images[rows], colour_vectors(encode_texts, noun))
        right["main"][rows] = [
            colours[n] == values["main"][fact]
            for n, fact in zip(found, column["main"][rows], strict=True)
        ]
        found = _nearest(images[rows], action_vectors(encode_texts, noun))
        right["action"][rows] = [
            actions[n] == values["action"][fact]
            for n, fact in zip(found, column["action"][rows], strict=True)
        ]
    return right


def retrieved(images: Vectors, texts: Vectors, captions: Sequence[str]) -> float:
    """How often a caption's nearest picture is its own, or one with the same caption.

    Args:
        images: of pictures.
        texts: of their captions, row by row.
        captions: the texts' words.
    """
    nearest = (texts @ images.T).argmax(1)
    told = np.array(captions)
    return float((told[nearest] == told).mean())


def class_vectors(encode_texts: EncodeTexts) -> Vectors:
    """(20, D): each class at every place, and alone."""
    places = [f" {PLACE_WORDS[place][0]}" for place in PLACES]
    ends = [*places, *[""] * len(places)]
    return _averaged(encode_texts, [[_photo(noun, end) for end in ends] for noun in CLASSES])


def place_vectors(encode_texts: EncodeTexts) -> Vectors:
    """(14, D): each place in three wordings with every class."""
    return _averaged(
        encode_texts,
        [
            [_photo(noun, f" {words}") for words in PLACE_WORDS[place] for noun in CLASSES]
            for place in PLACES
        ],
    )


def colour_vectors(encode_texts: EncodeTexts, noun: str) -> Vectors:
    """(C, D): each colour that the class can have, on that class at every place."""
    return _averaged(
        encode_texts,
        [
            [_photo(f"{colour} {noun}", f" {PLACE_WORDS[place][0]}") for place in PLACES]
            for colour in (FUR if noun in FURRED else BRIGHT)
        ],
    )


def action_vectors(encode_texts: EncodeTexts, noun: str) -> Vectors:
    """(A, D): each action of the class, in all wordings at every place."""
    return _averaged(
        encode_texts,
        [
            [
                f"{_a(noun)} is {words} {PLACE_WORDS[place][0]}."
                for words in DOING[action]
                for place in PLACES
            ]
            for action in ACTIONS[noun]
        ],
    )


def _photo(words: str, end: str) -> str:
    article = "an" if words[0] in "aeiou" else "a"
    return f"A photo of {article} {words}{end}."


def _a(words: str) -> str:
    return f"An {words}" if words[0] in "aeiou" else f"A {words}"


def _averaged(encode_texts: EncodeTexts, sentences: list[list[str]]) -> Vectors:
    flat = [sentence for told in sentences for sentence in told]
    ends = np.cumsum([len(told) for told in sentences])[:-1]
    means = np.stack([part.mean(0) for part in np.split(encode_texts(flat), ends)])
    found: Vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return found


def _nearest(images: Vectors, values: Vectors) -> NDArray[np.intp]:
    found: NDArray[np.intp] = (images @ values.T).argmax(1)
    return found
