"""In: rows as dataclasses. Out: Parquet tables of fixed columns, and back."""

import dataclasses
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import pyarrow as pa

_T = TypeVar("_T")

Status: TypeAlias = Literal["kept", "reserve", "dropped"]
"""Of a photo or mask: goes on, is left over, is left out for a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A photo that may come into the release; one that has been dropped stays a row, with why.

    Attributes:
        file: the stored photo, under the workspace's `stored/photos/`.
        sha256: of it. original_sha256: of the file that it was made from.
        width, height: of the stored photo, upright.
        origin: the file as it came, for messages.
        collector: "own" or the manifest's name.
        statement: the authorship statement of an own photo, or a `permission_ref`; may be "".
        session: photos of one place and time share it, as the source says; "": it does not.
        series: the source says nothing, but the clock does: photos of a subject that were
            taken one after the other share this number. 0: not known.
        split: "" until it is decided; a manifest may ask for "train" or "test".
        like: the photo that it repeats, if that is why it was dropped.
        flags: what a look by machine noticed; nothing is dropped for it.
    """

    subject_id: str
    image_id: str
    file: str
    sha256: str
    original_sha256: str
    width: int
    height: int
    origin: str
    collector: str
    source: str
    author: str
    licence: str
    licence_url: str
    statement: str = ""
    session: str = ""
    series: int = 0
    split: str = ""
    status: Status = "kept"
    reason: str = ""
    like: str = ""
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Subject and image: "dog6/03"."""
        return f"{self.subject_id}/{self.image_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A caption after all checks and reviews.

    Attributes:
        checked: what the checks said: "passed", "warned" (soft leaks), "failed".
        status: whether it may be released.
    """

    subject_id: str
    image_id: str
    caption_index: int
    text: str
    source: str
    checked: str
    status: Literal["approved", "rejected"]
    reason: str = ""

    @property
    def photo(self) -> str:
        """Of which it is: "cat/03"."""
        return f"{self.subject_id}/{self.image_id}"

    @property
    def name(self) -> str:
        """What it is called: "cat/03#4"."""
        return f"{self.photo}#{self.caption_index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRow:
    """A mask of a photo.

    Attributes:
        file: the stored mask, under the workspace's `stored/masks/`; "" if there is none.
        sha256: of it.
        source: what drew it.
        share: of the photo that it covers, 0 to 1.
        flags: what a look by machine noticed.
    """

    subject_id: str
    image_id: str
    file: str
    sha256: str
    source: str
    share: float
    status: Status = "kept"
    reason: str = ""
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Subject and image: "dog6/03"."""
        return f"{self.subject_id}/{self.image_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file that a stage wrote outside its own table."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where a release went. `url`: the folder, or the pull request's page."""

    to: str
    url: str


_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    tuple[str, ...]: pa.list_(pa.string()),
}


def schema_of(kind: type) -> pa.Schema:
    """The columns of a row type, in order; a Literal is text."""
    hints = typing.get_type_hints(kind)
    return pa.schema([(name, _TYPES.get(hint, pa.string())) for name, hint in hints.items()])


def to_table(kind: type, rows: Iterable[Any]) -> pa.Table:
    """Rows of one dataclass as a table."""
    return pa.Table.from_pylist([dataclasses.asdict(row) for row in rows], schema=schema_of(kind))


def from_table(kind: type[_T], table: pa.Table) -> tuple[_T, ...]:
    """The rows of a table that `to_table` made."""
    tuples = [name for name, hint in typing.get_type_hints(kind).items() if hint == tuple[str, ...]]
    return tuple(
        kind(**{**record, **{name: tuple(record[name]) for name in tuples}})
        for record in table.to_pylist()
    )


def kept(rows: Sequence[Candidate], split: str | None = None) -> list[Candidate]:
    """The photos that go on; of one split, if it is named."""
    return [row for row in rows if row.status == "kept" and split in (None, row.split)]
