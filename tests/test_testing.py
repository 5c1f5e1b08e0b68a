"""Claims about the contract suite: each check fails on the one mistake that it is named after."""

import io
import logging
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import pdst
from pdst.embed import Encoders
from pdst.encoders.preprocess import resize_and_crop
from pdst.encoders.spec import Embeddings, EncoderSpec, Pixels
from pdst.errors import PdstError, SettingsError
from pdst.generator import GeneratorInfo
from pdst.metrics import METRICS, Evidence, Metric
from pdst.testing import (
    ENCODER_CHECKS,
    GENERATOR_CHECKS,
    METRIC_CHECKS,
    TEXT_CHECKS,
    BrokenContractError,
    Trial,
    check_batch_size_does_not_matter,
    check_encoder,
    check_generator,
    check_global_random_state_does_not_matter,
    check_metric,
    check_order_is_kept,
    drawn_benchmark,
    drawn_subject,
)
from pdst.types import Subject

# --- a generator with one mistake at a time ------------------------------------------------------

Draw = Callable[[Sequence[str], Sequence[int], Subject], Any]


def picture(prompt: str, seed: int, subject: Subject) -> NDArray[np.uint8]:
    """An image that nothing but prompt, seed and subject decide."""
    rng = np.random.default_rng([seed, *f"{prompt} {subject.subject_id}".encode()])
    return rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)


def right(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    return [picture(prompt, seed, subject) for prompt, seed in zip(prompts, seeds, strict=True)]


class Drawing:
    """A generator whose sampler calls `draw`; `personalize` passes it the subject."""

    def __init__(self, draw: Draw, *, one_mind: bool = False) -> None:
        self.draw = draw
        self.one_mind = one_mind
        self.subject = drawn_subject()
        self.info = GeneratorInfo(name="Drawing", revision="1")

    def personalize(self, subject: Subject) -> "DrawingSampler":
        self.subject = subject
        return DrawingSampler(self, subject)


class DrawingSampler:
    def __init__(self, generator: Drawing, subject: Subject) -> None:
        self.generator = generator
        self.subject = subject

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> Any:
        subject = self.generator.subject if self.generator.one_mind else self.subject
        return self.generator.draw(prompts, seeds, subject)


def failures(error: str) -> set[str]:
    """Names of failed checks, from an error's text."""
    return {line.split(":")[0].strip() for line in error.splitlines()[1:-1]}


def broken_by(draw: Draw, **options: Any) -> str:
    with pytest.raises(BrokenContractError) as caught:
        check_generator(Drawing(draw, **options))
    return str(caught.value)


def sorted_by_prompt(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    pairs = sorted(zip(prompts, seeds, strict=True))
    return [picture(prompt, seed, subject) for prompt, seed in pairs]


def seeded_by_the_first(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    return [picture(prompt, seeds[0] + index, subject) for index, prompt in enumerate(prompts)]


def seedless(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    return [picture(prompt, 0, subject) for prompt in prompts]


def unseeded(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    rng = np.random.default_rng()
    return [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in prompts]


def one_for_all(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    return [picture(prompts[0], seeds[0], subject)]


def a_batch_array_too_many(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    return np.stack([*right(prompts, seeds, subject), picture("", 0, subject)])


def short_prompts_only(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    for prompt in prompts:
        if len(prompt.split()) > 77:
            raise RuntimeError("index 77 is out of bounds")
    return right(prompts, seeds, subject)


def consuming(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
    images = right(prompts, seeds, subject)
    if isinstance(prompts, list):
        prompts.pop()
    return images


@pytest.mark.parametrize(
    ("draw", "wanted"),
    [
        (sorted_by_prompt, {"check_order_is_kept", "check_batch_size_does_not_matter"}),
        (
            seeded_by_the_first,
            {"check_order_is_kept", "check_batch_size_does_not_matter"},
        ),
        (seedless, {"check_seeds_differ"}),
        (
            unseeded,
            {
                "check_order_is_kept",
                "check_same_seed_same_pixels",
                "check_batch_size_does_not_matter",
                "check_global_random_state_does_not_matter",
                "check_a_second_subject_does_not_change_the_first",
            },
        ),
        (one_for_all, {"check_one_image_per_prompt", "not run"}),
        (a_batch_array_too_many, {"check_one_image_per_prompt", "not run"}),
        (short_prompts_only, {"check_a_long_prompt_is_drawn"}),
        (consuming, {"check_inputs_are_untouched"}),
    ],
)
def test_each_mistake_breaks_the_claims_that_it_must(draw: Draw, wanted: set[str]) -> None:
    assert failures(broken_by(draw)) == wanted


def test_a_right_generator_passes_every_check() -> None:
    results = check_generator(Drawing(right))
    assert [result.name for result in results] == [check.__name__ for check in GENERATOR_CHECKS]
    assert {result.status for result in results} == {"passed"}


@pytest.mark.parametrize("library", ["random", "numpy", "torch"])
def test_the_use_of_a_global_random_state_is_found_and_the_state_put_back(library: str) -> None:
    torch = pytest.importorskip("torch") if library == "torch" else None
    states: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "random": (lambda: random.getrandbits(20), random.getstate),
        "numpy": (
            lambda: int(np.random.random() * 2**20),  # noqa: NPY002  # the mistake to be found
            lambda: np.random.get_state(legacy=False)["state"]["key"].tolist(),  # noqa: NPY002
        ),
        "torch": (
            lambda: int(torch.rand(()) * 2**20) if torch else 0,
            lambda: torch.get_rng_state().tolist() if torch else 0,
        ),
    }
    step, state = states[library]
    seen: list[Any] = []

    def globally_random(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
        seen.append(state())
        pairs = zip(prompts, seeds, strict=True)
        return [picture(prompt, seed + step(), subject) for prompt, seed in pairs]

    assert "check_global_random_state_does_not_matter" in failures(broken_by(globally_random))
    last = state()
    check_global_random_state_does_not_matter(Trial(Drawing(right)))
    assert state() == last
    assert any(before != last for before in seen)


def test_a_model_shared_by_two_subjects_is_found() -> None:
    text = broken_by(right, one_mind=True)
    assert failures(text) == {"check_a_second_subject_does_not_change_the_first"}
    assert "drawn after 'pup' was learned" in text


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((16, 16, 3), np.uint8), "black"),
        (np.full((16, 16, 3), np.nan), "not_finite"),
        (np.full((16, 16, 3), 7.0), "out_of_range"),
        (np.full((3, 16, 16), 7, np.uint8), "wrong_type"),
        (np.full((2, 2, 3), 7, np.uint8), "wrong_size"),
        ("image.png", "wrong_type"),
    ],
)
def test_an_image_that_is_none_is_named(image: Any, told: str) -> None:
    text = broken_by(lambda prompts, seeds, subject: [image for _ in prompts])
    assert failures(text) == {"check_images_are_valid", "not run"}
    assert f"cannot be used: {told}" in text


def test_a_sampler_that_is_none_stops_the_rest() -> None:
    class NoSampler:
        info = GeneratorInfo(name="None", revision="1")

        def personalize(self, subject: Subject) -> Any:
            return None

    with pytest.raises(BrokenContractError) as caught:
        check_generator(NoSampler())
    assert failures(str(caught.value)) == {"check_personalize_gives_a_sampler", "not run"}
    assert "personalize returned a NoneType" in str(caught.value)


def test_an_info_that_changes_is_found() -> None:
    class Restless(Drawing):
        @property
        def info(self) -> GeneratorInfo:
            return GeneratorInfo(name="Restless", revision=str(random.random()))

        @info.setter
        def info(self, _: GeneratorInfo) -> None: ...

    with pytest.raises(BrokenContractError, match="info changes from one look to the next"):
        check_generator(Restless(right))


def test_the_tolerance_is_in_levels_and_is_for_other_batches_only() -> None:
    def dimmed_alone(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
        images = [np.clip(image, 5, 250) for image in right(prompts, seeds, subject)]
        return [image - 2 for image in images] if len(prompts) == 1 else images

    with pytest.raises(BrokenContractError, match="a pixel differs by 2 of 255 levels, wanted at"):
        check_batch_size_does_not_matter(Trial(Drawing(dimmed_alone)))
    check_batch_size_does_not_matter(Trial(Drawing(dimmed_alone), tolerance=2))
    check_generator(Drawing(dimmed_alone), tolerance=2)


def test_a_subject_is_learned_once_for_all_checks() -> None:
    learned: list[str] = []

    class Counting(Drawing):
        def personalize(self, subject: Subject) -> DrawingSampler:
            learned.append(subject.subject_id)
            return super().personalize(subject)

    check_generator(Counting(right))
    assert learned == ["ball", "pup"]


def test_a_subject_of_ones_own_is_drawn_with_borrowed_captions() -> None:
    mine = replace(drawn_subject(), subject_id="mine")
    drawn: set[str] = set()

    def noting(prompts: Sequence[str], seeds: Sequence[int], subject: Subject) -> Any:
        drawn.add(subject.subject_id)
        return right(prompts, seeds, subject)

    check_generator(Drawing(noting), mine)
    assert drawn == {"mine", "ball"}
    assert {case.subject_id for case in Trial(Drawing(right), mine).cases} == {"mine"}


# --- allowed failures ----------------------------------------------------------------------------


def test_a_known_failure_is_allowed_by_name_with_its_reason() -> None:
    allow = {"check_seeds_differ": "deterministic by design"}
    results = check_generator(Drawing(seedless), allow=allow)
    [allowed] = [result for result in results if result.status != "passed"]
    assert (allowed.name, allowed.status) == ("check_seeds_differ", "allowed")
    assert "use the seeds" in allowed.detail
    assert "deterministic by design" in allowed.detail


def test_an_allowed_failure_that_passes_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        results = check_generator(Drawing(right), allow={"check_seeds_differ": "long ago"})
    [told] = [result for result in results if result.detail]
    assert told.status == "passed"
    assert "take it out of allow" in told.detail
    assert "check_seeds_differ passes, though allowed to fail (long ago)" in caplog.text


def test_an_allowed_foundation_leaves_the_rest_not_run() -> None:
    results = check_generator(Drawing(one_for_all), allow={"check_one_image_per_prompt": "wip"})
    assert [r.status for r in results[:4]] == ["passed", "passed", "allowed", "not run"]


@pytest.mark.parametrize(
    ("allow", "told"),
    [
        ({"check_seed_differ": "x"}, "Did you mean 'check_seeds_differ'?"),
        ({"check_seeds_differ": " "}, "is empty: say why"),
    ],
)
def test_allowing_nothing_or_without_reason_is_an_error(allow: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_generator(Drawing(right), allow=allow)
    assert told in str(caught.value)


def test_the_error_lists_every_failure_and_is_an_assertion() -> None:
    with pytest.raises(AssertionError) as caught:
        check_generator(Drawing(seeded_by_the_first))
    assert isinstance(caught.value, PdstError)
    assert str(caught.value).splitlines()[0] == "Drawing breaks 2 of 12 claims:"
    assert caught.value.__cause__ is not None, "the first failure's traceback is there"


def test_a_check_can_be_called_alone() -> None:
    check_order_is_kept(Trial(Drawing(right)))
    with pytest.raises(BrokenContractError, match="drawn in reverse is another image"):
        check_order_is_kept(Trial(Drawing(sorted_by_prompt)))


# --- the drawn benchmark -------------------------------------------------------------------------


def test_the_drawn_photos_have_mixed_shapes_masks_and_an_orientation() -> None:
    photos = drawn_subject().train
    sizes = {photo.image().size for photo in photos}
    assert sizes == {(96, 72), (72, 96), (80, 80), (128, 64)}
    for photo in photos:
        mask = photo.mask()
        assert mask is not None
        assert mask.size == photo.image().size
        inside = np.asarray(photo.image())[np.asarray(mask) == 255]
        assert (inside == (200, 30, 40)).all(), "the mask covers the ball, upright as the photo"
    with Image.open(io.BytesIO(photos[3].encoded())) as stored:
        assert stored.size == (64, 128), "stored lying, shown upright"


def test_the_drawn_benchmark_is_always_the_same() -> None:
    first, second = drawn_benchmark(), drawn_benchmark()
    assert first == second
    assert [s.subject_id for s in first.subjects] == ["ball", "pup"]
    assert [len(first.test_photos(s.subject_id)) for s in first.subjects] == [3, 3]
    assert all(caption.count("{}") == 1 for test in first.test for caption in test.captions)
    ids = [photo.image_id for photo in first.subjects[0].train]
    ids += [test.photo.image_id for test in first.test_photos("ball")]
    assert len(set(ids)) == 7


# --- encoders ------------------------------------------------------------------------------------


class Projection:
    """An honest encoder: pixels and letters through a fixed random matrix, then normalized."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.standard_normal((8 * 8 * 3, 16)).astype(np.float32)
        self.letters = rng.standard_normal((256, 16)).astype(np.float32)
        self.spec = EncoderSpec(
            family="clip",
            architecture="projection",
            title="untrained projection",
            weights="untrained:0",
            weights_digest="ab" * 32,
            trained=False,
            resize=8,
            crop=8,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            dim=16,
            context=77,
        )

    def preprocess(self, image: Image.Image) -> Pixels:
        return resize_and_crop(image, resize=8, crop=8)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        flat = pixels.reshape(len(pixels), -1).astype(np.float64) - 128
        return self.normalized(flat @ self.images)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        rows = [self.letters[list(" ".join(t.split()[:75]).encode())] for t in texts]
        return self.normalized(np.stack([row.astype(np.float64).sum(axis=0) for row in rows]))

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def normalized(self, rows: NDArray[np.float64]) -> Embeddings:
        unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


class Squashing(Projection):
    def preprocess(self, image: Image.Image) -> Pixels:
        return np.array(image.resize((8, 8), Image.Resampling.BICUBIC))


class Aliased(Projection):
    def preprocess(self, image: Image.Image) -> Pixels:
        return np.array(image.resize((8, 8), Image.Resampling.NEAREST))


class Unnormalized(Projection):
    def normalized(self, rows: NDArray[np.float64]) -> Embeddings:
        return rows.astype(np.float32)


class Centering(Projection):
    """Like batch normalization left in training mode."""

    def encode_images(self, pixels: Pixels) -> Embeddings:
        flat = pixels.reshape(len(pixels), -1).astype(np.float64) - 128
        return self.normalized((flat - 0.5 * flat.mean(axis=0)) @ self.images)


class InPlace(Projection):
    def encode_images(self, pixels: Pixels) -> Embeddings:
        rows = super().encode_images(pixels)
        pixels //= 2
        return rows


class Constant(Projection):
    def encode_images(self, pixels: Pixels) -> Embeddings:
        return np.tile(np.eye(1, 16, dtype=np.float32), (len(pixels), 1))


class Uncut(Projection):
    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        if any(len(text.split()) > 75 for text in texts):
            raise RuntimeError("too long")
        return super().encode_texts(texts)


class CountingCut(Projection):
    def count_tokens(self, text: str) -> int:
        return min(77, super().count_tokens(text))


class Named(Projection):
    def __init__(self) -> None:
        super().__init__()
        self.spec = replace(self.spec, title="CLIP")


def test_an_honest_encoder_passes_every_check() -> None:
    results = check_encoder(Projection())
    names = [check.__name__ for check in ENCODER_CHECKS + TEXT_CHECKS]
    assert [(r.name, r.status) for r in results] == [(name, "passed") for name in names]


@pytest.mark.parametrize(
    ("encoder", "wanted"),
    [
        (Squashing, {"check_pixels_are_bicubic_and_centred"}),
        (Aliased, {"check_pixels_are_bicubic_and_centred"}),
        (Unnormalized, {"check_embeddings_are_unit_rows", "check_texts_are_unit_rows"}),
        (Centering, {"check_embedding_batch_size_does_not_matter"}),
        (Constant, {"check_images_are_told_apart"}),
        (CountingCut, {"check_tokens_are_counted"}),
        (Uncut, {"check_a_long_text_is_cut", "check_text_batch_size_does_not_matter"}),
        (Named, {"check_spec_is_plain", "not run"}),
    ],
)
def test_each_encoder_mistake_breaks_its_claim(encoder: type[Projection], wanted: set[str]) -> None:
    with pytest.raises(BrokenContractError) as caught:
        check_encoder(encoder())
    assert wanted <= failures(str(caught.value))
    assert failures(str(caught.value)) - wanted <= {"check_a_long_text_is_cut"}


def test_every_built_in_encoder_keeps_the_contract(scorers: Encoders) -> None:
    for encoder, checks in (
        (scorers.clip, ENCODER_CHECKS + TEXT_CHECKS),
        (scorers.dino, ENCODER_CHECKS),
    ):
        results = check_encoder(encoder)
        assert [r.name for r in results] == [check.__name__ for check in checks]
        assert {r.status for r in results} == {"passed"}


def test_an_encoder_that_changes_its_input_is_found() -> None:
    with pytest.raises(BrokenContractError, match="changes the image or the pixels"):
        check_encoder(InPlace())


# --- metrics -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_the_contract(name: str) -> None:
    results = check_metric(METRICS[name])
    assert [r.name for r in results] == [check.__name__ for check in METRIC_CHECKS]
    assert {r.status for r in results} == {"passed"}


def changed(score: Callable[[Evidence], Any], **more: Any) -> Metric:
    return replace(METRICS["dino"], score=score, **more)


def dino(evidence: Evidence) -> NDArray[np.float64]:
    return METRICS["dino"].score(evidence)


def halved(evidence: Evidence) -> NDArray[np.float64]:
    scores = dino(evidence)
    evidence.generated["dino"][:] /= 2
    return scores


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        (changed(lambda e: dino(e).mean()), "check_one_score_per_image"),
        (changed(lambda e: dino(e).astype(np.float32)), "check_one_score_per_image"),
        (changed(lambda e: dino(e) * np.nan), "check_one_score_per_image"),
        (changed(lambda e: np.sort(dino(e))), "check_score_order_is_kept"),
        (changed(lambda e: dino(e) - dino(e).mean()), "check_other_captions_do_not_matter"),
        (changed(halved), "check_evidence_is_untouched"),
        (changed(lambda e: -dino(e)), "check_a_perfect_image_scores_best"),
        (changed(dino, id="dino score"), "check_metric_is_plain"),
        (changed(dino, source=""), "check_metric_is_plain"),
        (changed(dino, version=0), "check_metric_is_plain"),
    ],
)
def test_each_metric_mistake_breaks_its_claim(metric: Metric, wanted: str) -> None:
    with pytest.raises(BrokenContractError) as caught:
        check_metric(metric)
    assert wanted in failures(str(caught.value))


# --- what it needs -------------------------------------------------------------------------------


def test_the_suite_needs_neither_pytest_nor_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['torch'] = None\n"
        "from pdst.testing import check_generator, check_metric\n"
        "from pdst.methods.baselines import Noise\n"
        "from pdst.metrics import METRICS\n"
        "print(len(check_generator(Noise(size=16))), len(check_metric(METRICS['clip_t'])))"
    )
    root = str(Path(pdst.__file__).parents[1])
    prelude = f"import sys; sys.path.insert(0, {root!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(GENERATOR_CHECKS)), str(len(METRIC_CHECKS))]
