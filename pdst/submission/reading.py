"""In: a file of a stranger. Out: a Bundle, or one reason why it is none; nothing unbounded.

Before the Parquet library sees the file, its size, its marks and its footer's length are looked at;
before a column is read, what the footer declares (columns, types, rows, row groups, encodings,
sizes); while it is read, that the pages keep to it. A footer can lie about pages, so boards read
in a child process with little memory and little time (`leaderboard.guard`). Nothing is unpickled.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pdst.digest import digest_bytes
from pdst.errors import SubmissionError
from pdst.release import shown
from pdst.submission.bundle import (
    DIGEST_KEY,
    FILE_SCHEMA,
    HEADER_KEY,
    ROW_SCHEMA,
    Bundle,
    bundle_digest,
)
from pdst.submission.header import read_header

MIB = 1024 * 1024
MAGIC = b"PAR1"
METADATA_KEYS = {HEADER_KEY, DIGEST_KEY, b"ARROW:schema"}
ENCODINGS = {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"}
"""Not those that rebuild a text from its neighbours: a few bytes could become gigabytes."""
TEXTS = [field.name for field in ROW_SCHEMA if pa.types.is_string(field.type)]
CODECS = {"UNCOMPRESSED", "SNAPPY", "ZSTD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a submission may be. All generous: 20,000 rows without images are some 3 MiB.

    Attributes:
        file: bytes of the file, images included.
        footer: bytes of the Parquet footer, header included.
        rows, groups: of the table.
        values: bytes of all columns but `image`, uncompressed, as the footer declares them.
        group_images: bytes of one row group's images.
        image: bytes of one image.
        text: bytes of one text cell.
    """

    file: int = 16 * 1024 * MIB
    footer: int = 4 * MIB
    rows: int = 200_000
    groups: int = 2_000
    values: int = 256 * MIB
    group_images: int = 192 * MIB
    image: int = 64 * MIB
    text: int = 2_000


LIMITS = Limits()


def read_bundle(path: Path, limits: Limits = LIMITS) -> Bundle:
    """Read a bundle without its images, and see that it is what its digest says.

    Raises:
        SubmissionError: with the first reason why the file is no bundle.
    """
    _look_at_ends(path, limits)
    with _opened(path, limits) as file, _refusing(path):
        _check_declared(file, limits)
    # Texts as dictionaries, so that one that a file repeats a million times is held once.
    with _opened(path, limits, as_dictionaries=TEXTS) as file, _refusing(path):
        metadata = file.schema_arrow.metadata or {}
        if HEADER_KEY not in metadata or DIGEST_KEY not in metadata:
            raise SubmissionError(
                f"{path.name} is Parquet but no submission: it has no header. "
                "Make one with: pdst-submit RUN --to URL"
            )
        header = read_header(_text(metadata[HEADER_KEY], "header"))
        rows = _read_rows(file, limits)
    bundle = Bundle(header=header, rows=rows)
    stated = _text(metadata[DIGEST_KEY], "digest")
    digest = bundle_digest(header, rows)
    if stated != digest:
        raise SubmissionError(
            f"{path.name}: its content has digest {digest}, it states {shown(stated)}. It was "
            "changed after it was made: make it anew with pdst-submit."
        )
    return bundle


def bundle_images(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each attached image, one row group in memory at a time.

    Raises:
        SubmissionError: if an image is missing, too large, or not the one that its row hashes.
    """
    _look_at_ends(path, limits)
    with _opened(path, limits) as file:
        with _refusing(path):
            _check_declared(file, limits)
        for group in range(file.num_row_groups):
            with _refusing(path):
                table = file.read_row_group(group, columns=["key", "sha256", "attached", "image"])
                rows = table.to_pylist()
            for row in rows:
                if not row["attached"]:
                    if row["image"] is not None:
                        raise SubmissionError(f"{row['key']}: has an image, but not `attached`.")
                    continue
                data = row["image"]
                if data is None or len(data) > limits.image or digest_bytes(data) != row["sha256"]:
                    raise SubmissionError(
                        f"{row['key']}: the attached image is missing, over {limits.image} bytes, "
                        "or not the one that its row hashes. Make the bundle anew."
                    )
                yield row["key"], data


def _look_at_ends(path: Path, limits: Limits) -> None:
    try:
        size = path.stat().st_size
        if size > limits.file:
            raise SubmissionError(
                f"{path.name} has {size} bytes, at most {limits.file} are read. "
                "Submit with --images sample."
            )
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(max(0, size - 8))
            tail = file.read(8)
    except OSError as error:
        raise SubmissionError(f"{path.name} cannot be read ({error.strerror}).") from error
    if size < 12 or head != MAGIC or tail[4:] != MAGIC:
        raise SubmissionError(
            f"{path.name} is no whole Parquet file: it begins with {head!r}, ends with "
            f"{tail[4:]!r}. Make it with pdst-submit, and copy it whole."
        )
    footer = int.from_bytes(tail[:4], "little")
    if footer > min(limits.footer, size - 12):
        raise SubmissionError(
            f"{path.name}: a footer of {footer} bytes, at most {limits.footer} are read."
        )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Whatever the Parquet library raises at foreign bytes is a reason to refuse them."""
    try:
        yield
    except SubmissionError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise SubmissionError(
            f"{path.name}: cannot be read as Parquet ({type(error).__name__}: {text:.200})."
        ) from error


@contextmanager
def _opened(
    path: Path, limits: Limits, *, as_dictionaries: Sequence[str] = ()
) -> Iterator[pq.ParquetFile]:
    with _refusing(path):
        file = pq.ParquetFile(
            path,
            read_dictionary=list(as_dictionaries),
            pre_buffer=False,
            thrift_string_size_limit=limits.footer,
            thrift_container_size_limit=100_000,
            arrow_extensions_enabled=False,
        )
    with file:
        yield file


def _check_declared(file: pq.ParquetFile, limits: Limits) -> None:
    """What the footer says, before anything else is read."""
    about = file.metadata
    wanted = FILE_SCHEMA.names
    got = [about.schema.column(i).path for i in range(min(about.num_columns, len(wanted) + 1))]
    if about.num_columns != len(wanted) or got != wanted:
        strange = [name for name in got if name not in wanted]
        missing = [name for name in wanted if name not in got]
        raise SubmissionError(
            f"{about.num_columns} columns, wanted exactly the {len(wanted)} of a submission"
            + (f"; unknown: {shown(strange[:3])}" if strange else "")
            + (f"; missing: {', '.join(missing[:5])}" if missing else "")
            + ". Make it with the pdst-submit of this version."
        )
    for field in file.schema_arrow:
        kind = field.type
        if kind != FILE_SCHEMA.field(field.name).type or (field.metadata or {}).keys() - {
            b"PARQUET:field_id"
        }:
            raise SubmissionError(
                f"column {field.name} is {kind}, wanted plain {FILE_SCHEMA.field(field.name).type}."
            )
    strange_keys = (file.schema_arrow.metadata or {}).keys() | (about.metadata or {}).keys()
    if strange_keys := strange_keys - METADATA_KEYS:
        raise SubmissionError(f"unknown metadata {shown(sorted(strange_keys)[:3])}.")
    if not 0 < about.num_rows <= limits.rows or about.num_row_groups > limits.groups:
        raise SubmissionError(
            f"{about.num_rows} rows in {about.num_row_groups} row groups, wanted 1 to "
            f"{limits.rows} rows in at most {limits.groups}."
        )
    rows = values = 0
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        rows += group.num_rows
        for column in range(group.num_columns):
            chunk = group.column(column)
            values += _checked_chunk(chunk, group.num_rows, number, limits)
    if rows != about.num_rows:
        raise SubmissionError(f"{about.num_rows} rows, but its row groups say {rows}.")
    if values > limits.values:
        raise SubmissionError(
            f"{values} bytes of values without images, at most {limits.values} are read."
        )


def _checked_chunk(chunk: pq.ColumnChunkMetaData, rows: int, number: int, limits: Limits) -> int:
    """Bytes of one column of one row group, as declared; 0 for images, which have their own."""
    name = chunk.path_in_schema
    where = f"row group {number}, column {name}"
    if chunk.num_values != rows:
        raise SubmissionError(f"{where}: {chunk.num_values} values, its row group has {rows} rows.")
    if not set(chunk.encodings) <= ENCODINGS or chunk.compression not in CODECS:
        raise SubmissionError(
            f"{where}: encodings {shown(chunk.encodings)}, compression {chunk.compression}; "
            f"wanted {', '.join(sorted(ENCODINGS))} and {', '.join(sorted(CODECS))}."
        )
    size = max(chunk.total_uncompressed_size, chunk.total_compressed_size)
    if chunk.total_uncompressed_size < 0 or chunk.total_compressed_size < 0:
        raise SubmissionError(f"{where}: a negative size.")
    if name != "image":
        return int(size)
    if size > limits.group_images or chunk.compression != "UNCOMPRESSED":
        raise SubmissionError(
            f"{where}: {size} bytes with compression {chunk.compression}, wanted at most "
            f"{limits.group_images}, not compressed."
        )
    return 0


def _read_rows(file: pq.ParquetFile, limits: Limits) -> pa.Table:
    parts = []
    for number in range(file.num_row_groups):
        declared = file.metadata.row_group(number).num_rows
        part = file.read_row_group(number, columns=ROW_SCHEMA.names)
        part.validate(full=True)
        if part.num_rows != declared:
            raise SubmissionError(
                f"row group {number}: {part.num_rows} rows, its footer says {declared}."
            )
        parts.append(_plain(part, limits))
    rows = pa.concat_tables(parts).combine_chunks()
    for field in ROW_SCHEMA:
        if pa.types.is_floating(field.type):
            _check_floats(field.name, rows.column(field.name))
    return rows


def _plain(part: pa.Table, limits: Limits) -> pa.Table:
    """Texts as plain columns, once it is known that none is long."""
    arrays = []
    for field in ROW_SCHEMA:
        column = part.column(field.name)
        if pa.types.is_string(field.type):
            for chunk in column.chunks:
                words = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
                longest = pc.max(pc.binary_length(words)).as_py() or 0
                if longest > limits.text:
                    raise SubmissionError(
                        f"column {field.name}: a text of {longest} bytes, at most {limits.text}."
                    )
        arrays.append(column.cast(field.type))
    return pa.table(arrays, schema=ROW_SCHEMA)


def _check_floats(name: str, column: pa.ChunkedArray) -> None:
    known = column.drop_null()
    if pc.all(pc.is_finite(known)).as_py() is False:
        raise SubmissionError(
            f"column {name} holds NaN or infinity, wanted numbers; null where there is no score."
        )
    zeros = known.filter(pc.equal(known, 0.0)).combine_chunks()
    if any(str(value) == "-0.0" for value in zeros.to_pylist()):
        raise SubmissionError(f"column {name} holds -0.0, which is written 0.0.")


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SubmissionError(f"the {what} is no UTF-8 text.") from error
