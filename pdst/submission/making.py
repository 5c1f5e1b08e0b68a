"""In: a finished run and what its submitter declares. Out: a bundle, and its images for reading.

What gets published is looked at here once: absolute paths lose all but their last part, because
they name people and machines.
"""

import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast

import pandas as pd
import pyarrow as pa

from pdst.digest import Json
from pdst.errors import StoreError, SubmissionError
from pdst.files import read_groups, read_table
from pdst.metrics import METRICS
from pdst.run import Run
from pdst.submission.bundle import Bundle, rows_of, sample_keys
from pdst.submission.header import SCHEMA, Header, header_of
from pdst.summarize import report_to_json, summarize

Images: TypeAlias = Literal["none", "sample", "all"]

IMAGE_COLUMNS = ("sha256", "pixels", "width", "height", "seconds")

REASON = 300
"""Characters of a failure's reason that are published."""

SESSIONS = 20
"""So many of a run's last sessions are published."""

_PATH = re.compile(r"(?<![\w:/.~])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\":,;()]+[/\\])+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a run does not know and a board asks for.

    Attributes:
        training: data sets that the method and its base model were trained on; at least one
            ("none" is an answer).
        saw_test_photos: whether held-out photos of the benchmark were among them.
        by: who submits; may be empty.
        paper, code: links, in place of the generator's own where not empty.
        hardware: what drew the images, if the run's own record does not say.
    """

    training: tuple[str, ...]
    saw_test_photos: bool = False
    by: str = ""
    paper: str = ""
    code: str = ""
    hardware: str = ""


def make_bundle(run: Run, declared: Declaration, images: Images = "sample") -> Bundle:
    """Everything of a run that a board gets.

    Args:
        run: a finished one.
        declared: by its submitter.
        images: which to attach.

    Raises:
        StoreError: if the run is not finished or its files do not fit together.
        SubmissionError: naming every field of its record that cannot be published.
    """
    scores = run.scores()
    known = _of_images(run, scores["key"].tolist(), _chunks(scores))
    columns: dict[str, Sequence[object]] = {}
    for name in scores.columns:
        values = scores[name].astype(object).where(scores[name].notna(), None)
        columns[name] = values.tolist()
    columns |= known
    columns["reason"] = [
        None if reason is None else public(cast("str", reason))[:REASON].strip()
        for reason in columns["reason"]
    ]
    columns["attached"] = [False] * len(scores)
    missing = [name for name in METRICS if name not in columns]
    if missing:
        raise SubmissionError(
            f"{run.path}/scores.parquet has no {', '.join(missing)}: another PDST scored it. "
            "Give the same pdst-eval command again."
        )
    rows = attach(rows_of(columns), images)
    report = summarize(
        rows.to_pandas(), marks=cast("list[str]", run.record["marks"]), metrics=list(METRICS)
    )
    return Bundle(header=_header(run, declared, images, report_to_json(report)), rows=rows)


def attach(rows: pa.Table, images: Images) -> pa.Table:
    """The rows with `attached` set for these images."""
    keys = rows.column("key").to_pylist()
    drawn = rows.column("pixels").is_valid().to_pylist()
    sample = sample_keys(rows) if images == "sample" else frozenset(keys if images == "all" else ())
    chosen = [key in sample and has for key, has in zip(keys, drawn, strict=True)]
    position = rows.schema.get_field_index("attached")
    return rows.set_column(position, rows.schema.field("attached"), pa.array(chosen, pa.bool_()))


@dataclass(slots=True)
class RunImages:
    """Reads a run's encoded images by key; asked in plan order, each file is read once.

    Raises:
        SubmissionError: when called, if the run has no image of that case.
    """

    run: Run
    _name: str = ""
    _left: "deque[tuple[str, bytes | None]]" = field(default_factory=deque)

    def __call__(self, key: str) -> bytes:
        """The image file of a case."""
        subject_id, image_id, _ = key.split("/", 2)
        name = f"{subject_id}/{image_id}"
        if name != self._name or all(other != key for other, _ in self._left):
            self._name = name
            self._left = deque(_chunk_images(self.run.images_path(name)))
        while self._left:
            other, data = self._left.popleft()
            if other == key and data is not None:
                return data
        raise SubmissionError(f"{self.run.path}: no image of {key}. Draw it again.")


def public(text: str) -> str:
    r"""A text without the folders of absolute paths.

    >>> public("raised: FileNotFoundError: /home/me/a.png, see https://example.org/a/b")
    'raised: FileNotFoundError: …/a.png, see https://example.org/a/b'
    """
    return _PATH.sub("…/", "".join(c if c.isprintable() else " " for c in text))


def _public(value: Json) -> Json:
    if isinstance(value, str):
        return public(value)
    if isinstance(value, list):
        return [_public(part) for part in value]
    if isinstance(value, dict):
        return {key: _public(part) for key, part in value.items()}
    return value


def _chunk_images(path: Path) -> list[tuple[str, bytes | None]]:
    return [
        (row["key"], None if row["image"] is None else row["image"]["bytes"])
        for group in read_groups(path, ["key", "image"])
        for row in group.to_pylist()
    ]


def _chunks(scores: pd.DataFrame) -> list[str]:
    pairs = zip(scores["subject_id"], scores["image_id"], strict=True)
    return list(dict.fromkeys(f"{subject}/{photo}" for subject, photo in pairs))


def _of_images(run: Run, keys: Sequence[str], chunks: Sequence[str]) -> dict[str, Sequence[object]]:
    """IMAGE_COLUMNS, in the order of `keys`."""
    found: dict[str, tuple[object, ...]] = {}
    for name in chunks:
        path = run.images_path(name)
        if not path.exists():
            raise SubmissionError(
                f"{path} is gone, and the hashes of its images with it. Give the same pdst-eval "
                "command again; it draws them anew."
            )
        for row in read_table(path, ["key", *IMAGE_COLUMNS]).to_pylist():
            found[row["key"]] = tuple(row[column] for column in IMAGE_COLUMNS)
    absent = [key for key in keys if key not in found]
    if absent:
        raise StoreError(
            f"{run.path}: no image row for {absent[0]} and {len(absent) - 1} others. "
            "Give the same pdst-eval command again."
        )
    return {
        column: [found[key][number] for key in keys] for number, column in enumerate(IMAGE_COLUMNS)
    }


def _header(run: Run, declared: Declaration, images: Images, summary: str) -> Header:
    settings = cast("dict[str, dict[str, Json]]", _public(run.record["settings"]))
    generator = settings["generator"]
    info = cast("dict[str, Json]", generator["info"])
    sessions = cast("list[dict[str, Json]]", run.record["sessions"])
    spent = [cast("float", one.get("seconds") or 0.0) for one in sessions]
    fields: dict[str, Json] = {
        "schema": SCHEMA,
        "method": {
            "name": info["name"],
            "revision": info["revision"],
            "paper": declared.paper or info["paper"],
            "code": declared.code or info["code"],
            "settings": info["settings"],
            "spec": generator["spec"],
            "arguments": generator["arguments"],
            "source_digest": generator["source_digest"],
            "sees_test_split": generator["sees_test_split"],
        },
        "declared": {
            "by": declared.by,
            "training": list(declared.training),
            "saw_test_photos": declared.saw_test_photos,
            "hardware": declared.hardware,
        },
        **{
            name: cast("dict[str, Json]", run.record["settings"])[name]
            for name in ("benchmark", "protocol", "image_format", "subjects", "limit")
        },
        "encoders": cast("Json", settings["encoders"]),
        "metrics": run.record["metrics"],
        "marks": run.record["marks"],
        "seconds": round(sum(spent), 3),
        "sessions": [_session(one) for one in sessions[-SESSIONS:]],
        "images": images,
        "summary": cast("Json", json.loads(summary)),
    }
    return header_of(fields)


def _session(session: Mapping[str, Json]) -> Json:
    names = ("started", "seconds", "generator_source", "versions", "hardware")
    return {name: _public(session[name]) for name in names if name in session}
