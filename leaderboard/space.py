"""In: a ranked board. Out: a folder that is a Hugging Face Space of it, and runs elsewhere, too.

README.md          the Space's settings: Gradio, its version, which file runs
app.py             serves the board
requirements.txt   what it needs
board/             the board's files, if it was a folder and not an address
leaderboard/ pdst/ this code, without data and weights: a Space installs nothing from a folder

Push the folder to a Space's repository. To try it:

    pip install -r requirements.txt
    python app.py
"""

import json
import shutil
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from leaderboard.page_data import read_ranks
from leaderboard.place import Board
from pdst.errors import StoreError
from pdst.files import whole_file

GRADIO = "6.31.0"
"""The version that the app was looked at with."""

BOARD_FILES = ("board.json", "board.parquet", "entries", "log", "accepted", "results")

HEAVY = ("__pycache__", "data", "truth", "weights", "board")
"""Folders of the code that a board does not need."""

README = """---
title: {title}
emoji: 📐
colorFrom: gray
colorTo: blue
sdk: gradio
sdk_version: {gradio}
app_file: app.py
pinned: false
---

A leaderboard of personalized image generation, scored on photos that no method has seen. Ranks,
rules and every decision are on the page; the board's own data are in {data}.
"""

APP = '''"""Serves the board at {url}; `python app.py PORT` takes another port than 7860."""

import sys
from pathlib import Path

from leaderboard.app import serve

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 7860
serve({code}, host="0.0.0.0", port=PORT, submit_to={submit_to})
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What was written.

    Attributes:
        folder: of the Space.
        files: how many.
        size: bytes of all.
    """

    folder: Path
    files: int
    size: int


def write_space(url: str, folder: Path, *, submit_to: str = "") -> Space:
    """Write the files of a Space.

    Args:
        url: a ranked board. Of a folder the files are copied; anything else is read by the Space,
            again whenever someone comes and the page is old.
        folder: for the Space; new, or one that was written so before.
        submit_to: the address that the page gives for submissions; empty: `url`, if that is one.

    Raises:
        StoreError: if the board was not ranked, or something else is in the folder.
        SubmissionError: if the board cannot be reached.
    """
    board = Board.at(url)
    read_ranks(board)
    if folder.exists() and any(folder.iterdir()) and not (folder / "app.py").exists():
        raise StoreError(f"{folder} has files and is no Space. Give another folder.")
    local = "file" in board.files.protocol
    submit_to = submit_to or ("BOARD" if local else url)
    if local:
        _replace(Path(board.root), folder / "board", BOARD_FILES)
    for package in ("leaderboard", "pdst"):
        with resources.as_file(resources.files(package)) as code:
            shutil.rmtree(folder / package, ignore_errors=True)
            shutil.copytree(code, folder / package, ignore=shutil.ignore_patterns(*HEAVY))
    title = str(board.settings().get("title", "PDST"))
    shown = "board/" if local else url
    texts = {
        # JSON is YAML, and a title may hold anything.
        "README.md": README.format(
            title=json.dumps(title, ensure_ascii=False), gradio=GRADIO, data=f"`{shown}`"
        ),
        "app.py": APP.format(
            url=shown,
            code='str(Path(__file__).parent / "board")' if local else json.dumps(url),
            submit_to=json.dumps(submit_to),
        ),
        "requirements.txt": "\n".join([*_requirements(), f"gradio=={GRADIO}"]) + "\n",
    }
    for name, text in texts.items():
        with whole_file(folder / name) as temporary:
            temporary.write_text(text, "utf-8")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Space(folder=folder, files=len(files), size=sum(path.stat().st_size for path in files))


def _requirements() -> list[str]:
    """What pdst needs without any extra."""
    listed = metadata.requires("pdst") or []
    return sorted(line for line in listed if "extra ==" not in line)


def _replace(source: Path, target: Path, names: tuple[str, ...]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        elif (source / name).exists():
            shutil.copy2(source / name, target / name)
