"""What the weights that travel with PDST know, on scenes of no training: gates, kept small.

`python -m builders miniature gates` measures them at full size; here they may not fall unseen.
"""

from pathlib import Path

import numpy as np
import pytest

from builders.sources.miniature.export import EXPORTS, weights_of
from builders.sources.miniature.export_scorers import trained_judge
from builders.sources.miniature.gates.clip import clip_gates
from builders.sources.miniature.gates.judge import judge_gates
from builders.sources.miniature.gates.sameness import nearest_neighbours
from builders.sources.miniature.training.data import FACTS, Drawn, drawn_scenes
from builders.sources.miniature.training.stages import miniature_tokenizer
from pdst.encoders import load_clip, load_dino


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """200 scenes of 50 identities of nobody's training; other draws than the gates'."""
    return drawn_scenes(
        tmp_path_factory.mktemp("scenes"),
        pool="held out",
        seed=77,
        count=200,
        views=4,
        held_out=None,
        processes=1,
    )


def test_a_work_folder_without_a_checkpoint_stands_for_the_package(tmp_path: Path) -> None:
    for stage, (_, carried) in EXPORTS.items():
        if stage != "vae":
            assert weights_of(stage, tmp_path) == carried


def test_clip_knows_what_is_on_scenes_that_nobody_trained_on(unseen: Drawn, tmp_path: Path) -> None:
    gates = clip_gates(load_clip("miniature"), miniature_tokenizer(tmp_path), unseen)
    *facts, retrieval = gates
    least = {"class": 0.9, "place": 0.95, "colour": 0.7, "action": 0.9}
    for gate, (name, value) in zip(facts, least.items(), strict=True):
        assert name in gate.name
        assert gate.value >= value, gate
    assert retrieval.value >= 0.8


def test_dino_finds_the_same_identity_at_another_place(unseen: Drawn) -> None:
    vectors = load_dino("miniature").encode_images(unseen.images)
    places = unseen.facts[:, FACTS.index("place")]
    assert nearest_neighbours(vectors, unseen.identities, places) >= 0.9


def test_the_judge_is_right_nine_times_of_ten(unseen: Drawn, tmp_path: Path) -> None:
    judge = trained_judge(weights_of("judge", tmp_path))
    said = judge.classify(unseen.images)
    at = FACTS.index("class")
    assert np.mean(said["class"] == unseen.facts[:, at]) >= 0.9
    of_class = next(gate for gate in judge_gates(judge, unseen) if gate.name == "judge: class")
    assert of_class.value == pytest.approx(np.mean(said["class"] == unseen.facts[:, at]))
