"""In: a release. Out: made-up runs of it that may be submitted, and bundles bent by attackers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pdst.encoders.spec import EncoderSpec
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS, plan
from pdst.run import Run
from pdst.submission.bundle import Bundle, rows_of, write_bundle
from pdst.submission.header import Header, header_of, stated_encoder
from pdst.submission.making import Declaration, Images, RunImages, make_bundle
from pdst.summarize import report_to_json, summarize
from pdst.types import Benchmark
from tests.made_runs import card, failed, made_record, made_run, made_scores

DECLARED = Declaration(
    training=("LAION-2B",), by="A. Author", code="https://example.org/code", paper=""
)


def spec(family: str, *, weights: str = "a", trained: bool = True) -> EncoderSpec:
    """A complete encoder spec; another `weights` is another encoder."""
    return EncoderSpec(
        family=family,
        architecture="made",
        title=f"{family.upper()} made {weights}",
        weights=f"file:{weights}.safetensors",
        weights_digest=weights * 64,
        trained=trained,
        resize=64,
        crop=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        dim=8,
        context=77 if family == "clip" else None,
        tokenizer="made" if family == "clip" else None,
    )


def sound_record(
    release: Benchmark, *, name: str = "Made", protocol: str = "quick", clip: str = "a"
) -> dict[str, Any]:
    """A run.json whose digests are true."""
    record: dict[str, Any] = json.loads(json.dumps(made_record(name=name)))
    specs = {"clip": spec("clip", weights=clip), "dino": spec("dino")}
    wanted = PROTOCOLS[protocol]
    settings = record["settings"]
    settings["benchmark"] = {
        "name": release.name,
        "version": release.version,
        "fingerprint": release.fingerprint,
    }
    settings["protocol"] = {
        "id": wanted.id,
        "name": wanted.name,
        "captions_per_photo": wanted.captions_per_photo,
        "images_per_caption": wanted.images_per_caption,
        "text_rule": wanted.text_rule,
        "sampling": {"sampler": "dpmsolver++2m", "steps": 50, "guidance": 7.5, "resolution": 512},
    }
    settings["encoders"] = {family: stated_encoder(one) for family, one in specs.items()}
    record["metrics"] = {m.id: m.digest(specs[m.encoder]) for m in METRICS.values()}
    return record


def sound_scores(
    release: Benchmark, *, seed: int = 0, shift: float = 0.0, protocol: str = "quick"
) -> pd.DataFrame:
    """A complete scores table of a release."""
    cases = [case for chunk in plan(release, PROTOCOLS[protocol]) for case in chunk.cases]
    scores = made_scores(cases, seed=seed, shift=shift)
    kinds = {subject.subject_id: subject.kind for subject in release.subjects}
    scores["kind"] = scores["subject_id"].map(kinds)
    train = {s.subject_id: s.train[0].image_id for s in release.subjects}
    scores["copy_photo"] = [f"{name}/train/{train[name]}" for name in scores["subject_id"]]
    if PROTOCOLS[protocol].images_per_caption == 1:
        scores["diversity"] = np.nan
    return scores


def sound_run(
    folder: Path,
    release: Benchmark,
    *,
    name: str = "Made",
    seed: int = 0,
    shift: float = 0.0,
    protocol: str = "quick",
    failures: int = 0,
    clip: str = "a",
) -> Run:
    """A finished run that may be submitted; each name draws pictures of its own."""
    scores = sound_scores(release, seed=seed, shift=shift, protocol=protocol)
    if failures:
        scores = failed(scores, range(failures), "raised: RuntimeError: out of memory")
    record = sound_record(release, name=name, protocol=protocol, clip=clip)
    return made_run(folder, scores, record, draw=lambda case: card(f"{name}/{case.key}"))


def sound_bundle(run: Run, images: Images = "none") -> Bundle:
    """What its submitter would send."""
    return make_bundle(run, DECLARED, images)


def written(bundle: Bundle, folder: Path, run: Run | None = None) -> Path:
    """The bundle's file, under its digest's name; without a run no image is attached."""
    path = folder / f"{bundle.digest}.parquet"

    def absent(key: str) -> bytes:
        raise AssertionError(key)

    write_bundle(bundle, path, absent if run is None else RunImages(run))
    return path


def edited_rows(
    bundle: Bundle, edit: Callable[[dict[str, list[Any]]], None], *, honest: bool = True
) -> Bundle:
    """Other rows. `honest`: with the aggregates that these rows have, as a careful cheat would."""
    columns = bundle.rows.to_pydict()
    edit(columns)
    rows = rows_of(columns)
    header = with_summary(bundle.header, rows) if honest else bundle.header
    return Bundle(header=header, rows=rows)


def edited_header(bundle: Bundle, edit: Callable[[dict[str, Any]], None]) -> Bundle:
    """Another header to the same rows."""
    plain = json.loads(bundle.header.text)
    edit(plain)
    return Bundle(header=header_of(plain), rows=bundle.rows)


def with_summary(header: Header, rows: pa.Table) -> Header:
    """The header with the aggregates of these rows."""
    plain = json.loads(header.text)
    report = summarize(rows.to_pandas(), marks=plain["marks"], metrics=list(METRICS))
    plain["summary"] = json.loads(report_to_json(report))
    return header_of(plain)
