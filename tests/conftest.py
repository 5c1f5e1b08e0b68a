"""Fixtures that several test files share: the real photos, a tiny release, tiny scorers."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdst.dataset import load
from pdst.embed import Encoders
from pdst.encoders import load_clip, load_dino
from pdst.types import Benchmark
from tests.releases import tiny_release

collect_ignore = ["plugin"]  # a package of its own: test_plugin.py installs it and runs its tests


@pytest.fixture(autouse=True)
def _no_module_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests import files of their own from `sys.path`; no later test shall get those."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """A local copy of the DreamBooth photos: `subjects.json`, `captions/`, `<subject>/<NN>.jpg`.

    They are licensed material that the repository does not hold; PDST_PHOTOS says where they are.
    """
    folder = os.environ.get("PDST_PHOTOS")
    if not folder:
        pytest.skip("no real photos here: set PDST_PHOTOS to a local copy")
    path = Path(folder).resolve()
    assert (path / "subjects.json").exists(), f"PDST_PHOTOS={folder} has no subjects.json"
    return path


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 3 subjects x (2 train + 3 test) drawn photos."""
    folder = tmp_path_factory.mktemp("release") / "tiny"
    tiny_release(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Benchmark:
    """The same, loaded."""
    return load(tiny_folder)


@pytest.fixture(scope="session")
def scorer_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A CLIP's and a DINO's folder, as small as they come, with random weights."""
    from benchmarks.tiny import write_clip, write_dino  # imports torch, which light tests forbid

    folder = tmp_path_factory.mktemp("scorers")
    return write_clip(folder / "clip"), write_dino(folder / "dino")


@pytest.fixture(scope="session")
def scorers(scorer_folders: tuple[Path, Path]) -> Encoders:
    """Both, loaded through the same code as the real ones."""
    clip, dino = scorer_folders
    return Encoders(clip=load_clip(str(clip)), dino=load_dino(str(dino)))


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Stable Diffusion with random weights and an AutoencoderTiny, like the miniature's."""
    from tests.pipelines import write_pipeline  # imports torch, which light tests forbid

    return write_pipeline(tmp_path_factory.mktemp("pipeline") / "small")


@pytest.fixture(scope="session")
def kl_pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an AutoencoderKL, like Stable Diffusion 1.5's."""
    from tests.pipelines import write_pipeline

    return write_pipeline(tmp_path_factory.mktemp("pipeline") / "small-kl", vae="kl")
