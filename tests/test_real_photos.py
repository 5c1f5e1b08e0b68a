"""The bounding baselines on real photographs, with encoders of the real size (random weights)."""

from pathlib import Path

import numpy as np
import pytest

from builders.pack import write_release
from builders.sources import dreambooth30
from builders.sources.dreambooth30.photos import from_folder
from pdst.dataset import load
from pdst.embed import Encoders
from pdst.encoders import load_clip, load_dino
from pdst.evaluate import Settings, evaluate
from pdst.generator import Generator
from pdst.methods.baselines import CopyTest, CopyTrain, Noise, RealOther
from pdst.plan import PROTOCOLS
from pdst.run import open_run

SUBJECTS = ("backpack", "cat2", "clock", "dog6", "fancy_boot", "teapot")
"""A fifth of the release, living and rigid, each with two or three held-out photos."""


@pytest.mark.photos
@pytest.mark.slow
def test_baselines_bound_the_scale_on_real_photos(real_photos: Path, tmp_path: Path) -> None:
    dropped = dreambooth30.dropped()
    photos = from_folder(real_photos, dreambooth30.files(without=dropped))
    rows = dreambooth30.rows(photos, without=dropped)
    chosen = [row for row in rows if row.subject_id in SUBJECTS]
    write_release(tmp_path / "release", chosen, dreambooth30.about())
    benchmark = load(tmp_path / "release")
    encoders = Encoders(clip=load_clip("untrained"), dino=load_dino("untrained"))
    generators: dict[str, Generator] = {
        "noise": Noise(size=256),
        "train": CopyTrain(),
        "other": RealOther(benchmark),
        "cheat": CopyTest(benchmark),
    }
    settings = Settings(protocol=PROTOCOLS["quick"])
    reports = {
        name: evaluate(benchmark, generator, encoders, tmp_path / name, settings)
        for name, generator in generators.items()
    }
    assert [report.copied for report in reports.values()] == [0, 15, 15, 15]
    for metric in ("clip_i", "dino"):
        scores = {name: open_run(tmp_path / name).scores()[metric] for name in generators}
        assert np.abs(scores["cheat"] - 1).max() <= 1e-6
        for name in ("train", "other"):
            assert scores["noise"].mean() + 0.05 < scores[name].mean() < 0.95, (metric, name)
    gaps = {name: report.gaps[1].macro for name, report in reports.items()}
    assert gaps["train"] is not None
    assert gaps["cheat"] is not None
    assert gaps["cheat"] < -0.1, "the cheat is nearer to the held-out photo"
    assert gaps["train"] > 0.05, "the copied training photo is nearer to the training photos"
