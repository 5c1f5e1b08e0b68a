"""In: finished runs and their benchmark. Out: one PNG, a row a subject, a column a run.

The first held-out photo of each subject that all runs drew, its first caption and first seed: what
is shown is decided by the plan, never by a score.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pdst.files import whole_file
from pdst.images import decode_rgb
from pdst.keys import distinct_names
from pdst.report.rows import metric_title, number
from pdst.run import Run
from pdst.types import Benchmark

CELL, GAP, BELOW, MARGIN = 176, 10, 40, 28
"""Pixels: a picture's side, between pictures, under a picture, around the sheet."""
INK, FAINT, PAPER = (32, 34, 40), (110, 114, 124), (252, 252, 250)
SHOWN = ("dino", "clip_t")
"""Printed below each picture: one metric for the subject, one for the prompt."""
MOST = 12
"""Rows of a sheet; spread evenly over the subjects."""


def write_sheet(runs: Sequence[Run], path: Path, benchmark: Benchmark) -> None:
    """Write the sheet: training photo, held-out photo and caption, and every run's image.

    Args:
        runs: finished runs of one key.
        path: of the PNG; replaced whole.
        benchmark: that they were drawn for.
    """
    tables = [run.scores() for run in runs]
    rows = _rows(tables)
    columns = ["a training photo", "the held-out photo", *distinct_names(runs)]
    width = 2 * MARGIN + len(columns) * (CELL + GAP) - GAP
    height = 2 * MARGIN + BELOW + len(rows) * (CELL + BELOW + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number_, name in enumerate(columns):
        at = (MARGIN + number_ * (CELL + GAP), MARGIN)
        draw.text(at, textwrap.shorten(name, 24, placeholder="…"), INK, _font(15))
    for number_, (subject_id, image_id, caption) in enumerate(rows):
        top = MARGIN + BELOW + number_ * (CELL + BELOW + GAP)
        subject = benchmark.subject(subject_id)
        tests = {test.photo.image_id: test for test in benchmark.test_photos(subject_id)}
        cells: list[tuple[Image.Image | None, str]] = [
            (subject.train[0].image(), f"{subject_id} ({subject.class_noun})"),
            (tests[image_id].photo.image(), caption),
        ]
        for run, table in zip(runs, tables, strict=True):
            cells.append(_drawn(run, table, subject_id, image_id))
        for column, (picture, below) in enumerate(cells):
            left = MARGIN + column * (CELL + GAP)
            _place(sheet, draw, picture, left, top)
            words = "\n".join(textwrap.wrap(below, 31)[:2])
            draw.multiline_text((left, top + CELL + 4), words, FAINT, _font(11), spacing=2)
    with whole_file(path) as temporary:
        sheet.save(temporary, "PNG", optimize=True)


def _rows(tables: Sequence[pd.DataFrame]) -> list[tuple[str, str, str]]:
    """Subject, photo and caption of each row: what every run has."""
    first = [
        table.sort_values(["subject_id", "image_id", "caption_index", "seed_index"])
        .drop_duplicates("subject_id")
        .set_index("subject_id")
        for table in tables
    ]
    common = sorted(set.intersection(*(set(table.index) for table in first)))
    if len(common) > MOST:
        common = [common[round(n * (len(common) - 1) / (MOST - 1))] for n in range(MOST)]
    one = first[0]
    return [
        (str(name), str(one.loc[name, "image_id"]), str(one.loc[name, "prompt"])) for name in common
    ]


def _drawn(
    run: Run, table: pd.DataFrame, subject_id: str, image_id: str
) -> tuple[Image.Image | None, str]:
    found = table[(table["subject_id"] == subject_id) & (table["image_id"] == image_id)]
    if not len(found) or not run.images_path(f"{subject_id}/{image_id}").exists():
        return None, "not in the run folder"
    row = found.sort_values(["caption_index", "seed_index"]).iloc[0]
    images = {drawn.case.key: drawn for drawn in run.images(subject_id, image_id)}
    drawn = images.get(str(row["key"]))
    if drawn is None or drawn.encoded is None:
        return None, (drawn.reason if drawn else None) or "no image"
    said = [
        f"{metric_title(metric)} {_plain(number(float(row[metric])))}"
        for metric in SHOWN
        if metric in row.index and not pd.isna(row[metric])
    ]
    return decode_rgb(drawn.encoded, str(row["key"])), ", ".join(said)


def _plain(value: str) -> str:
    """With a hyphen for minus: the font that travels with Pillow has no minus sign."""
    return value.replace("\u2212", "-")


def _place(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, picture: Image.Image | None, left: int, top: int
) -> None:
    if picture is None:
        draw.rectangle((left, top, left + CELL, top + CELL), outline=FAINT)
        return
    scale = CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    sheet.paste(picture.resize(size, Image.Resampling.BICUBIC), (left, top))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
