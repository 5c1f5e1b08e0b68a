"""In: one submitted file. Out: a judgement: what the board keeps of it, or every reason against it.

As a program (`python -m leaderboard.judge`) it is the child of `leaderboard.guard`: a path a line
on stdin, a judgement a line on stdout, both JSON.
"""

import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import pandas as pd

from leaderboard.rules import score_print, sketch, untaken_key
from pdst.dataset import load
from pdst.digest import Json, canonical_json, digest_json
from pdst.errors import PdstError, SubmissionError
from pdst.keys import RunKey
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS
from pdst.submission.bundle import Bundle
from pdst.submission.check import Wanted, check_bundle
from pdst.submission.header import Header
from pdst.submission.reading import bundle_images, read_bundle
from pdst.summarize import summarize
from pdst.types import Benchmark, MetricSummary, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One submission, looked at.

    Attributes:
        name: of its method; empty if it could not be read.
        problems: reasons against it; empty if it is sound by itself.
        entry: a row of ACCEPTED; None with problems.
        results: its rows of RESULTS.
    """

    name: str = ""
    problems: tuple[str, ...]
    entry: dict[str, Json] | None = None
    results: tuple[dict[str, Json], ...] = ()


@dataclass(slots=True)
class Judge:
    """Looks at submissions to some releases.

    Attributes:
        releases: by fingerprint.
        keys: that the board takes; none: any of these releases.
    """

    releases: Mapping[str, Benchmark]
    keys: Sequence[RunKey] = ()
    _wanted: dict[tuple[str, str], Wanted] = field(default_factory=dict)

    def wanted(self, header: Header) -> Wanted | None:
        """What a complete submission of this header's release and protocol holds."""
        release = self.releases.get(header.benchmark.fingerprint)
        if release is None or header.protocol.name not in PROTOCOLS:
            return None
        at = (release.fingerprint, header.protocol.name)
        return self._wanted.setdefault(at, Wanted(release, header.protocol.name))

    def __call__(self, path: Path, digest: str) -> Judgement:
        """Judge a file.

        Args:
            path: where it lies here.
            digest: that its name on the board states.
        """
        try:
            bundle = read_bundle(path)
        except SubmissionError as error:
            return Judgement(problems=(str(error),))
        problems = []
        if bundle.digest != digest:
            problems.append(
                f"it is named {digest} and has digest {bundle.digest}. Send it with pdst-submit."
            )
        header = bundle.header
        wanted = self.wanted(header)
        if wanted is None and header.benchmark.fingerprint not in self.releases:
            known = ", ".join(f"{r.name} {r.version}" for r in self.releases.values())
            problems.append(
                f"benchmark {header.benchmark.name} {header.benchmark.version} with fingerprint "
                f"{header.benchmark.fingerprint[:12]} is not on this board, which has {known}."
            )
        problems += untaken_key(header_key(header), self.keys)
        problems += [
            f"{one.where}: {one.message}"
            for one in check_bundle(bundle, wanted)
            if one.severity == "error"
        ]
        if not problems:
            try:
                for _ in bundle_images(path):
                    pass
            except SubmissionError as error:
                problems.append(str(error))
        if problems:
            return Judgement(name=header.method.name, problems=tuple(problems))
        rows = bundle.rows.to_pandas()
        report = summarize(rows, marks=(), metrics=list(METRICS))
        return Judgement(
            name=header.method.name,
            problems=(),
            entry=_entry(bundle, rows, report),
            results=tuple(_results(digest, report)),
        )


def header_key(header: Header) -> RunKey:
    """The key under which a submission's numbers may be compared."""
    return RunKey(
        benchmark=f"{header.benchmark.name} {header.benchmark.version}",
        fingerprint=header.benchmark.fingerprint,
        protocol=header.protocol.id,
        metrics=dict(header.metrics),
        encoders={"clip": header.encoders.clip.title, "dino": header.encoders.dino.title},
    )


def key_digest(key: RunKey) -> str:
    """One word for a key."""
    metrics: dict[str, Json] = dict(key.metrics)
    return digest_json([key.fingerprint, key.protocol, metrics])[:16]


def _entry(bundle: Bundle, rows: pd.DataFrame, report: Report) -> dict[str, Json]:
    header = bundle.header
    key = header_key(header)
    method, last = header.method, header.sessions[-1]
    copied = rows["copied"].fillna(False).astype(bool)
    of_test = rows["copy_photo"].fillna("").astype(str).str.contains("/test/", regex=False)
    drawn = rows[rows["pixels"].notna()]
    machine = ", ".join(last.hardware.accelerators) or last.hardware.processor
    metrics: dict[str, Json] = dict(key.metrics)
    failures: dict[str, Json] = dict(report.failures)
    return {
        "digest": bundle.digest,
        "name": method.name,
        "revision": method.revision,
        "by": header.declared.by,
        "paper": method.paper,
        "code": method.code,
        "benchmark": header.benchmark.name,
        "version": header.benchmark.version,
        "fingerprint": header.benchmark.fingerprint,
        "protocol": header.protocol.id,
        "key": key_digest(key),
        "metrics": canonical_json(metrics),
        "clip": header.encoders.clip.title,
        "dino": header.encoders.dino.title,
        "training": list(header.declared.training),
        "hardware": header.declared.hardware or machine,
        "seconds": header.seconds,
        "pdst": last.versions.get("pdst", ""),
        "images": header.images,
        "attached": int(rows["attached"].sum()),
        "expected": report.expected,
        "drawn": report.drawn,
        "failures": canonical_json(failures),
        "copied": report.copied,
        "copied_test": int((copied & of_test).sum()),
        "copy_checked": report.copy_checked,
        "distinct_images": int(drawn["pixels"].nunique()),
        "image_sketch": [
            *sketch([f"{k}:{p}" for k, p in zip(drawn["key"], drawn["pixels"], strict=True)])
        ],
        "score_print": [*score_print(rows)],
    }


def _results(digest: str, report: Report) -> list[dict[str, Json]]:
    listed = [(one, False) for one in report.metrics] + [(one, True) for one in report.gaps]
    return [_result(digest, summary, gap=gap) for summary, gap in listed]


def _result(digest: str, summary: MetricSummary, *, gap: bool) -> dict[str, Json]:
    interval = summary.interval
    return {
        "digest": digest,
        "metric": summary.metric,
        "gap": gap,
        "macro": summary.macro,
        "micro": summary.micro,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "scored": summary.scored,
        "expected": summary.expected,
        "living": summary.per_kind.get("living"),
        "rigid": summary.per_kind.get("rigid"),
        "subjects": [*summary.per_subject],
        "per_subject": [*summary.per_subject.values()],
    }


# --- the child -----------------------------------------------------------------------------------


def main() -> None:
    """Judge paths from stdin until it ends.

    The first line is the setting: {"releases": [name or folder], "keys": […], "memory": bytes}.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    setting = json.loads(sys.stdin.readline())
    found = [load(source) for source in setting["releases"]]
    judge = Judge(
        releases={release.fingerprint: release for release in found},
        keys=[RunKey(**key) for key in setting["keys"]],
    )
    resource.setrlimit(resource.RLIMIT_AS, (setting["memory"], setting["memory"]))
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            judgement = judge(Path(asked["path"]), asked["digest"])
        except MemoryError:
            judgement = Judgement(problems=("reading it needs more memory than a bundle may.",))
        except PdstError as error:
            judgement = Judgement(problems=(str(error),))
        answers.write(json.dumps(asdict(judgement)) + "\n")
        answers.flush()


def judgement_of(line: str) -> Judgement:
    """A judgement from the child's line."""
    found = json.loads(line)
    return Judgement(
        name=found["name"],
        problems=tuple(found["problems"]),
        entry=cast("dict[str, Json] | None", found["entry"]),
        results=tuple(found["results"]),
    )


if __name__ == "__main__":
    main()
