"""Claims about what works where torch and the other heavy packages are not installed."""

import json
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

import pdst
import pdst.methods
from tests.made_runs import draw_card, made_cases, made_record, made_run, made_scores

WITHOUT_HEAVY = """
import sys

MODULES = {
    "accelerate", "diffusers", "open_clip", "safetensors", "timm", "torch", "torchvision",
    "transformers",
}
PACKAGES = MODULES | {"open_clip_torch", "open-clip-torch"}

class Hiding:
    '''A finder that does not know some packages, as if they had never been installed.'''

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MODULES:
            return None
        return self.finder.find_spec(name, path, target)

    def find_distributions(self, context):
        found = getattr(self.finder, "find_distributions", lambda context: [])(context)
        return (d for d in found if d.metadata["Name"] not in PACKAGES)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path = [Hiding(finder) for finder in sys.meta_path]
sys.path.insert(0, ROOT)
"""

LIGHT_METHODS = {
    f"pdst.methods.{name}"
    for name in ("baselines", "folder", "manifest", "names", "naming", "presets", "typed")
}
"""The others draw with networks and are imported when they are asked for."""

Light: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def light(tmp_path: Path) -> Light:
    """Runs a program in an empty folder of an installation without the heavy packages."""

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        root = str(Path(pdst.__file__).parents[1])
        before = f"ROOT = {root!r}\n{WITHOUT_HEAVY}"
        after = "assert not MODULES & set(sys.modules), MODULES & set(sys.modules)\n"
        return subprocess.run(
            [sys.executable, "-c", before + textwrap.dedent(program) + after, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def printed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


PDST = "from pdst.cli import main\nmain()\n"
PDST_EVAL = "from pdst.cli import eval_main\neval_main()\n"
PDST_TRAIN = "from pdst.cli import train_main\ntrain_main()\n"


def test_the_heavy_packages_are_really_hidden(light: Light) -> None:
    program = """
        import importlib.metadata, importlib.util
        for module in MODULES:
            assert importlib.util.find_spec(module) is None
            try:
                __import__(module)
            except ModuleNotFoundError as error:
                assert error.name == module
            else:
                raise AssertionError(module)
        for package in PACKAGES:
            try:
                importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
            raise AssertionError(package)
    """
    printed(light(program))


def test_importing_pdst_imports_next_to_nothing(light: Light) -> None:
    program = """
        import pdst
        assert pdst.__version__
        light = {"numpy", "pandas", "pyarrow", "PIL", "datasets", "scipy", "typer", "rich"}
        assert not light & set(sys.modules), light & set(sys.modules)
    """
    printed(light(program))


def test_every_public_name_of_pdst_is_there(light: Light) -> None:
    program = """
        import pdst
        assert {name: getattr(pdst, name) for name in pdst.__all__}.keys() <= set(dir(pdst))
    """
    printed(light(program))


def test_every_module_but_the_towers_is_imported(light: Light) -> None:
    program = """
        import importlib, pkgutil
        import pdst
        for module in pkgutil.walk_packages(pdst.__path__, "pdst."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                assert error.name.partition(".")[0] in MODULES, error
                print(module.name)
    """
    heavy = printed(light(program)).split()
    assert heavy
    towers = {"pdst.encoders", "pdst.diffusion"}
    assert {name.rpartition(".")[0] for name in heavy} - {"pdst.methods"} == towers
    methods = {f"pdst.methods.{one.name}" for one in pkgutil.iter_modules(pdst.methods.__path__)}
    assert methods - set(heavy) == LIGHT_METHODS


@pytest.mark.parametrize("command", [PDST, PDST_EVAL, PDST_TRAIN])
def test_help_is_there(light: Light, command: str) -> None:
    assert "Usage" in printed(light(command, "--help"))


def test_the_metrics_are_listed(light: Light) -> None:
    ids = [row["id"] for row in json.loads(printed(light(PDST, "metrics", "--json")))]
    assert ids[:2] == ["clip_t", "clip_t_remove"]


def test_a_release_is_loaded_and_validated(light: Light, tiny_folder: Path) -> None:
    program = """
        import pdst
        release = pdst.load(sys.argv[1])
        print(len(release.subjects), len(release.test), release.test[0].photo.image().mode)
    """
    assert printed(light(program, str(tiny_folder))).split() == ["3", "9", "RGB"]
    findings = json.loads(printed(light(PDST, "validate", str(tiny_folder), "--json")))
    assert isinstance(findings, list)


def test_the_datasets_builder_works(light: Light, tiny_folder: Path) -> None:
    program = """
        import pdst
        from datasets import load_dataset
        found = load_dataset("pdst", "tiny", data_dir=sys.argv[1], cache_dir="cache")
        print(found["train"].num_rows, found["test"].num_rows, found["test"][0]["image"].mode)
    """
    assert printed(light(program, str(tiny_folder))).split() == ["6", "9", "RGB"]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two finished runs of one key, 3 subjects x 8 images each."""
    cases = made_cases(["dog6", "vase", "cat"])
    folders = (tmp_path / "a", tmp_path / "b")
    for number, folder in enumerate(folders):
        scores = made_scores(cases, seed=number, shift=0.1 * number)
        made_run(folder, scores, made_record(name=f"Gen {number}"), draw=draw_card)
    return folders


def test_a_finished_run_is_read(light: Light, runs: tuple[Path, Path]) -> None:
    program = """
        from pdst.run import open_run
        from pdst.images import decode_rgb
        run = open_run(sys.argv[1])
        scores = run.scores()
        drawn = run.images("dog6", "00")
        print(len(scores), len(drawn), decode_rgb(drawn[0].encoded).size[0], run.finished)
    """
    assert printed(light(program, str(runs[0]))).split() == ["24", "4", "64", "True"]


def test_finished_runs_are_shown_and_compared(
    light: Light, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    both = [str(run) for run in runs]
    page = tmp_path / "report.html"
    table = printed(light(PDST, "show", *both, "--style", "markdown", "--html", str(page)))
    assert "Gen 0" in table
    assert "Gen 1" in table
    assert "</html>" in page.read_text("utf-8")
    assert "dino" in printed(light(PDST, "compare", *both, "--json"))


def test_the_methods_are_listed_and_those_with_networks_say_what_to_install(light: Light) -> None:
    program = """
        import importlib.metadata
        import pdst.methods
        from pdst.errors import GeneratorError
        from pdst.loading import load_generator
        assert "ClassNoun" in dir(pdst.methods)
        points = importlib.metadata.entry_points(group="pdst.generators")
        print(*sorted(point.name for point in points if point.value.startswith("pdst.")))
        for spec in ("pdst.methods:ClassNoun", "class-noun"):
            try:
                load_generator(spec)
            except GeneratorError as error:
                print(error)
    """
    names, *errors = printed(light(program)).splitlines()
    assert {"class-noun", "copy-train"} <= set(names.split())
    assert len(errors) == 2
    for error in errors:
        assert error.startswith("ClassNoun needs the package '")
        assert error.endswith("Run: pip install 'pdst[diffusion]'")


def test_the_untrained_scorers_say_what_to_install(light: Light, tiny_folder: Path) -> None:
    done = light(
        PDST_EVAL,
        *("--model", "copy-train", "--benchmark", str(tiny_folder), "--protocol", "quick"),
        *("--clip", "untrained", "--dino", "untrained", "--out", "run"),
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "pip install 'pdst[eval]'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
