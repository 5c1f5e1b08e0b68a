"""`pdst experiment metrics`: on encoders whose answer is known beforehand."""

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.experiments.metrics import MetricExperiment, measure
from pdst.experiments.metrics_chart import levels_svg
from pdst.experiments.metrics_table import experiment_json, sentences
from pdst.experiments.ranks import ceiling, kendall, spearman
from pdst.miniature.truth import FIDELITY_LEVELS, Truth, load_truth
from tests.truth_doubles import (
    seeing_nothing,
    seeing_only_the_background,
    truthful,
    unable_to_see,
)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Six classes of twenty: what is claimed holds for any."""
    whole = load_truth()
    some = {"dog", "bird", "fish", "mug", "car", "lamp"}
    return replace(
        whole,
        pairs=tuple(pair for pair in whole.pairs if pair.class_noun in some),
        faithfulness=tuple(case for case in whole.faithfulness if case.class_noun in some),
        backgrounds=tuple(square for square in whole.backgrounds if square.class_noun in some),
    )


@pytest.fixture(scope="module")
def perfect(truth: Truth) -> MetricExperiment:
    return measure(truth, truthful(truth))


@pytest.fixture(scope="module")
def background_only(truth: Truth) -> MetricExperiment:
    return measure(truth, seeing_only_the_background(truth))


# Ranks


def test_ranks_by_hand() -> None:
    assert spearman([1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)  # 1 - 6*2/(3*8)
    assert kendall([1, 2, 3], [10, 20, 15]) == pytest.approx(1 / 3)  # two pairs right, one wrong
    assert spearman([1, 2, 3], [-1, -4, -9]) == pytest.approx(-1.0)


def test_a_score_that_never_moves_orders_nothing() -> None:
    assert spearman([1, 2, 3], [5, 5, 5]) == 0.0
    assert kendall([1, 2, 3], [5, 5, 5]) == 0.0


def test_ties_in_what_is_known_keep_a_perfect_metric_below_one() -> None:
    """Five levels of three: sqrt(1 - 5 (27 - 3) / (15^3 - 15)), the correction for ties."""
    assert ceiling([0, 1, 2]) == pytest.approx(1.0)
    assert ceiling(sorted([*range(5)] * 3)) == pytest.approx(math.sqrt(1 - 120 / 3360))


# Known answers


def test_an_encoder_that_sees_the_truth_reaches_every_gate(perfect: MetricExperiment) -> None:
    for measured in perfect.metrics:
        assert measured.reached
        assert measured.ranking("subject means").spearman.value == pytest.approx(1.0)
        assert measured.noise == pytest.approx(0.0, abs=1e-6)
        # Equal scores of one level are ties, as the levels themselves are.
        assert measured.ranking("class means").spearman.value > 0.98
        assert measured.ranking("class images").kendall.value > 0.98


def test_an_encoder_that_sees_the_truth_is_blind_to_nothing(perfect: MetricExperiment) -> None:
    for measured in perfect.metrics:
        assert {part.verdict for part in measured.parts} == {"seen"}
        assert measured.apart.value > 0
    assert len(perfect.metrics[0].parts) == 9
    assert {part.name for part in perfect.metrics[2].parts} == {"place", "action", "prop", "class"}


def test_levels_are_means_of_known_cosines(perfect: MetricExperiment) -> None:
    for number, level in enumerate(perfect.metrics[0].levels):
        assert level.level == FIDELITY_LEVELS[number]
        assert level.score.value == pytest.approx(math.cos(0.2 * number), abs=1e-6)


def test_an_encoder_that_sees_only_the_background_ranks_nobody(
    background_only: MetricExperiment,
) -> None:
    """The set's own balance: no level has a background that the others have not."""
    for measured in background_only.metrics[:2]:
        for definition in ("class means", "class images", "subject means"):
            assert measured.ranking(definition).spearman.value == pytest.approx(0.0, abs=1e-9)
        assert not measured.reached
        assert {part.verdict for part in measured.parts} == {"blind"}


def test_the_background_is_told_from_identity(
    perfect: MetricExperiment, background_only: MetricExperiment
) -> None:
    seen, unseen = perfect.metrics[0].background, background_only.metrics[0].background
    assert seen is not None
    assert unseen is not None
    assert seen.ratio == pytest.approx(0.0, abs=1e-9)
    assert seen.identity.value == pytest.approx(1 - math.cos(0.8), abs=1e-6)
    assert seen.subject_first.value == 1.0
    assert unseen.ratio is None
    assert unseen.identity.value == pytest.approx(0.0, abs=1e-9)
    assert unseen.background.value > 0


def test_what_an_encoder_cannot_see_is_named(truth: Truth) -> None:
    measured = measure(truth, unable_to_see("motif", truth)).metrics[0]
    assert [part.name for part in measured.parts if part.verdict == "blind"] == ["motif"]
    assert any("Blind to: motif" in sentence for sentence in sentences(measured))


def test_an_encoder_that_sees_nothing_has_no_correlation_and_no_crash(truth: Truth) -> None:
    found = measure(truth, seeing_nothing(truth))
    for measured in found.metrics:
        assert [ranking.spearman.value for ranking in measured.rankings] == [0.0, 0.0, 0.0]
    json.dumps(experiment_json(found, None), allow_nan=False)


def test_intervals_hold_the_estimate_and_units_are_classes_and_subjects(
    perfect: MetricExperiment,
) -> None:
    measured = perfect.metrics[0]
    gate = measured.ranking("class means")
    assert gate.spearman.interval is not None
    assert gate.spearman.interval.low <= gate.spearman.value <= gate.spearman.interval.high
    assert gate.spearman.units == 6
    assert {kind: found.units for kind, found in gate.per_kind.items()} == {
        "living": 3,
        "rigid": 3,
    }
    assert measured.ranking("subject means").spearman.units == 18
    by_kind = [found.value for found in gate.per_kind.values()]
    assert np.mean(by_kind) == pytest.approx(gate.spearman.value)


# Showing


def test_a_missed_gate_stays_in_the_report(
    background_only: MetricExperiment, perfect: MetricExperiment
) -> None:
    content = experiment_json(background_only, perfect)
    assert [gate["met"] for gate in content["gates"]] == [False, False, False]
    assert {gate["wanted"] for gate in content["gates"]} == {0.85}
    assert "MISSED" in sentences(background_only.metrics[0])[0]


def test_the_figure_is_one_svg_with_a_panel_a_metric(
    perfect: MetricExperiment, background_only: MetricExperiment
) -> None:
    root = ET.fromstring(levels_svg(perfect, background_only))
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 6


def test_the_command_measures_any_encoders(
    scorer_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    clip, dino = map(str, scorer_folders)
    arguments = ["experiment", "metrics", "--clip", clip, "--dino", dino, "--control", "none"]
    done = CliRunner().invoke(reading, [*arguments, "--json", "--quiet", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert json.loads(done.stdout) == found
    assert [gate["metric"] for gate in found["gates"]] == ["dino", "clip_i", "clip_t"]
    assert found["truth"] == load_truth().fingerprint
    assert (tmp_path / "levels.svg").read_text().startswith("<svg")
