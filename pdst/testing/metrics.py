"""In: a metric. Out: whether it keeps the contract of `pdst.metrics`, claim by claim."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings, EncoderSpec
from pdst.metrics import Evidence, Metric
from pdst.metrics.clip_t import TEXT_RULES
from pdst.testing.contract import CheckResult, broken, run_checks

TOLERANCE = 1e-9
"""For float64 sums in another order."""

_CAPTIONS = (0, 0, 0, 1, 1, 2)
_WIDTHS = {"clip": 16, "dino": 12}


def check_metric_is_plain(metric: Metric) -> None:
    """The id can be a column's name; title, source and version are given; the digest names them."""
    if not metric.id.isidentifier():
        broken(f"the id is '{metric.id}', wanted a column's name: letters, digits, underscores.")
    if not metric.title.strip() or not metric.source.strip():
        broken(f"{metric.id} lacks a title or a source: say how tables call it and who defined it.")
    if metric.version < 1:
        broken(f"{metric.id} has version {metric.version}, wanted 1 or more.")
    spec = _spec()
    others = [
        replace(metric, version=metric.version + 1).digest(spec),
        metric.digest(replace(spec, resize=spec.resize + 1)),
    ]
    if metric.digest(spec) in others:
        broken(f"{metric.id}: the digest ignores the version or the encoder. Use Metric.digest.")


def check_one_score_per_image(metric: Metric) -> None:
    """B images give (B,) float64 scores, each finite, or NaN where it is not defined."""
    for captions in (_CAPTIONS, (0,)):
        scores = metric.score(_evidence(captions))
        if scores.shape != (len(captions),) or scores.dtype != np.float64:
            broken(
                f"{metric.id} gave {scores.shape} {scores.dtype} for {len(captions)} images, "
                f"wanted ({len(captions)},) float64."
            )
        if np.isinf(scores).any():
            broken(f"{metric.id} gave an infinite score, wanted NaN where it is not defined.")
    if np.isnan(metric.score(_evidence(_CAPTIONS))).all():
        broken(f"{metric.id} gave no score for {len(_CAPTIONS)} ordinary images.")


def check_score_order_is_kept(metric: Metric) -> None:
    """The n-th score belongs to the n-th image."""
    evidence = _evidence(_CAPTIONS)
    backwards = np.arange(len(_CAPTIONS))[::-1]
    _require_close(
        f"{metric.id}, scored in reverse",
        metric.score(evidence)[backwards],
        metric.score(_rows(evidence, backwards)),
    )


def check_other_captions_do_not_matter(metric: Metric) -> None:
    """The images of one caption score alone what they score beside others."""
    evidence = _evidence(_CAPTIONS)
    together = metric.score(evidence)
    for caption in sorted(set(_CAPTIONS)):
        rows = np.flatnonzero(evidence.caption == caption)
        alone = metric.score(_rows(evidence, rows))
        _require_close(f"{metric.id}, caption {caption} alone", together[rows], alone)


def check_evidence_is_untouched(metric: Metric) -> None:
    """The embeddings are not changed."""
    evidence = _evidence(_CAPTIONS)
    before = deepcopy(evidence)
    metric.score(evidence)
    for was, now in zip(_arrays(before), _arrays(evidence), strict=True):
        if not np.array_equal(was, now):
            broken(f"{metric.id} changes the embeddings that it is given: work on copies.")


def check_a_perfect_image_scores_best(metric: Metric) -> None:
    """If higher is better, images equal to what they are compared with beat unrelated ones.

    For subject fidelity that is the held-out photo, for prompt fidelity the text.
    """
    if not metric.higher_is_better or metric.answers == "diversity":
        return
    evidence = _evidence(_CAPTIONS)
    if metric.answers == "prompt fidelity":
        texts = dict.fromkeys(TEXT_RULES, evidence.generated["clip"])
        perfect = replace(evidence, texts=texts)
    else:
        generated = {
            family: np.repeat(evidence.held_out[family], len(_CAPTIONS), axis=0)
            for family in evidence.generated
        }
        perfect = replace(evidence, generated=generated)
    ordinary, best = metric.score(evidence), metric.score(perfect)
    if not (best > ordinary).all():
        broken(
            f"{metric.id}: a perfect image scores {best.min():.3f}, an unrelated one "
            f"{ordinary.max():.3f}; wanted more. Is higher_is_better right?"
        )


METRIC_CHECKS: tuple[Callable[[Metric], None], ...] = (
    check_metric_is_plain,
    check_one_score_per_image,
    check_score_order_is_kept,
    check_other_captions_do_not_matter,
    check_evidence_is_untouched,
    check_a_perfect_image_scores_best,
)
"""Every check, in the order in which they build on each other."""


def check_metric(metric: Metric, *, allow: Mapping[str, str] | None = None) -> list[CheckResult]:
    """Check a metric against the whole contract.

    Args:
        metric: to be checked.
        allow: name of a check -> why its failure is acceptable.

    Returns:
        One result a check.

    Raises:
        BrokenContractError: (an AssertionError) listing all failures that are not allowed.
        SettingsError: if `allow` names no check, or gives no reason.
    """
    checks = {check.__name__: partial(check, metric) for check in METRIC_CHECKS}
    foundations = {"check_one_score_per_image"}
    return run_checks(f"metric {metric.id}", checks, foundations=foundations, allow=allow)


def _evidence(captions: tuple[int, ...]) -> Evidence:
    """Random unit vectors: unrelated images, photos and texts."""
    rng = np.random.default_rng(7)

    def unit(rows: int, width: int) -> Embeddings:
        values = rng.standard_normal((rows, width))
        unit_rows: Embeddings = values / np.linalg.norm(values, axis=1, keepdims=True)
        return unit_rows.astype(np.float32)

    count = len(captions)
    return Evidence(
        generated={"clip": unit(count, _WIDTHS["clip"]), "dino": unit(count, _WIDTHS["dino"])},
        held_out={"clip": unit(1, _WIDTHS["clip"]), "dino": unit(1, _WIDTHS["dino"])},
        train={"clip": unit(3, _WIDTHS["clip"]), "dino": unit(3, _WIDTHS["dino"])},
        texts={rule: unit(count, _WIDTHS["clip"]) for rule in TEXT_RULES},
        caption=np.array(captions, dtype=np.int64),
    )


def _rows(evidence: Evidence, rows: NDArray[np.int64]) -> Evidence:
    """The evidence of some of the images, in this order."""
    return replace(
        evidence,
        generated={family: vectors[rows] for family, vectors in evidence.generated.items()},
        texts={rule: vectors[rows] for rule, vectors in evidence.texts.items()},
        caption=evidence.caption[rows],
    )


def _arrays(evidence: Evidence) -> list[NDArray[np.generic]]:
    groups = (evidence.generated, evidence.held_out, evidence.train, evidence.texts)
    return [*(vectors for group in groups for vectors in group.values()), evidence.caption]


def _require_close(what: str, wanted: NDArray[np.float64], got: NDArray[np.float64]) -> None:
    if not np.allclose(wanted, got, rtol=0, atol=TOLERANCE, equal_nan=True):
        broken(f"{what}: got {got}, wanted {wanted}. An image's score is its own.")


def _spec() -> EncoderSpec:
    return EncoderSpec(
        family="clip",
        architecture="none",
        title="no encoder",
        weights="",
        weights_digest="0" * 64,
        trained=False,
        resize=8,
        crop=8,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        dim=16,
    )
