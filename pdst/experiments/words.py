"""In: a benchmark's captions. Out: which words they are made of, and how varied they are.

Fig. 3 of the paper shows the words of the test captions and calls them rich and various; here that
is counted. No network is needed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.experiments.agreement import Estimate, estimate
from pdst.experiments.findings import sentences
from pdst.experiments.results import Results
from pdst.experiments.tables import estimate_text
from pdst.report.rows import count_text, percent
from pdst.types import KINDS, SLOT, Benchmark, Kind

FUNCTION_WORDS = frozenset(
    """
    a an the and or but nor of in on at by to from with without into onto over under above below
    beside behind before after between near next for as is are was were be been being it its there
    this that these those which who while where when up down out off through across along around
    against has have having some one two three
    """.split()  # noqa: SIM905
)
"""Words that every English text is full of; counted, but not shown."""

MEDIUM = frozenset(
    ("photo", "photograph", "picture", "image", "shows", "show", "features", "showcases", "depicts")
)
"""Words about the picture itself, not about what is on it; likewise."""

_WORD = re.compile(r"[a-z]+(?:[-'][a-z]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """One caption of a held-out photo, as words in lower case, without the slot."""

    subject_id: str
    kind: Kind
    image_id: str
    text: str
    words: tuple[str, ...]


def words(benchmark: Benchmark, subjects: Sequence[str] | None = None) -> Results:
    """Count.

    Args:
        benchmark: whose captions.
        subjects: ids; None: all.

    Raises:
        DatasetError: if a subject is unknown.
        SettingsError: if there is no caption.
    """
    captions = read_captions(benchmark, subjects)
    if not captions:
        raise SettingsError(f"{benchmark.name} has no caption of these subjects.")
    data = word_rows(captions)
    varied = variety(captions)
    return Results(
        experiment="words",
        data=data,
        summary=cast("dict[str, Json]", _summary(captions, data, varied)),
        finding=_finding(benchmark, captions, data, varied),
    )


def read_captions(
    benchmark: Benchmark, subjects: Sequence[str] | None = None
) -> tuple[Caption, ...]:
    """All captions, in the benchmark's order."""
    chosen = [one.subject_id for one in benchmark.subjects] if subjects is None else subjects
    kinds = {one: benchmark.subject(one).kind for one in chosen}
    return tuple(
        Caption(
            subject_id=test.subject_id,
            kind=kinds[test.subject_id],
            image_id=test.photo.image_id,
            text=caption,
            words=split(caption),
        )
        for test in benchmark.test
        if test.subject_id in kinds
        for caption in test.captions
    )


def split(caption: str) -> tuple[str, ...]:
    """Words of a caption.

    >>> split("A {} wearing a Santa hat, next to a snow-covered tree.")
    ('a', 'wearing', 'a', 'santa', 'hat', 'next', 'to', 'a', 'snow-covered', 'tree')
    """
    return tuple(_WORD.findall(caption.replace(SLOT, " ").lower().replace("’", "'")))


def word_rows(captions: Sequence[Caption]) -> pd.DataFrame:
    """A row a word, the most frequent first.

    Returns:
        `word`; `count` in all; `captions`, `photos`, `subjects` that have it; `living`, `rigid`:
        its count in captions of these; `shown`: whether it says something of the scene.
    """
    counts = Counter(word for caption in captions for word in caption.words)
    having: dict[str, set[tuple[str, str]]] = {word: set() for word in counts}
    in_captions: Counter[str] = Counter()
    of_kind: dict[Kind, Counter[str]] = {kind: Counter() for kind in KINDS}
    for caption in captions:
        of_kind[caption.kind].update(caption.words)
        for word in set(caption.words):
            in_captions[word] += 1
            having[word].add((caption.subject_id, caption.image_id))
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    columns: dict[str, object] = {
        "word": ordered,
        "count": [counts[word] for word in ordered],
        "captions": [in_captions[word] for word in ordered],
        "photos": [len(having[word]) for word in ordered],
        "subjects": [len({subject for subject, _ in having[word]}) for word in ordered],
        **{str(kind): [of_kind[kind][word] for word in ordered] for kind in KINDS},
        "shown": [word not in FUNCTION_WORDS | MEDIUM for word in ordered],
    }
    return pd.DataFrame(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variety:
    """How different captions are.

    Attributes:
        repeated: captions that another caption of the same photo equals, but for case.
        shared: of a subject, the mean over pairs of captions of one photo of the share of shown
            words that both have, of those that either has (Jaccard); units are subjects. None
            without such a pair.
    """

    repeated: int
    shared: Estimate | None


def variety(captions: Sequence[Caption]) -> Variety:
    """Compare the captions of each photo with each other."""
    of_photo: dict[tuple[str, str], list[Caption]] = {}
    for caption in captions:
        of_photo.setdefault((caption.subject_id, caption.image_id), []).append(caption)
    repeated = 0
    of_subject: dict[str, list[float]] = {}
    for (subject_id, _), own in of_photo.items():
        repeated += len(own) - len({caption.text.casefold() for caption in own})
        sets = [set(caption.words) - FUNCTION_WORDS - MEDIUM for caption in own]
        for place, one in enumerate(sets):
            for other in sets[place + 1 :]:
                if one | other:
                    share = len(one & other) / len(one | other)
                    of_subject.setdefault(subject_id, []).append(share)
    means = [float(np.mean(of_subject[one])) for one in sorted(of_subject)]
    return Variety(repeated=repeated, shared=estimate(means) if means else None)


def _finding(
    benchmark: Benchmark, captions: Sequence[Caption], data: pd.DataFrame, varied: Variety
) -> str:
    shown = data[data["shown"]]
    lengths = [len(caption.words) for caption in captions]
    total = int(data["count"].sum())
    once = int((shown["count"] == 1).sum())
    most = shown.head(10)
    top = ", ".join(
        f"{word} ({count})" for word, count in zip(most["word"], most["count"], strict=True)
    )
    shared = percent(int((shown["subjects"] > 1).sum()), len(shown))
    several = len({caption.subject_id for caption in captions}) > 1
    elsewhere = f"; {shared} with more than one subject" if several else ""
    parts = [
        f"{len(captions)} captions of {len({(c.subject_id, c.image_id) for c in captions})} "
        f"held-out photos of {benchmark.name} {benchmark.version}: {total} words, "
        f"{len(data)} different ones, of which {len(shown)} say something of the scene.",
        f"A caption has {int(np.median(lengths))} words ({min(lengths)} to {max(lengths)}; median "
        "and range).",
        f"The most frequent words of the scene: {top}.",
        f"{percent(once, len(shown))} of them occur once{elsewhere}.",
        f"Two captions of one photo share {estimate_text(varied.shared)} of their words.",
        f"Repeated captions: {count_text(varied.repeated, len(captions))}.",
    ]
    return sentences(parts)


def _summary(captions: Sequence[Caption], data: pd.DataFrame, varied: Variety) -> dict[str, object]:
    shared = varied.shared
    return {
        "captions": len(captions),
        "words": int(data["count"].sum()),
        "different": len(data),
        "shown": int(data["shown"].sum()),
        "repeated": varied.repeated,
        "shared": None if shared is None else shared.value,
    }
