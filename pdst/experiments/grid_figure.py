"""In: what methods drew of the same prompts. Out: a row a prompt, a block of columns a method."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.entries import entries_of, labels
from pdst.experiments.grid import shown_run
from pdst.experiments.grid_plan import GridPlan
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
    """Draw the grid; its first rows, if there are more than MOST_ROWS, and then say so.

    Args:
        data: as `pdst.experiments.grid.grid` makes it.
        runs: that it was made from.
        benchmark: for the photos.
        plan: of the grid.
    """
    entries = entries_of(runs)
    called = labels(entries)
    prompts = data[["subject_id", "image_id", "caption_index", "prompt"]].drop_duplicates()
    shown = prompts.head(MOST_ROWS)
    subjects = {str(one): benchmark.subject(str(one)) for one in shown["subject_id"]}
    photos = max(len(one.train) for one in subjects.values()) if plan.training else 1
    images = int(data.groupby(["method", "subject_id", "caption_index"])["key"].count().max())
    rows: list[TileRow] = []
    for _, prompt in shown.iterrows():
        subject, image_id = subjects[str(prompt["subject_id"])], str(prompt["image_id"])
        head = "training photos" if plan.training else "held-out photo"
        tiles = _block(
            _references(subject, image_id, benchmark, plan), photos, head, first=not rows
        )
        for entry in entries:
            cells = data[
                (data["method"] == entry.name)
                & (data["subject_id"] == prompt["subject_id"])
                & (data["caption_index"] == prompt["caption_index"])
            ]
            run = shown_run(entry)
            drawn = {one.case.key: one for one in run.images(subject.subject_id, image_id)}
            own = [_cell(cell, drawn, plan.metrics) for _, cell in cells.iterrows()]
            tiles += _block(own, images, called[entry.name], first=not rows)
        text = str(prompt["prompt"]).replace(SLOT, "{*}")
        rows.append(TileRow(text=f"{subject.subject_id}: {text}", tiles=tuple(tiles)))
    cut = len(prompts) > len(shown)
    return tiles_figure(
        rows, title=f"The first {len(shown)} of {len(prompts)} prompts" if cut else ""
    )


def _block(tiles: Sequence[Tile], width: int, head: str, *, first: bool) -> list[Tile]:
    """Tiles under one head, filled up, so that every row's blocks stand below the first row's."""
    filled = [*tiles, *[Tile(image=None)] * (width - len(tiles))]
    return [replace(filled[0], head=head), *filled[1:]] if first else filled


def _references(
    subject: Subject, image_id: str, benchmark: Benchmark, plan: GridPlan
) -> list[Tile]:
    if plan.training:
        return [Tile(image=photo.image()) for photo in subject.train]
    tests = benchmark.test_photos(subject.subject_id)
    return [Tile(image=one.photo.image()) for one in tests if one.photo.image_id == image_id]


def _cell(cell: pd.Series, drawn: Mapping[str, Drawn], below: Sequence[str]) -> Tile:
    said = [
        f"{metric_title(metric)} {number(float(str(cell[metric])))}"
        for metric in below
        if not pd.isna(cell[metric])
    ]
    return drawn_tile(drawn.get(str(cell["key"])), below="\n".join(said))
