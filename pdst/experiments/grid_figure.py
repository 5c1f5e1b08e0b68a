"""In: what methods drew of the same prompts. Out: a row a prompt, a block of columns a method."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.entries import entries_of, short
from pdst.experiments.grid import GridPlan
from pdst.experiments.tiles import Tile, TileRow, drawn_tile, tiles_figure
from pdst.report.rows import metric_title, number
from pdst.run import Run
from pdst.types import SLOT, Benchmark, Drawn, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 16


def grid_figure(
    data: pd.DataFrame, runs: Sequence[Run], benchmark: Benchmark, plan: GridPlan
) -> "Figure":
    """Draw the grid; its first rows, if there are more than MOST_ROWS.

    Args:
        data: as `pdst.experiments.grid.grid` makes it.
        runs: that it was made from.
        benchmark: for the photos.
        plan: of the grid.
    """
    entries = entries_of(runs)
    prompts = data[["subject_id", "image_id", "caption_index", "prompt"]].drop_duplicates()
    rows = []
    for place, (_, prompt) in enumerate(prompts.head(MOST_ROWS).iterrows()):
        subject = benchmark.subject(str(prompt["subject_id"]))
        tiles = _references(subject, str(prompt["image_id"]), benchmark, plan, first=not place)
        for entry in entries:
            cells = data[
                (data["method"] == entry.name)
                & (data["subject_id"] == prompt["subject_id"])
                & (data["caption_index"] == prompt["caption_index"])
            ]
            drawn = {
                one.case.key: one
                for one in entry.runs[0].images(subject.subject_id, str(prompt["image_id"]))
            }
            tiles += [
                _cell(
                    cell,
                    drawn,
                    plan.metrics,
                    head=short(entry.name) if place == 0 and number_ == 0 else "",
                )
                for number_, (_, cell) in enumerate(cells.iterrows())
            ]
        text = str(prompt["prompt"]).replace(SLOT, "{*}")
        rows.append(TileRow(text=f"{subject.subject_id}: {text}", tiles=tuple(tiles)))
    return tiles_figure(rows)


def _references(
    subject: Subject, image_id: str, benchmark: Benchmark, plan: GridPlan, *, first: bool
) -> list[Tile]:
    if plan.training:
        head = "training photos" if first else ""
        return [
            Tile(image=photo.image(), head=head if not place else "")
            for place, photo in enumerate(subject.train)
        ]
    tests = benchmark.test_photos(subject.subject_id)
    photo = next(test.photo for test in tests if test.photo.image_id == image_id)
    return [Tile(image=photo.image(), head="held-out photo" if first else "")]


def _cell(cell: pd.Series, drawn: dict[str, Drawn], below: Sequence[str], *, head: str) -> Tile:
    said = [
        f"{metric_title(metric)} {number(float(str(cell[metric])))}"
        for metric in below
        if not pd.isna(cell[metric])
    ]
    return drawn_tile(drawn.get(str(cell["key"])), below="\n".join(said), head=head)
