"""In: a header, rows, images. Out: one Parquet file, and the one digest of its content.

The rows are flat: one an image, a plain dataset that `datasets` and DuckDB open. The digest is
computed from values, not from the file's bytes, which a Parquet library may write otherwise: writer
and reader call the same `bundle_digest`. Image bytes enter it through their sha256.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pdst.digest import Json, canonical_json, digest_bytes
from pdst.files import whole_file
from pdst.metrics import METRICS
from pdst.submission.header import Header

HEADER_KEY, DIGEST_KEY = b"pdst.bundle", b"pdst.digest"

ROW_FIELDS = (
    ("key", pa.string()),
    ("subject_id", pa.string()),
    ("kind", pa.string()),
    ("image_id", pa.string()),
    ("caption_index", pa.int32()),
    ("seed_index", pa.int32()),
    ("prompt", pa.string()),
    ("reason", pa.string()),
    ("sha256", pa.string()),
    ("pixels", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("seconds", pa.float64()),
    *((metric_id, pa.float64()) for metric_id in METRICS),
    ("copy_similarity", pa.float64()),
    ("copy_photo", pa.string()),
    ("copied", pa.bool_()),
    ("attached", pa.bool_()),
)
"""Columns of the scores table, what the run knows of each image, and whether it is attached."""

ROW_SCHEMA = pa.schema(ROW_FIELDS)
FILE_SCHEMA = ROW_SCHEMA.append(pa.field("image", pa.binary()))
"""`image` holds the encoded image of an attached row, else null. It is plain bytes, for readers
should refuse whatever is nested; `datasets` shows it after `cast_column("image", Image())`."""

SAMPLE = 64
"""So many images make a sample."""

GROUP_ROWS, GROUP_BYTES = 20_000, 64 * 1024 * 1024
"""A row group of the file holds at most so many rows and about so many bytes of images."""

ReadImage: TypeAlias = Callable[[str], bytes]
"""Returns the encoded image of a case, by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A submission without its image bytes.

    Attributes:
        rows: of ROW_SCHEMA, in plan order.
    """

    header: Header
    rows: pa.Table

    @property
    def digest(self) -> str:
        """Its identity: the name of its file on a board."""
        return bundle_digest(self.header, self.rows)


def bundle_digest(header: Header, rows: pa.Table) -> str:
    """sha256 (64 hexadecimal digits) over the header's text and the rows' values.

    Args:
        header: of the bundle.
        rows: of ROW_SCHEMA. Float columns hold neither NaN nor -0.0.
    """
    digest = hashlib.sha256(header.text.encode())
    for name in ROW_SCHEMA.names:
        column = cast("list[Json]", rows.column(name).to_pylist())
        digest.update(b"\n" + canonical_json([name, column]).encode())
    return digest.hexdigest()


def sample_keys(rows: pa.Table, count: int = SAMPLE) -> frozenset[str]:
    """The drawn cases whose images are a bundle's sample: those that the images' digests pick.

    Who submits does not choose them; who would draw, look and draw again could.
    """
    drawn = [
        (key, pixels)
        for key, pixels in zip(
            rows.column("key").to_pylist(), rows.column("pixels").to_pylist(), strict=True
        )
        if pixels is not None
    ]
    salt = digest_bytes(canonical_json([list(pair) for pair in drawn]).encode())
    ordered = sorted(drawn, key=lambda pair: digest_bytes(f"{salt}/{pair[0]}".encode()))
    return frozenset(key for key, _ in ordered[:count])


def write_bundle(bundle: Bundle, path: Path, read_image: ReadImage) -> None:
    """Write a bundle, whole or not at all; memory holds one row group of images.

    Args:
        bundle: what to write.
        path: where; its folder is made.
        read_image: is asked for the image of each row that is `attached`, in order.
    """
    metadata = {
        HEADER_KEY: bundle.header.text.encode(),
        DIGEST_KEY: bundle.digest.encode(),
    }
    schema = FILE_SCHEMA.with_metadata(metadata)
    with (
        whole_file(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            # Images are compressed already; and what is not compressed hides no bomb.
            compression=dict.fromkeys(ROW_SCHEMA.names, "zstd") | {"image": "none"},
            use_dictionary=[f.name for f in ROW_SCHEMA if pa.types.is_string(f.type)],
        ) as writer,
    ):
        for table in _groups(bundle.rows, read_image):
            writer.write_table(table.replace_schema_metadata(metadata))


def _groups(rows: pa.Table, read_image: ReadImage) -> Iterator[pa.Table]:
    keys, attached = rows.column("key").to_pylist(), rows.column("attached").to_pylist()
    held: list[bytes | None] = []
    start = size = 0
    for position, (key, wanted) in enumerate(zip(keys, attached, strict=True)):
        image = read_image(key) if wanted else None
        held.append(image)
        size += len(image or b"")
        if len(held) == GROUP_ROWS or size >= GROUP_BYTES:
            yield _group(rows, start, held)
            start, held, size = position + 1, [], 0
    if held or not keys:
        yield _group(rows, start, held)


def _group(rows: pa.Table, start: int, images: Sequence[bytes | None]) -> pa.Table:
    part = rows.slice(start, len(images))
    return part.append_column("image", pa.array(images, pa.binary()))


def rows_of(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    """A table of ROW_SCHEMA; -0.0 becomes 0.0, so that equal numbers are equal text.

    Args:
        columns: name -> values; a missing number is None.
    """
    arrays = []
    for field in ROW_SCHEMA:
        values = columns[field.name]
        if pa.types.is_floating(field.type):
            values = [None if value is None else cast("float", value) + 0.0 for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=ROW_SCHEMA)
