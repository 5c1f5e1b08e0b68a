"""In: a manifest, the file that says which file holds which case's image. Out: key -> entry.

A .jsonl, .csv or .parquet with the columns `file` (relative to the manifest's folder, with `/`) and
either `key` ("dog6/03/c2/s4") or `subject_id`, `image_id`, `caption_index` and `seed_index`, or
both; optionally `prompt`, the caption with its `{}`. Other columns are ignored.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pdst.errors import GeneratorError
from pdst.methods.naming import FIELDS, Place

SUFFIXES = (".jsonl", ".csv", ".parquet")
"""Of a manifest."""

SHOWN = 5
"""So many of a list of problems are spelled out."""

_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("subject_id", pa.string()),
        ("image_id", pa.string()),
        ("caption_index", pa.int32()),
        ("seed_index", pa.int32()),
        ("seed", pa.int64()),
        ("prompt", pa.string()),
        ("file", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a manifest.

    Attributes:
        file: relative path with `/`, without `..`.
        prompt: what the image was drawn for; None if the manifest does not say.
    """

    place: Place
    file: str
    prompt: str | None


def read_manifest(path: Path) -> dict[str, Entry]:
    """Read a manifest.

    Returns:
        `Case.key` -> entry, in the file's order.

    Raises:
        GeneratorError: if the file cannot be read, or for rows that lack a column, have a value of
            another type, name one case twice, or a file outside of the folder. It tells how many
            there are, and the first few.
    """
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    try:
        for number, row in _rows(path):
            found = _entry(row)
            if isinstance(found, str):
                problems.append(f"{number}: {found}")
            elif found.place.key in entries:
                problems.append(f"{number}: a second row for {found.place.key}")
            else:
                entries[found.place.key] = found
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise GeneratorError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). Write it anew."
        ) from error
    if problems:
        raise GeneratorError(f"{path}: {listed(problems, 'bad row')}. Mend the manifest.")
    if not entries:
        raise GeneratorError(f"{path} has no rows. Wanted one for each image.")
    return entries


def write_manifest(rows: Iterable[Mapping[str, object]], path: Path) -> int:
    """Write rows with the columns key, subject_id, …, file; the suffix decides the format.

    Returns:
        The number of rows.

    Raises:
        GeneratorError: for another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise GeneratorError(f"{path}: a manifest's name ends in {', '.join(SUFFIXES)}.")
    table = pa.Table.from_pylist(list(rows), schema=_SCHEMA)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    if path.suffix == ".parquet":
        pq.write_table(table, part, compression="zstd")
    else:
        with part.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                writer = csv.DictWriter(file, _SCHEMA.names)
                writer.writeheader()
                writer.writerows(table.to_pylist())
            else:
                file.writelines(
                    json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()
                )
    part.replace(path)
    return int(table.num_rows)


def listed(problems: Sequence[str], what: str) -> str:
    """How many problems, and the first few of them: "7 bad rows (first 5: …; …)"."""
    count = len(problems)
    first = f"first {SHOWN}: " if count > SHOWN else ""
    return f"{count} {what}{'s' if count > 1 else ''} ({first}{'; '.join(problems[:SHOWN])})"


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each row with what to call it."""
    match path.suffix:
        case ".jsonl":
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        yield f"line {number}", _json_object(line, number)
        case ".csv":
            # utf-8-sig: spreadsheets put a byte order mark in front.
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                for row in reader:
                    yield f"line {reader.line_num}", {name: row[name] or None for name in row}
        case ".parquet":
            number = 0
            with pq.ParquetFile(path) as parquet:
                wanted = {"key", *FIELDS, "prompt", "file"}
                columns = [name for name in parquet.schema_arrow.names if name in wanted]
                for batch in parquet.iter_batches(columns=columns):
                    for row in batch.to_pylist():
                        yield f"row {number}", row
                        number += 1
        case _:
            raise ValueError(f"a manifest's name ends in {', '.join(SUFFIXES)}")


def _json_object(line: str, number: int) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is a {type(row).__name__}, wanted a JSON object")
    return row


def _entry(row: Mapping[str, object]) -> Entry | str:
    """A row as an entry, or what is wrong with it."""
    place = _place(row)
    if isinstance(place, str):
        return place
    file = row.get("file")
    if not isinstance(file, str) or not file:
        return f"file of {place.key} is {file!r}, wanted a path"
    if "\\" in file or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        return f"file '{file}' is not inside the folder: wanted a relative path with / and no .."
    prompt = row.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        return f"prompt of {place.key} is {prompt!r}, wanted text"
    return Entry(place=place, file=file, prompt=prompt)


def _place(row: Mapping[str, object]) -> Place | str:
    key, parts = row.get("key"), [row.get(name) for name in FIELDS]
    if None not in parts:
        if not isinstance(parts[0], str) or not isinstance(parts[1], str):
            return f"subject_id, image_id are {parts[0]!r}, {parts[1]!r}: wanted text, as '03'"
        joined = "{}/{}/c{}/s{}".format(*parts)
        if key is not None and key != joined:
            return f"key is {key!r}, but the other columns say {joined}"
        key = joined
    elif key is None:
        absent = [name for name, part in zip(FIELDS, parts, strict=True) if part is None]
        return f"no key, and no {', '.join(absent)}"
    place = Place.of_key(key) if isinstance(key, str) else None
    return place or f"key is {key!r}, wanted subject/photo/c<caption>/s<seed>, as 'dog6/03/c2/s4'"
