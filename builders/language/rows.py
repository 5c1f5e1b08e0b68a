"""In: captions, one a row. Out: the rows' type, their Parquet columns, and rows grouped by image.

Each step of the language work takes rows and gives rows, an image at a time, so that what calls it
can save after each image and leave out what is there already.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Literal, TypeAlias, get_args

import pyarrow as pa

from pdst.errors import PdstError
from pdst.types import Kind

Key: TypeAlias = tuple[str, str]
"""Subject id and image id."""

Status: TypeAlias = Literal["captioned", "refined", "neutralized", "passed", "warned", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""How far a caption has come. "passed" and "warned" have been checked, a person has yet to approve
them; "failed": a person must write or mend it, the reason says how."""


class LanguageError(PdstError):
    """A caption model, an endpoint, a file of captions or a word list cannot do its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRow:
    """One caption of one photo.

    Attributes:
        caption_index: from 0; an image's captions keep their numbers through all steps.
        text: the caption; empty if there is none.
        source: what wrote it, then what changed it: "Qwen/Qwen2-VL-7B-Instruct, rules".
        reason: what the last step found or did, in sentences; empty if nothing.
    """

    subject_id: str
    image_id: str
    caption_index: int
    text: str
    source: str
    status: Status
    reason: str = ""

    @property
    def key(self) -> Key:
        """Of its image."""
        return self.subject_id, self.image_id


SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("image_id", pa.string()),
        ("caption_index", pa.int8()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What the subject is called, for finding it in a caption.

    Attributes:
        class_noun: "dog", "stuffed animal".
        kind: decides between meanings: a living duck is a bird.
        leak_terms: words that give this one subject away: its name, a brand, what is printed on it.
    """

    subject_id: str
    class_noun: str
    kind: Kind
    leak_terms: tuple[str, ...] = ()


def to_table(rows: Iterable[CaptionRow]) -> pa.Table:
    """Rows as a table of `SCHEMA`."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)


def from_table(table: pa.Table) -> tuple[CaptionRow, ...]:
    """Rows from a table.

    Raises:
        LanguageError: if its columns are not `SCHEMA`'s, or a status is none of `STATUSES`.
    """
    if not table.schema.equals(SCHEMA):
        raise LanguageError(
            f"a table of captions has the columns {_columns(table.schema)}, wanted "
            f"{_columns(SCHEMA)}. Write it with builders.language.to_table."
        )
    rows = tuple(CaptionRow(**record) for record in table.to_pylist())
    for row in rows:
        if row.status not in STATUSES:
            raise LanguageError(
                f"{row.subject_id}/{row.image_id} caption {row.caption_index}: status "
                f"{row.status!r}, wanted one of {', '.join(STATUSES)}. Correct the table."
            )
    return rows


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def by_image(
    rows: Iterable[CaptionRow], done: Collection[Key] = ()
) -> Iterator[tuple[CaptionRow, ...]]:
    """The rows of each image together, in order; without the images in `done`.

    Raises:
        LanguageError: if a caption of an image is there twice.
    """
    ordered = sorted(rows, key=lambda row: (row.key, row.caption_index))
    for key, group in groupby(ordered, key=lambda row: row.key):
        own = tuple(group)
        if len({row.caption_index for row in own}) < len(own):
            raise LanguageError(
                f"{'/'.join(key)}: two captions have one caption_index. Number them 0, 1, 2, …"
            )
        if key not in done:
            yield own


def called(subject_id: str, known: Iterable[Called]) -> Called:
    """The words for a subject.

    Raises:
        LanguageError: if nobody gave them.
    """
    for words in known:
        if words.subject_id == subject_id:
            return words
    raise LanguageError(
        f"no class noun is known for the subject '{subject_id}'. Add it to the subjects given."
    )
