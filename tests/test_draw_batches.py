"""Which cases share a call of the generator, and what of them is kept, come what may."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdst.dataset import load
from pdst.draw import HUNG, NOT_TRIED, DrawOptions, draw, groups
from pdst.generator import Generator
from pdst.images import image_format
from pdst.plan import plan
from pdst.run import Run
from pdst.store import writing
from pdst.types import Benchmark, Case, Chunk, Drawn, Protocol
from tests.generators import Painter
from tests.releases import tiny_release

ROOT = Path(__file__).resolve().parents[1]

QUICK = Protocol(name="one", captions_per_photo=1, images_per_caption=1)
"""One case a photo, like `quick`."""

THREE = Protocol(name="three", captions_per_photo=3, images_per_caption=1)
TEN = Protocol(name="ten", captions_per_photo=10, images_per_caption=1)


class StopError(Exception):
    """Somebody ended the process here."""


@dataclass
class Rounding(Painter):
    """A painter that notes its calls, and whose pixels depend on the call, as rounded floats do.

    Attributes:
        calls: the seeds of each call.
        poison: a seed at which it raises.
        stop_at: the number of the call at which the process ends.
    """

    calls: list[tuple[int, ...]] = field(default_factory=list)
    poison: int | None = None
    stop_at: int | None = None

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append(tuple(seeds))
        if self.poison in seeds:
            raise ValueError("cannot draw that one")
        images = [np.array(image) for image in super().sample(prompts, seeds)]
        for image in images:
            image[0, 0] = sum(seeds) % 251, len(seeds), 1
        return [Image.fromarray(image) for image in images]

    def sizes(self) -> list[int]:
        return [len(call) for call in self.calls]


@pytest.fixture(scope="module")
def album_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 subjects with 10 test photos each."""
    folder = tmp_path_factory.mktemp("album") / "release"
    tiny_release(folder, subjects=2, test=10)
    return folder


@pytest.fixture(scope="module")
def album(album_folder: Path) -> Benchmark:
    """The same, loaded."""
    return load(album_folder)


def drawn_by(
    painter: Generator,
    chunks: Sequence[Chunk],
    album: Benchmark,
    run: Path,
    *,
    batch: int = 8,
    retry_failed: bool = False,
    progress: Callable[[str, float, int], None] = lambda *told: None,
) -> list[Drawn]:
    """Draw into a run folder, begun or not; all its images."""
    options = DrawOptions(batch=batch, retry_failed=retry_failed)
    with writing(run, {}) as store:
        store.write_record()
        draw(chunks, album, painter, store, image_format("png"), options, progress)
    return kept(chunks, run)


def kept(chunks: Sequence[Chunk], run: Path) -> list[Drawn]:
    store = Run(run, {})
    return [one for chunk in chunks for one in store.images(chunk.subject_id, chunk.image_id)]


def files(run: Path) -> dict[str, bytes]:
    """Every image file of a run."""
    found = sorted((run / "images").rglob("*.parquet"))
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in found}


def pixels(drawn: Sequence[Drawn]) -> dict[str, bytes | None]:
    return {one.case.key: one.encoded for one in drawn}


# --- what shares a call --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "batch", "sizes"),
    [
        (QUICK, 8, [8, 2]),
        (QUICK, 4, [4, 4, 2]),
        (QUICK, 1, [1] * 10),
        (THREE, 8, [8, 4, 8, 4, 6]),
        (TEN, 8, [8, 8, 4] * 5),
        (TEN, 3, [3, 3, 3, 1] * 10),
        (TEN, 64, [64, 36]),
    ],
    ids=lambda value: getattr(value, "name", None) or str(value),
)
def test_photos_of_a_subject_share_calls(
    protocol: Protocol, batch: int, sizes: list[int], album: Benchmark, tmp_path: Path
) -> None:
    chunks = plan(album, protocol)
    painter = Rounding()
    drawn = drawn_by(painter, chunks, album, tmp_path / "run", batch=batch)
    assert painter.sizes() == sizes * 2, "two subjects, which share none"
    cases = [case for chunk in chunks for case in chunk.cases]
    assert [seed for call in painter.calls for seed in call] == [case.seed for case in cases]
    assert [one.case for one in drawn] == cases
    assert all(one.encoded for one in drawn)


def made_chunks(*sizes: int) -> list[Chunk]:
    return [
        Chunk(
            subject_id="dog",
            image_id=str(photo),
            cases=tuple(
                Case(
                    subject_id="dog",
                    image_id=str(photo),
                    caption_index=0,
                    seed_index=seed,
                    prompt="a {}",
                )
                for seed in range(size)
            ),
        )
        for photo, size in enumerate(sizes)
    ]


def count(chunks: Sequence[Chunk]) -> int:
    return sum(len(chunk.cases) for chunk in chunks)


def test_a_group_fills_its_batches_and_stays_small() -> None:
    rng = np.random.default_rng(0)
    for trial in range(300):
        batch = int(rng.integers(1, 20))
        largest = int(rng.integers(1, 60))
        sizes = rng.integers(1, largest + 1, size=30) if trial % 2 else [largest] * 30
        chunks = made_chunks(*map(int, sizes))
        found = list(groups(chunks, batch))
        assert [chunk for group in found for chunk in group] == chunks
        for group in found:
            assert count(group) < 3 * batch + len(group[-1].cases)
        for group in found[:-1]:
            calls = -(-count(group) // batch)
            assert count(group) >= max(batch, 0.75 * calls * batch)
            before = count(group[:-1])  # none is larger than it must be
            assert before < max(batch, 0.75 * -(-before // batch) * batch)


def test_a_photo_of_many_batches_is_a_group_of_its_own() -> None:
    """Protocol paper: 50 cases a photo."""
    chunks = made_chunks(50, 50, 50)
    assert [len(group) for group in groups(chunks, 8)] == [1, 1, 1]


def test_progress_counts_what_is_kept(album: Benchmark, tmp_path: Path) -> None:
    chunks = plan(album, QUICK)
    told: list[tuple[str, float, int]] = []

    def progress(stage: str, done: float, total: int) -> None:
        told.append((stage, done, total))
        assert len(files(tmp_path / "run")) == done, "one case a file"

    drawn_by(Rounding(), chunks, album, tmp_path / "run", progress=progress)
    assert told == [("draw", done, 20) for done in (0, 8, 10, 18, 20)]
    told.clear()
    drawn_by(Rounding(), chunks, album, tmp_path / "run", progress=progress)
    assert told == [("draw", 20, 20)]


# --- after a kill --------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [QUICK, THREE, TEN], ids=lambda protocol: protocol.name)
def test_a_run_that_was_ended_anywhere_makes_the_calls_of_a_whole_one(
    protocol: Protocol, album: Benchmark, tmp_path: Path
) -> None:
    chunks = plan(album, protocol, limit=50)
    whole = Rounding()
    wanted = pixels(drawn_by(whole, chunks, album, tmp_path / "whole"))
    for at in range(len(whole.calls)):
        run = tmp_path / str(at)
        stopped, again = Rounding(stop_at=at), Rounding()
        with pytest.raises(KeyboardInterrupt):
            drawn_by(stopped, chunks, album, run)
        assert pixels(drawn_by(again, chunks, album, run)) == wanted, at
        lost = stopped.calls[len(whole.calls) - len(again.calls) :]
        assert again.calls == whole.calls[-len(again.calls) :], "whole groups"
        assert len(lost) <= 2, "calls of the group in flight"


@pytest.mark.parametrize("protocol", [QUICK, THREE, TEN], ids=lambda protocol: protocol.name)
def test_a_run_that_was_ended_after_any_group_loses_none(
    protocol: Protocol, album: Benchmark, tmp_path: Path
) -> None:
    chunks = plan(album, protocol, limit=50)
    whole = Rounding()
    wanted = pixels(drawn_by(whole, chunks, album, tmp_path / "whole"))
    number = sum(
        len(list(groups([c for c in chunks if c.subject_id == subject.subject_id], 8)))
        for subject in album.subjects
    )
    for after in range(number + 1):
        run = tmp_path / str(after)
        stopped, again = Rounding(), Rounding()
        left = after

        def progress(stage: str, done: float, total: int) -> None:
            nonlocal left
            if left == 0:
                raise StopError
            left -= 1

        with pytest.raises(StopError):
            drawn_by(stopped, chunks, album, run, progress=progress)
        assert pixels(drawn_by(again, chunks, album, run)) == wanted, after
        assert stopped.calls + again.calls == whole.calls


def test_a_run_that_was_ended_between_two_files_draws_only_what_it_lacks(
    album: Benchmark, tmp_path: Path
) -> None:
    chunks = plan(album, THREE)
    whole = Rounding()
    wanted = pixels(drawn_by(whole, chunks, album, tmp_path / "run"))
    before = files(tmp_path / "run")
    for chunk in chunks[2:4]:  # cases 6 to 11: the last two of a batch of 8, and all of one of 4
        Run(tmp_path / "run", {}).images_path(chunk.name).unlink()
    again = Rounding()
    now = pixels(drawn_by(again, chunks, album, tmp_path / "run"))
    assert again.calls == [whole.calls[0][6:], whole.calls[1]]
    assert [key for key in wanted if now[key] != wanted[key]] == [
        case.key for case in chunks[2].cases[:2]
    ], "the other batch is as it was"
    kept_files = files(tmp_path / "run")
    changed = [name for name in before if kept_files[name] != before[name]]
    assert changed == [f"images/{chunk.name}.parquet" for chunk in chunks[2:4]]


# --- failures ------------------------------------------------------------------------------------


def test_one_bad_case_costs_neither_its_batch_nor_its_neighbours_files(
    album: Benchmark, tmp_path: Path
) -> None:
    chunks = plan(album, QUICK)
    bad = [chunks[3].cases[0], chunks[12].cases[0]]
    run = tmp_path / "run"
    painter = Rounding(poison=bad[0].seed)
    drawn = drawn_by(painter, chunks, album, run)
    assert painter.sizes() == [8, *[1] * 8, 2, 8, 2]
    failed = {one.case.key: one.reason for one in drawn if one.reason}
    assert failed == {bad[0].key: "raised: ValueError: cannot draw that one"}
    before = files(run)

    well = Rounding()
    drawn_by(well, chunks, album, run)
    assert (well.calls, files(run)) == ([], before), "a failure is not drawn again unasked"
    drawn = drawn_by(well, chunks, album, run, retry_failed=True)
    assert well.calls == [(bad[0].seed,)]
    assert not any(one.reason for one in drawn)
    now = files(run)
    assert [name for name in now if now[name] != before[name]] == [
        f"images/{chunks[3].name}.parquet"
    ]


def test_what_failed_in_one_batch_is_retried_in_one(album: Benchmark, tmp_path: Path) -> None:
    chunks = plan(album, THREE)
    cases = [case for chunk in chunks for case in chunk.cases]
    bad = {1, 4, 7, 9}  # photos 0, 1, 2 of the first batch, and photo 3 of the second

    flaky = Painter(replace=lambda number, image: None if number in bad else image)
    drawn = drawn_by(flaky, chunks, album, tmp_path / "run")
    assert {number for number, one in enumerate(drawn) if one.reason} == bad
    first = pixels(drawn)
    well = Rounding()
    drawn = drawn_by(well, chunks, album, tmp_path / "run", retry_failed=True)
    assert well.calls == [(cases[1].seed, cases[4].seed, cases[7].seed), (cases[9].seed,)]
    assert [one.case for one in drawn] == cases
    now = pixels(drawn)
    assert {key for key in now if now[key] != first[key]} == {cases[number].key for number in bad}


# --- a call that never returns -------------------------------------------------------------------

PROGRAM = """
import ctypes, os, sys
from pathlib import Path
from pdst.dataset import load
from pdst.draw import DrawOptions, draw
from pdst.images import image_format
from pdst.plan import plan
from pdst.progress import silent
from pdst.store import writing
from pdst.watchdog import call_within
from tests.test_draw_batches import THREE, Rounding

call_within.__kwdefaults__["grace"] = 0.5  # s; 5 by default, which would only be waited for
release, run, seed, *flags = sys.argv[1:]

class Stuck(Rounding):
    def sample(self, prompts, seeds):
        if int(seed) in seeds and len(seeds) > 1 and "fails" in flags:
            raise ValueError("too many at once")
        if int(seed) in seeds:  # goes on waiting after a signal, never back in Python
            c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
            c.pthread_mutex_init(mutex, None)
            c.pthread_mutex_lock(mutex)
            c.pthread_mutex_lock(mutex)
        return super().sample(prompts, seeds)

def stuck(message):
    os.write(1, message.encode())
    os._exit(4)

album = load(Path(release))
options = DrawOptions(seconds_per_image=0.1, retry_failed="retry" in flags, on_stuck=stuck)
with writing(Path(run), {}) as store:
    store.write_record()
    draw(plan(album, THREE), album, Stuck(), store, image_format("png"), options, silent)
"""


def hung_at(
    case: Case,
    release: Path,
    run: Path,
    *,
    retry_failed: bool = False,
    fails: bool = False,
) -> str:
    """Draw in a process of its own that hangs at a case; what it says.

    With `fails`, a call of several cases with that one fails, and only alone it hangs.
    """
    flags = ["retry"] * retry_failed + ["fails"] * fails
    arguments = [str(release), str(run), str(case.seed), *flags]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        cwd=ROOT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    return done.stdout


def test_a_hang_in_native_code_costs_the_cases_of_its_call_alone(
    album_folder: Path, album: Benchmark, tmp_path: Path
) -> None:
    chunks, run = plan(album, THREE), tmp_path / "run"
    cases = [case for chunk in chunks for case in chunk.cases]
    whole = Rounding()
    wanted = pixels(drawn_by(whole, chunks, album, tmp_path / "whole"))

    # The second call of the first group: cases 8 to 11, of photo 2 (cases 6 to 8) and photo 3.
    told = hung_at(cases[9], album_folder, run)
    assert told.startswith(f"{cases[8].key}: the generator hangs in native code")
    assert told.endswith("give the same command again to go on after the 4 cases of that call.")
    assert list(files(run)) == [f"images/{chunk.name}.parquet" for chunk in chunks[:4]]
    assert [one.reason for one in kept(chunks[:4], run)] == [None] * 8 + [HUNG] * 4

    # The first call of the next group: cases 12 to 19. Photo 6 (18 to 20) has one more case, photo
    # 7 was not begun.
    hung_at(cases[12], album_folder, run)
    assert list(files(run)) == [f"images/{chunk.name}.parquet" for chunk in chunks[:7]]
    reasons = [one.reason for one in kept(chunks[:7], run)]
    assert reasons == [None] * 8 + [HUNG] * 12 + [NOT_TRIED]

    # Retried, the first hang is over and the second is not.
    told = hung_at(cases[12], album_folder, run, retry_failed=True)
    assert "give the same command again, but without --retry-failed, to go on" in told
    reasons = [one.reason for one in kept(chunks[:7], run)]
    assert reasons == [None] * 12 + [HUNG] * 8 + [NOT_TRIED]

    again = Rounding()
    drawn = drawn_by(again, chunks, album, run)
    assert again.calls == whole.calls[3:], "the calls of a whole run, but for those that hung"
    assert {one.case.key: one.reason for one in drawn if one.reason} == {
        case.key: HUNG for case in cases[12:20]
    }
    assert pixels(drawn_by(again, chunks, album, run, retry_failed=True)) == wanted


def test_what_is_alone_after_a_failed_batch_may_hang_too(
    album_folder: Path, album: Benchmark, tmp_path: Path
) -> None:
    """A batch that was failed as a whole is tried case by case; the third of those hangs."""
    chunks, run = plan(album, THREE), tmp_path / "run"
    cases = [case for chunk in chunks for case in chunk.cases]
    hung_at(cases[4], album_folder, run, fails=True)
    assert [one.reason for one in kept(chunks[:2], run)] == [None] * 4 + [HUNG, NOT_TRIED]
    assert len(files(run)) == 2, "photo 2, of the same batch, was not begun"
    again = Rounding()
    drawn = drawn_by(again, chunks, album, run)
    assert again.calls[0] == tuple(case.seed for case in cases[5:8])
    assert {one.case.key for one in drawn if one.reason} == {cases[4].key}
