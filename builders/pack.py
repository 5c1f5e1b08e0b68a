"""In: rows and what the card says of them. Out: a release folder, whole or not at all.

The same rows give the same bytes with one pyarrow version: fixed order, fixed shards, no times.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from builders.card import render_card
from builders.rows import About, PhotoRow
from pdst.dataset import load
from pdst.errors import DatasetError
from pdst.release import CARD_NAME, SCENES_NAME, SCHEMAS, SPLITS, fingerprint, read_card
from pdst.types import Split

SHARD_BYTES = 256 * 2**20
"""Image bytes a Parquet file holds at most, so that hubs and viewers can take it."""

ROW_GROUP = 4
"""Rows a reader has to touch for one photo: a few megabytes."""

DOCUMENTS = ("croissant.json", "words.png", "train.jpg", "test.jpg")
"""What may lie beside a release's card: its metadata, word figure and contact sheets."""


def write_release(
    folder: Path,
    rows: Iterable[PhotoRow],
    about: About,
    *,
    shard_bytes: int = SHARD_BYTES,
    scenes: str | None = None,
) -> str:
    """Write a release; an older release in that place is replaced, anything else is not.

    Everything is written to a folder beside it and renamed at the end, so that a crash or a full
    disk leaves the old release as it was.

    Args:
        folder: where the release goes.
        rows: one a photo, in any order.
        about: what the card says.
        shard_bytes: image bytes a Parquet file holds at most.
        scenes: facts of the pictures, JSON lines, for `scenes.jsonl`.

    Returns:
        The release's fingerprint.

    Raises:
        DatasetError: if the folder holds something that is not a release, or the rows make none.
    """
    ordered = sorted(rows, key=lambda row: (row.subject_id, row.image_id))
    with replaced(folder) as fresh:
        digest = write_shards(fresh, ordered, shard_bytes)
        card = render_card(fresh, ordered, about, digest)
        (fresh / CARD_NAME).write_text(card, encoding="utf-8")
        if scenes is not None:
            (fresh / SCENES_NAME).write_text(scenes, encoding="utf-8")
        load(fresh)  # what pdst refuses to read never becomes a release
    return digest


@contextmanager
def replaced(folder: Path, *, ours: bool = False) -> Iterator[Path]:
    """Give an empty folder to write a release to; at the end it takes the place of the old one.

    Args:
        folder: where the release goes.
        ours: the place is known to hold nothing of anybody else.

    Raises:
        DatasetError: if the folder holds something that is not a release.
    """
    folder = folder.resolve()  # "." has no name to put ".new" behind
    if not ours:
        _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # what a killed build left
    try:
        fresh.mkdir()
        yield fresh
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write_shards(folder: Path, rows: Sequence[PhotoRow], shard_bytes: int = SHARD_BYTES) -> str:
    """Write the Parquet files of a release; returns its fingerprint.

    Args:
        folder: is there already.
        rows: ordered by subject and image.
        shard_bytes: image bytes a file holds at most.
    """
    for split in SPLITS:
        shards = _shards([row for row in rows if row.split == split], shard_bytes)
        for number, shard in enumerate(shards):
            path = folder / f"{split}-{number:05}-of-{len(shards):05}.parquet"
            _write_parquet(path, split, shard)
    return fingerprint(row.content() for row in rows)


def _check_replaceable(folder: Path) -> None:
    """Refuse to replace anything that this module did not write."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is a file, wanted a folder. Choose another place.")
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return
    ours = {
        CARD_NAME,
        SCENES_NAME,
        *DOCUMENTS,
        *(p.name for split in SPLITS for p in folder.glob(f"{split}-*.parquet")),
    }
    strangers = [name for name in names if name not in ours]
    card = read_card(folder, lambda finding: None)
    if strangers or card is None:
        what = ", ".join(strangers[:5]) or f"a {CARD_NAME} without a `pdst:` block"
        raise DatasetError(
            f"{folder}: holds {what}, wanted a new or empty folder, or an older release to "
            "replace. Choose another place, or empty it."
        )


def _shards(rows: Sequence[PhotoRow], shard_bytes: int) -> list[list[PhotoRow]]:
    """Cut rows into runs of at most so many image bytes; at least one run."""
    shards: list[list[PhotoRow]] = [[]]
    size = 0
    for row in rows:
        weight = len(row.image) + len(row.mask or b"")
        if shards[-1] and size + weight > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(row)
        size += weight
    return shards


def _write_parquet(path: Path, split: Split, rows: Sequence[PhotoRow]) -> None:
    table = pa.Table.from_pylist([row.record() for row in rows], schema=SCHEMAS[split])
    # JPEG and PNG are compressed already; packing them again only costs time on every read.
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="NONE")


def _swap(fresh: Path, folder: Path) -> None:
    """Put the finished folder in place of the old one."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
