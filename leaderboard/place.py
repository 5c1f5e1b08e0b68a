"""In: a board's address. Out: its files, read and written whole, wherever they lie.

A table is a folder of parts that are never changed: each decision adds a part under a name of its
own, so two keepers at work at once lose nothing. Many small parts are folded into one now and then;
a row that stands in two parts counts once.
"""

import io
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.tables import ACCEPTED, LOG, RESULTS
from pdst.digest import Json
from pdst.errors import StoreError, SubmissionError
from pdst.files import whole_file
from pdst.submission.send import ENTRIES, entry_name, reaching

ENTRY = re.compile(r"[0-9a-f]{64}\.parquet")
MANY = 64
"""From so many parts on, a table is folded into one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A file among a board's entries.

    Attributes:
        digest: that its name states.
        size: bytes.
        at: when it came, as far as the store says; for "first come, first served".
    """

    digest: str
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Board:
    """The files of one board."""

    files: fsspec.AbstractFileSystem
    root: str

    @classmethod
    def at(cls, url: str) -> Self:
        """Open a board.

        Args:
            url: a folder, or any fsspec URL; on the Hub `hf://datasets/org/name`.

        Raises:
            SubmissionError: if it cannot be reached.
        """
        with reaching(url):
            files, root = fsspec.core.url_to_fs(url)
            files.invalidate_cache()
            return cls(files, str(root).rstrip("/"))

    def submitted(self) -> list[Submitted]:
        """Every file that is named like an entry, in the order of coming."""
        found = [
            Submitted(digest=Path(one["name"]).stem, size=int(one.get("size") or 0), at=_time(one))
            for one in self._listed(ENTRIES)
            if ENTRY.fullmatch(Path(one["name"]).name)
        ]
        return sorted(found, key=lambda one: (one.at, one.digest))

    def fetch(self, digest: str, to: Path) -> None:
        """Copy an entry to this machine.

        Raises:
            SubmissionError: if there is none of that digest.
        """
        source = f"{self.root}/{entry_name(digest)}"
        with reaching(source):
            if not self.files.exists(source):
                raise SubmissionError(f"No entry {digest} on this board.")
            self.files.get_file(source, str(to))

    def read(self, name: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
        """All rows of a table, each once.

        Raises:
            StoreError: if a part is damaged.
        """
        wanted = schema if columns is None else pa.schema([schema.field(c) for c in columns])
        parts = [self._part(path, wanted) for path in self._parts(name)]
        return pa.concat_tables(parts) if parts else wanted.empty_table()

    def add(self, name: str, table: pa.Table) -> None:
        """Add rows to a table, all at once."""
        if len(table):
            self._write(f"{name}/{_stamp()}.parquet", table)

    def fold(self, name: str, schema: pa.Schema, *, many: int = MANY) -> None:
        """Make one part of many. What another keeper adds meanwhile stays."""
        paths = self._parts(name)
        if len(paths) < many:
            return
        self._write(
            f"{name}/{_stamp()}.parquet",
            pa.concat_tables([self._part(path, schema) for path in paths]),
        )
        for path in paths:
            with reaching(path):
                self.files.rm_file(path)

    def write(self, name: str, table: pa.Table) -> None:
        """Replace a single file, whole or not at all."""
        self._write(name, table)

    def settings(self) -> dict[str, Json]:
        """board.json; empty if there is none.

        Raises:
            StoreError: if it is no JSON object.
        """
        path = f"{self.root}/board.json"
        with reaching(path):
            if not self.files.exists(path):
                return {}
            text = self.files.cat_file(path)
        try:
            found: object = json.loads(text)
        except ValueError as error:
            raise StoreError(f"{path} is no JSON ({error}). Make it anew with `init`.") from error
        if not isinstance(found, dict):
            raise StoreError(f"{path} is no JSON object. Make it anew with `init`.")
        return found

    def write_settings(self, settings: dict[str, Json]) -> None:
        """Replace board.json."""
        self._put("board.json", (json.dumps(settings, indent=2, ensure_ascii=False)).encode())

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        path = f"{self.root}/{folder}"
        with reaching(path):
            self.files.invalidate_cache()
            try:
                return list(self.files.ls(path, detail=True))
            except FileNotFoundError:
                return []

    def _parts(self, name: str) -> list[str]:
        paths = [str(one["name"]) for one in self._listed(name)]
        return sorted(path for path in paths if path.endswith(".parquet"))

    def _part(self, path: str, schema: pa.Schema) -> pa.Table:
        with reaching(path):
            data = self.files.cat_file(path)
        try:
            table = pq.read_table(io.BytesIO(data), columns=schema.names)
            return table.select(schema.names).cast(schema)
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise StoreError(
                f"{path} is no table of this board ({error!s:.200}). Mend or remove it."
            ) from error

    def _write(self, name: str, table: pa.Table) -> None:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self._put(name, buffer.getvalue())

    def _put(self, name: str, data: bytes) -> None:
        target = f"{self.root}/{name}"
        if "file" in self.files.protocol:
            with whole_file(Path(target)) as temporary:
                temporary.write_bytes(data)
            return
        with reaching(target):
            self.files.pipe_file(target, data)


@contextmanager
def open_board(url: str) -> Iterator[Board]:
    """A board; its tables are folded at the end where they have become many files."""
    board = Board.at(url)
    yield board
    for name, schema in (("log", LOG), ("accepted", ACCEPTED), ("results", RESULTS)):
        board.fold(name, schema)


def _stamp() -> str:
    """A name that sorts by time and that nobody else takes."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    return f"{now}-{uuid.uuid4().hex[:12]}"


def _time(listed: dict[str, Any]) -> float:
    for name in ("mtime", "LastModified", "created", "last_modified"):
        value = listed.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return 0.0
