"""Claims about the bounding baselines: whose pixels they return, and what they refuse."""

import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pdst.embed import Encoders
from pdst.errors import GeneratorError
from pdst.evaluate import Settings, evaluate
from pdst.generator import CaseSampler, Generator, Sampler
from pdst.images import pixel_digest
from pdst.loading import load_generator
from pdst.methods.baselines import BASELINES, CopyTest, CopyTrain, Noise, RealOther
from pdst.plan import PROTOCOLS, plan
from pdst.run import open_run
from pdst.testing import check_generator, drawn_benchmark
from pdst.types import Benchmark, Case, Photo, Protocol

BENCHMARK = drawn_benchmark()
MANY_SEEDS = Protocol(name="many", captions_per_photo=2, images_per_caption=60)


def cases_of(subject_id: str, benchmark: Benchmark = BENCHMARK) -> list[Case]:
    chunks = plan(benchmark, MANY_SEEDS, subjects=[subject_id])
    return [case for chunk in chunks for case in chunk.cases]


def digests(photos: list[Photo]) -> list[str]:
    return [pixel_digest(photo.image()) for photo in photos]


def held_out(subject_id: str) -> list[Photo]:
    return [test.photo for test in BENCHMARK.test_photos(subject_id)]


def case_sampler(generator: Generator, subject_id: str) -> CaseSampler:
    sampler = generator.personalize(BENCHMARK.subject(subject_id))
    assert isinstance(sampler, CaseSampler)
    return sampler


def sampler_of(generator: Generator, subject_id: str) -> Sampler:
    sampler = generator.personalize(BENCHMARK.subject(subject_id))
    assert isinstance(sampler, Sampler)
    return sampler


def only_one_held_out() -> Benchmark:
    """The drawn benchmark, where "ball" has a single held-out photo."""
    keep = BENCHMARK.test_photos("ball")[:1] + BENCHMARK.test_photos("pup")
    return replace(BENCHMARK, test=keep)


# --- copy-train ----------------------------------------------------------------------------------


def test_copy_train_returns_the_photo_that_the_seed_picks() -> None:
    wanted = digests(list(BENCHMARK.subject("pup").train))
    seeds = [0, 1, 2, 3, 4, 2**32 - 1]
    images = sampler_of(CopyTrain(), "pup").sample(["A {}."] * 6, seeds)
    assert [pixel_digest(image) for image in images] == [wanted[i] for i in (0, 1, 2, 3, 0, 3)]


def test_copy_train_turns_a_lying_photo_upright() -> None:
    images = sampler_of(CopyTrain(), "pup").sample(["A {}."], [3])
    assert images[0].size == BENCHMARK.subject("pup").train[3].image().size == (128, 64)


def test_the_plans_seeds_use_every_training_photo_about_equally() -> None:
    cases = cases_of("ball")
    images = sampler_of(CopyTrain(), "ball").sample(
        [case.prompt for case in cases], [case.seed for case in cases]
    )
    counts = Counter(pixel_digest(image) for image in images)
    assert set(counts) == set(digests(list(BENCHMARK.subject("ball").train)))
    # 360 draws among 4: 90 each, with a standard deviation of 8.2; five of them is 41.
    assert all(abs(count - 90) < 41 for count in counts.values())


def test_copy_train_without_a_training_photo_says_so() -> None:
    subject = replace(BENCHMARK.subject("pup"), train=())
    with pytest.raises(GeneratorError, match="'pup' has no training photo"):
        CopyTrain().personalize(subject)


# --- copy-test -----------------------------------------------------------------------------------


def test_copy_test_returns_the_very_photo_that_the_case_is_compared_with() -> None:
    cases = cases_of("ball")[::17]
    images = case_sampler(CopyTest(BENCHMARK), "ball").sample_cases(cases)
    by_id = dict(
        zip((p.image_id for p in held_out("ball")), digests(held_out("ball")), strict=True)
    )
    assert [pixel_digest(image) for image in images] == [by_id[case.image_id] for case in cases]
    assert len(set(by_id.values())) == 3


# --- real-other ----------------------------------------------------------------------------------


def test_real_other_returns_each_other_held_out_photo_and_never_the_cases_own() -> None:
    cases = cases_of("pup")
    images = case_sampler(RealOther(BENCHMARK), "pup").sample_cases(cases)
    photos = {p.image_id: pixel_digest(p.image()) for p in held_out("pup")}
    for image_id, own in photos.items():
        drawn = Counter(
            pixel_digest(image)
            for case, image in zip(cases, images, strict=True)
            if case.image_id == image_id
        )
        assert set(drawn) == set(photos.values()) - {own}
        # 120 draws between 2: 60 each, with a standard deviation of 5.5; five of them is 27.
        assert all(abs(count - 60) < 28 for count in drawn.values())


def test_a_lone_held_out_photo_has_no_other_and_the_case_fails_with_that_reason() -> None:
    benchmark = only_one_held_out()
    sampler = case_sampler(RealOther(benchmark), "ball")
    [case, *_] = cases_of("ball", benchmark)
    with pytest.raises(GeneratorError, match="no other photo: subject 'ball' has the one held-out"):
        sampler.sample_cases([case])
    # The other subject is not concerned.
    assert case_sampler(RealOther(benchmark), "pup").sample_cases(cases_of("pup")[:1])


def test_in_a_run_a_lone_held_out_photo_is_a_counted_row(tmp_path: Path, scorers: Encoders) -> None:
    benchmark = only_one_held_out()
    settings = Settings(protocol=PROTOCOLS["quick"])
    report = evaluate(benchmark, RealOther(benchmark), scorers, tmp_path, settings)
    assert (report.expected, report.drawn) == (4, 3)
    [clip_i] = [summary for summary in report.metrics if summary.metric == "clip_i"]
    assert (clip_i.scored, clip_i.expected) == (3, 4)
    assert clip_i.per_subject["ball"] is None
    assert clip_i.macro == clip_i.per_subject["pup"]
    reasons = open_run(tmp_path).scores().set_index("key")["reason"].dropna()
    assert list(reasons.index) == ["ball/04/c0/s0"]
    assert reasons.iloc[0].startswith("raised: GeneratorError: no other photo: subject 'ball'")


@pytest.mark.parametrize("baseline", [CopyTest, RealOther])
def test_a_case_of_another_subject_or_photo_is_refused(
    baseline: type[CopyTest] | type[RealOther],
) -> None:
    sampler = case_sampler(baseline(BENCHMARK), "ball")
    for case in (
        cases_of("pup")[0],
        replace(cases_of("ball")[0], image_id="00"),
    ):
        with pytest.raises(GeneratorError, match=f"{case.key} is none of subject 'ball'"):
            sampler.sample_cases([case])


@pytest.mark.parametrize("baseline", [CopyTest, RealOther])
def test_a_subject_of_another_benchmark_is_refused(
    baseline: type[CopyTest] | type[RealOther],
) -> None:
    stranger = replace(BENCHMARK.subject("ball"), subject_id="stranger")
    with pytest.raises(GeneratorError, match="no held-out photo of subject 'stranger'"):
        baseline(BENCHMARK).personalize(stranger)


# --- noise ---------------------------------------------------------------------------------------


def test_noise_is_uniform_over_all_levels() -> None:
    [image] = sampler_of(Noise(), "ball").sample(["A {}."], [7])
    assert (image.size, image.mode) == ((512, 512), "RGB")
    counts = np.bincount(np.asarray(image).ravel(), minlength=256)
    # 786,432 values in 256 levels: 3,072 each, with a standard deviation of 55; six are 332.
    assert counts.min() > 3072 - 332
    assert counts.max() < 3072 + 332


def test_noise_is_the_bit_generators_own_stream() -> None:
    # Read off numpy.random.PCG64(3).random_raw(2), which numpy promises to keep.
    [image] = sampler_of(Noise(size=8), "ball").sample(["A {}."], [3])
    assert list(image.tobytes()[:9]) == [248, 194, 190, 207, 147, 26, 237, 21, 245]
    assert image.size == (8, 8)


def test_noise_says_its_size_and_refuses_none() -> None:
    assert Noise(size=64).info.settings == {"size": 64}
    with pytest.raises(GeneratorError, match="size is 0, wanted at least 1 pixel"):
        Noise(size=0)


# --- all -----------------------------------------------------------------------------------------

SAME_FOR_EACH_SEED = {"check_seeds_differ": "the held-out photo is what it is, for every seed"}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_keeps_the_contract(name: str) -> None:
    generator = load_generator(_spec(name), benchmark=BENCHMARK).generator
    allow = SAME_FOR_EACH_SEED if name == "copy-test" else {}
    results = check_generator(generator, benchmark=BENCHMARK, tolerance=0, allow=allow)
    assert [r.name for r in results if r.status != "passed"] == list(allow)


def test_only_the_baselines_that_need_the_held_out_photos_get_them() -> None:
    seen = {
        name: load_generator(_spec(name), benchmark=BENCHMARK).sees_test_split for name in BASELINES
    }
    assert seen == {"noise": False, "copy-train": False, "real-other": True, "copy-test": True}


def test_changing_an_image_changes_no_later_one() -> None:
    sampler = sampler_of(CopyTrain(), "ball")
    [first] = sampler.sample(["A {}."], [0])
    before = pixel_digest(first)
    first.paste((0, 0, 0), (0, 0, *first.size))
    [again] = sampler.sample(["A {}."], [0])
    assert pixel_digest(again) == before


def test_the_table_and_the_entry_points_agree() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["pdst.generators"]
    assert {name: _spec(name) for name in BASELINES} == {n: points[n] for n in BASELINES}
    assert points["folder"] == "pdst.methods.folder:Folder"


def _spec(name: str) -> str:
    built = BASELINES[name]
    return f"{built.__module__}:{built.__qualname__}"
