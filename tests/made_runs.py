"""In: a few numbers. Out: made-up benchmarks, score tables and run folders, small and known."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image, ImageDraw

from pdst.digest import digest_bytes, digest_json
from pdst.images import pixel_digest
from pdst.metrics import METRICS
from pdst.run import Run, open_run
from pdst.store import writing
from pdst.summarize import report_to_json, summarize
from pdst.types import Benchmark, Case, Chunk, Drawn, Photo, Subject, TestPhoto

TITLES = {"clip": "CLIP ViT-B/32", "dino": "DINO ViT-S/16"}

LEVELS = {
    "clip_t": 0.31,
    "clip_t_remove": 0.29,
    "clip_i": 0.78,
    "dino": 0.62,
    "clip_i_train": 0.82,
    "dino_train": 0.70,
    "diversity": 0.35,
    "copy_similarity": 0.75,
}


def made_cases(
    subjects: Sequence[str], *, photos: int = 2, captions: int = 2, seeds: int = 2
) -> list[Case]:
    """Every case, in plan order: held-out photos "00", "01", …."""
    return [
        Case(
            subject_id=subject,
            image_id=f"{photo:02d}",
            caption_index=caption,
            seed_index=seed,
            prompt=f"a photo of {{}} in place {caption}",
        )
        for subject in subjects
        for photo in range(photos)
        for caption in range(captions)
        for seed in range(seeds)
    ]


def made_scores(cases: Sequence[Case], *, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """A complete scores table: every metric is its level plus a subject's and an image's noise.

    Subjects alternate between living and rigid. `shift` is added to every metric. The noise depends
    on the cases alone, so two tables of different `seed` share how hard a subject is.
    """
    table = pd.DataFrame(
        {
            "key": [case.key for case in cases],
            "subject_id": [case.subject_id for case in cases],
            "image_id": [case.image_id for case in cases],
            "caption_index": [case.caption_index for case in cases],
            "seed_index": [case.seed_index for case in cases],
            "prompt": [case.prompt for case in cases],
            "reason": pd.Series([None] * len(cases), dtype="str"),
        }
    )
    codes, names = pd.factorize(table["subject_id"])
    table.insert(2, "kind", np.where(codes % 2 == 0, "living", "rigid"))
    hardness = np.random.default_rng(99).normal(0.0, 0.05, len(names))
    noise = np.random.default_rng(seed)
    for metric in METRICS:
        images = noise.normal(0.0, 0.03, len(cases))
        table[metric] = np.clip(LEVELS[metric] + shift + hardness[codes] + images, -1.0, 1.0)
    table["copy_similarity"] = np.clip(table["dino_train"] + 0.1, -1.0, 1.0)
    table["copy_photo"] = [f"{case.subject_id}/train/00" for case in cases]
    table["copied"] = pd.Series([False] * len(cases), dtype=object)
    return table


def failed(scores: pd.DataFrame, rows: Sequence[int], reason: str) -> pd.DataFrame:
    """The table with some rows not drawn: a reason, and nothing else."""
    changed = scores.copy()
    position = changed.index[list(rows)]
    changed.loc[position, "reason"] = reason
    changed.loc[position, [*METRICS, "copy_similarity"]] = np.nan
    changed.loc[position, ["copy_photo", "copied"]] = None
    return changed


def made_record(
    *,
    name: str = "Made",
    fingerprint: str = "f" * 64,
    protocol: str = "paper-1a2b3c4d",
    marks: Sequence[str] = (),
    encoders: Mapping[str, str] = TITLES,
    subjects: Sequence[str] | None = None,
    limit: int | None = None,
    settings: Mapping[str, object] = {"steps": 50},
) -> dict[str, object]:
    """What run.json holds. An encoder's title decides its metrics' digests."""
    return {
        "settings": {
            "benchmark": {"name": "made", "version": "1.0.0", "fingerprint": fingerprint},
            "protocol": {
                "id": protocol,
                "name": protocol.partition("-")[0],
                "captions_per_photo": 2,
                "images_per_caption": 2,
                "text_rule": "class",
                "sampling": {"sampler": "dpmsolver++2m", "steps": 50},
            },
            "generator": {
                "spec": "my_module:Gen",
                "arguments": {},
                "info": {
                    "name": name,
                    "revision": "1",
                    "settings": dict(settings),
                    "paper": "",
                    "code": "",
                },
                "source_digest": "a" * 64,
                "sees_test_split": False,
            },
            "encoders": {
                family: {
                    "family": family,
                    "title": title,
                    "trained": not title.startswith("untrained"),
                    "digest": digest_json(title),
                }
                for family, title in encoders.items()
            },
            "image_format": "png",
            "subjects": None if subjects is None else list(subjects),
            "limit": limit,
        },
        "metrics": {
            metric.id: digest_json([metric.id, encoders[metric.encoder]])
            for metric in METRICS.values()
        },
        "marks": list(marks),
        "sessions": [
            {
                "started": "2026-11-21T10:00:00+00:00",
                "seconds": 12.5,
                "versions": {"pdst": "0.1.0"},
                "hardware": {"processor": "A processor", "cores": 2, "accelerators": []},
            }
        ],
    }


def made_run(
    folder: Path,
    scores: pd.DataFrame,
    record: Mapping[str, object] | None = None,
    *,
    draw: Callable[[Case], Image.Image] | None = None,
) -> Run:
    """Write a finished run folder with pdst's own store, and open it.

    Args:
        folder: where.
        scores: its scores.parquet.
        record: as `made_record` gives it.
        draw: makes the images; None: no images are written.
    """
    record = made_record() if record is None else record
    with writing(folder, record["settings"]) as store:
        store.record |= record
        if draw is not None:
            for (subject, photo), rows in scores.groupby(["subject_id", "image_id"], sort=False):
                drawn = [_drawn(row, draw) for row in rows.itertuples()]
                cases = tuple(d.case for d in drawn)
                store.write_images(Chunk(subject_id=subject, image_id=photo, cases=cases), drawn)
        table = pa.Table.from_pandas(scores, preserve_index=False)
        store.write_scores([table], table.schema)
        store.write_summary(report_to_json(summarize(scores, marks=record["marks"])))
        store.write_record()
    return open_run(folder)


def _drawn(row: object, draw: Callable[[Case], Image.Image]) -> Drawn:
    case = Case(
        subject_id=row.subject_id,
        image_id=row.image_id,
        caption_index=row.caption_index,
        seed_index=row.seed_index,
        prompt=row.prompt,
    )
    if isinstance(row.reason, str):
        return Drawn(
            case=case,
            encoded=None,
            sha256=None,
            pixels=None,
            width=None,
            height=None,
            reason=row.reason,
            seconds=0.0,
        )
    image = draw(case)
    data = png(image)
    return Drawn(
        case=case,
        encoded=data,
        sha256=digest_bytes(data),
        pixels=pixel_digest(image),
        width=image.width,
        height=image.height,
        reason=None,
        seconds=0.1,
    )


def made_benchmark(
    subjects: Sequence[str], *, photos: int = 2, captions: int = 2, author: str = "A. Maker"
) -> Benchmark:
    """One train photo "t0" and `photos` held-out ones a subject; fingerprint "fff…"."""
    return Benchmark(
        name="made",
        version="1.0.0",
        fingerprint="f" * 64,
        subjects=tuple(
            Subject(
                subject_id=subject,
                class_noun="toy",
                init_token="toy",
                kind="living" if index % 2 == 0 else "rigid",
                train=(_photo(subject, "t0", author),),
            )
            for index, subject in enumerate(subjects)
        ),
        test=tuple(
            TestPhoto(
                subject_id=subject,
                photo=_photo(subject, f"{photo:02d}", author),
                captions=tuple(f"a photo of {{}} in place {c}" for c in range(captions)),
            )
            for subject in subjects
            for photo in range(photos)
        ),
    )


def _photo(subject: str, image_id: str, author: str) -> Photo:
    data = png(card(f"{subject}/{image_id}"))
    return Photo(
        image_id=image_id,
        sha256=digest_bytes(data),
        encoded=lambda: data,
        author=author,
        source="https://example.org/photo",
        licence="CC BY 4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
    )


def card(text: str, size: int = 64) -> Image.Image:
    """A plain image of the text's own colour with the text on it."""
    colour = tuple(64 + part // 2 for part in bytes.fromhex(digest_bytes(text.encode())[:6]))
    image = Image.new("RGB", (size, size), colour)
    ImageDraw.Draw(image).text((4, 4), text, fill="white")
    return image


def draw_card(case: Case) -> Image.Image:
    """What a made generator draws: a card that names the case."""
    return card(case.key)


def noise(case: Case, size: int = 256) -> Image.Image:
    """The image that compresses worst."""
    values = np.random.default_rng(case.seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Image.fromarray(values)


def png(image: Image.Image) -> bytes:
    """An image as PNG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
