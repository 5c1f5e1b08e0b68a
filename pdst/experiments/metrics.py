"""In: pictures of known fidelity and two encoders. Out: how far the metrics say what is known."""

from dataclasses import dataclass

from pdst.embed import EmbedOptions, Encoders
from pdst.encoders.spec import EncoderSpec
from pdst.experiments.agreement import (
    Definition,
    Estimate,
    LevelMean,
    Ranking,
    level_means,
    rankings,
)
from pdst.experiments.effects import (
    Background,
    Part,
    background_effect,
    drop_apart,
    scene_noise,
    single_changes,
)
from pdst.experiments.points import (
    Vectors,
    corner_scores,
    embed_truth,
    faithfulness_points,
    fidelity_points,
)
from pdst.metrics import METRICS
from pdst.miniature.truth import (
    FAITHFULNESS_LEVELS,
    FIDELITY_LEVELS,
    OF_THE_SCENE,
    WITHIN_CLASS,
    Truth,
)
from pdst.progress import Progress, silent
from pdst.types import KINDS, Kind

GATE = 0.85
"""Spearman that every metric is to reach, by `class means`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTruth:
    """All that was measured of one metric with one encoder.

    Attributes:
        noise: standard deviation of the score from scene to scene, level and subject being equal,
            at the highest level.
        apart: drop from the last ranked level to the one that is kept apart (another class).
        background: None for prompt fidelity.
        background_per_kind: the same of the living and of the rigid.
    """

    metric: str
    title: str
    rankings: tuple[Ranking, ...]
    levels: tuple[LevelMean, ...]
    noise: float
    parts: tuple[Part, ...]
    apart: Estimate
    background: Background | None
    background_per_kind: dict[Kind, Background]

    def ranking(self, definition: Definition) -> Ranking:
        """Look a definition up."""
        return next(found for found in self.rankings if found.definition == definition)

    @property
    def reached(self) -> bool:
        """Whether the gate's Spearman is at least `GATE`."""
        return self.ranking("class means").spearman.value >= GATE


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricExperiment:
    """The metrics of two encoders on one truth set."""

    truth: str
    clip: EncoderSpec
    dino: EncoderSpec
    metrics: tuple[MetricTruth, ...]


def measure(
    truth: Truth,
    encoders: Encoders,
    options: EmbedOptions | None = None,
    progress: Progress = silent,
) -> MetricExperiment:
    """Score the truth set and compare with what is known.

    Args:
        truth: pictures of known fidelity.
        encoders: any; with untrained ones the result is the control.
        options: batch size and threads; None: the defaults.
        progress: told of each embedded picture.
    """
    vectors = embed_truth(truth, encoders, options or EmbedOptions(), progress)
    return MetricExperiment(
        truth=truth.fingerprint,
        clip=encoders.clip.spec,
        dino=encoders.dino.spec,
        metrics=(
            _subject_fidelity("dino", encoders.dino.spec, truth, vectors),
            _subject_fidelity("clip_i", encoders.clip.spec, truth, vectors),
            _prompt_fidelity("clip_t", encoders.clip.spec, truth, vectors),
        ),
    )


def _subject_fidelity(
    name: str, encoder: EncoderSpec, truth: Truth, vectors: Vectors
) -> MetricTruth:
    metric = METRICS[name]
    points = fidelity_points(truth.pairs, metric, vectors)
    corners = [
        (square.kind, corner_scores(square, metric, vectors)) for square in truth.backgrounds
    ]
    noise = scene_noise(points)
    return MetricTruth(
        metric=name,
        title=f"{metric.title}, {encoder.title}",
        rankings=rankings(points, len(WITHIN_CLASS)),
        levels=level_means(points, FIDELITY_LEVELS),
        noise=noise,
        # Only there does each level change one parameter of the one before.
        parts=single_changes([point for point in points if point.level <= 2], noise),
        apart=drop_apart(points, len(WITHIN_CLASS)),
        background=background_effect([scores for _, scores in corners]),
        background_per_kind={
            kind: background_effect([scores for own, scores in corners if own == kind])
            for kind in KINDS
            if any(own == kind for own, _ in corners)
        },
    )


def _prompt_fidelity(
    name: str, encoder: EncoderSpec, truth: Truth, vectors: Vectors
) -> MetricTruth:
    metric = METRICS[name]
    points = faithfulness_points(truth.faithfulness, metric, vectors)
    noise = scene_noise(points)
    return MetricTruth(
        metric=name,
        title=f"{metric.title}, {encoder.title}",
        rankings=rankings(points, len(OF_THE_SCENE)),
        levels=level_means(points, FAITHFULNESS_LEVELS),
        noise=noise,
        parts=single_changes(points, noise),
        apart=drop_apart(points, len(OF_THE_SCENE)),
        background=None,
        background_per_kind={},
    )
