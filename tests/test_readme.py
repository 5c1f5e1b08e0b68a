"""What the README tells a newcomer to do, done word for word."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdst.cli.evaluating import evaluation
from pdst.cli.reading import reading
from pdst.loading import load_generator
from pdst.metrics import METRICS
from pdst.testing import check_generator

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def block(containing: str) -> str:
    """The fenced block of the README that holds a text."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    found = [text for text in blocks if containing in text]
    assert len(found) == 1, f"{len(found)} blocks hold {containing!r}"
    return str(found[0])


@pytest.fixture
def my_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The README's generator, as a file of the current directory."""
    monkeypatch.chdir(tmp_path)
    code = block("class Gen:")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "my_module.py").write_text(code)
    return tmp_path


def test_the_generator_of_the_readme_is_evaluated_by_its_command(
    my_module: Path, tiny_folder: Path, scorer_folders: tuple[Path, Path]
) -> None:
    commands = re.findall(r"^pdst-eval (.*)$", block("--out runs/dimmer"), re.MULTILINE)
    arguments = commands[0].replace("--benchmark dreambooth30", f"--benchmark {tiny_folder}")
    clip, dino = scorer_folders
    scorers = ["--clip", str(clip), "--dino", str(dino), "--quiet"]
    done = CliRunner().invoke(evaluation, [*arguments.split(), *scorers])
    assert done.exit_code == 0, done.output
    shown = CliRunner().invoke(reading, ["show", "runs/dimmer"])
    assert shown.exit_code == 0, shown.output
    assert "Dimmer" in shown.stdout


def test_the_generator_of_the_readme_keeps_the_contract(my_module: Path) -> None:
    results = check_generator(load_generator("my_module:Gen").generator)
    assert len(results) > 5


def test_every_metric_of_the_readme_exists() -> None:
    table = README[README.index("| metric |") :]
    named = set(re.findall(r"`(\w+)`", table[: table.index("\n\n")]))
    assert set(METRICS) <= named


def test_nothing_of_the_readme_was_left_to_be_filled_in() -> None:
    assert not re.findall(r"\b[A-Z]+_TABLE\b|TODO|TBD", README)
