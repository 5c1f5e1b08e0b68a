"""In: the embeddings of a run. Out: its score tables, one chunk after the other, in plan order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pdst.embed import Encoders, References, Texts, photo_name
from pdst.encoders.spec import Embeddings
from pdst.errors import StoreError
from pdst.metrics import METRICS, Evidence
from pdst.metrics.clip_t import TEXT_RULES, scored_text
from pdst.metrics.copies import copy_threshold, nearest_photo
from pdst.store import RunStore, chunk_identity
from pdst.types import Benchmark, Chunk, Subject

SCORE_FIELDS = (
    ("key", pa.string()),
    ("subject_id", pa.string()),
    ("kind", pa.string()),
    ("image_id", pa.string()),
    ("caption_index", pa.int32()),
    ("seed_index", pa.int32()),
    ("prompt", pa.string()),
    ("reason", pa.string()),
    *((metric_id, pa.float64()) for metric_id in METRICS),
    ("copy_similarity", pa.float64()),
    ("copy_photo", pa.string()),
    ("copied", pa.bool_()),
)
"""scores.parquet: one row an image. A metric is null where it is not defined, or there is no image;
`reason` says why there is none. `copy_photo` is the nearest photo of the whole benchmark."""


def score_schema(meaning: Mapping[str, str]) -> pa.Schema:
    """The schema of scores.parquet.

    Args:
        meaning: what the numbers mean (fingerprint, protocol id, metric digests); kept as metadata.
    """
    return pa.schema(SCORE_FIELDS, metadata={f"pdst.{k}": v for k, v in meaning.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The rows of a chunk that have an image, and their embeddings."""

    where: Sequence[int]
    clip: Embeddings
    dino: Embeddings


def score(
    chunks: Sequence[Chunk],
    benchmark: Benchmark,
    store: RunStore,
    encoders: Encoders,
    references: References,
    texts: Texts,
    schema: pa.Schema,
) -> Iterator[pa.Table]:
    """Score every chunk: each image against its held-out photo, prompt and training photos.

    Yields:
        One table a chunk, of `schema`, a row a case.
    """
    threshold = copy_threshold(references.dino)
    for chunk in chunks:
        subject = benchmark.subject(chunk.subject_id)
        rows = _embedded_rows(chunk, store, encoders)
        columns: dict[str, list[object]] = {
            "key": [case.key for case in chunk.cases],
            "subject_id": [case.subject_id for case in chunk.cases],
            "kind": [subject.kind] * len(chunk.cases),
            "image_id": [case.image_id for case in chunk.cases],
            "caption_index": [case.caption_index for case in chunk.cases],
            "seed_index": [case.seed_index for case in chunk.cases],
            "prompt": [case.prompt for case in chunk.cases],
            "reason": list(store.failures(chunk)),
        }
        evidence = _evidence(chunk, subject, rows, references, texts)
        for metric in METRICS.values():
            values = metric.score(evidence) if rows.where else np.zeros(0)
            columns[metric.id] = _spread(
                [None if np.isnan(value) else float(value) for value in values], rows, chunk
            )
        nearest = nearest_photo(rows.dino, references.dino)
        similar = [float(value) for value in nearest.similarity]
        columns["copy_similarity"] = _spread(similar, rows, chunk)
        columns["copy_photo"] = _spread(
            [references.names[index] for index in nearest.index], rows, chunk
        )
        columns["copied"] = _spread([value >= threshold for value in similar], rows, chunk)
        yield pa.table(
            [pa.array(columns[field.name], field.type) for field in schema], schema=schema
        )


def run_texts(chunks: Sequence[Chunk], benchmark: Benchmark) -> Iterator[str]:
    """Every text that the run's images are compared with, in plan order, repeats included."""
    for chunk in chunks:
        noun = benchmark.subject(chunk.subject_id).class_noun
        for case in chunk.cases:
            for rule in TEXT_RULES:
                yield scored_text(case.prompt, rule, noun)


def _embedded_rows(chunk: Chunk, store: RunStore, encoders: Encoders) -> _Rows:
    pixels = store.image_identities(chunk)
    identity = chunk_identity(chunk, pixels)
    clip = store.read_embeddings(encoders.clip.spec.name, chunk, identity)
    dino = store.read_embeddings(encoders.dino.spec.name, chunk, identity)
    if clip is None or dino is None:
        raise StoreError(
            f"{store.path}: the embeddings of {chunk.name} are gone or are of other images. "
            "Give the same command again; it makes them anew."
        )
    where = [row for row, digest in enumerate(pixels) if digest is not None]
    return _Rows(where=where, clip=clip.vectors[where], dino=dino.vectors[where])


def _evidence(
    chunk: Chunk, subject: Subject, rows: _Rows, references: References, texts: Texts
) -> Evidence:
    held_out = [references.rows[photo_name(chunk.subject_id, "test", chunk.image_id)]]
    train = [
        references.rows[photo_name(subject.subject_id, "train", photo.image_id)]
        for photo in subject.train
    ]
    cases = [chunk.cases[row] for row in rows.where]
    return Evidence(
        generated={"clip": rows.clip, "dino": rows.dino},
        held_out={"clip": references.clip[held_out], "dino": references.dino[held_out]},
        train={"clip": references.clip[train], "dino": references.dino[train]},
        texts={
            rule: texts.vectors[
                [texts.rows[scored_text(case.prompt, rule, subject.class_noun)] for case in cases]
            ]
            for rule in TEXT_RULES
        },
        caption=np.array([case.caption_index for case in cases], np.int64),
    )


def _spread(values: Sequence[object], rows: _Rows, chunk: Chunk) -> list[object]:
    """Values of the rows that have an image, with None for the others."""
    spread: list[object] = [None] * len(chunk.cases)
    for row, value in zip(rows.where, values, strict=True):
        spread[row] = value
    return spread
