"""Claims about the board's page: its numbers are the board's, it is inert, and files are plain."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from leaderboard.__main__ import app
from leaderboard.accept import accept
from leaderboard.log import withdraw
from leaderboard.page_data import page_data, read_ranks
from leaderboard.place import Board
from leaderboard.rank import rank
from leaderboard.render import page_text, render
from leaderboard.tables import TIERS
from pdst.errors import StoreError
from pdst.submission.send import send
from pdst.types import Benchmark
from tests.made_boards import EXPECTED, SUBJECTS, made_board, made_digest
from tests.made_submissions import sound_bundle, sound_run, written

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return made_board(tmp_path_factory.mktemp("made") / "board", 30, second_key=5)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def test_every_number_of_the_page_is_the_boards(board: Board) -> None:
    ranks = read_ranks(board)
    data = page_data(board, ranks)
    assert len(data["entries"]) == 30
    metrics = [metric["id"] for metric in data["metrics"]]
    by_digest = {entry["digest"]: entry for entry in data["entries"]}
    for row in ranks.to_pylist():
        values = by_digest[row["digest"]]["values"][metrics.index(row["metric"])]
        wanted = [row[name] for name in ("macro", "low", "high")]
        assert values[:3] == pytest.approx(wanted, abs=5e-7)
        assert values[3:6] == [row["rank"], row["rank_low"], row["rank_high"]]
        assert values[6] == row["scored"]
        gap = row["train_gap"]
        assert values[9] == (None if gap is None else pytest.approx(gap, abs=5e-7))
        assert TIERS[by_digest[row["digest"]]["tier"]] == row["tier"]


def test_subjects_stand_in_the_order_of_their_key(board: Board) -> None:
    data = page_data(board, read_ranks(board))
    results = board.read("results", pq.read_schema(_part(board, "results"))).to_pylist()
    one = next(r for r in results if r["metric"] == "dino" and r["digest"] == made_digest(4))
    entry = next(e for e in data["entries"] if e["digest"] == made_digest(4))
    assert data["keys"][entry["key"]]["subjects"] == list(SUBJECTS)
    wanted = [round(value * 1e6) for value in one["per_subject"]]
    assert entry["subjects"][2] == wanted  # clip_t, clip_i, dino


def _part(board: Board, name: str) -> Path:
    return next(Path(board.root, name).glob("*.parquet"))


def test_two_keys_are_two_tables_the_larger_first(board: Board) -> None:
    data = page_data(board, read_ranks(board))
    assert [key["protocol"] for key in data["keys"]] == ["quick-11111111", "paper-22222222"]
    assert [sum(e["key"] == k for e in data["entries"]) for k in (0, 1)] == [25, 5]


def test_an_unranked_entry_says_why(board: Board) -> None:
    data = page_data(board, read_ranks(board))
    entry = next(e for e in data["entries"] if e["digest"] == made_digest(6))
    assert entry["unranked"] == f"only 1500 of {EXPECTED} images are scored"
    assert all(values is None or values[3] is None for values in entry["values"])


def test_nothing_in_an_entry_becomes_markup(tmp_path: Path) -> None:
    changes = {
        "name": EVIL,
        "by": EVIL,
        "paper": "javascript:alert(3)",
        "hardware": EVIL,
        "training": [EVIL],
        "failures": json.dumps({EVIL: 1}),
    }
    made = made_board(tmp_path / "board", 3, changes={1: changes})
    made.write_settings({"schema": 1, "title": EVIL, "keys": []})
    text = page_text(page_data(made, read_ranks(made)))
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert "\u2028" not in text[text.index('id="data"') :]
    entry = next(e for e in data_of(text)["entries"] if e["digest"] == made_digest(1))
    assert entry["name"] == EVIL


def test_the_page_allows_its_own_script_and_nothing_else(board: Board) -> None:
    text = page_text(page_data(board, read_ranks(board)))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", policy[1])
    assert not re.findall(r"(?:src|href)=\"(?!log\.parquet|board\.parquet)", text)
    assert "innerHTML" not in text


def test_the_same_board_gives_the_same_page(board: Board, tmp_path: Path) -> None:
    one, two = (render(board, tmp_path / name).page.read_bytes() for name in ("a", "b"))
    assert one == two


def test_an_empty_board_and_an_unranked_one(tmp_path: Path) -> None:
    empty = Board.at(str(tmp_path / "board"))
    with pytest.raises(StoreError, match="leaderboard rank"):
        render(empty, tmp_path / "site")
    rank(empty)
    assert render(empty, tmp_path / "site").entries == 0


def test_sample_images_are_made_once_and_leave_with_their_entry(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path
) -> None:
    url = str(tmp_path / "board")
    for name in ("Mine", "Other"):
        run = sound_run(tmp_path / name, tiny, name=name, seed=len(name))
        bundle = sound_bundle(run, "all" if name == "Mine" else "none")
        send(written(bundle, tmp_path, run), bundle.digest, url, title="")
    place = Board.at(url)
    assert all(not one.reasons for one in accept(place, [str(tiny_folder)]))
    runner = CliRunner()
    assert runner.invoke(app, ["rank", url]).exit_code == 0
    done = runner.invoke(app, ["render", url, "--out", str(tmp_path / "site")])
    assert done.exit_code == 0, done.output
    entries = data_of((tmp_path / "site/index.html").read_text("utf-8"))["entries"]
    samples = {entry["name"]: entry["samples"] for entry in entries}
    assert samples["Other"] == []
    assert {sample["subject"] for sample in samples["Mine"]} == {
        subject.subject_id for subject in tiny.subjects
    }
    files = [tmp_path / "site" / sample["file"] for sample in samples["Mine"]]
    assert all(file.read_bytes()[8:12] == b"WEBP" for file in files)
    first = files[0].stat().st_mtime_ns
    render(place, tmp_path / "site")
    assert files[0].stat().st_mtime_ns == first
    withdraw(place, next(e["digest"] for e in entries if e["samples"]), reason="a test", by="me")
    rank(place)
    render(place, tmp_path / "site")
    assert not files[0].exists()


def test_a_large_board_is_ranked_and_rendered_in_little_memory(tmp_path: Path) -> None:
    """A fifth of the entries that `python -m benchmarks.leaderboard` times."""
    program = f"""
from pathlib import Path
from benchmarks.leaderboard import make_board
from leaderboard.place import Board
from leaderboard.rank import rank
from leaderboard.render import render
board = Board.at({str(tmp_path / "board")!r})
make_board(board, 2_000)
rank(board)
render(board, Path({str(tmp_path / "site")!r}))
# Not ru_maxrss: that begins with what the parent had when it forked.
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert int(done.stdout.splitlines()[-1]) / 1024 < 1024  # MiB
    assert (tmp_path / "site/index.html").stat().st_size < 20_000_000 / 5
