"""Claims about the arithmetic: known vectors, values computed by hand, texts, thresholds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings, EncoderSpec
from pdst.metrics import METRICS, Evidence
from pdst.metrics.clip_i import clip_i
from pdst.metrics.clip_t import TextRule, clip_t, scored_text
from pdst.metrics.copies import EXACT, copy_threshold, nearest_photo
from pdst.metrics.cosine import mean_cosine, row_cosine
from pdst.metrics.dino import dino
from pdst.metrics.diversity import diversity
from pdst.testing import check_metric

Fidelity: TypeAlias = Callable[[Embeddings, Embeddings], NDArray[np.float64]]

ROUNDING = 1e-6
"""Embeddings are float32: their norms are 1 to about 1e-7."""


def at(*degrees: float) -> Embeddings:
    """Unit vectors in a plane; the cosine of two is that of the angle between them."""
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def unit(rows: int, width: int = 512, seed: int = 3) -> Embeddings:
    values = np.random.default_rng(seed).standard_normal((rows, width))
    vectors: Embeddings = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype("f4")
    return vectors


def cos(degrees: float) -> float:
    return float(np.cos(np.deg2rad(degrees)))


# --- fidelity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [clip_i, dino])
def test_an_image_equal_to_its_photo_scores_one(metric: Fidelity) -> None:
    photos = unit(8)
    for row in range(8):
        score = metric(photos[row : row + 1], photos[row : row + 1])
        assert score == pytest.approx(1.0, abs=ROUNDING)


@pytest.mark.parametrize("metric", [clip_i, dino])
def test_fidelity_is_the_cosine_unscaled_and_not_clamped(metric: Fidelity) -> None:
    scores = metric(at(0, 60, 90, 120, 180), at(0))
    assert scores == pytest.approx([1.0, 0.5, 0.0, -0.5, -1.0], abs=ROUNDING)
    assert scores.dtype == np.float64


def test_with_several_references_it_is_the_mean_of_the_cosines() -> None:
    generated, references = at(0, 90), at(0, 60, 180)
    wanted = [(1 + 0.5 - 1) / 3, (0 + cos(30) + 0) / 3]
    assert mean_cosine(generated, references) == pytest.approx(wanted, abs=ROUNDING)
    # Neither the maximum (1) nor the cosine with the mean direction, which points at 60 degrees.
    assert mean_cosine(generated[:1], references)[0] == pytest.approx(1 / 6, abs=ROUNDING)


def test_the_order_of_the_references_does_not_matter() -> None:
    generated, references = unit(4), unit(5, seed=8)
    assert clip_i(generated, references) == pytest.approx(
        clip_i(generated, references[::-1]), abs=1e-12
    )


def test_sums_are_in_double_precision() -> None:
    one, other = unit(1), unit(1, seed=4)
    exact = math.fsum(float(a) * float(b) for a, b in zip(one[0], other[0], strict=True))
    for cosine in (mean_cosine, row_cosine, clip_i, dino, clip_t):
        # In float32 the sum would be off by about 1e-8.
        assert cosine(one, other)[0] == pytest.approx(exact, rel=0, abs=1e-14)


@pytest.mark.parametrize(
    ("generated", "references"),
    [
        (unit(2), unit(0)),
        (unit(2, 512), unit(3, 384)),
        (unit(2)[0], unit(3)),
        (unit(2), unit(3)[0]),
    ],
)
def test_references_that_do_not_fit_are_refused(
    generated: Embeddings, references: Embeddings
) -> None:
    with pytest.raises(ValueError, match="embed both with the same encoder"):
        mean_cosine(generated, references)


# --- prompt fidelity -----------------------------------------------------------------------------


def test_each_image_is_scored_against_its_own_text() -> None:
    scores = clip_t(at(0, 0, 0), at(0, 60, 120))
    assert scores == pytest.approx([1.0, 0.5, -0.5], abs=ROUNDING)


@pytest.mark.parametrize("texts", [unit(2), unit(3, 384), unit(3)[0]])
def test_texts_that_do_not_fit_are_refused(texts: Embeddings) -> None:
    with pytest.raises(ValueError, match="one shape"):
        clip_t(unit(3), texts)


@pytest.mark.parametrize(
    ("caption", "as_class", "removed"),
    [
        ("A {} on a hill.", "A stuffed animal on a hill.", "A on a hill."),
        ("{} on a hill.", "stuffed animal on a hill.", "on a hill."),
        ("A hill with a {}", "A hill with a stuffed animal", "A hill with a"),
        ("A hill with a {}.", "A hill with a stuffed animal.", "A hill with a ."),
        ("Near the {}, a hill.", "Near the stuffed animal, a hill.", "Near the , a hill."),
        ("The {}'s bowl.", "The stuffed animal's bowl.", "The 's bowl."),
        ('A sign says "{}".', 'A sign says "stuffed animal".', 'A sign says "".'),
        ("A ({}-shaped) cake.", "A (stuffed animal-shaped) cake.", "A (-shaped) cake."),
        ("A  {}  here.", "A  stuffed animal  here.", "A here."),
        ("A {}\nhere.", "A stuffed animal\nhere.", "A here."),
    ],
)
def test_the_slot_becomes_the_class_noun_or_nothing(
    caption: str, as_class: str, removed: str
) -> None:
    assert scored_text(caption, "class", "stuffed animal") == as_class
    assert scored_text(caption, "remove", "stuffed animal") == removed


def test_no_text_keeps_the_slot_or_a_doubled_blank() -> None:
    rules: tuple[TextRule, ...] = ("class", "remove")
    for caption in ("{}", "a {} b", "{} a", "a {}", "a {}, b"):
        for rule in rules:
            text = scored_text(caption, rule, "dog")
            assert "{" not in text
            assert "  " not in text
            assert text == text.strip()


# --- diversity -----------------------------------------------------------------------------------


def test_diversity_is_one_minus_the_mean_cosine_with_the_other_seeds() -> None:
    scores = diversity(at(0, 60, 90))
    wanted = [1 - (0.5 + 0) / 2, 1 - (0.5 + cos(30)) / 2, 1 - (0 + cos(30)) / 2]
    assert scores == pytest.approx(wanted, abs=ROUNDING)


def test_its_mean_is_one_minus_the_mean_pairwise_cosine() -> None:
    images = unit(5)
    pairs = [float(images[i] @ images[j]) for i in range(5) for j in range(i)]
    assert diversity(images).mean() == pytest.approx(1 - np.mean(pairs), abs=ROUNDING)


def test_equal_images_have_no_diversity_and_opposite_ones_have_two() -> None:
    assert diversity(at(30, 30, 30)) == pytest.approx([0, 0, 0], abs=ROUNDING)
    assert diversity(at(0, 180)) == pytest.approx([2, 2], abs=ROUNDING)


def test_one_image_has_no_diversity() -> None:
    with pytest.raises(ValueError, match="S >= 2"):
        diversity(at(0))


# --- the table -----------------------------------------------------------------------------------


def evidence(captions: Sequence[int], *, generated: Embeddings | None = None) -> Evidence:
    count = len(captions)
    images = unit(count) if generated is None else generated
    width = images.shape[1]
    return Evidence(
        generated={"clip": images, "dino": images},
        held_out={"clip": unit(1, width, 1), "dino": unit(1, width, 2)},
        train={"clip": unit(4, width, 4), "dino": unit(4, width, 5)},
        texts={"class": unit(count, width, 6), "remove": unit(count, width, 7)},
        caption=np.array(captions, np.int64),
    )


def test_every_metric_reads_what_its_name_says() -> None:
    given = evidence([0, 0, 1, 1])
    images = given.generated["clip"].astype(float)
    wanted = {
        "clip_t": (images * given.texts["class"]).sum(axis=1),
        "clip_t_remove": (images * given.texts["remove"]).sum(axis=1),
        "clip_i": images @ given.held_out["clip"][0],
        "dino": images @ given.held_out["dino"][0],
        "clip_i_train": np.mean([images @ row for row in given.train["clip"]], axis=0),
        "dino_train": np.mean([images @ row for row in given.train["dino"]], axis=0),
        "diversity": 1 - np.repeat([images[0] @ images[1], images[2] @ images[3]], 2),
    }
    assert list(METRICS) == list(wanted)
    for metric_id, values in wanted.items():
        assert METRICS[metric_id].id == metric_id
        assert METRICS[metric_id].score(given) == pytest.approx(values, abs=ROUNDING)


def test_copying_the_held_out_photo_is_one_for_both_encoders() -> None:
    photo = unit(1, seed=21)
    given = replace(
        evidence([0, 1], generated=np.repeat(photo, 2, axis=0)),
        held_out={"clip": photo, "dino": photo},
    )
    for metric_id in ("clip_i", "dino"):
        assert METRICS[metric_id].score(given) == pytest.approx([1, 1], abs=ROUNDING)


def test_a_single_seed_has_no_diversity_and_the_other_captions_keep_theirs() -> None:
    given = evidence([0, 0, 1, 2, 2, 2], generated=at(0, 60, 10, 0, 90, 180))
    scores = METRICS["diversity"].score(given)
    assert np.isnan(scores[2])
    assert scores[[0, 1, 3, 4, 5]] == pytest.approx([0.5, 0.5, 1.5, 1.0, 1.5], abs=ROUNDING)


def test_seeds_of_one_caption_need_not_stand_together() -> None:
    scores = METRICS["diversity"].score(evidence([0, 1, 0, 1], generated=at(0, 0, 90, 60)))
    assert scores == pytest.approx([1.0, 0.5, 1.0, 0.5], abs=ROUNDING)


@pytest.mark.parametrize("metric_id", METRICS)
def test_every_metric_keeps_the_contract(metric_id: str) -> None:
    assert {result.status for result in check_metric(METRICS[metric_id])} == {"passed"}


SPEC = EncoderSpec(
    family="clip",
    architecture="ViT-B-32-quickgelu",
    title="CLIP ViT-B/32",
    weights="openai",
    weights_digest="a" * 64,
    trained=True,
    resize=224,
    crop=224,
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    dim=512,
    context=77,
    tokenizer="clip-bpe-12345678",
)


def test_a_metrics_digest_changes_with_whatever_moves_its_number() -> None:
    clip = METRICS["clip_i"]
    digests = [
        clip.digest(SPEC),
        METRICS["clip_i_train"].digest(SPEC),
        replace(clip, version=2).digest(SPEC),
        clip.digest(replace(SPEC, weights_digest="b" * 64)),
        clip.digest(replace(SPEC, architecture="ViT-B-32")),
        clip.digest(replace(SPEC, resize=256)),
        clip.digest(replace(SPEC, crop=256)),
        clip.digest(replace(SPEC, mean=(0.4, 0.5, 0.5))),
        clip.digest(replace(SPEC, std=(0.25, 0.25, 0.2))),
        clip.digest(replace(SPEC, dtype="bfloat16")),
        clip.digest(replace(SPEC, tokenizer="clip-bpe-87654321")),
        clip.digest(replace(SPEC, context=64)),
    ]
    assert len(set(digests)) == len(digests)


def test_a_metrics_digest_does_not_change_with_names_for_people() -> None:
    clip = METRICS["clip_i"]
    renamed = replace(clip, title="CLIP image", source="elsewhere", higher_is_better=None)
    assert renamed.digest(replace(SPEC, title="CLIP", weights="file:a")) == clip.digest(SPEC)


# --- copies --------------------------------------------------------------------------------------


def test_the_nearest_photo_is_found_whoevers_it_is() -> None:
    nearest = nearest_photo(at(5, 100, 181), at(0, 90, 180))
    assert nearest.index.tolist() == [0, 1, 2]
    assert nearest.similarity == pytest.approx([cos(5), cos(10), cos(1)], abs=ROUNDING)


def test_no_image_has_no_nearest_photo() -> None:
    nearest = nearest_photo(unit(0), unit(3))
    assert nearest.similarity.shape == nearest.index.shape == (0,)


@pytest.mark.parametrize("photos", [unit(0), unit(3, 384), unit(3)[0]])
def test_photos_that_do_not_fit_are_refused(photos: Embeddings) -> None:
    with pytest.raises(ValueError, match="embed both with the same encoder"):
        nearest_photo(unit(2), photos)


def test_the_threshold_lies_halfway_between_identity_and_ordinary_likeness() -> None:
    # Two photos: each is the other's nearest, 60 degrees away.
    assert copy_threshold(at(0, 60)) == pytest.approx((1 + 0.5) / 2, abs=ROUNDING)
    # Opposite ones: cosine -1.
    assert copy_threshold(at(0, 180)) == pytest.approx(0.0, abs=ROUNDING)
    # The nearest is 20 degrees away for four photos and 40 for the last: sorted, the cosines are
    # cos 40 and four times cos 20, and the 0.9 quantile lies between the last two.
    assert copy_threshold(at(0, 20, 40, 60, 100)) == pytest.approx((1 + cos(20)) / 2, abs=ROUNDING)


def test_a_tenth_of_near_duplicates_does_not_move_the_threshold() -> None:
    spread = np.linspace(0, 180, 19)  # 10 degrees apart
    clean, with_twin = at(*spread), at(*spread, 180.01)
    # 2 of 20 photos have a twin: a tenth.
    assert copy_threshold(with_twin) == pytest.approx(copy_threshold(clean), abs=2e-3)
    assert copy_threshold(clean) == pytest.approx((1 + cos(10)) / 2, abs=ROUNDING)


def test_a_benchmark_of_twins_still_flags_exact_copies_alone() -> None:
    photos = np.repeat(unit(6), 2, axis=0)
    assert copy_threshold(photos) == EXACT
    assert copy_threshold(unit(1)) == EXACT
    close = photos + 2e-2 * unit(12, seed=9)
    close = (close / np.linalg.norm(close, axis=1, keepdims=True)).astype(np.float32)
    flagged = nearest_photo(np.concatenate([photos, close]), photos).similarity >= EXACT
    assert flagged.tolist() == [True] * 12 + [False] * 12


@pytest.mark.parametrize("width", [2, 64, 384, 512, 1024])
def test_an_exact_copy_is_always_flagged(width: int) -> None:
    photos = unit(40, width)
    nearest = nearest_photo(photos, photos)
    assert nearest.index.tolist() == list(range(40))
    assert (nearest.similarity >= copy_threshold(photos)).all()
    assert (nearest.similarity >= EXACT).all()


def test_ordinary_photos_of_a_subject_are_no_copies() -> None:
    # 12 subjects, 8 photos each, of cosine about 0.8 to the others of the subject.
    rng = np.random.default_rng(11)
    subjects = rng.standard_normal((12, 1, 384))
    photos = (subjects + 0.5 * rng.standard_normal((12, 8, 384))).reshape(-1, 384)
    photos = (photos / np.linalg.norm(photos, axis=1, keepdims=True)).astype(np.float32)
    held_out, rest = photos[::8], np.delete(photos, np.s_[::8], axis=0)
    assert (nearest_photo(held_out, rest).similarity < copy_threshold(rest)).all()


def test_a_threshold_needs_photos() -> None:
    for photos in (unit(0), unit(2)[0]):
        with pytest.raises(ValueError, match="P >= 1"):
            copy_threshold(photos)
