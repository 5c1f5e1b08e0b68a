"""The benchmarks: that they compare like with like. Their times are for a quiet machine."""

import json
from pathlib import Path

import pytest

from benchmarks.material import CAPTIONS, SEEDS, Variations, make_benchmark
from benchmarks.memory import MemoryResult, MemoryRun, run_once
from benchmarks.scoring import Ratio, measure
from pdst.plan import PROTOCOLS, plan


def test_a_small_scoring_run_finds_all_four_ways_in_agreement() -> None:
    result = measure(images=1, rounds=1)
    assert list(result.seconds) == [
        "usual loop",
        "torchmetrics",
        "ours",
        "ours, CLIP only",
        "bare forward",
    ]
    assert len(result.parity) == 5
    assert max(result.parity.values()) < 1e-5
    assert (result.images, result.distinct_images, result.distinct_texts) == (1, 5, 2)
    assert json.loads(json.dumps(result.to_json()))["ratios"][0]["what"] == "usual loop / ours"


def test_a_ratio_is_met_on_the_right_side_of_its_target() -> None:
    def ratio(median: float, *, at_least: bool) -> Ratio:
        return Ratio(what="", median=median, low=median, high=median, target=2.0, at_least=at_least)

    assert ratio(2.1, at_least=True).met
    assert not ratio(1.9, at_least=True).met
    assert ratio(1.9, at_least=False).met
    assert not ratio(2.1, at_least=False).met


def test_the_material_has_many_different_images_for_each_photo() -> None:
    benchmark = make_benchmark(200, None)
    chunks = plan(benchmark, PROTOCOLS["paper"])
    assert [len(chunk.cases) for chunk in chunks] == [len(CAPTIONS) * SEEDS] * 4
    sampler = Variations(benchmark).personalize(benchmark.subjects[0])
    images = sampler.sample_cases(chunks[0].cases[:20])
    assert {image.size for image in images} == {(512, 512)}
    assert len({image.tobytes() for image in images}) == 20
    assert images[7] == sampler.sample_cases(chunks[0].cases[7:8])[0]


def test_memory_is_measured_over_the_whole_pipeline(tmp_path: Path) -> None:
    run = run_once(120, tmp_path)
    assert run.images == 120
    assert run.peak >= run.at_start > 100 * 2**20  # torch alone
    assert (tmp_path / "run" / "scores.parquet").exists()


def test_flat_memory_is_a_ratio_of_peaks() -> None:
    small = MemoryRun(images=1, at_start=50, peak=100, seconds=1)
    large = MemoryRun(images=10, at_start=50, peak=111, seconds=9)
    result = MemoryResult(small=small, large=large)
    assert result.ratio == pytest.approx(1.11)
    assert not result.met
    assert MemoryResult(small=large, large=small).met
