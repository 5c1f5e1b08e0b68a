"""In: tables and JSON. Out: files that are whole or not there at all; and back."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pdst.digest import Json
from pdst.errors import StoreError

PARTIAL = ".partial"
"""How temporary files end; they begin with a dot."""


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file of a run.

    Raises:
        StoreError: if it is damaged or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise StoreError(f"{path} cannot be read ({error}). Delete it and run again.") from error


def read_groups(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Read a Parquet file of a run, one row group in memory at a time.

    Raises:
        StoreError: if it is damaged or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, None if columns is None else list(columns))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise StoreError(f"{path} cannot be read ({error}). Delete it and run again.") from error


def write_table(
    table: pa.Table, path: Path, *, compression: str = "zstd", group_rows: int | None = None
) -> None:
    """Write a Parquet file whole or not at all, in row groups of at most `group_rows` rows."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary, compression=compression, row_group_size=group_rows)


def write_json(path: Path, value: dict[str, Json]) -> None:
    """Write a JSON file whole or not at all."""
    with whole_file(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", "utf-8")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it is synced and takes the real one's place.

    Raises:
        StoreError: if the disk is full or does not let us write.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error}). All that was written before is kept: mend that, "
            "then give the same command again."
        ) from error
