"""The sentence: plan -> draw -> embed -> score -> summarize. Start reading here.

In: a benchmark, a generator, two encoders, a folder. Out: a Report, and the folder filled.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pdst.digest import Json
from pdst.draw import DrawOptions, draw
from pdst.embed import (
    EmbedOptions,
    Encoders,
    Memory,
    embed_chunks,
    embed_references,
    embed_texts,
)
from pdst.environment import hardware, versions
from pdst.generator import Generator
from pdst.images import image_format
from pdst.loading import LoadedGenerator, as_loaded
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS, plan
from pdst.progress import Progress, silent
from pdst.run import scores_meaning
from pdst.score import run_texts, score, score_schema
from pdst.store import RunStore, writing
from pdst.summarize import COPY_COLUMNS, NEEDED_COLUMNS, report_to_json, summarize
from pdst.types import Benchmark, Protocol, Report

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides the numbers, besides benchmark, generator and encoders. A run keeps to them.

    Attributes:
        protocol: how much is drawn.
        subjects: only these; None: all.
        limit: only the first so many images; None: all.
        image_format: "png", "webp" (lossless) or "jpeg" (quality 95).
    """

    protocol: Protocol = PROTOCOLS["paper"]
    subjects: tuple[str, ...] | None = None
    limit: int | None = None
    image_format: str = "png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to get there. None of it decides a number; each session of a run may choose anew.

    Attributes:
        draw, embed: how to draw and to embed.
        rescore: take other encoders than the run was begun with, and keep its images.
        accept_changed_code: go on although the generator's source file has changed.
    """

    draw: DrawOptions = field(default_factory=DrawOptions)
    embed: EmbedOptions = field(default_factory=EmbedOptions)
    rescore: bool = False
    accept_changed_code: bool = False


def evaluate(
    benchmark: Benchmark,
    generator: Generator | LoadedGenerator,
    encoders: Encoders,
    out: Path | str,
    settings: Settings = Settings(),
    options: Options = Options(),
    progress: Progress = silent,
) -> Report:
    """Draw, score and summarize one generator on one benchmark.

    The folder `out` keeps everything. Called again with the same settings, it continues; a finished
    run is only scored and summarized again, from its kept embeddings.

    Args:
        benchmark: from `pdst.load`.
        generator: an object that fits the protocol, or what `pdst.loading.load_generator` gives.
        encoders: the scorers; see `pdst.encoders`.
        out: the run folder; made if missing.
        settings: what decides the numbers.
        options: batch sizes, limits, strictness.
        progress: is told how far each stage is.

    Raises:
        PdstError: if a setting cannot work or differs from the run's, or a file is damaged. A
            generator that fails is no error: its images are counted as missing, with the reason.
    """
    loaded = as_loaded(generator)
    kept_as = image_format(settings.image_format)
    chunks = plan(benchmark, settings.protocol, subjects=settings.subjects, limit=settings.limit)
    record = settings_record(benchmark, loaded, encoders, settings)
    may_change = ["encoders"] * options.rescore
    may_change += ["generator.source_digest"] * options.accept_changed_code
    with writing(Path(out), record, may_change=may_change) as store:
        began = _begin_session(store, loaded, encoders, settings)
        memory = Memory()
        references = embed_references(benchmark, store, encoders, memory, options.embed, progress)
        texts = embed_texts(run_texts(chunks, benchmark), store, encoders.clip, progress)
        draw(chunks, benchmark, loaded.generator, store, kept_as, options.draw, progress)
        embed_chunks(chunks, store, encoders, memory, options.embed, progress)
        schema = score_schema(scores_meaning(store.record))
        tables = score(chunks, benchmark, store, encoders, references, texts, schema)
        store.write_scores(tables, schema)
        report = _summarize(store)
        _end_session(store, began)
    return report


def settings_record(
    benchmark: Benchmark, loaded: LoadedGenerator, encoders: Encoders, settings: Settings
) -> dict[str, Json]:
    """All that decides a run's numbers, as it stands in run.json."""
    info = loaded.generator.info
    protocol = cast("dict[str, Json]", asdict(settings.protocol))
    return {
        "benchmark": {
            "name": benchmark.name,
            "version": benchmark.version,
            "fingerprint": benchmark.fingerprint,
        },
        "protocol": {"id": settings.protocol.id, **protocol},
        "generator": {
            "spec": loaded.spec,
            "arguments": dict(loaded.arguments),
            "info": {
                "name": info.name,
                "revision": info.revision,
                "settings": dict(info.settings),
                "paper": info.paper,
                "code": info.code,
            },
            "source_digest": loaded.source_digest,
            "sees_test_split": loaded.sees_test_split,
        },
        "encoders": {
            encoder.spec.family: {
                "digest": encoder.spec.digest,
                **cast("dict[str, Json]", asdict(encoder.spec)),
            }
            for encoder in encoders.all()
        },
        "image_format": settings.image_format,
        "subjects": None if settings.subjects is None else [*sorted(settings.subjects)],
        "limit": settings.limit,
    }


def marks(loaded: LoadedGenerator, encoders: Encoders, settings: Settings) -> list[str]:
    """What keeps a run from being submitted, for people to read; empty if nothing does."""
    found = [
        f"untrained encoder: {encoder.spec.title}"
        for encoder in encoders.all()
        if not encoder.spec.trained
    ]
    if loaded.sees_test_split:
        found.append("reference row: the generator was given the held-out photos")
    found.extend(other_sampling(loaded.generator.info.settings, settings.protocol))
    if settings.limit is not None:
        found.append(f"--limit {settings.limit}")
    if settings.subjects is not None:
        found.append(f"--subjects {','.join(sorted(settings.subjects))}")
    return found


def other_sampling(settings: Mapping[str, Json], protocol: Protocol) -> list[str]:
    """Where a generator that says how it samples does not sample as the protocol says.

    The resolution may differ: it is the base model's, and every scorer resizes. So may the
    guidance, where the base model's folder says which it draws best with; then that is wanted.

    Args:
        settings: the generator's own, of its `GeneratorInfo`.
        protocol: that it was asked to keep to.
    """
    used = settings.get("sampling")
    if not isinstance(used, dict):
        return []
    wanted = asdict(protocol.sampling)
    own = used.get("base_guidance")
    if own is not None:
        wanted["guidance"] = own
    return [
        f"sampled with {name} {used[name]}, "
        f"{'the base model' if own is not None and name == 'guidance' else 'the protocol'} says "
        f"{wanted[name]}"
        for name in ("sampler", "steps", "guidance")
        if name in used and used[name] != wanted[name]
    ]


def _begin_session(
    store: RunStore, loaded: LoadedGenerator, encoders: Encoders, settings: Settings
) -> float:
    """Put what is known at the start into run.json."""
    session: dict[str, Json] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None,
        "generator_source": loaded.source_digest,
        "versions": versions(),
        "hardware": hardware(),
    }
    sessions = [*cast("list[dict[str, Json]]", store.record["sessions"]), session]
    metrics: dict[str, Json] = {
        metric.id: metric.digest(encoder.spec)
        for metric in METRICS.values()
        for encoder in encoders.all()
        if encoder.spec.family == metric.encoder
    }
    found: list[Json] = [*marks(loaded, encoders, settings)]
    if len({str(one["generator_source"]) for one in sessions}) > 1:
        found.append("drawn by several versions of the generator's source file")
    if (metrics, found) != (store.record.get("metrics"), store.record.get("marks")):
        store.forget_results()  # before run.json says what they do not mean
    _warn_of_other_versions(sessions)
    store.record.update(metrics=metrics, marks=found, sessions=[*sessions])
    store.write_record()
    return time.monotonic()


def _warn_of_other_versions(sessions: list[dict[str, Json]]) -> None:
    if len(sessions) < 2:
        return
    before, now = (cast("dict[str, str]", one["versions"]) for one in sessions[-2:])
    changed = [
        f"{name} {before.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if changed:
        log.warning(
            "Since the run's last session these have changed, which may move pixels or scores: %s",
            ", ".join(changed),
        )


def _end_session(store: RunStore, began: float) -> None:
    sessions = cast("list[dict[str, Json]]", store.record["sessions"])
    sessions[-1]["seconds"] = round(time.monotonic() - began, 3)
    store.write_record()


def _summarize(store: RunStore) -> Report:
    """From the columns that it needs alone: prompts and keys stay on disk."""
    needed = [*NEEDED_COLUMNS, *METRICS, *COPY_COLUMNS]
    report = summarize(
        store.scores(needed),
        marks=cast("list[str]", store.record["marks"]),
        metrics=list(METRICS),
    )
    store.write_summary(report_to_json(report))
    return report
