"""Claims about the folder of a Space: complete, runs from itself alone, mixed with nothing."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from leaderboard.__main__ import app
from leaderboard.place import Board
from leaderboard.space import GRADIO, write_space
from pdst.errors import StoreError
from tests.made_boards import made_board


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space")
    board = made_board(folder / "board", 5)
    board.write_settings({"schema": 1, "title": "Ours: a\n---\nboard", "keys": []})
    done = CliRunner().invoke(
        app, ["space", board.root, "--out", str(folder / "space"), "--submit-to", "s3://a/b"]
    )
    assert done.exit_code == 0, done.output
    return folder / "space"


def test_its_settings_are_those_of_a_gradio_space(space: Path) -> None:
    text = (space / "README.md").read_text("utf-8")
    settings = yaml.safe_load(text.split("---\n")[1])
    assert settings["title"] == "Ours: a\n---\nboard"
    assert (settings["sdk"], settings["sdk_version"]) == ("gradio", GRADIO)
    assert (space / settings["app_file"]).exists()
    wanted = (space / "requirements.txt").read_text("utf-8").splitlines()
    assert f"gradio=={GRADIO}" in wanted
    assert not [line for line in wanted if line.startswith(("torch", "pdst"))]
    assert {line for line in metadata.requires("pdst") or () if "extra" not in line} < set(wanted)


def test_it_renders_its_board_with_nothing_but_its_own_code(space: Path, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(space)!r})
import leaderboard.app, leaderboard.render, pdst
for package in (leaderboard, pdst):
    assert Path(package.__file__).is_relative_to({str(space)!r}), package.__file__
from leaderboard.place import Board
print(leaderboard.render.render(Board.at("board"), Path({str(tmp_path / "site")!r})).entries)
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=space
    )
    assert done.stdout == "5\n"
    compile((space / "app.py").read_text("utf-8"), "app.py", "exec")
    assert sum(file.stat().st_size for file in space.rglob("*")) < 5_000_000


def test_writing_it_again_takes_what_is_new_and_drops_what_is_gone(
    space: Path, tmp_path: Path
) -> None:
    board = made_board(tmp_path / "board", 3)
    (space / "board/stale").write_text("old")
    write_space(board.root, space)
    assert not (space / "board/stale").exists()
    assert 'submit_to="BOARD"' in (space / "app.py").read_text("utf-8")
    other = tmp_path / "photos"
    other.mkdir()
    (other / "mine.jpg").write_bytes(b"")
    with pytest.raises(StoreError, match="has files and is no Space"):
        write_space(board.root, other)
    (tmp_path / "new").mkdir()
    with pytest.raises(StoreError, match="leaderboard rank"):
        write_space(str(tmp_path / "new"), tmp_path / "space")


def test_an_address_is_read_by_the_space_itself(tmp_path: Path) -> None:
    made = made_board(tmp_path / "board", 2)
    board = Board.at("memory://board-of-a-space")
    for name in ("board.json", "board.parquet"):
        board.files.pipe_file(f"{board.root}/{name}", Path(made.root, name).read_bytes())
    write_space("memory://board-of-a-space", tmp_path / "space")
    assert not (tmp_path / "space/board").exists()
    assert 'serve("memory://board-of-a-space", ' in (tmp_path / "space/app.py").read_text("utf-8")
