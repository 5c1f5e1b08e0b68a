"""A generator is somebody else's code: whatever it does, the run ends and every case counts."""

import asyncio
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdst.draw import DrawOptions
from pdst.embed import Encoders
from pdst.errors import GeneratorError
from pdst.evaluate import Options, Settings, evaluate
from pdst.generator import GeneratorInfo
from pdst.outputs import as_image
from pdst.run import open_run
from pdst.types import Benchmark, Protocol, Report, Subject
from tests.generators import Painter, hang

SMALL = Protocol(name="small", captions_per_photo=3, images_per_caption=2)


def run_with(
    painter: object, tiny: Benchmark, scorers: Encoders, run: Path, draw: DrawOptions | None = None
) -> Report:
    options = Options(draw=draw or DrawOptions(batch=4, seconds_per_image=None))
    return evaluate(tiny, painter, scorers, run, Settings(protocol=SMALL), options)  # type: ignore[arg-type]


def tiny_case(tiny: Benchmark, number: int) -> tuple[str, str]:
    """Subject and photo of the n-th test photo."""
    return tiny.test[number].subject_id, tiny.test[number].photo.image_id


def nan_image(_drawn: int, image: Image.Image) -> object:
    array = np.asarray(image, np.float32) / 255
    array = array.copy()
    array[3, 4, 1] = np.nan
    return array


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("not_finite", nan_image),
        ("out_of_range", lambda _, image: np.asarray(image, np.float32)),
        ("wrong_type", lambda _, image: "image.png"),
        ("wrong_type", lambda _, image: None),
        ("wrong_type", lambda _, image: np.zeros((32, 32), np.uint8)),
        ("wrong_type", lambda _, image: np.zeros((32, 32, 3), np.int64)),
        ("wrong_size", lambda _, image: image.resize((4, 32))),
        ("black", lambda _, image: Image.new("RGB", image.size)),
    ],
)
def test_a_wrong_image_costs_its_own_case_only(
    code: str, wrong: object, tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    bad = {1, 17}
    painter = Painter(replace=lambda n, image: wrong(n, image) if n in bad else image)  # type: ignore[operator]
    report = run_with(painter, tiny, scorers, tmp_path / "run")
    assert report.failures == {code: 2}
    assert (report.expected, report.drawn) == (54, 52)
    scores = open_run(tmp_path / "run").scores()
    failed = scores["reason"].notna()
    assert failed.to_numpy().nonzero()[0].tolist() == sorted(bad)
    for metric in ("clip_t", "clip_i", "dino", "dino_train", "diversity", "copy_similarity"):
        # The other seed of a failed one's caption has nobody to be compared with.
        expected = (
            failed
            if metric != "diversity"
            else failed
            | failed.groupby(
                [scores["image_id"], scores["subject_id"], scores["caption_index"]]
            ).transform("any")
        )
        assert scores[metric].isna().equals(expected), metric


def test_one_that_throws_costs_its_own_case_though_it_came_in_a_batch(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    poison = tiny.test[4].captions[1]

    class Allergic(Painter):
        def sample(self, prompts: list[str], seeds: list[int]) -> list[Image.Image]:  # type: ignore[override]
            if poison in prompts:
                raise ValueError(f"cannot draw '{poison}'")
            return super().sample(prompts, seeds)

    report = run_with(Allergic(), tiny, scorers, tmp_path / "run")
    assert report.failures == {"raised": 6}, "two seeds for each of three subjects"
    assert report.drawn == 48
    reasons = open_run(tmp_path / "run").scores()["reason"].dropna()
    assert all(reason.startswith("raised: ValueError: cannot draw") for reason in reasons)
    assert "Traceback" in caplog.text, "the author wants to see where"


def test_a_wrong_count_is_counted(tiny: Benchmark, scorers: Encoders, tmp_path: Path) -> None:
    class Generous(Painter):
        def sample(self, prompts: list[str], seeds: list[int]) -> list[Image.Image]:  # type: ignore[override]
            images = super().sample(prompts, seeds)
            return [*images, images[0]]

    report = run_with(Generous(), tiny, scorers, tmp_path / "run")
    assert report.failures == {"wrong_count": 54}
    assert all(summary.macro is None for summary in report.metrics)
    assert all(summary.scored == 0 for summary in report.metrics)


def test_one_that_cannot_learn_a_subject_loses_that_subject(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    unlucky = tiny.subjects[1].subject_id

    class Picky(Painter):
        def personalize(self, subject: Subject) -> Painter:
            if subject.subject_id == unlucky:
                raise RuntimeError("loss is NaN")
            return super().personalize(subject)

    report = run_with(Picky(), tiny, scorers, tmp_path / "run")
    assert report.failures == {"personalize_raised": 18}
    clip_i = next(m for m in report.metrics if m.metric == "clip_i")
    assert clip_i.per_subject[unlucky] is None
    assert (clip_i.scored, clip_i.expected) == (36, 54)


def test_one_that_returns_no_sampler_is_told_what_was_wanted(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    class Empty:
        info = GeneratorInfo(name="Empty", revision="1")

        def personalize(self, subject: Subject) -> None:
            return None

    report = run_with(Empty(), tiny, scorers, tmp_path / "run")
    assert report.failures == {"wrong_type": 54}
    reason = open_run(tmp_path / "run").scores()["reason"][0]
    assert "personalize returned a NoneType" in reason


def test_one_that_hangs_is_interrupted_and_given_up(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    last = tiny.subjects[-1].subject_id

    class Tiring(Painter):
        def personalize(self, subject: Subject) -> Painter:
            self.before = hang if subject.subject_id == last else None
            return self

    began = time.monotonic()
    draw = DrawOptions(batch=1, seconds_per_image=0.2)
    report = run_with(Tiring(), tiny, scorers, tmp_path / "run", draw)
    assert time.monotonic() - began < 30
    assert report.failures == {"timeout": 18}
    assert report.drawn == 36
    reasons = open_run(tmp_path / "run").scores()["reason"].dropna().tolist()
    assert sum("no image within 0.2 s" in reason for reason in reasons) == 3
    assert sum("given up" in reason for reason in reasons) == 15


def test_one_that_never_ends_learning_loses_that_subject(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    class Slow(Painter):
        def personalize(self, subject: Subject) -> Painter:
            if subject.subject_id == tiny.subjects[0].subject_id:
                hang(0)
            return super().personalize(subject)

    draw = DrawOptions(seconds_per_subject=0.2)
    report = run_with(Slow(), tiny, scorers, tmp_path / "run", draw)
    assert report.failures == {"personalize_timeout": 18}


def test_strict_stops_at_the_first_failure_and_keeps_what_was_drawn(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    painter = Painter(replace=lambda n, image: None if n == 20 else image)
    draw = DrawOptions(batch=1, strict=True)
    with pytest.raises(GeneratorError, match=r"wrong_type.*Stopped because of --strict"):
        run_with(painter, tiny, scorers, tmp_path / "run", draw)
    assert len(list((tmp_path / "run/images").rglob("*.parquet"))) == 3
    again = Painter()
    assert run_with(again, tiny, scorers, tmp_path / "run", draw).drawn == 54
    assert again.drawn == 54 - 18


def test_failures_stay_until_they_are_asked_to_be_retried(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    flaky = Painter(replace=lambda n, image: None if n == 20 else image)
    run = tmp_path / "run"
    assert run_with(flaky, tiny, scorers, run).drawn == 53
    well = Painter()
    assert run_with(well, tiny, scorers, run).drawn == 53
    assert well.drawn == 0
    kept = {d.case.key: d.sha256 for d in open_run(run).images(*tiny_case(tiny, 3)) if d.sha256}
    assert len(kept) == 5
    assert run_with(well, tiny, scorers, run, DrawOptions(retry_failed=True)).drawn == 54
    assert well.drawn == 1, "no image that exists is drawn again"
    now = {d.case.key: d.sha256 for d in open_run(run).images(*tiny_case(tiny, 3))}
    assert kept.items() <= now.items()
    evaluate(tiny, Painter(), scorers, tmp_path / "whole", Settings(protocol=SMALL))
    # Nothing of the embeddings of the failed round is left.
    scores, wanted = open_run(run).scores(), open_run(tmp_path / "whole").scores()
    for column in scores.columns:
        if scores[column].dtype == np.float64:
            assert np.abs(scores[column] - wanted[column]).max() <= 1e-6
        else:
            assert scores[column].equals(wanted[column])


def test_a_generator_learns_each_subject_once_and_none_that_is_done(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    painter = Painter()
    run_with(painter, tiny, scorers, tmp_path / "run")
    assert painter.met == [subject.subject_id for subject in tiny.subjects]
    again = Painter()
    run_with(again, tiny, scorers, tmp_path / "run")
    assert again.met == []


def test_floats_in_range_and_every_pil_mode_are_images() -> None:
    ramp = np.linspace(0, 1, 32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
    image = as_image(ramp)
    assert isinstance(image, Image.Image)
    assert np.asarray(image)[-1, -1, -1] == 255
    assert np.asarray(image)[16, 0, 0] == round(float(ramp[16, 0, 0]) * 255)
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I;16"):
        made = as_image(Image.new(mode, (16, 16), 1).convert(mode))
        assert isinstance(made, Image.Image) or made.startswith("black"), mode
        assert not isinstance(made, Image.Image) or made.mode == "RGB"


class RudeError(Exception):
    """An exception that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class Lazy(list[object]):
    """A list of images whose third one cannot be had."""

    def __iter__(self) -> Iterator[object]:
        raise OSError("the file behind it is gone")


def raise_it(error: BaseException) -> Callable[[int], None]:
    def before(drawn: int) -> None:
        raise error

    return before


@pytest.mark.parametrize(
    "error",
    [
        OSError("bad \udcff.png"),
        RudeError(),
        SystemExit(3),
        asyncio.CancelledError(),
        MemoryError(),
    ],
    ids=["surrogate", "untellable", "exit", "cancelled", "memory"],
)
def test_no_exception_of_a_generator_ends_the_run(
    error: BaseException, tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    report = run_with(Painter(before=raise_it(error)), tiny, scorers, tmp_path / "run")
    assert report.failures == {"raised": 54}
    assert run_with(Painter(), tiny, scorers, tmp_path / "run").failures == {"raised": 54}


def test_lazy_and_damaged_outputs_are_counted(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    class Lazybones(Painter):
        def sample(self, prompts: list[str], seeds: list[int]) -> list[Image.Image]:  # type: ignore[override]
            return Lazy(super().sample(prompts, seeds))  # type: ignore[return-value]

    assert run_with(Lazybones(), tiny, scorers, tmp_path / "a").failures == {"raised": 54}

    def damaged(_drawn: int, image: Image.Image) -> object:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", exif=b"Exif\0\0 no such thing")
        return Image.open(buffer)

    found = run_with(Painter(replace=damaged), tiny, scorers, tmp_path / "b")
    assert sum(found.failures.values()) in {0, 54}


def test_a_retry_that_fails_keeps_every_image_there_is(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flaky = Painter(replace=lambda n, image: None if n == 20 else image)
    assert run_with(flaky, tiny, scorers, run).drawn == 53

    def fail(_subject: Subject) -> None:
        raise RuntimeError("CUDA out of memory")

    report = run_with(Painter(learn=fail), tiny, scorers, run, DrawOptions(retry_failed=True))
    assert report.drawn == 53
    assert report.failures == {"personalize_raised": 1}


def test_a_generator_that_changes_directory_splits_no_run(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    wanderer = Painter(before=lambda drawn: os.chdir(tmp_path / "elsewhere"))
    assert run_with(wanderer, tiny, scorers, Path("run")).drawn == 54
    assert list((tmp_path / "elsewhere").iterdir()) == []
