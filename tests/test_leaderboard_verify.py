"""The tiers above "reported": scores computed again, and the cheat that only this can catch."""

from pathlib import Path
from typing import Any

import pytest

from leaderboard.accept import accept
from leaderboard.log import read_log, standings
from leaderboard.place import Board
from leaderboard.rank import ranked
from leaderboard.verify import regenerated, rescored
from pdst.embed import Encoders
from pdst.errors import SubmissionError
from pdst.evaluate import Settings, evaluate
from pdst.plan import PROTOCOLS
from pdst.run import Run, open_run
from pdst.submission.bundle import Bundle, write_bundle
from pdst.submission.making import Images, RunImages, make_bundle
from pdst.submission.send import send
from pdst.types import Benchmark
from tests.generators import Painter
from tests.made_submissions import DECLARED, edited_rows

SAME = ("dino", "copy_similarity")


@pytest.fixture(scope="module")
def run(tiny: Benchmark, scorers: Encoders, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A true run: 9 images, drawn and scored."""
    folder = tmp_path_factory.mktemp("true") / "run"
    evaluate(tiny, Painter(), scorers, folder, Settings(protocol=PROTOCOLS["quick"]))
    return open_run(folder)


def on_board(bundle: Bundle, run: Run, folder: Path, releases: list[str]) -> Board:
    path = folder / "bundle.parquet"
    write_bundle(bundle, path, RunImages(run))
    send(path, bundle.digest, str(folder / "board"), title="")
    board = Board.at(str(folder / "board"))
    (decided,) = accept(board, releases)
    assert decided.reasons == ()
    return board


@pytest.mark.parametrize(("images", "tier"), [("all", "rescored"), ("none", "rescored")])
def test_an_honest_entry_is_rescored(
    run: Run, tiny_folder: Path, scorers: Encoders, tmp_path: Path, images: Images, tier: str
) -> None:
    """From the attached images, or from the run folder."""
    bundle = make_bundle(run, DECLARED, images)
    releases = [str(tiny_folder)]
    board = on_board(bundle, run, tmp_path, releases)
    given = None if images == "all" else run
    if images == "none":
        with pytest.raises(SubmissionError, match="No image is given"):
            rescored(board, bundle.digest, releases, scorers)
    event = rescored(board, bundle.digest, releases, scorers, run=given)
    assert (event.event, event.tier, event.checked_images) == ("verified", tier, 9)
    standing = standings(read_log(board))[bundle.digest]
    assert (standing.tier, standing.checked_images) == (tier, 9)
    assert {row["tier"] for row in ranked(board).to_pylist()} == {tier}


@pytest.mark.parametrize("metric", ["dino", "clip_i", "clip_t", "copy_similarity"])
def test_an_edited_row_with_recomputed_aggregates_is_caught(
    run: Run, tiny_folder: Path, scorers: Encoders, tmp_path: Path, metric: str
) -> None:
    """It passes as *reported*; scoring its images takes it off the board, with the reason."""

    def edit(columns: dict[str, list[Any]]) -> None:
        columns[metric][4] -= 0.01
        if metric in SAME:
            for name in SAME:  # the nearest photo is the held-out one: a careful cheat knows
                columns[name][4] = columns[metric][4]

    bundle = edited_rows(make_bundle(run, DECLARED, "all"), edit)
    releases = [str(tiny_folder)]
    board = on_board(bundle, run, tmp_path, releases)
    event = rescored(board, bundle.digest, releases, scorers)
    assert event.event == "refuted"
    assert f"{metric} of {bundle.rows.column('key')[4]} is " in event.reason
    assert ranked(board).num_rows == 0
    assert read_log(board).to_pylist()[-1]["reason"] == event.reason


def test_all_rows_edited_a_little_are_caught(
    run: Run, tiny_folder: Path, scorers: Encoders, tmp_path: Path
) -> None:
    def edit(columns: dict[str, list[Any]]) -> None:
        for name in SAME:
            columns[name] = [value - 0.001 for value in columns[name]]

    bundle = edited_rows(make_bundle(run, DECLARED, "all"), edit)
    releases = [str(tiny_folder)]
    board = on_board(bundle, run, tmp_path, releases)
    event = rescored(board, bundle.digest, releases, scorers)
    assert event.event == "refuted"
    assert "dino is off by 0.001000 on average" in event.reason


def test_other_images_than_the_hashed_ones_are_caught(
    run: Run, tiny: Benchmark, tiny_folder: Path, scorers: Encoders, tmp_path: Path
) -> None:
    better = tmp_path / "better"
    painter = Painter(size=48)
    evaluate(tiny, painter, scorers, better, Settings(protocol=PROTOCOLS["quick"]))
    bundle = make_bundle(run, DECLARED, "none")
    releases = [str(tiny_folder)]
    board = on_board(bundle, run, tmp_path, releases)
    event = rescored(board, bundle.digest, releases, scorers, run=open_run(better))
    assert event.event == "refuted"
    assert "the image given is not the one that its row states" in event.reason


def test_our_own_run_of_the_code_regenerates_it(
    run: Run, tiny: Benchmark, tiny_folder: Path, scorers: Encoders, tmp_path: Path
) -> None:
    bundle = make_bundle(run, DECLARED, "none")
    releases = [str(tiny_folder)]
    board = on_board(bundle, run, tmp_path, releases)
    settings = Settings(protocol=PROTOCOLS["quick"])
    evaluate(tiny, Painter(), scorers, tmp_path / "ours", settings)
    event = regenerated(board, bundle.digest, open_run(tmp_path / "ours"), releases)
    assert (event.event, event.tier) == ("verified", "regenerated")
    assert standings(read_log(board))[bundle.digest].tier == "regenerated"
    evaluate(tiny, Painter(revision="2"), scorers, tmp_path / "other", settings)
    with pytest.raises(SubmissionError, match="is no run of this entry: method"):
        regenerated(board, bundle.digest, open_run(tmp_path / "other"), releases)
