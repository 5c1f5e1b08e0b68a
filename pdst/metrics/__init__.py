"""Pure arithmetic from embeddings to scores; this file holds the table of metrics.

A new metric is one file with one function, and one line in `METRICS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdst.digest import digest_json
from pdst.encoders.spec import Embeddings, EncoderSpec
from pdst.metrics.clip_i import clip_i
from pdst.metrics.clip_t import TextRule, clip_t
from pdst.metrics.dino import dino
from pdst.metrics.diversity import diversity

Family: TypeAlias = Literal["clip", "dino"]
Answers: TypeAlias = Literal["prompt fidelity", "subject fidelity", "diversity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a metric may look at: the images of one test photo, row by row.

    Attributes:
        generated: family -> (B, D) embeddings of the images.
        held_out: family -> (1, D) embedding of the test photo that the prompts describe.
        train: family -> (R, D) embeddings of the subject's training photos.
        texts: text rule -> (B, D) CLIP embeddings of the images' prompts.
        caption: (B,) caption index: rows with one index are seeds of one prompt.
    """

    generated: Mapping[Family, Embeddings]
    held_out: Mapping[Family, Embeddings]
    train: Mapping[Family, Embeddings]
    texts: Mapping[TextRule, Embeddings]
    caption: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One column of `scores.parquet`.

    Attributes:
        id: the column's name.
        title: as tables print it, without the encoder.
        answers: which question it answers.
        encoder: the family whose embeddings it reads; that encoder is part of the metric.
        higher_is_better: None where neither direction is good by itself.
        version: raised whenever a change moves a number.
        score: (B,) float64 from the evidence; NaN where it is not defined (stored as null).
        source: where the definition stands.
    """

    id: str
    title: str
    answers: Answers
    encoder: Family
    higher_is_better: bool | None
    version: int
    score: Callable[[Evidence], NDArray[np.float64]]
    source: str

    def digest(self, encoder: EncoderSpec) -> str:
        """sha256 of what decides the number: two runs may be compared only if it is equal."""
        return digest_json({"id": self.id, "version": self.version, "encoder": encoder.digest})


def _diversity_by_caption(evidence: Evidence) -> NDArray[np.float64]:
    values = np.full(len(evidence.caption), np.nan)
    for index in np.unique(evidence.caption):
        rows = evidence.caption == index
        if rows.sum() >= 2:
            values[rows] = diversity(evidence.generated["dino"][rows])
    return values


_PAPER = "PDST, section 5 and appendix 11"
_OLD = "Ruiz et al., DreamBooth (CVPR 2023), section 4.1"

METRICS: dict[str, Metric] = {
    metric.id: metric
    for metric in (
        Metric(
            id="clip_t",
            title="CLIP-T",
            answers="prompt fidelity",
            encoder="clip",
            higher_is_better=True,
            version=1,
            score=lambda e: clip_t(e.generated["clip"], e.texts["class"]),
            source=_PAPER,
        ),
        Metric(
            id="clip_t_remove",
            title="CLIP-T (subject removed)",
            answers="prompt fidelity",
            encoder="clip",
            higher_is_better=True,
            version=1,
            score=lambda e: clip_t(e.generated["clip"], e.texts["remove"]),
            source="Gal et al., Textual Inversion: its evaluator deletes the placeholder",
        ),
        Metric(
            id="clip_i",
            title="CLIP-I",
            answers="subject fidelity",
            encoder="clip",
            higher_is_better=True,
            version=1,
            score=lambda e: clip_i(e.generated["clip"], e.held_out["clip"]),
            source=_PAPER,
        ),
        Metric(
            id="dino",
            title="DINO",
            answers="subject fidelity",
            encoder="dino",
            higher_is_better=True,
            version=1,
            score=lambda e: dino(e.generated["dino"], e.held_out["dino"]),
            source=_PAPER,
        ),
        Metric(
            id="clip_i_train",
            title="CLIP-I train",
            answers="subject fidelity",
            encoder="clip",
            higher_is_better=None,
            version=1,
            score=lambda e: clip_i(e.generated["clip"], e.train["clip"]),
            source=_OLD,
        ),
        Metric(
            id="dino_train",
            title="DINO train",
            answers="subject fidelity",
            encoder="dino",
            higher_is_better=None,
            version=1,
            score=lambda e: dino(e.generated["dino"], e.train["dino"]),
            source=_OLD,
        ),
        Metric(
            id="diversity",
            title="Diversity",
            answers="diversity",
            encoder="dino",
            higher_is_better=None,
            version=1,
            score=_diversity_by_caption,
            source="Ruiz et al., DreamBooth (CVPR 2023), section 4.3, with DINO for LPIPS",
        ),
    )
}
"""Every metric, in the order of the columns."""
