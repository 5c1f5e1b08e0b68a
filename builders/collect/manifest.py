"""In: a CSV or JSONL file that lists photos obtained elsewhere. Out: which files, with credits.

How somebody got the files is their business, and that they may have them: the manifest says from
where, by whom and under which licence, and a `permission_ref` where a site's terms ask for consent.
Its hashes make sure that the files are those that were meant.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.collect.licences import ALLOWED, licence_id
from builders.collect.text import read_utf8
from builders.pipeline.settings import WorkspaceError
from pdst.errors import unknown_name
from pdst.release import SPLITS, shown
from pdst.types import ID_PATTERN

REQUIRED = ("file", "sha256", "subject_id", "source", "author", "licence")
OPTIONAL = (
    "image_id", "licence_url", "permission_ref", "session", "split", "title", "attribution",
    "cluster",
)  # fmt: skip

NOT_TAKEN = ("", "-")
"""As a `subject_id`: nobody has said yet whose photo this is; nobody wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A photo that was named, not yet read.

    Attributes:
        where: for messages: "manifest.csv line 3".
        path: the file. sha256: what it must be; None: whatever it is.
        statement: the authorship statement, or the permission.
    """

    where: str
    collector: str
    path: Path
    sha256: str | None
    subject_id: str
    image_id: str
    source: str
    author: str
    licence: str
    licence_url: str
    statement: str
    session: str = ""
    split: str = ""

    @property
    def name(self) -> str:
        """Subject and image: "dog6/03"."""
        return f"{self.subject_id}/{self.image_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest names.

    Attributes:
        photos: those with a subject.
        undecided: how many have none yet.
        problems: rows that cannot be taken, each with what to do.
    """

    photos: tuple[Listed, ...]
    undecided: int
    problems: tuple[str, ...]


def read_manifest(path: Path, *, allow: Collection[str]) -> Manifest:
    """Read a manifest; files are named relative to it.

    Args:
        path: a `.csv` with a header, or a `.jsonl` with an object a line.
        allow: licences that are taken.

    Raises:
        WorkspaceError: if the file is missing, or its columns are wrong.
    """
    photos: list[Listed] = []
    problems: list[str] = []
    undecided = 0
    for where, row in _rows(path):
        subject_id = row.get("subject_id", "").strip()
        if subject_id in NOT_TAKEN:
            undecided += not subject_id
        elif found := list(_wrong(row, allow)):
            problems.extend(f"{where}: {problem}" for problem in found)
        else:
            photos.append(_listed(path, where, row))
    return Manifest(photos=tuple(photos), undecided=undecided, problems=tuple(problems))


def _listed(path: Path, where: str, row: Mapping[str, str]) -> Listed:
    licence = licence_id(row["licence"])
    return Listed(
        where=where,
        collector=path.name,
        path=path.parent / Path(row["file"]).expanduser(),
        sha256=row["sha256"].strip().lower(),
        subject_id=row["subject_id"].strip(),
        image_id=_image_id(row),
        source=row["source"].strip(),
        author=row["author"].strip(),
        licence=licence,
        licence_url=row.get("licence_url", "").strip() or ALLOWED[licence].url,
        statement=row.get("permission_ref", "").strip(),
        session=row.get("session", "").strip(),
        split=row.get("split", "").strip(),
    )


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The rows, each with where it stands."""
    if not path.is_file():
        raise WorkspaceError(f"{path}: no such manifest. Correct collect.manifests.")
    text = read_utf8(path)
    if path.suffix == ".jsonl":
        for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
            where = f"{path.name} line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise WorkspaceError(f"{where}: no JSON ({error}). Mend the line.") from error
            if not isinstance(row, dict):
                raise WorkspaceError(f"{where}: {shown(row)}, wanted an object. Mend the line.")
            _check_columns(list(row), where)
            yield where, {key: "" if value is None else str(value) for key, value in row.items()}
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    _check_columns(list(reader.fieldnames or ()), path.name)
    for row in reader:
        where = f"{path.name} line {reader.line_num}"
        if None in row or None in row.values():
            raise WorkspaceError(f"{where}: has another number of cells than the header. Mend it.")
        yield where, row


def _check_columns(names: list[str], where: str) -> None:
    for name in names:
        if name not in (*REQUIRED, *OPTIONAL):
            known = (*REQUIRED, *OPTIONAL)
            raise WorkspaceError(f"{where}: {unknown_name('column', name, known)}")
    lacking = [name for name in REQUIRED if name not in names]
    if lacking:
        raise WorkspaceError(f"{where}: lacks {', '.join(lacking)}. Add it to the header.")


def _image_id(row: Mapping[str, str]) -> str:
    return row.get("image_id", "").strip() or Path(row["file"]).stem


def _wrong(row: Mapping[str, str], allow: Collection[str]) -> Iterator[str]:
    """What keeps a row from being taken."""
    for name in REQUIRED:
        if not row[name].strip():
            yield f"no {name}. Fill it in, or put '-' as the subject to leave the photo out."
    for name, value in (("subject_id", row["subject_id"].strip()), ("image_id", _image_id(row))):
        if value and not ID_PATTERN.fullmatch(value):
            yield f"{name} is {shown(value)}, wanted letters, digits, '.', '_' and '-'."
    if row["sha256"].strip() and not re.fullmatch(r"[0-9a-fA-F]{64}", row["sha256"].strip()):
        yield f"sha256 is {shown(row['sha256'])}, wanted 64 hexadecimal digits."
    if (split := row.get("split", "").strip()) not in ("", *SPLITS):
        yield f"split is {shown(split)}, wanted {' or '.join(SPLITS)}, or nothing."
    yield from _licence_wrong(row, allow)


def _licence_wrong(row: Mapping[str, str], allow: Collection[str]) -> Iterator[str]:
    if not row["licence"].strip():
        return
    licence = licence_id(row["licence"])
    if licence not in allow:
        yield (
            f"licence {shown(row['licence'])} is not on the list. {_near(licence, allow)}"
            "Leave the photo out ('-' as the subject), or get it under one of these: "
            f"{', '.join(sorted(allow))}."
        )
    elif (why := ALLOWED[licence].permission) and not row.get("permission_ref", "").strip():
        yield (
            f"a photo under the {licence} needs a permission_ref: {why}. Name the message or "
            "agreement that allows it, or leave the photo out."
        )


def _near(licence: str, allow: Collection[str]) -> str:
    restricted = {"NC", "ND"} & set(licence.upper().split("-"))
    if not restricted:
        return ""
    return f"{' and '.join(sorted(restricted))} licences forbid what users of a release do. "
