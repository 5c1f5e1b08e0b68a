"""In: finished runs. Out: the key under which numbers may be compared; where two keys differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pdst.digest import Json
from pdst.errors import ComparisonError, StoreError
from pdst.metrics import METRICS
from pdst.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """What must agree before numbers of two runs may stand side by side.

    Attributes:
        benchmark: name and version, for people; `fingerprint` is what decides.
        protocol: its id.
        metrics: metric id -> digest (of definition and encoder).
        encoders: family -> title, for people.
    """

    benchmark: str
    fingerprint: str
    protocol: str
    metrics: Mapping[str, str]
    encoders: Mapping[str, str]


def run_key(run: Run) -> RunKey:
    """Read a run's key from its run.json.

    Raises:
        StoreError: if run.json lacks a part of it.
    """
    metrics = setting(run, "metrics")
    encoders = setting(run, "settings", "encoders")
    if not isinstance(metrics, dict) or not isinstance(encoders, dict):
        raise StoreError(f"{run.path}/run.json: metrics or encoders are no objects. Run it again.")
    name, version = (setting(run, "settings", "benchmark", part) for part in ("name", "version"))
    return RunKey(
        benchmark=f"{name} {version}",
        fingerprint=str(setting(run, "settings", "benchmark", "fingerprint")),
        protocol=str(setting(run, "settings", "protocol", "id")),
        metrics={metric: str(digest) for metric, digest in metrics.items()},
        encoders={
            family: str(setting(run, "settings", "encoders", family, "title"))
            for family in encoders
        },
    )


def key_differences(first: RunKey, second: RunKey) -> list[str]:
    """Every part in which two keys differ, a line each for people; empty if they may meet."""
    lines = []
    if first.fingerprint != second.fingerprint:
        lines.append(
            f"benchmark: {first.benchmark} (fingerprint {first.fingerprint[:12]}) and "
            f"{second.benchmark} (fingerprint {second.fingerprint[:12]})"
        )
    if first.protocol != second.protocol:
        lines.append(f"protocol: {first.protocol} and {second.protocol}")
    shared = [metric for metric in first.metrics if metric in second.metrics]
    if not shared:
        lines.append(
            f"metrics: {', '.join(first.metrics) or 'none'} and "
            f"{', '.join(second.metrics) or 'none'}, none in both"
        )
    lines.extend(
        f"metric {metric}: {_made_with(first, metric)} and {_made_with(second, metric)}"
        for metric in shared
        if first.metrics[metric] != second.metrics[metric]
    )
    return lines


def refuse_differences(keys: Sequence[tuple[str, RunKey]]) -> None:
    """Let only runs of one key pass.

    Args:
        keys: name and key of each run; all are held against the first.

    Raises:
        ComparisonError: naming each difference.
    """
    lines = [
        f"  {keys[0][0]} and {name}: {line}"
        for name, key in keys[1:]
        for line in key_differences(keys[0][1], key)
    ]
    if lines:
        raise ComparisonError(
            "These runs may not be compared, because their numbers do not mean the same thing:\n"
            + "\n".join(lines)
            + "\nRun both with one benchmark, protocol and pair of encoders."
        )


def setting(run: Run, *path: str) -> Json:
    """One value of run.json.

    Raises:
        StoreError: if there is none at that path.
    """
    found: Json = run.record
    for depth, part in enumerate(path, start=1):
        if not isinstance(found, dict) or part not in found:
            raise StoreError(
                f"{run.path}/run.json has no {'.'.join(path[:depth])}. Was it written by pdst-eval?"
            )
        found = found[part]
    return found


def run_marks(run: Run) -> tuple[str, ...]:
    """What keeps a run from being submitted; empty if nothing does."""
    marks = setting(run, "marks")
    return tuple(str(mark) for mark in marks) if isinstance(marks, list) else ()


def distinct_names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its generator's, with the folder's where two are equal."""
    names = [str(setting(run, "settings", "generator", "info", "name")) for run in runs]
    counts = Counter(names)
    named = [
        f"{name} ({run.path.name})" if counts[name] > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]
    again = Counter(named)
    return [
        f"{name} #{position}" if again[name] > 1 else name
        for position, name in enumerate(named, start=1)
    ]


def _made_with(key: RunKey, metric: str) -> str:
    family = METRICS[metric].encoder if metric in METRICS else ""
    title = key.encoders.get(family, "an unknown encoder")
    return f"{title} (digest {key.metrics[metric][:12]})"
