"""In: what a run draws, embeds and scores. Out: its folder, as `pdst.run` describes it.

A file is written to a temporary name, synced and renamed, so what exists is complete, and a kill at
any instant loses at most what was in flight.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pdst.digest import Json, canonical_json, digest_json
from pdst.encoders.spec import Embeddings
from pdst.errors import SettingsError, StoreError
from pdst.files import PARTIAL, read_groups, read_table, whole_file, write_json, write_table
from pdst.run import HF_IMAGE, IMAGE_SCHEMA, SCHEMA_VERSION, Run, image_row, read_record
from pdst.types import Chunk, Drawn

log = logging.getLogger(__name__)

GROUP_BYTES = 64 * 1024 * 1024
"""About so many bytes of images stand in one row group of a Parquet file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedChunk:
    """The embeddings of one chunk's images by one encoder.

    Attributes:
        images: the digest of the images they were made from; another digest means stale.
        pixels: pixel digest of each image, or None where there is no image.
        vectors: (B, D) float32, unit norm; rows without an image are zero and mean nothing.
    """

    images: str
    pixels: Sequence[str | None]
    vectors: Embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEmbeddings:
    """Embeddings of references or texts, row by row.

    Attributes:
        names: photo names or texts.
        pixels: pixel digests of photos; empty for texts.
        vectors: (N, D) float32, unit norm.
    """

    names: tuple[str, ...]
    pixels: tuple[str, ...] = ()
    vectors: Embeddings


class RunStore(Run):
    """A run folder, for writing: one process at a time."""

    @property
    def learned(self) -> Path:
        """What a generator may keep of the subjects that it learned."""
        return self.path / "learned"

    def has_images(self, chunk: Chunk) -> bool:
        """Whether a chunk was drawn, whole and as planned.

        Raises:
            StoreError: if the file holds other cases than the plan's.
        """
        path = self.images_path(chunk.name)
        if not path.exists():
            return False
        try:
            keys = read_table(path, ["key"]).column("key").to_pylist()
        except StoreError as error:
            log.warning("%s Drawing it again.", error)
            return False
        if keys != [case.key for case in chunk.cases]:
            raise StoreError(
                f"{path} holds {len(keys)} cases that are not the plan's {len(chunk.cases)}. "
                "It is of another run: move it away, or choose another --out."
            )
        return True

    def write_images(self, chunk: Chunk, drawn: Sequence[Drawn]) -> None:
        """Keep a chunk's images, all at once."""
        if [d.case.key for d in drawn] != [case.key for case in chunk.cases]:
            raise StoreError(f"{chunk.name}: got images of other cases than the chunk's.")
        rows = [image_row(d) for d in drawn]
        table = pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA).replace_schema_metadata(
            {"huggingface": json.dumps(HF_IMAGE)}
        )
        self.forget_results()
        largest = max([len(d.encoded) for d in drawn if d.encoded is not None], default=1)
        # Image bytes are compressed already. Arrow cannot read back 2 GiB of them at once.
        write_table(
            table,
            self.images_path(chunk.name),
            compression="none",
            group_rows=max(1, GROUP_BYTES // largest),
        )

    def image_identities(self, chunk: Chunk) -> list[str | None]:
        """Pixel digest of each image of a drawn chunk, None where it failed; reads no image."""
        column = read_table(self.images_path(chunk.name), ["pixels"]).column("pixels")
        return cast("list[str | None]", column.to_pylist())

    def image_bytes(self, chunk: Chunk) -> Iterator[bytes | None]:
        """The encoded images of a drawn chunk one by one, None where it failed."""
        for group in read_groups(self.images_path(chunk.name), ["image"]):
            for cell in group.column("image").to_pylist():
                yield None if cell is None else cell["bytes"]

    def failures(self, chunk: Chunk) -> list[str | None]:
        """The reason of each of a drawn chunk's failures, None where there is an image."""
        column = read_table(self.images_path(chunk.name), ["reason"]).column("reason")
        return cast("list[str | None]", column.to_pylist())

    def forget_embeddings(self, encoder: str, chunk: Chunk) -> None:
        """Drop a chunk's embeddings, and the results that came from them."""
        self.forget_results()
        self._embeddings_path(encoder, chunk.name).unlink(missing_ok=True)

    def read_embeddings(self, encoder: str, chunk: Chunk, images: str) -> EmbeddedChunk | None:
        """A chunk's embeddings, or None if there are none for exactly these images."""
        path = self._embeddings_path(encoder, chunk.name)
        if not path.exists():
            return None
        try:
            table = read_table(path)
        except StoreError as error:
            log.warning("%s Embedding it again.", error)
            return None
        made_from = (table.schema.metadata or {}).get(b"images", b"").decode()
        if made_from != images:
            return None
        return EmbeddedChunk(
            images=images,
            pixels=table.column("pixels").to_pylist(),
            vectors=_vectors(table),
        )

    def write_embeddings(self, encoder: str, chunk: Chunk, embedded: EmbeddedChunk) -> None:
        """Keep a chunk's embeddings."""
        table = pa.table(
            {
                "key": pa.array([case.key for case in chunk.cases], pa.string()),
                "pixels": pa.array(embedded.pixels, pa.string()),
                "vector": _vector_column(embedded.vectors),
            }
        ).replace_schema_metadata({"images": embedded.images})
        write_table(table, self._embeddings_path(encoder, chunk.name))

    def read_named(self, encoder: str, kind: str, digest: str) -> NamedEmbeddings | None:
        """Embeddings of "references" or "texts", or None if there are none for exactly `digest`."""
        path = self._named_path(encoder, kind)
        if not path.exists():
            return None
        try:
            table = read_table(path)
        except StoreError as error:
            log.warning("%s Embedding it again.", error)
            return None
        if (table.schema.metadata or {}).get(b"of", b"").decode() != digest:
            return None
        return NamedEmbeddings(
            names=tuple(table.column("name").to_pylist()),
            pixels=tuple(p for p in table.column("pixels").to_pylist() if p is not None),
            vectors=_vectors(table),
        )

    def write_named(self, encoder: str, kind: str, digest: str, named: NamedEmbeddings) -> None:
        """Keep the embeddings of "references" or "texts"; `digest` says what they are of."""
        table = pa.table(
            {
                "name": pa.array(named.names, pa.string()),
                "pixels": pa.array(named.pixels or [None] * len(named.names), pa.string()),
                "vector": _vector_column(named.vectors),
            }
        ).replace_schema_metadata({"of": digest})
        write_table(table, self._named_path(encoder, kind))

    def write_scores(self, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
        """Stream score tables into scores.parquet; memory does not grow with their number."""
        # Whoever looks in between finds an unfinished run, never results that do not fit.
        self.forget_results()
        path = self.path / "scores.parquet"
        with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for table in _grouped(tables, rows=20_000):
                writer.write_table(table)

    def write_summary(self, text: str) -> None:
        """Keep the summary, JSON text."""
        with whole_file(self.path / "summary.json") as temporary:
            temporary.write_text(text, "utf-8")

    def write_record(self) -> None:
        """Keep run.json as `self.record` now stands."""
        write_json(self.path / "run.json", self.record)

    def forget_results(self) -> None:
        """Drop summary and scores, *before* something that they came from changes."""
        (self.path / "summary.json").unlink(missing_ok=True)
        (self.path / "scores.parquet").unlink(missing_ok=True)

    def _embeddings_path(self, encoder: str, name: str) -> Path:
        return self.path / "embeddings" / encoder / f"{name}.parquet"

    def _named_path(self, encoder: str, kind: str) -> Path:
        # No subject is called so: ids begin with a letter or a digit.
        return self._embeddings_path(encoder, f"_{kind}")


@contextmanager
def writing(
    path: Path, settings: Mapping[str, Json], *, may_change: Sequence[str] = ()
) -> Iterator[RunStore]:
    """Open a run folder for writing: a new one, or one begun with the same settings.

    Args:
        path: the folder; made if missing.
        settings: what decides the numbers; a nested JSON object.
        may_change: dotted prefixes of settings that may differ from those the run was begun with
            ("encoders"); the run then takes the new ones over, and its results are dropped.

    Raises:
        SettingsError: if another setting differs; the message names every such one.
        StoreError: if the folder holds something else, or another process is writing to it.
    """
    path = path.resolve()  # a generator may change the current directory
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file, wanted a folder for the run. Choose another --out.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_other_folders(path)
        lock = filelock.FileLock(path / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        raise StoreError(
            f"{path} is being written by another process. Wait for it, or choose another --out."
        ) from error
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be a run folder ({error}). Choose another --out."
        ) from error
    try:
        record = read_record(path)
        for left_over in path.rglob(f".*{PARTIAL}"):  # of a killed process; we hold the lock
            left_over.unlink()
        # As read back from disk, so that tuples and lists, ints and floats compare alike.
        wanted = cast("dict[str, Json]", json.loads(canonical_json(dict(settings))))
        if record is None:
            record = {"schema": SCHEMA_VERSION, "settings": wanted, "sessions": []}
        store = RunStore(path, record)
        changed = _differences(store.settings, wanted)
        forbidden = [c for c in changed if not c.path.startswith(tuple(may_change) or ("\0",))]
        if forbidden:
            raise SettingsError(
                f"{path} was begun with other settings:\n"
                + "\n".join(f"  {c.path}: was {c.was}, now {c.now}" for c in forbidden)
                + "\nGive the same settings to continue it, or another --out to start anew."
                + _ways_on(forbidden)
            )
        if changed:
            store.forget_results()
            store.record["settings"] = wanted
        yield store
    finally:
        lock.release()


def _refuse_other_folders(path: Path) -> None:
    strange = [
        found.name
        for found in path.iterdir()
        if found.name != ".lock" and not (found.name[0] == "." and found.name.endswith(PARTIAL))
    ]
    if strange and "run.json" not in strange:
        raise StoreError(
            f"{path} holds {strange[0]} and has no run.json: not a run folder. "
            "Choose another --out."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One leaf of the settings that differs."""

    path: str
    was: str
    now: str


def _ways_on(changes: Sequence[SettingChange]) -> str:
    """What else can be done when nothing but this has changed."""
    if all(change.path.startswith("encoders.") for change in changes):
        return " To score the kept images with the other encoders: --rescore."
    if all(change.path == "generator.source_digest" for change in changes):
        return (
            " The generator's source file has changed; to continue all the same, and have the run "
            "marked: --accept-changed-code."
        )
    return ""


def _differences(was: Json, now: Json, path: str = "") -> list[SettingChange]:
    if isinstance(was, dict) and isinstance(now, dict):
        changes: list[SettingChange] = []
        for key in sorted(was.keys() | now.keys()):
            inner = f"{path}.{key}" if path else key
            if key in was and key in now:
                changes += _differences(was[key], now[key], inner)
            else:  # left out is not the same as null: the default may be another
                before = _shown(was[key]) if key in was else "left out"
                after = _shown(now[key]) if key in now else "left out"
                changes.append(SettingChange(path=inner, was=before, now=after))
        return changes
    if canonical_json(was) == canonical_json(now):  # Python's True == 1, JSON's is not
        return []
    return [SettingChange(path=path, was=_shown(was), now=_shown(now))]


def _shown(value: Json) -> str:
    text = canonical_json(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def chunk_identity(chunk: Chunk, pixels: Sequence[str | None]) -> str:
    """One digest for exactly these images of these cases."""
    return digest_json([[case.key, pixel] for case, pixel in zip(chunk.cases, pixels, strict=True)])


def _grouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Join tables until they hold `rows` rows: one Parquet row group each."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(len(t) for t in held) >= rows:
            yield pa.concat_tables(held).combine_chunks()
            held = []
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _vector_column(vectors: Embeddings) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def _vectors(table: pa.Table) -> Embeddings:
    column = table.column("vector").combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # an empty table stays chunked
        return np.zeros((0, column.type.list_size), np.float32)
    width = column.type.list_size
    return np.asarray(column.flatten(), np.float32).reshape(len(column), width)
