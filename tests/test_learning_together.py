"""Generators that learn several subjects at once: who is learned with whom, and how it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pdst.draw import DrawOptions
from pdst.embed import Encoders
from pdst.errors import GeneratorError
from pdst.evaluate import Options, Settings, evaluate
from pdst.types import Benchmark, Protocol, Subject
from tests.generators import Painter

SMALL = Protocol(name="small", captions_per_photo=1, images_per_caption=1)


@dataclass
class Learning(Painter):
    """A painter that learns groups; `fails` is raised while it does."""

    groups: list[list[str]] = field(default_factory=list)
    folders: set[Path] = field(default_factory=set)
    fails: Exception | None = None

    def prepare(
        self, subjects: Sequence[Subject], folder: Path, progress: Callable[[float], None]
    ) -> None:
        self.groups.append([subject.subject_id for subject in subjects])
        self.folders.add(folder)
        progress(0.5)
        if self.fails is not None:
            raise self.fails
        progress(1.0)


def run_with(
    painter: Painter,
    tiny: Benchmark,
    scorers: Encoders,
    run: Path,
    *,
    strict: bool = False,
    told: list[tuple[str, float, int]] | None = None,
) -> object:
    options = Options(draw=DrawOptions(batch=4, subjects_per_batch=2, strict=strict))

    def progress(stage: str, done: float, total: int) -> None:
        if told is not None:
            told.append((stage, done, total))

    return evaluate(tiny, painter, scorers, run, Settings(protocol=SMALL), options, progress)


def test_groups_are_learned_before_they_are_met_and_told_of(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    painter, told = Learning(), list[tuple[str, float, int]]()
    run_with(painter, tiny, scorers, tmp_path / "run", told=told)
    ids = [subject.subject_id for subject in tiny.subjects]
    assert painter.groups == [ids[:2], ids[2:]]
    assert painter.met == ids
    assert painter.folders == {tmp_path / "run" / "learned"}
    assert [(d, n) for stage, d, n in told if stage == "learn"] == [
        (1.0, 3),
        (2.0, 3),
        (2.5, 3),
        (3.0, 3),
    ]


def test_a_finished_subject_is_not_learned_again(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    ids = [subject.subject_id for subject in tiny.subjects]

    def stop(drawn: int) -> None:
        if drawn == 3:  # the second subject's first image
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_with(Learning(before=stop), tiny, scorers, tmp_path / "run")
    painter = Learning()
    run_with(painter, tiny, scorers, tmp_path / "run")
    assert painter.groups == [ids[1:]]
    again = Learning()
    run_with(again, tiny, scorers, tmp_path / "run")
    assert again.groups == []


def test_if_learning_together_fails_each_is_met_alone(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    painter = Learning(fails=RuntimeError("out of memory"))
    report = run_with(painter, tiny, scorers, tmp_path / "run")
    assert painter.met == [subject.subject_id for subject in tiny.subjects]
    assert report.drawn == report.expected  # type: ignore[attr-defined]
    strict = Learning(fails=RuntimeError("out of memory"))
    with pytest.raises(GeneratorError, match="prepare_raised: RuntimeError: out of memory"):
        run_with(strict, tiny, scorers, tmp_path / "strict", strict=True)
