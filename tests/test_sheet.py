"""The picture sheet: what is where is decided by the plan; missing images say so."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.report.sheet import BELOW, CELL, GAP, MARGIN, write_sheet
from pdst.types import Case
from tests.made_runs import made_benchmark, made_cases, made_run, made_scores

SUBJECTS = ["cat", "dog"]


def _colour(case: Case) -> Image.Image:
    """The first case of the plan is red, every other one blue."""
    first = (case.image_id, case.caption_index, case.seed_index) == ("00", 0, 0)
    return Image.new("RGB", (32, 32), (200, 0, 0) if first else (0, 0, 200))


def _cell(sheet: Image.Image, row: int, column: int) -> tuple[int, ...]:
    left = MARGIN + column * (CELL + GAP) + CELL // 2
    top = MARGIN + BELOW + row * (CELL + BELOW + GAP) + CELL // 2
    return tuple(int(value) for value in np.asarray(sheet)[top, left])


def test_each_run_shows_the_first_case_of_the_plan(tmp_path: Path) -> None:
    benchmark = made_benchmark(SUBJECTS)
    runs = [
        made_run(tmp_path / name, made_scores(made_cases(SUBJECTS), seed=seed), draw=_colour)
        for seed, name in enumerate(("a", "b"))
    ]
    write_sheet(runs, tmp_path / "sheet.png", benchmark)
    with Image.open(tmp_path / "sheet.png") as sheet:
        for row in range(2):
            assert _cell(sheet, row, 2) == _cell(sheet, row, 3) == (200, 0, 0)


def test_a_run_whose_images_were_removed_shows_frames(tmp_path: Path) -> None:
    run = made_run(tmp_path / "bare", made_scores(made_cases(SUBJECTS)))
    write_sheet([run], tmp_path / "sheet.png", made_benchmark(SUBJECTS))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert _cell(sheet, 0, 2) == sheet.getpixel((1, 1))


def test_a_sheet_without_a_release_is_an_error(tmp_path: Path) -> None:
    made_run(tmp_path / "run", made_scores(made_cases(SUBJECTS)), draw=_colour)
    done = CliRunner().invoke(reading, ["show", str(tmp_path / "run"), "--png", "x.png"])
    assert done.exit_code != 0
    assert "--benchmark" in done.output


@pytest.mark.parametrize("count", [1, 30])
def test_a_sheet_has_at_most_twelve_rows(tmp_path: Path, count: int) -> None:
    subjects = [f"s{number:02d}" for number in range(count)]
    cases = made_cases(subjects, photos=1, captions=1, seeds=1)
    run = made_run(tmp_path / "run", made_scores(cases), draw=_colour)
    write_sheet([run], tmp_path / "sheet.png", made_benchmark(subjects, photos=1, captions=1))
    with Image.open(tmp_path / "sheet.png") as sheet:
        rows = (sheet.height - 2 * MARGIN - BELOW) / (CELL + BELOW + GAP)
    assert rows == min(count, 12)
