"""The runs that the README's table of methods comes from: whole, alike, and told as they are."""

from pathlib import Path

import pandas as pd
import pytest

from pdst import dataset
from pdst.experiments.bias_measures import measure_bias
from pdst.experiments.bias_sentences import bias_sentences
from pdst.experiments.methods import methods
from pdst.run import Run, open_run

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
FOLDERS = sorted(path.parent for path in (BENCHMARKS / "measured").glob("*/run.json"))


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return [open_run(folder) for folder in FOLDERS]


def test_every_run_drew_and_scored_every_photo_of_the_release(runs: list[Run]) -> None:
    benchmark = dataset.load("miniature")
    photos = {(test.subject_id, test.photo.image_id) for test in benchmark.test}
    for run in runs:
        scores = run.scores()
        assert set(zip(scores["subject_id"], scores["image_id"], strict=True)) == photos
        assert scores[["clip_t", "clip_i", "dino"]].notna().all(axis=None), run.path.name
        assert run.settings["benchmark"] == {
            "name": benchmark.name,
            "version": benchmark.version,
            "fingerprint": benchmark.fingerprint,
        }


def test_the_readme_says_what_the_runs_say(runs: list[Run]) -> None:
    said = (ROOT / "README.md").read_text("utf-8").splitlines()
    table = methods(runs).table
    missing = [line for line in table.splitlines() if line.startswith("|") and line not in said]
    assert missing == []


def test_what_is_said_of_dreambooths_bias_follows_from_its_data() -> None:
    folder = BENCHMARKS / "bias-dreambooth"
    data = pd.read_parquet(folder / "data.parquet")
    assert data.groupby("step")["subject_id"].nunique().to_dict() == dict.fromkeys(
        (0, 20, 40, 80, 160, 320), 20
    )
    sentences = bias_sentences([measure_bias(data, "dino"), measure_bias(data, "clip")], 20)
    said = (folder / "finding.txt").read_text("utf-8")
    assert [one for one in sentences if one not in said] == []
