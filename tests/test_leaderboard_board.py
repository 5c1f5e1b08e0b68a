"""A board over time: decisions, the log, ranks; all of it plain Parquet that others can read."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from datasets import load_dataset
from typer.testing import CliRunner

from leaderboard.__main__ import app
from leaderboard.accept import accept
from leaderboard.log import Event, read_log, standings, withdraw, write_log
from leaderboard.place import Board
from leaderboard.rank import rank, ranked
from leaderboard.rules import SKETCH, resemblance, sketch, unranked
from leaderboard.tables import ACCEPTED, BOARD, LOG, RESULTS
from pdst.errors import SubmissionError
from pdst.submission.send import send
from pdst.summarize import summarize
from pdst.types import Benchmark
from tests.made_submissions import sound_bundle, sound_run, written


@pytest.fixture(scope="module")
def url(tiny: Benchmark, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A board with three methods, far apart, and one file that is no submission."""
    folder = tmp_path_factory.mktemp("board")
    url = str(folder / "board")
    for number, shift in enumerate((0.0, 0.2, -0.2)):
        name = f"Method {number}"
        run = sound_run(folder / name, tiny, name=name, seed=number, shift=shift, failures=0)
        bundle = sound_bundle(run)
        send(written(bundle, folder, run), bundle.digest, url, title="")
    (folder / "board/entries" / f"{'0' * 64}.parquet").write_bytes(b"nothing")
    (folder / "board/entries/.half.partial").write_bytes(b"PAR1")
    decided = accept(Board.at(url), [str(tiny_folder)])
    assert sum(not one.reasons for one in decided) == 3
    return url


def test_every_decision_is_in_the_log_and_made_once(url: str, tiny_folder: Path) -> None:
    board = Board.at(url)
    rows = read_log(board).to_pylist()
    assert sorted(row["event"] for row in rows) == ["accepted"] * 3 + ["refused"]
    assert all(row["reason"] for row in rows)
    assert accept(board, [str(tiny_folder)]) == []
    again = accept(board, [str(tiny_folder)], again=True)
    assert [one.digest for one in again] == ["0" * 64]


def test_ranks_follow_the_recomputed_means(url: str, tiny: Benchmark) -> None:
    board = Board.at(url)
    table = rank(board)
    assert table.schema.equals(BOARD)
    rows = [row for row in table.to_pylist() if row["metric"] == "dino"]
    assert [row["name"] for row in rows] == ["Method 1", "Method 0", "Method 2"]
    # Three subjects tell nothing apart; how more of them do: test_leaderboard_ranks.
    ranks = [tuple(row[name] for name in ("rank", "rank_low", "rank_high")) for row in rows]
    assert ranks == [(1, 1, 3)] * 3
    folder = Path(url).parent
    from pdst.run import open_run

    for row in rows:
        scores = open_run(folder / row["name"]).scores()
        report = summarize(scores, marks=(), metrics=["dino", "dino_train"])
        assert row["macro"] == report.metrics[0].macro
        assert report.metrics[0].interval is not None
        assert row["low"] == report.metrics[0].interval.low
        assert row["train_gap"] == report.gaps[0].macro
        assert row["scored"] == row["expected"] == len(scores) == 9
        assert row["tier"] == "reported"
    unjudged = [row for row in table.to_pylist() if row["metric"] == "diversity"]
    assert {row["rank"] for row in unjudged} == {None}


def test_the_board_is_plain_parquet(url: str, tmp_path: Path) -> None:
    rank(Board.at(url))
    for name in ("board.parquet", "log/*.parquet", "accepted/*.parquet", "results/*.parquet"):
        loaded = load_dataset(
            "parquet", data_files=f"{url}/{name}", split="train", cache_dir=str(tmp_path / "c")
        )
        (count,) = duckdb.sql(f"select count(*) from '{url}/{name}'").fetchall()[0]
        assert loaded.num_rows == count > 0
    best = duckdb.sql(
        f"select name from '{url}/board.parquet' where metric = 'dino' order by macro desc limit 1"
    ).fetchall()
    assert best == [("Method 1",)]


def test_the_command_line_keeps_a_board(tiny: Benchmark, tiny_folder: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "board")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, list(arguments))

    made = sound_run(tmp_path / "run", tiny)
    other = sound_run(tmp_path / "other", tiny, name="Other", clip="b")
    done = run("init", url, "--title", "Tiny", "--like", str(made.path))
    assert done.exit_code == 0, done.output
    for one in (made, other):
        bundle = sound_bundle(one)
        path = written(bundle, tmp_path, one)
        send(path, bundle.digest, url, title="")
    done = run("accept", url, "--benchmark", str(tiny_folder))
    assert done.exit_code == 0, done.output
    assert "metric clip_t: CLIP made a" in done.stdout
    assert "1 accepted, 1 refused" in done.output
    rows = json.loads(run("rank", url, "--json").stdout)
    assert {row["name"] for row in rows} == {"Made"}
    digest = rows[0]["digest"]
    assert run("withdraw", url, digest[:12], "--reason", " ").exit_code == 2
    done = run("withdraw", url, digest[:12], "--reason", "its author asked", "--by", "Keeper")
    assert done.exit_code == 0, done.output
    assert json.loads(run("rank", url, "--json").stdout) == []
    text = run("log", url).stdout
    assert "withdrawn" in text
    assert "its author asked (by Keeper)" in text
    assert run("withdraw", url, digest[:12], "--reason", "again").exit_code == 2
    done = run("check", str(path), "--board", url, "--benchmark", str(tiny_folder))
    assert done.exit_code == 3
    assert "metric clip_t" in done.stdout


def test_withdrawing_and_checking_change_what_stands(tmp_path: Path) -> None:
    board = Board.at(str(tmp_path))
    write_log(board, [Event(event="accepted", digest="a" * 64, name="A", tier="reported")])
    write_log(
        board,
        [
            Event(event="verified", digest="a" * 64, checked_images=64),
            Event(event="verified", digest="b" * 64, tier="rescored"),
        ],
    )
    found = standings(read_log(board))
    assert set(found) == {"a" * 64}, "a check of nothing accepts nothing"
    assert (found["a" * 64].tier, found["a" * 64].checked_images) == ("reported", 64)
    write_log(board, [Event(event="verified", digest="a" * 64, tier="rescored")])
    assert standings(read_log(board))["a" * 64].tier == "rescored"
    write_log(board, [Event(event="refuted", digest="a" * 64, reason="dino differs")])
    with pytest.raises(SubmissionError, match="not on the board: it was refuted"):
        withdraw(board, "a", reason="x", by="y")


def test_many_parts_become_one_and_nothing_is_lost(tmp_path: Path) -> None:
    board = Board.at(str(tmp_path))
    for number in range(70):
        write_log(board, [Event(event="refused", digest=f"{number:064x}", reason="why")])
    before = read_log(board)
    board.fold("log", LOG)
    assert len(list((tmp_path / "log").iterdir())) == 1
    assert read_log(board).equals(before)
    assert len(before) == 70


def test_rows_that_stand_twice_count_once(url: str) -> None:
    """As after a keeper was stopped between two writes, or two folded at once."""
    board = Board.at(url)
    before = ranked(board)
    for name, schema in (("accepted", ACCEPTED), ("results", RESULTS)):
        board.add(name, board.read(name, schema))
    assert ranked(board).equals(before)


def test_sketches_tell_how_much_is_shared() -> None:
    one = [f"case{n}" for n in range(2_000)]
    for share in (0.0, 0.5, 1.0):
        kept = int(share * len(one))
        other = one[:kept] + [f"other{n}" for n in range(len(one) - kept)]
        true = kept / (2 * len(one) - kept)
        assert resemblance(sketch(one), sketch(other)) == pytest.approx(true, abs=0.17)
    assert len(sketch(one)) == SKETCH


def test_what_is_incomplete_or_copied_is_not_ranked() -> None:
    whole = dict.fromkeys(("unscored_subjects", "copied_test"), 0)
    whole |= {"expected": 1000, "fewest_scored": 1000, "copy_checked": 1000}
    assert unranked(whole) is None
    assert unranked(whole | {"fewest_scored": 990}) is None
    assert unranked(whole | {"fewest_scored": 989}) == "only 989 of 1000 images are scored"
    assert unranked(whole | {"unscored_subjects": 1}) == "1 subjects have no score"
    assert unranked(whole | {"copied_test": 9}) is None
    assert unranked(whole | {"copied_test": 10}) == (
        "10 of 1000 images are copies of held-out photos"
    )


def test_an_empty_board_has_an_empty_table(tmp_path: Path) -> None:
    table = rank(Board.at(str(tmp_path)))
    assert table.equals(BOARD.empty_table())
    assert isinstance(table, pa.Table)
