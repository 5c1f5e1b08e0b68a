"""In: a card to read. Out: the release format: columns, fingerprint, card, findings.

One folder holds one release: `README.md` (the card), `train-*.parquet` and `test-*.parquet`, and,
where the pictures are drawn, `scenes.jsonl`. This file is the format's one definition: `builders`
write by it, `pdst.dataset` reads by it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa
import yaml

from pdst.digest import Json, digest_json
from pdst.types import ID_PATTERN, Split

SCHEMA_VERSION = 1
CARD_NAME = "README.md"
SCENES_NAME = "scenes.jsonl"
"""What a drawn release knows of its pictures: an object a line, with `subject_id` and `image_id`.
No method is shown it and no score depends on it."""
SPLITS: tuple[Split, ...] = ("train", "test")

VERSION_PATTERN = re.compile(r"\d+\.\d+\.\d+")

CONTENT_COLUMNS = ("subject_id", "class_noun", "init_token", "kind", "image_id")
IMAGE_COLUMNS = ("image", "mask")
ATTRIBUTION_COLUMNS = ("source", "author", "licence", "licence_url")
TEXT_COLUMNS = (*CONTENT_COLUMNS, *ATTRIBUTION_COLUMNS, "sha256")

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores its `Image` feature."""


def _schema(split: Split) -> pa.Schema:
    columns: list[tuple[str, pa.DataType]] = []
    features: dict[str, Json] = {}
    for name in (*CONTENT_COLUMNS, *IMAGE_COLUMNS, *ATTRIBUTION_COLUMNS, "sha256"):
        is_image = name in IMAGE_COLUMNS
        columns.append((name, IMAGE_TYPE if is_image else pa.string()))
        features[name] = {"_type": "Image"} if is_image else {"dtype": "string", "_type": "Value"}
    if split == "test":
        columns.append(("captions", pa.list_(pa.string())))
        features["captions"] = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
    return pa.schema(
        columns, metadata={"huggingface": json.dumps({"info": {"features": features}})}
    )


SCHEMAS: Mapping[Split, pa.Schema] = {split: _schema(split) for split in SPLITS}
"""Columns of both splits, in order; the metadata tells `datasets` what is an image. Train and test
differ in `captions` alone."""


CARD_DATA_FILES = [{"split": split, "path": f"{split}-*.parquet"} for split in SPLITS]
CARD_FEATURES = [
    {"name": name, "list": "string"}
    if name == "captions"
    else {"name": name, "dtype": "image" if name in IMAGE_COLUMNS else "string"}
    for name in SCHEMAS["test"].names
]
"""The front matter's `configs[0].data_files` and `dataset_info.features`, for `datasets`."""


def shard_paths(folder: Path, split: Split) -> list[Path]:
    """The Parquet files of one split, in name order."""
    return sorted(folder.glob(f"{split}-*.parquet"))


# --- identity ------------------------------------------------------------------------------------


def content_row(
    split: Split,
    texts: Mapping[str, str],
    *,
    image_sha256: str,
    mask_sha256: str | None,
    captions: Iterable[str] = (),
) -> dict[str, Json]:
    """What of one photo enters the fingerprint: attribution and file names do not.

    Args:
        split: "train" or "test".
        texts: holds at least the CONTENT_COLUMNS.
        image_sha256: of the image file's bytes.
        mask_sha256: of the mask file's bytes; None: no mask.
        captions: of a test photo, in order.
    """
    row: dict[str, Json] = {name: texts[name] for name in CONTENT_COLUMNS}
    row.update(split=split, image=image_sha256, mask=mask_sha256)
    if split == "test":
        row["captions"] = list(captions)
    return row


def fingerprint(rows: Iterable[Mapping[str, Json]]) -> str:
    """sha256 of a release's content, the same however it is sharded, ordered or named on disk.

    Args:
        rows: one a photo, as `content_row` gives them.
    """
    ordered = sorted((dict(row) for row in rows), key=_place)
    return digest_json({"schema": SCHEMA_VERSION, "rows": list(ordered)})


def _place(row: Mapping[str, Json]) -> tuple[str, str, str]:
    return (str(row["subject_id"]), str(row["split"]), str(row["image_id"]))


def files_digest(folder: Path) -> str:
    """sha256 of the Parquet files as they are: names and bytes, attribution included."""
    digests: list[Json] = []
    for path in (path for split in SPLITS for path in shard_paths(folder, split)):
        with path.open("rb") as opened:
            digests.append([path.name, hashlib.file_digest(opened, "sha256").hexdigest()])
    return digest_json(digests)


# --- findings ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a release, or that somebody should look at.

    Attributes:
        severity: "error": the release may not be used. "warning": look at it. "info": not checked.
        code: the kind of problem, stable ("duplicate-id").
        where: file and row, subject, or pair of photos.
        message: got, wanted, next step.
    """

    severity: Literal["error", "warning", "info"]
    code: str
    where: str
    message: str


Report: TypeAlias = Callable[[Finding], None]
"""Takes the findings as they are made: it collects them, or raises."""


def error(code: str, where: str, message: str) -> Finding:
    """A finding for which a release may not be used."""
    return Finding(severity="error", code=code, where=where, message=message)


def warning(code: str, where: str, message: str) -> Finding:
    """A finding that somebody should look at."""
    return Finding(severity="warning", code=code, where=where, message=message)


def info(code: str, where: str, message: str) -> Finding:
    """A finding that something could not be checked."""
    return Finding(severity="info", code=code, where=where, message=message)


def shown(value: object) -> str:
    """A value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


# --- the card ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much a release holds, as far as it promises that; None: anything.

    Attributes:
        subjects, living, rigid: numbers of subjects.
        train, test: photos in all.
        train_per_subject, test_per_subject, captions_per_photo: the same for every one.
    """

    subjects: int | None = None
    living: int | None = None
    rigid: int | None = None
    train: int | None = None
    test: int | None = None
    train_per_subject: int | None = None
    test_per_subject: int | None = None
    captions_per_photo: int | None = 10


PAPER_COUNTS = Counts(
    subjects=20, living=10, rigid=10, train=100, test=200, train_per_subject=5, test_per_subject=10
)
"""The paper's dataset: 20 subjects, 5 + 10 photos each, 10 captions a test photo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a release says of itself in the front matter of its README.md.

    Attributes:
        fingerprint: of the content, as stated; recomputed on every reading.
        counts: what it promises to hold.
        front_matter: the whole of it, as parsed.
    """

    name: str
    version: str
    fingerprint: str
    counts: Counts
    front_matter: Mapping[str, object]


def card_fields(
    folder: Path, *, name: str, version: str, fingerprint: str, counts: Counts | None = None
) -> dict[str, object]:
    """The part of a card's front matter that software reads; written after the Parquet files.

    `configs` and `dataset_info` make plain `load_dataset(FOLDER)` work; `pdst` is ours. `datasets`
    needs `features` spelled out, because a column that only one split has is an error otherwise;
    train rows then have `captions: None`. And it caches a local folder under the folder's name and
    the card's text, not under the files: only because `description` holds their digest does a
    changed release, or another one in a folder of the same name, not get the old rows.
    """
    description = f"{name} {version}, files {files_digest(folder)}"
    config = {"config_name": "default", "description": description, "data_files": CARD_DATA_FILES}
    block: dict[str, object] = {
        "schema": SCHEMA_VERSION,
        "name": name,
        "version": version,
        "fingerprint": fingerprint,
    }
    if counts is not None:
        promised = {f.name: getattr(counts, f.name) for f in fields(counts)}
        block["counts"] = {key: n for key, n in promised.items() if n is not None}
    return {"configs": [config], "dataset_info": {"features": CARD_FEATURES}, "pdst": block}


def read_card(folder: Path, report: Report) -> Card | None:
    """Read and check the card's front matter.

    Returns:
        The card, or None if there is no telling what the release is; the findings say why.
    """
    where = CARD_NAME
    path = folder / CARD_NAME
    if not path.is_file():
        again = "Rebuild the release, or point at the folder that holds one."
        report(error("missing-card", where, f"no such file in {folder}. {again}"))
        return None
    try:
        front_matter = _front_matter(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as broken:
        summary = " ".join(str(broken).split())
        message = f"cannot be read ({summary}). It starts with YAML between two lines '---'."
        report(error("bad-card", where, message))
        return None
    block = front_matter.get("pdst")
    if not isinstance(block, dict):
        message = f"front matter has no `pdst:` block, got {shown(block)}. Is this a PDST release?"
        report(error("bad-card", where, message))
        return None
    if block.get("schema") != SCHEMA_VERSION:
        message = (
            f"pdst.schema is {shown(block.get('schema'))}, this pdst reads {SCHEMA_VERSION}. "
            "Install the pdst that the release was made with, or rebuild the release."
        )
        report(error("bad-card", where, message))
        return None
    wanted = {
        "name": (ID_PATTERN, "letters, digits, '.', '_' and '-'"),
        "version": (VERSION_PATTERN, "'1.2.3', in quotes"),
        "fingerprint": (re.compile(r"[0-9a-f]{64}"), "64 hexadecimal digits"),
    }
    texts: dict[str, str] = {}
    for key, (pattern, description) in wanted.items():
        value = block.get(key)
        if isinstance(value, str) and pattern.fullmatch(value):
            texts[key] = value
        else:
            message = f"pdst.{key} is {shown(value)}, wanted {description}."
            report(error("bad-card", where, message))
    counts = _read_counts(block.get("counts"), report)
    if len(texts) < len(wanted):
        return None
    return Card(**texts, counts=counts, front_matter=front_matter)


def _front_matter(text: str) -> dict[str, object]:
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", text, re.DOTALL | re.MULTILINE)
    if match is None:
        raise ValueError("no front matter")
    loaded = yaml.safe_load(match.group(1))
    if not isinstance(loaded, dict):
        raise ValueError(f"front matter is {shown(loaded)}, wanted keys and values")
    return loaded


def _read_counts(block: object, report: Report) -> Counts:
    if block is None:
        return Counts()
    known = {f.name for f in fields(Counts)}
    numbers: dict[str, int] = {}
    for key, value in (block if isinstance(block, dict) else {"counts": block}).items():
        if key in known and type(value) is int and value >= 0:
            numbers[key] = value
        else:
            message = f"pdst.counts has {shown(key)}: {shown(value)}, wanted whole numbers for "
            report(error("bad-card", CARD_NAME, f"{message}{', '.join(sorted(known))}."))
    return Counts(**numbers)
