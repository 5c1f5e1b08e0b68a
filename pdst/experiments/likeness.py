"""In: a finished run. Out: cosines between its images and photos, from the kept embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pdst.embed import photo_name
from pdst.encoders.spec import Embeddings
from pdst.errors import StoreError
from pdst.files import read_table
from pdst.keys import setting
from pdst.metrics import Family
from pdst.run import Run
from pdst.types import Subject

FAMILIES: tuple[Family, ...] = ("dino", "clip")
METRIC_OF: dict[Family, str] = {"dino": "dino", "clip": "clip_i"}
"""The metric of subject fidelity that reads a family's embeddings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """Embeddings by name.

    Attributes:
        names: case keys, or photo names.
        vectors: (N, D) float32, unit norm; rows of failed images are left out.
    """

    names: tuple[str, ...]
    vectors: Embeddings

    def of(self, names: Sequence[str]) -> Embeddings:
        """The rows of some names, in their order."""
        rows = {name: row for row, name in enumerate(self.names)}
        return self.vectors[[rows[name] for name in names]]


def image_vectors(run: Run, subject_id: str, family: Family) -> Vectors:
    """The embeddings of all images of a subject, in plan order.

    Raises:
        StoreError: if they are gone or damaged.
    """
    scores = run.scores(["subject_id", "image_id"])
    photos = scores.loc[scores["subject_id"] == subject_id, "image_id"].drop_duplicates()
    names: list[str] = []
    parts: list[Embeddings] = []
    for image_id in photos:
        found, drawn = _read(run, family, f"{subject_id}/{image_id}", ["key", "pixels", "vector"])
        there = [row for row, pixels in enumerate(drawn["pixels"]) if pixels is not None]
        names += [drawn["key"][row] for row in there]
        parts.append(found[there])
    if not parts:
        raise StoreError(f"{run.path} holds no image of {subject_id}.")
    return Vectors(names=tuple(names), vectors=np.concatenate(parts))


def photo_vectors(run: Run, family: Family) -> Vectors:
    """The embeddings of all photos of the run's benchmark, by `pdst.embed.photo_name`.

    Raises:
        StoreError: if they are gone or damaged.
    """
    vectors, columns = _read(run, family, "_references", ["name", "vector"])
    return Vectors(names=tuple(columns["name"]), vectors=vectors)


def nearest_train(run: Run, subject: Subject, family: Family) -> float | None:
    """How like its training photos a subject's images are at the most.

    Returns:
        The mean over images of each one's highest cosine with a training photo; None without an
        image.
    """
    images = image_vectors(run, subject.subject_id, family).vectors
    names = [photo_name(subject.subject_id, "train", photo.image_id) for photo in subject.train]
    if not len(images) or not names:
        return None
    return float(cosines(images, photo_vectors(run, family).of(names)).max(axis=1).mean())


def cosines(left: Embeddings, right: Embeddings) -> NDArray[np.float64]:
    """(B, R) float64 cosines of unit-norm (B, D) and (R, D) float32."""
    product: NDArray[np.float64] = left.astype(np.float64) @ right.astype(np.float64).T
    return product


def _read(
    run: Run, family: Family, name: str, columns: Sequence[str]
) -> tuple[Embeddings, dict[str, list[str]]]:
    digest = cast("str", setting(run, "settings", "encoders", family, "digest"))
    path = run.path / "embeddings" / f"{family}-{digest[:8]}" / f"{name}.parquet"
    if not path.exists():
        raise StoreError(f"{path} is gone. Give the same command again; it embeds anew.")
    table = read_table(path, columns)
    column = table.column("vector").combine_chunks()
    vectors = np.asarray(column.flatten(), np.float32).reshape(len(table), -1)
    texts = {one: table.column(one).to_pylist() for one in columns if one != "vector"}
    return vectors, texts
