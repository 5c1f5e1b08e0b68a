"""In: a benchmark, encoders and a folder. Out: the runs of an experiment, each an ordinary run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pdst.embed import Encoders
from pdst.errors import GeneratorError, SettingsError
from pdst.evaluate import Options, Settings, evaluate
from pdst.generator import Generator
from pdst.loading import LoadedGenerator
from pdst.progress import Progress, silent
from pdst.run import Run, open_run
from pdst.types import KINDS, Benchmark

RUNS, CHECKPOINTS = "runs", "checkpoints"
"""Where an experiment's folder keeps its runs, and what its trainings learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What experiments share that draw and score.

    Attributes:
        out: the experiment's folder; its runs are `out/runs/<name>`, which `pdst show` reads.
        settings: of every run.
        options: how to get there; none of it decides a number.
        progress: told of each run's stages, with the run's name in front.
    """

    benchmark: Benchmark
    encoders: Encoders
    out: Path
    settings: Settings
    options: Options = field(default_factory=Options)
    progress: Progress = silent

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """The subjects of every run, in the benchmark's order."""
        chosen = self.settings.subjects
        known = [subject.subject_id for subject in self.benchmark.subjects]
        return tuple(one for one in known if chosen is None or one in chosen)

    def checkpoints(self, name: str) -> Path:
        """Where trainings of a name are kept."""
        return self.out / CHECKPOINTS / name

    def run(self, name: str, generator: Generator | LoadedGenerator) -> Run:
        """Draw and score, or go on, or find it done.

        Failed images are drawn again: a method that was mended shall not keep its old failures.

        Raises:
            GeneratorError: if nothing could be drawn of some subject.
            PdstError: as `evaluate`.
        """
        path = self.out / RUNS / name
        draw = replace(self.options.draw, retry_failed=True)
        evaluate(
            self.benchmark,
            generator,
            self.encoders,
            path,
            self.settings,
            replace(self.options, draw=draw),
            partial(_named, self.progress, name),
        )
        run = open_run(path)
        _require_images(run)
        return run


def _named(progress: Progress, name: str, stage: str, done: float, total: int) -> None:
    progress(f"{name}: {stage}", done, total)


def _require_images(run: Run) -> None:
    """An experiment without one of its subjects would answer another question."""
    scores = run.scores(["subject_id", "reason"])
    for subject_id, reasons in scores.groupby("subject_id", sort=True)["reason"]:
        if reasons.notna().all():
            raise GeneratorError(
                f"{run.path}: no image of {subject_id}: {reasons.iloc[0]}. Mend that and give the "
                "same command again, or leave the subject out with --subjects and another --out."
            )


def choose_subjects(benchmark: Benchmark, wanted: str) -> tuple[str, ...] | None:
    """What `--subjects` means.

    Args:
        benchmark: whose subjects.
        wanted: ids with commas; a number: so many, of each kind alike, spread evenly over the
            benchmark's order, never chosen by a score; "all".

    Returns:
        Ids in the benchmark's order; None: all.

    Raises:
        DatasetError: if an id is unknown.
        SettingsError: if there are not so many.
    """
    known = [subject.subject_id for subject in benchmark.subjects]
    if wanted == "all":
        return None
    if wanted.isdecimal() and wanted not in known:
        return _spread(benchmark, int(wanted))
    listed = {name.strip() for name in wanted.split(",") if name.strip()}
    if not listed:
        raise SettingsError(f"--subjects is '{wanted}', wanted ids with commas, a number, or all.")
    for name in sorted(listed):
        benchmark.subject(name)
    return tuple(name for name in known if name in listed)


def _spread(benchmark: Benchmark, count: int) -> tuple[str, ...] | None:
    total = len(benchmark.subjects)
    if not 1 <= count <= total:
        raise SettingsError(f"--subjects is {count}, wanted 1 to {total}: {benchmark.name} has so.")
    if count == total:
        return None
    of_kind = {
        kind: [one.subject_id for one in benchmark.subjects if one.kind == kind] for kind in KINDS
    }
    shares = _shares(count, {kind: len(ids) for kind, ids in of_kind.items()})
    chosen = {
        ids[(2 * place + 1) * len(ids) // (2 * shares[kind])]
        for kind, ids in of_kind.items()
        for place in range(shares[kind])
    }
    return tuple(one.subject_id for one in benchmark.subjects if one.subject_id in chosen)


def _shares(count: int, there: Mapping[str, int]) -> dict[str, int]:
    """How many of each kind: alike, as far as there are so many."""
    shares = dict.fromkeys(there, 0)
    for _ in range(count):
        open_kinds = [kind for kind in there if shares[kind] < there[kind]]
        shares[min(open_kinds, key=lambda kind: shares[kind])] += 1
    return shares
