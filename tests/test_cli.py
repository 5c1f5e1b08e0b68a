"""The command line: what goes to stdout, what to stderr, which exit code, which words."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pdst.cli.evaluating import evaluation
from pdst.cli.reading import reading
from pdst.metrics import METRICS

GENERATOR = """
import numpy as np
from PIL import Image
from pdst import GeneratorInfo

class Gen:
    def __init__(self, size: int = 24, fail: bool = False):
        self.size, self.fail = size, fail
        self.info = GeneratorInfo(name="Gen", revision="1", settings={"size": size})

    def personalize(self, subject):
        print("I print, as generators do")
        return self

    def sample(self, prompts, seeds):
        if self.fail:
            raise RuntimeError("no [bold]memory[/bold]")
        shape = (self.size, self.size, 3)
        return [Image.fromarray(np.random.default_rng(s).integers(0, 256, shape).astype("uint8"))
                for s in seeds]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with my_module.py, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_module.py").write_text(GENERATOR)
    return tmp_path


@pytest.fixture
def arguments(tiny_folder: Path, scorer_folders: tuple[Path, Path]) -> list[str]:
    """Release, scorers and protocol of a short evaluation."""
    clip, dino = scorer_folders
    return [
        *("--benchmark", str(tiny_folder), "--protocol", "quick"),
        *("--clip", str(clip), "--dino", str(dino), "--quiet"),
    ]


def evaluated(*arguments: str) -> Result:
    return CliRunner().invoke(evaluation, list(arguments))


def read(*arguments: str) -> Result:
    return CliRunner().invoke(reading, list(arguments))


def test_a_generator_of_the_current_folder_is_evaluated(here: Path, arguments: list[str]) -> None:
    done = evaluated("--model", "my_module:Gen", "--model-arg", "size=16", *arguments, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["run"] == "runs/Gen-tiny-quick"
    assert report["expected"] == report["drawn"] == 9
    assert [metric["metric"] for metric in report["metrics"]] == list(METRICS)
    assert "I print, as generators do" in done.stderr
    record = json.loads((here / "runs/Gen-tiny-quick/run.json").read_text())
    assert record["settings"]["generator"]["arguments"] == {"size": 16}
    assert len(record["sessions"]) == 1
    assert record["sessions"][0]["seconds"] > 0
    assert record["sessions"][0]["versions"]["torch"]


def test_the_table_shows_marks_and_counts(here: Path, arguments: list[str]) -> None:
    done = evaluated("--model", "my_module:Gen", *arguments, "--limit", "4")
    assert done.exit_code == 0, done.output
    assert "--limit 4" in done.stdout
    assert "NOT SUBMITTABLE" in done.stdout


def test_failures_end_with_exit_code_3(here: Path, arguments: list[str]) -> None:
    done = evaluated("--model", "my_module:Gen", "--model-arg", "fail=true", *arguments, "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["failures"] == {"raised": 9}
    assert "no [bold]memory[/bold]" in done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--model", "my_modul:Gen"], "no module 'my_modul'"),
        (["--model", "my_module:Gem"], "Did you mean 'Gen'"),
        (["--model", "my_module:Gen", "--model-arg", "sise=3"], "Did you mean 'size'"),
        (["--model", "my_module:Gen", "--protocol", "papre"], "Did you mean 'paper'"),
        (["--model", "my_module:Gen", "--subjects", "blub"], "Did you mean 'blob'"),
        (["--model", "my_module:Gen", "--image-format", "gif"], "png, webp, jpeg"),
        (["--model", "my_module:Gen", "--batch-size", "many"], "auto or a whole number"),
        (["--model", "my_module:Gen", "--limit", "0"], "at least 1"),
        (["--model", "my_module:Gen", "--clip", "nowhere/clip"], "nowhere/clip"),
        (["--model", "my_module:Gen", "--benchmark", "nowhere"], "nowhere"),
        (["--model", "my_module:Gen", "--device", "gpu"], "gpu"),
        (["--model", "my_module:Gen", "--dtype", "int4"], "int4"),
    ],
)
def test_bad_input_is_told_with_exit_code_2_and_leaves_nothing(
    wrong: list[str], said: str, here: Path, arguments: list[str]
) -> None:
    done = evaluated(*arguments, *wrong)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (here / "runs").exists()
    assert done.stdout == ""


def test_show_and_compare_read_finished_runs(here: Path, arguments: list[str]) -> None:
    for size in (16, 24):
        done = evaluated(
            *("--model", "my_module:Gen", "--model-arg", f"size={size}", *arguments),
            *("--out", f"run-{size}"),
        )
        assert done.exit_code == 0, done.output
    shown = read("show", "run-16", "run-24", "--style", "markdown", "--html", "page.html")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("| Gen") == 2
    assert "<html" in (here / "page.html").read_text()[:300]
    compared = read("compare", "run-16", "run-24", "--json")
    assert compared.exit_code == 0, compared.output
    assert json.loads(compared.stdout)["schema"] == 1


def test_compare_refuses_runs_of_two_protocols_and_names_the_difference(
    here: Path, arguments: list[str]
) -> None:
    for name, extra in (("quick", []), ("paper", ["--protocol", "paper", "--limit", "9"])):
        done = evaluated("--model", "my_module:Gen", *arguments, *extra, "--out", name)
        assert done.exit_code == 0, done.output
    refused = read("compare", "quick", "paper")
    assert refused.exit_code == 2
    assert "protocol: quick-" in refused.stderr


def test_a_plan_names_the_files_that_are_wanted(here: Path, tiny_folder: Path) -> None:
    done = read("plan", str(tiny_folder), "wanted.jsonl", "--protocol", "quick")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (here / "wanted.jsonl").read_text().splitlines()]
    assert len(rows) == 9
    assert rows[0]["file"] == "blob/02/0/0.png"


def test_metrics_and_datasets_are_listed() -> None:
    listed = json.loads(read("metrics", "--json").stdout)
    assert [row["id"] for row in listed] == list(METRICS)
    assert read("datasets").exit_code == 0


def test_validate_tells_errors_by_its_exit_code(here: Path, tiny_folder: Path) -> None:
    assert read("validate", str(tiny_folder)).exit_code == 0
    (here / "empty").mkdir()
    assert read("validate", str(here / "empty")).exit_code == 3
    assert read("validate", str(here / "nowhere")).exit_code in {2, 3}


def test_a_run_that_is_none_is_told(here: Path) -> None:
    for command in (["show", "."], ["compare", ".", "."]):
        done = read(*command)
        assert done.exit_code == 2
        assert "no run folder" in done.stderr
