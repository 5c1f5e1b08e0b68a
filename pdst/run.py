"""In: a run folder. Out: its settings, images, scores and summary, for reading. No torch.

RUN/
run.json                                settings, metric digests, marks, sessions
images/<subject>/<photo>.parquet        one chunk: a row an image, a plain `datasets` dataset
embeddings/<encoder>/<subject>/<photo>.parquet
embeddings/<encoder>/references.parquet, texts.parquet
scores.parquet                          one row an image, one column a metric
summary.json
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa

from pdst.digest import Json, canonical_json
from pdst.errors import StoreError
from pdst.files import read_groups, read_table
from pdst.types import Case, Drawn

SCHEMA_VERSION = 1

HF_IMAGE = {"info": {"features": {"image": {"_type": "Image"}}}}

IMAGE_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("subject_id", pa.string()),
        ("image_id", pa.string()),
        ("caption_index", pa.int32()),
        ("seed_index", pa.int32()),
        ("seed", pa.int64()),
        ("prompt", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("sha256", pa.string()),
        ("pixels", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("reason", pa.string()),
        ("seconds", pa.float64()),
    ]
)
"""One row an image; `image` is what `datasets` decodes as its Image feature; null if it failed."""


class Run:
    """A run folder, for reading. Torch is not needed."""

    def __init__(self, path: Path, record: Mapping[str, Json]) -> None:
        """Use `open_run`, which checks the folder."""
        self.path = path
        self.record = dict(record)

    @property
    def settings(self) -> dict[str, Json]:
        """Benchmark, protocol, generator, encoders, …: what decides the numbers."""
        return cast("dict[str, Json]", self.record["settings"])

    @property
    def finished(self) -> bool:
        """Whether every image was drawn and scored."""
        return (self.path / "scores.parquet").exists() and (self.path / "summary.json").exists()

    def scores(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One row an image, in plan order.

        Raises:
            StoreError: if the run is not finished, or the scores are of another run.
        """
        path = self.path / "scores.parquet"
        if not path.exists():
            raise StoreError(
                f"{self.path} has no scores.parquet: the run is not finished. "
                "Give the same pdst-eval command again; it continues."
            )
        table = read_table(path, columns)
        kept = table.schema.metadata or {}
        for name, meaning in scores_meaning(self.record).items():
            found = kept.get(f"pdst.{name}".encode())
            if found is not None and found.decode() != meaning:
                raise StoreError(
                    f"{path} and run.json disagree about {name}: the scores are of another run, or "
                    "of another session. Give the same pdst-eval command again."
                )
        return cast("pd.DataFrame", table.to_pandas())

    def summary(self) -> dict[str, Json]:
        """summary.json as plain JSON.

        Raises:
            StoreError: if the run is not finished.
        """
        path = self.path / "summary.json"
        if not path.exists():
            raise StoreError(
                f"{self.path} has no summary.json: the run is not finished. "
                "Give the same pdst-eval command again; it continues."
            )
        return cast("dict[str, Json]", json.loads(path.read_text("utf-8")))

    def images_path(self, name: str) -> Path:
        """Where the chunk "<subject>/<photo>" keeps its images."""
        return self.path / "images" / f"{name}.parquet"

    def images(self, subject_id: str, image_id: str) -> list[Drawn]:
        """The images of one test photo, in plan order.

        Raises:
            StoreError: if they were not drawn, or the file is damaged.
        """
        path = self.images_path(f"{subject_id}/{image_id}")
        if not path.exists():
            raise StoreError(
                f"{path} does not exist: {subject_id}/{image_id} was not drawn, or its images were "
                "not kept. Give a run folder that has its images."
            )
        return [drawn_of(row) for group in read_groups(path) for row in group.to_pylist()]


def scores_meaning(record: Mapping[str, Json]) -> dict[str, str]:
    """What the numbers of scores.parquet mean; kept in its metadata, so that it can stand alone."""
    settings = cast("dict[str, dict[str, str]]", record["settings"])
    return {
        "benchmark": settings["benchmark"]["fingerprint"],
        "protocol": settings["protocol"]["id"],
        "metrics": canonical_json(record["metrics"]),
        "marks": canonical_json(record["marks"]),
    }


def open_run(path: Path | str) -> Run:
    """Open a run folder for reading.

    Raises:
        StoreError: if it is none, or was written by a newer PDST.
    """
    folder = Path(path)
    record = read_record(folder)
    if record is None:
        raise StoreError(
            f"{folder} is no run folder: it has no run.json. Wanted the --out of a pdst-eval."
        )
    return Run(folder, record)


def read_record(path: Path) -> dict[str, Json] | None:
    """run.json of a folder, or None if it has none.

    Raises:
        StoreError: if it is damaged, or of another schema.
    """
    file = path / "run.json"
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_text("utf-8"))
        schema = record["schema"]
        record["settings"], record["sessions"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file} is damaged ({type(error).__name__}: {error}). Choose another --out."
        ) from error
    if schema != SCHEMA_VERSION:
        raise StoreError(
            f"{file} has schema {schema}, this PDST reads {SCHEMA_VERSION}. Update pdst."
        )
    return cast("dict[str, Json]", record)


def image_row(drawn: Drawn) -> dict[str, object]:
    """A row of IMAGE_SCHEMA."""
    case = drawn.case
    image = None if drawn.encoded is None else {"bytes": drawn.encoded, "path": None}
    return {
        "key": case.key,
        "subject_id": case.subject_id,
        "image_id": case.image_id,
        "caption_index": case.caption_index,
        "seed_index": case.seed_index,
        "seed": case.seed,
        "prompt": case.prompt,
        "image": image,
        "sha256": drawn.sha256,
        "pixels": drawn.pixels,
        "width": drawn.width,
        "height": drawn.height,
        "reason": drawn.reason,
        "seconds": drawn.seconds,
    }


def drawn_of(row: Mapping[str, object]) -> Drawn:
    """The same, back."""
    values = cast("dict[str, object]", dict(row))
    image = cast("dict[str, bytes] | None", values["image"])
    return Drawn(
        case=Case(
            subject_id=cast("str", values["subject_id"]),
            image_id=cast("str", values["image_id"]),
            caption_index=cast("int", values["caption_index"]),
            seed_index=cast("int", values["seed_index"]),
            prompt=cast("str", values["prompt"]),
        ),
        encoded=None if image is None else image["bytes"],
        sha256=cast("str | None", values["sha256"]),
        pixels=cast("str | None", values["pixels"]),
        width=cast("int | None", values["width"]),
        height=cast("int | None", values["height"]),
        reason=cast("str | None", values["reason"]),
        seconds=cast("float", values["seconds"]),
    )
