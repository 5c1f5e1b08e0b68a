"""In: a release folder. Out: its card and rows, every breach of the format told to `report`.

`pdst.load` raises the first breach found here; `pdst.validate` lists them all and looks further.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pdst.captions import has_one_slot
from pdst.digest import digest_bytes
from pdst.errors import DatasetError
from pdst.release import (
    CARD_NAME,
    CONTENT_COLUMNS,
    IMAGE_COLUMNS,
    SCHEMAS,
    SPLITS,
    TEXT_COLUMNS,
    Card,
    Finding,
    Report,
    content_row,
    error,
    fingerprint,
    read_card,
    shard_paths,
    shown,
)
from pdst.types import ID_PATTERN, KINDS, SLOT, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBytes:
    """Reads one image file out of a release when called: a few numbers, picklable, no open file.

    A call reads the one row group that holds the row, so releases keep row groups small.
    """

    path: Path
    row_group: int
    row: int
    column: str
    sha256: str

    def __call__(self) -> bytes:
        """The file's bytes, the very ones that were there when the release was loaded.

        Raises:
            DatasetError: if the release has changed since.
        """
        try:
            with pq.ParquetFile(self.path, memory_map=True) as parquet:
                group = parquet.read_row_group(self.row_group, columns=[f"{self.column}.bytes"])
            data = group[self.column][self.row]["bytes"].as_py()
        except (OSError, pa.ArrowException, IndexError, KeyError) as broken:
            raise DatasetError(
                f"{self.path}: cannot be read any more ({broken}). Load the release again."
            ) from broken
        if not isinstance(data, bytes) or digest_bytes(data) != self.sha256:
            raise DatasetError(f"{self.path}: changed after loading. Load the release again.")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One photo as its row says it, right or wrong.

    Attributes:
        where: file, row and ids, for messages.
        texts: the TEXT_COLUMNS; "" where a column or a value is missing.
        captions: of a test photo; empty for train.
        image, mask: None where there are no bytes.
    """

    where: str
    split: Split
    texts: Mapping[str, str]
    captions: tuple[str, ...]
    image: StoredBytes | None
    mask: StoredBytes | None

    @property
    def key(self) -> tuple[str, str]:
        """(subject id, image id): unique over a release."""
        return (self.texts["subject_id"], self.texts["image_id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A folder as read: the card, if it can be, and all rows that can be, ordered by their ids."""

    card: Card | None
    rows: tuple[Row, ...]


def read_release(folder: Path, report: Report) -> Release:
    """Read a folder and check what every reader relies on.

    Checked: card, files, columns and types, ids, kinds, caption slots, one description a subject,
    both splits for every subject, every sha256, the fingerprint. Goes on after a finding, unless
    `report` raises.
    """
    card = read_card(folder, report)
    problems = 0

    def counting(finding: Finding) -> None:
        nonlocal problems
        problems += 1
        report(finding)

    rows: list[Row] = []
    for split in SPLITS:
        paths = shard_paths(folder, split)
        if not paths:
            message = f"no file {split}-*.parquet in {folder}. Rebuild the release."
            counting(error("missing-split", split, message))
        found = [row for path in paths for row in _read_shard(path, split, counting)]
        if paths and not found:
            counting(error("no-rows", split, "no rows at all. Rebuild the release."))
        rows.extend(found)
    rows.sort(key=lambda row: (row.key, row.split))
    for row in rows:
        _check_row(row, counting)
    _check_subjects(rows, counting)
    # With a problem above, the fingerprint differs for a reason that is already told.
    if card is not None and problems == 0 and (got := _fingerprint(rows)) != card.fingerprint:
        message = (
            f"the rows have fingerprint {got}, the card says {card.fingerprint}. "
            "Rows or card were changed after the release was built: rebuild it."
        )
        report(error("fingerprint", CARD_NAME, message))
    return Release(card=card, rows=tuple(rows))


def _fingerprint(rows: list[Row]) -> str:
    return fingerprint(
        content_row(
            row.split,
            row.texts,
            image_sha256=row.image.sha256 if row.image else "",
            mask_sha256=row.mask.sha256 if row.mask else None,
            captions=row.captions,
        )
        for row in rows
    )


# --- files -> rows -------------------------------------------------------------------------------


def _read_shard(path: Path, split: Split, report: Report) -> Iterator[Row]:
    """The rows of one Parquet file, one row group in memory at a time."""
    try:
        with pq.ParquetFile(path) as parquet:
            columns = _usable_columns(path.name, split, parquet.schema_arrow, report)
            first = 0
            for number in range(parquet.num_row_groups):
                group = parquet.read_row_group(number, columns=columns)
                for index in range(group.num_rows):
                    yield _read_row(path, split, group, number, index, first + index, report)
                first += group.num_rows
    except (OSError, pa.ArrowException, UnicodeDecodeError) as broken:
        summary = " ".join(str(broken).split())
        message = f"cannot be read as Parquet ({shown(summary)}). Rebuild or download it again."
        report(error("unreadable-file", path.name, message))


def _usable_columns(file: str, split: Split, got: pa.Schema, report: Report) -> list[str]:
    """The columns that are there with the right type; the others are reported."""
    usable = []
    wanted = SCHEMAS[split]
    for name in wanted.names:
        if got.names.count(name) != 1:
            how = "twice" if name in got.names else "missing"
            report(error("columns", file, f"column '{name}' is {how}. Rebuild the release."))
        elif not _fits(got.field(name).type, wanted.field(name).type):
            message = (
                f"column '{name}' is {got.field(name).type}, wanted {wanted.field(name).type}."
            )
            report(error("columns", file, f"{message} Rebuild the release."))
        else:
            usable.append(name)
    for name in sorted(set(got.names) - set(wanted.names)):
        message = f"unknown column {shown(name)}. {split} has: {', '.join(wanted.names)}."
        report(error("columns", file, message))
    return usable


def _fits(got: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal, but for 64-bit offsets and the order of a struct's fields, which change no value."""
    if pa.types.is_struct(wanted):
        return pa.types.is_struct(got) and all(
            got.get_field_index(field.name) >= 0 and _fits(got.field(field.name).type, field.type)
            for field in wanted
        )
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(got) or pa.types.is_large_list(got)
        return is_list and _fits(got.value_type, wanted.value_type)
    large = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    return got in (wanted, large[wanted])


def _read_row(
    path: Path, split: Split, group: pa.Table, number: int, index: int, row: int, report: Report
) -> Row:
    def value(name: str) -> object:
        return group[name][index].as_py()

    present = set(group.column_names)
    texts = {name: value(name) if name in present else "" for name in TEXT_COLUMNS}
    ids = f"{shown(texts['subject_id'])[1:-1]}/{shown(texts['image_id'])[1:-1]}"
    where = f"{path.name} row {row} ({split} {ids})"
    for name in (name for name in TEXT_COLUMNS if texts[name] is None):
        report(error("null-value", where, f"{name} is null, wanted text. Rebuild the release."))
        texts[name] = ""

    stored: dict[str, StoredBytes | None] = {}
    for column in IMAGE_COLUMNS:
        stored[column] = None
        cell = group[column][index] if column in present else None
        if cell is not None and cell.is_valid and cell["bytes"].is_valid:
            stored[column] = StoredBytes(
                path=path,
                row_group=number,
                row=index,
                column=column,
                sha256=digest_bytes(memoryview(cell["bytes"].as_buffer())),
            )
        elif cell is not None and (column == "image" or cell.is_valid):
            message = f"{column} holds no bytes. A path alone is not enough: store the file itself."
            report(error("no-bytes", where, message))

    captions: tuple[str, ...] = ()
    if "captions" in present:
        listed = value("captions")
        captions = (
            tuple("" if c is None else str(c) for c in listed) if isinstance(listed, list) else ()
        )
    return Row(
        where=where,
        split=split,
        texts={name: str(text) for name, text in texts.items()},
        captions=captions,
        image=stored["image"],
        mask=stored["mask"],
    )


# --- checks that every reader relies on ----------------------------------------------------------


def _check_row(row: Row, report: Report) -> None:
    texts = row.texts
    for name in ("subject_id", "image_id"):
        if not ID_PATTERN.fullmatch(texts[name]):
            message = f"{name} is {shown(texts[name])}, wanted at most 100 letters, digits, '.', "
            report(error("bad-id", row.where, f"{message}'_' and '-', a letter or digit first."))
    if texts["kind"] not in KINDS:
        message = f"kind is {shown(texts['kind'])}, wanted {' or '.join(KINDS)}."
        report(error("bad-kind", row.where, message))
    for name in ("class_noun", "init_token"):
        if not texts[name].strip() or "{" in texts[name] or "}" in texts[name]:
            message = f"{name} is {shown(texts[name])}, wanted words without braces."
            report(error("bad-noun", row.where, message))
    if row.image is not None and row.image.sha256 != texts["sha256"]:
        message = (
            f"the image's sha256 is {row.image.sha256}, its row says {shown(texts['sha256'])}. "
            "The image was changed: rebuild the release."
        )
        report(error("sha256", row.where, message))
    if row.split == "test" and not row.captions:
        report(error("no-captions", row.where, "no caption. Add captions and rebuild the release."))
    for index, caption in enumerate(row.captions):
        if not has_one_slot(caption):
            message = f"caption {index} is {shown(caption)}, wanted exactly one {SLOT}"
            report(error("caption-slot", row.where, f"{message} and no other brace."))


def _check_subjects(rows: list[Row], report: Report) -> None:
    by_key: dict[tuple[str, str], Row] = {}
    by_subject: dict[str, list[Row]] = {}
    for row in rows:
        if row.key in by_key:
            message = f"the same subject and image id as {by_key[row.key].where}. Rename one."
            report(error("duplicate-id", row.where, message))
        by_key.setdefault(row.key, row)
        by_subject.setdefault(row.texts["subject_id"], []).append(row)
    for subject_id, own in by_subject.items():
        where = f"subject {shown(subject_id)[1:-1]}"
        for name in CONTENT_COLUMNS[1:4]:
            values = sorted({row.texts[name] for row in own})
            if len(values) > 1:
                message = f"{name} differs over its rows: {shown(values)}. Keep one."
                report(error("inconsistent-subject", where, message))
        for split in SPLITS:
            if not any(row.split == split for row in own):
                message = f"no {split} photo. Add one, or drop the subject."
                report(error("one-split", where, message))
