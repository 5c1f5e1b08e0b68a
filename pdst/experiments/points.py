"""In: pictures of known fidelity, encoders. Out: a score a picture beside what is known of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pdst.embed import EmbedOptions, Encoders, embed_images
from pdst.encoders.spec import Embeddings
from pdst.metrics import Evidence, Family, Metric
from pdst.metrics.clip_t import scored_text
from pdst.miniature.truth import (
    FAITHFULNESS_LEVELS,
    FIDELITY_LEVELS,
    BackgroundSquare,
    FaithfulnessCase,
    Render,
    Truth,
    TruthPair,
)
from pdst.progress import Progress
from pdst.types import Kind

TEXTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One scored picture; `level` counts from 0, the most faithful."""

    subject_id: str
    class_noun: str
    kind: Kind
    scene: int
    level: int
    differs: frozenset[str]
    score: float


def scene_means(points: Sequence[Point]) -> list[Point]:
    """One point a subject and level: the mean over its scenes."""
    groups = grouped(points, lambda point: f"{point.subject_id}/{point.level}")
    return [
        Point(
            subject_id=own[0].subject_id,
            class_noun=own[0].class_noun,
            kind=own[0].kind,
            scene=0,
            level=own[0].level,
            differs=frozenset(),
            score=float(np.mean([point.score for point in own])),
        )
        for own in groups.values()
    ]


def grouped(points: Sequence[Point], key: Callable[[Point], str]) -> dict[str, list[Point]]:
    """Points by a key, in the order of their first."""
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        groups[key(point)].append(point)
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """The embeddings of a truth set.

    Attributes:
        rows: an image file's bytes -> its row.
        images: family -> (N, D) float32, unit norm.
        texts: scored text -> (D,) float32, unit norm, of CLIP.
    """

    rows: Mapping[bytes, int]
    images: Mapping[Family, Embeddings]
    texts: Mapping[str, Embeddings]

    def look_up(self, pictures: Sequence[Render]) -> dict[Family, Embeddings]:
        """The embeddings of some pictures, row by row."""
        where = [self.rows[picture.encoded] for picture in pictures]
        return {family: vectors[where] for family, vectors in self.images.items()}


def embed_truth(
    truth: Truth, encoders: Encoders, options: EmbedOptions, progress: Progress
) -> Vectors:
    """Embed every distinct picture and caption of a truth set once."""
    distinct = dict.fromkeys(picture.encoded for picture in _pictures(truth))
    embedded = []
    for one in embed_images((partial(bytes, e) for e in distinct), encoders.all(), options):
        embedded.append(one)
        progress("truth", len(embedded), len(distinct))
    clip, dino = (np.stack([one.vectors[number] for one in embedded]) for number in range(2))
    texts = list(dict.fromkeys(_text(case) for case in truth.faithfulness))
    parts = [
        encoders.clip.encode_texts(texts[start : start + TEXTS_AT_ONCE])
        for start in range(0, len(texts), TEXTS_AT_ONCE)
    ]
    return Vectors(
        rows={encoded: row for row, encoded in enumerate(distinct)},
        images={"clip": clip, "dino": dino},
        texts=dict(zip(texts, np.concatenate(parts), strict=True)),
    )


def _pictures(truth: Truth) -> Iterable[Render]:
    for pair in truth.pairs:
        yield from (pair.reference, pair.render)
    for case in truth.faithfulness:
        yield case.render
    for square in truth.backgrounds:
        yield from (square.reference, square.unmoved, square.moved, square.swapped, square.both)


def _text(case: FaithfulnessCase) -> str:
    return scored_text(case.caption, "class", case.class_noun)


def _against(
    reference: Render, pictures: Sequence[Render], metric: Metric, vectors: Vectors
) -> NDArray[np.float64]:
    """Score pictures against one reference, as a benchmark's run does."""
    evidence = Evidence(
        generated=vectors.look_up(pictures),
        held_out=vectors.look_up([reference]),
        train={},
        texts={},
        caption=np.arange(len(pictures)),
    )
    return metric.score(evidence)


def fidelity_points(pairs: Sequence[TruthPair], metric: Metric, vectors: Vectors) -> list[Point]:
    """Score every pair."""
    of_subject: dict[str, list[TruthPair]] = defaultdict(list)
    for pair in pairs:
        of_subject[pair.subject_id].append(pair)
    points = []
    for own in of_subject.values():
        scores = _against(own[0].reference, [pair.render for pair in own], metric, vectors)
        for pair, score in zip(own, scores, strict=True):
            points.append(_point(pair, FIDELITY_LEVELS.index(pair.level), float(score)))
    return points


def corner_scores(
    square: BackgroundSquare, metric: Metric, vectors: Vectors
) -> NDArray[np.float64]:
    """(4,) scores: unmoved, moved, swapped, both."""
    corners = [square.unmoved, square.moved, square.swapped, square.both]
    return _against(square.reference, corners, metric, vectors)


def faithfulness_points(
    cases: Sequence[FaithfulnessCase], metric: Metric, vectors: Vectors
) -> list[Point]:
    """Score every case's picture against its caption."""
    evidence = Evidence(
        generated=vectors.look_up([case.render for case in cases]),
        held_out={},
        train={},
        texts={"class": np.stack([vectors.texts[_text(case)] for case in cases])},
        caption=np.arange(len(cases)),
    )
    return [
        _point(case, FAITHFULNESS_LEVELS.index(case.level), float(score))
        for case, score in zip(cases, metric.score(evidence), strict=True)
    ]


def _point(row: TruthPair | FaithfulnessCase, level: int, score: float) -> Point:
    return Point(
        subject_id=row.subject_id,
        class_noun=row.class_noun,
        kind=row.kind,
        scene=row.scene,
        level=level,
        differs=frozenset(row.differs),
        score=score,
    )
