"""`words`: counted by hand; and what the experiments' command line needs to start."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.errors import DatasetError, SettingsError
from pdst.experiments.words import read_captions, split, variety, word_rows, words
from pdst.experiments.words_figure import words_figure
from pdst.types import Benchmark
from tests.made_runs import made_benchmark

CAPTIONS = (
    ("A {} on a red hill.", "A {} on a RED hill.", "The {} sleeps."),
    ("A photo of a {} near a hill.",),
)


@pytest.fixture
def said() -> Benchmark:
    """A living subject with three captions of one photo, a rigid one with one."""
    benchmark = made_benchmark(["cat", "mug"], photos=1)
    return replace(
        benchmark,
        test=tuple(
            replace(test, captions=captions)
            for test, captions in zip(benchmark.test, CAPTIONS, strict=True)
        ),
    )


def test_words_of_a_caption() -> None:
    assert split("A {}, a snow-covered tree’s “top” and 2 CATS.") == (
        *("a", "a", "snow-covered", "tree's", "top", "and", "cats"),
    )


def test_words_are_counted(said: Benchmark) -> None:
    rows = word_rows(read_captions(said)).set_index("word")
    hill = rows.loc["hill"]
    assert hill[["count", "captions", "photos", "subjects", "living", "rigid"]].tolist() == [
        *(3, 3, 2, 2, 2, 1),
    ]
    assert rows.index[0] == "a"
    assert rows.loc["a", "count"] == 7
    assert not rows.loc[["a", "on", "photo", "the", "near"], "shown"].any()
    assert rows.loc[["red", "hill", "sleeps"], "shown"].all()


def test_repeats_and_shared_words(said: Benchmark) -> None:
    found = variety(read_captions(said))
    assert found.repeated == 1, "but for case, the second caption is the first"
    assert found.shared is not None
    # Pairs of the cat's photo: {red, hill} twice is 1; with {sleeps} 0, twice.
    assert found.shared.value == pytest.approx(1 / 3)
    assert found.shared.units == 1, "the mug has one caption, and no pair"


def test_the_finding_tells_what_was_counted(said: Benchmark) -> None:
    found = words(said)
    assert found.finding.startswith(
        "4 captions of 2 held-out photos of made 1.0.0: 19 words, 9 different ones, of which 3 say "
        "something of the scene."
    )
    assert "hill (3), red (2), sleeps (1)" in found.finding
    assert "Repeated captions: 1 of 4." in found.finding
    assert len(words(said, ["mug"]).data) == 5
    with pytest.raises(DatasetError, match="dog"):
        words(said, ["dog"])
    with pytest.raises(SettingsError, match="no caption"):
        words(replace(said, test=()))


def test_the_figure_stacks_both_kinds(said: Benchmark) -> None:
    first = words_figure(words(said).data).get_axes()[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["hill"]
    assert [patch.get_width() for patch in first.patches] == [2, 1]


def test_the_command_needs_no_scorers(tiny_folder: Path, tmp_path: Path) -> None:
    arguments = ["--benchmark", str(tiny_folder), "--subjects", "2", "--out", str(tmp_path / "w")]
    done = CliRunner().invoke(reading, ["experiment", "words", *arguments])
    assert done.exit_code == 0, done.output
    # 2 subjects x 3 photos x 10 captions.
    assert done.stdout.startswith("60 captions of 6 held-out photos of tiny 1.0.0")
    rows = pd.read_parquet(tmp_path / "w" / "data.parquet")
    assert rows["captions"].max() <= 60
    assert (tmp_path / "w" / "figure.svg").exists()


def test_help_imports_nothing_heavy() -> None:
    program = """
import sys
from typer.testing import CliRunner
from pdst.cli.reading import reading
names = ["bias", "methods", "weighting", "attractor", "grid", "words", "metrics"]
for own in [[], *([name] for name in names)]:
    done = CliRunner().invoke(reading, ["experiment", *own, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage" in done.output
heavy = {"torch", "matplotlib", "diffusers", "transformers", "open_clip", "timm"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
