"""SIGKILL at any instant: the same command goes on, and ends with the bytes of a whole run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GENERATOR = """
import time
import numpy as np
from PIL import Image
from pdst import GeneratorInfo

class Slow:
    info = GeneratorInfo(name="Slow", revision="1")

    def personalize(self, subject):
        return self

    def sample(self, prompts, seeds):
        time.sleep(0.03 * len(prompts))
        rows = [np.random.default_rng(seed).integers(0, 256, (24, 24, 3)) for seed in seeds]
        return [Image.fromarray(row.astype(np.uint8)) for row in rows]
"""


def command(release: Path, scorers: tuple[Path, Path], out: Path) -> list[str]:
    clip, dino = scorers
    return [
        *(sys.executable, "-c", "from pdst.cli import eval_main; eval_main()"),
        *("--model", "my_module:Slow", "--benchmark", str(release), "--protocol", "paper"),
        *("--clip", str(clip), "--dino", str(dino), "--out", str(out), "--batch-size", "8"),
        *("--quiet", "--json"),
    ]


@pytest.mark.slow
def test_a_run_killed_twice_equals_one_that_never_was(
    tiny_folder: Path, scorer_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "my_module.py").write_text(GENERATOR)

    def run_to_the_end(out: Path) -> None:
        arguments = command(tiny_folder, scorer_folders, out)
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def kill_when(out: Path, files: str, count: int) -> None:
        arguments = command(tiny_folder, scorer_folders, out)
        with subprocess.Popen(
            arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while len(list(out.glob(files))) < count:
                assert process.poll() is None, "ended before it could be killed"
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_to_the_end(whole)
    kill_when(killed, "images/*/*.parquet", 3)
    kill_when(killed, "embeddings/dino-*/*/*.parquet", 2)
    assert not (killed / "scores.parquet").exists()
    run_to_the_end(killed)
    assert (killed / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()
    assert (killed / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()
    assert not list(killed.rglob("*.partial"))
