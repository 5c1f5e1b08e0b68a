"""In: `python -m benchmarks.leaderboard rank`, `submit` or `fuzz`. Out: figures and their targets.

rank: 10,000 entries ranked and rendered, in a process of its own: seconds and peak memory. submit:
200 submissions at one instant to a folder, or to any fsspec URL. fuzz: mutations of a sound bundle,
read by the child process that boards read with: none may be accepted as something else, none may
hang, and what ends the child is counted.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import fsspec
import numpy as np
import pyarrow as pa
import typer

from leaderboard.guard import Bounds, Guard
from leaderboard.log import Event, write_log
from leaderboard.page_data import read_ranks
from leaderboard.place import Board
from leaderboard.rank import rank as rank_board
from leaderboard.render import render as render_board
from leaderboard.rules import PRINT_SIZE, SKETCH
from leaderboard.tables import ACCEPTED, RESULTS
from pdst.errors import SubmissionError
from pdst.metrics import METRICS
from pdst.run import open_run
from pdst.submission.bundle import Bundle, write_bundle
from pdst.submission.header import header_of
from pdst.submission.making import Declaration, RunImages, attach, make_bundle
from pdst.submission.reading import read_bundle
from pdst.submission.send import send
from pdst.summarize import bootstrap_interval

app = typer.Typer(add_completion=False, no_args_is_help=True)

SUBJECTS = 20
SECONDS, MEMORY = 10.0, 1024**3
"""What ranking and rendering 10,000 entries may take."""

RunFolder = Annotated[Path, typer.Argument(help="A finished run; a quick one will do.")]


@app.callback()
def benchmarks() -> None:
    """The board's side: ranking, submitting at once, and reading what is no bundle."""


@app.command()
def rank(entries: Annotated[int, typer.Option(min=1)] = 10_000) -> None:
    """Rank a made board of many entries, all of one key, and render its page."""
    with tempfile.TemporaryDirectory() as folder:
        make_board(Board.at(folder), entries)
        program = [sys.executable, "-m", "benchmarks.leaderboard", "measure", folder]
        done = subprocess.run(program, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    # Other work on the machine lengthens the clock's seconds, not the processor's.
    met = sum(found["cpu"].values()) < SECONDS and found["peak_bytes"] < MEMORY
    typer.echo(json.dumps({"entries": entries, **found, "met": met}, indent=2))


@app.command(hidden=True)
def measure(folder: str) -> None:
    """Rank and render the board in a folder: seconds without imports, peak memory of the process.

    `seconds` is by the clock, for both together; `cpu` is the process's user and system time.
    """
    began = time.perf_counter()
    steps: dict[str, float] = {}

    def step(name: str, work: Callable[[], object]) -> None:
        before = time.process_time()
        work()
        steps[name] = round(time.process_time() - before, 2)

    board = Board.at(folder)
    step("rank", lambda: rank_board(board))
    step("render", lambda: render_board(board, Path(folder) / "site"))
    figures = {
        "rows": read_ranks(board).num_rows,
        "seconds": round(time.perf_counter() - began, 2),
        "cpu": steps,
        "page_bytes": (Path(folder) / "site/index.html").stat().st_size,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    typer.echo(json.dumps(figures))


def make_board(board: Board, entries: int) -> None:
    """Tables of a board with so many entries, means and spread like real ones."""
    rng = np.random.default_rng(0)
    names = [f"s{number:02}" for number in range(SUBJECTS)]
    digests = [f"{number:064x}" for number in range(entries)]
    accepted: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    events: list[Event] = []
    level = rng.normal(0.6, 0.1, entries)
    hardness = rng.normal(0.0, 0.05, SUBJECTS)
    for number, digest in enumerate(digests):
        entry: dict[str, object] = dict.fromkeys(ACCEPTED.names, "")
        entry |= {"digest": digest, "name": f"Method {number}", "key": "k", "metrics": "{}"}
        entry |= {"training": ["LAION-2B"], "seconds": 3600.0, "failures": "{}"}
        counts = dict.fromkeys(("attached", "copied", "copied_test"), 0)
        counts |= dict.fromkeys(("expected", "drawn", "copy_checked", "distinct_images"), 10_000)
        marks = {"image_sketch": list(range(SKETCH)), "score_print": [0] * PRINT_SIZE}
        accepted.append(entry | counts | marks)
        events.append(Event(event="accepted", digest=digest, tier="reported", reason="made"))
        for metric in [*METRICS, *("clip_i", "dino")]:
            gap = len(results) % (len(METRICS) + 2) >= len(METRICS)
            means = level[number] + hardness + rng.normal(0.0, 0.02, SUBJECTS)
            interval = bootstrap_interval(means.tolist()) if number % 100 == 0 else None
            low, high = means.mean() - 0.02, means.mean() + 0.02
            results.append(
                {
                    "digest": digest,
                    "metric": metric,
                    "gap": gap,
                    "macro": float(means.mean()),
                    "micro": float(means.mean()),
                    "low": float(low) if interval is None else interval.low,
                    "high": float(high) if interval is None else interval.high,
                    "scored": 10_000,
                    "expected": 10_000,
                    "living": float(means[:10].mean()),
                    "rigid": float(means[10:].mean()),
                    "subjects": names,
                    "per_subject": means.tolist(),
                }
            )
    board.add("accepted", pa.Table.from_pylist(accepted, schema=ACCEPTED))
    board.add("results", pa.Table.from_pylist(results, schema=RESULTS))
    write_log(board, events)


@app.command()
def submit(
    run: RunFolder,
    to: Annotated[str | None, typer.Option(help="A folder or URL; default: a new folder.")] = None,
    count: Annotated[int, typer.Option(min=2)] = 200,
) -> None:
    """Send many submissions at one instant, and see that each arrived whole."""
    with tempfile.TemporaryDirectory() as folder:
        url = to or f"{folder}/board"
        paths = _submissions(run, Path(folder) / "mine", count)
        gate = threading.Barrier(count)

        def go(path: Path) -> None:
            gate.wait()
            send(path, path.stem, url, title="")

        began = time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(go, paths))
        seconds = time.perf_counter() - began
        files, root = fsspec.core.url_to_fs(url)
        files.invalidate_cache()
        back = Path(folder) / "back"
        files.get(f"{root}/entries/", f"{back}/", recursive=True)
        whole = [path for path in back.rglob("*.parquet") if read_bundle(path).digest == path.stem]
        met = {path.name for path in whole} >= {path.name for path in paths}
    typer.echo(json.dumps({"sent": count, "whole": len(whole), "seconds": seconds, "met": met}))


def _submissions(run: Path, folder: Path, count: int) -> list[Path]:
    """One run, submitted by many."""
    opened = open_run(run)
    bundle = make_bundle(opened, Declaration(training=("none",)), "none")
    paths = []
    for number in range(count):
        plain = json.loads(bundle.header.text)
        plain["declared"]["by"] = f"Author {number}"
        one = Bundle(header=header_of(plain), rows=bundle.rows)
        paths.append(folder / f"{one.digest}.parquet")
        write_bundle(one, paths[-1], RunImages(opened))
    return paths


@app.command()
def fuzz(
    run: RunFolder,
    cases: Annotated[int, typer.Option(min=1)] = 2_000,
    minutes: Annotated[float | None, typer.Option(help="So long, in place of `cases`.")] = None,
    seed: int = 0,
    benchmark: Annotated[str, typer.Option(help="The run's release.")] = "miniature",
) -> None:
    """Read mutated bundles as a board does; the outcome of each is counted."""
    opened = open_run(run)
    bundle = make_bundle(opened, Declaration(training=("none",)), "none")
    small = Bundle(header=bundle.header, rows=attach(bundle.rows, "none"))
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        sound, path = Path(folder) / "sound.parquet", Path(folder) / "mutated.parquet"
        write_bundle(small, sound, RunImages(opened))
        data = sound.read_bytes()
        began = time.perf_counter()
        with Guard([benchmark], bounds=Bounds(seconds=60.0)) as guard:
            assert guard.judge(sound, small.digest).problems == (), "the sound one is accepted"
            while sum(outcomes.values()) < cases or minutes is not None:
                if minutes is not None and time.perf_counter() - began > 60 * minutes:
                    break
                name, mutate = rng.choice(list(MUTATIONS.items()))
                path.write_bytes(mutate(data, rng))
                judgement = guard.judge(path, small.digest)
                said = "; ".join(judgement.problems)
                outcomes[_outcome(said, path, small)] += 1
                if judgement.problems == () and not _same(path, small):
                    path.rename(f"fuzz-{seed}-{name}.parquet")
                    raise typer.Exit(1)
        seconds = time.perf_counter() - began
    done = {"cases": sum(outcomes.values()), "seconds": round(seconds)}
    typer.echo(json.dumps(done | outcomes, indent=2))


def _outcome(said: str, path: Path, sound: Bundle) -> str:
    if not said:
        return "the same content" if _same(path, sound) else "ACCEPTED"
    if "ended the reader" in said:
        return "ended the child"
    return "timed out" if "was stopped" in said else "refused"


def _same(path: Path, sound: Bundle) -> bool:
    """Whether a mutation changed nothing that a bundle says."""
    try:
        return read_bundle(path) == sound
    except SubmissionError:
        return False


def _footer(data: bytes) -> int:
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def _bits(data: bytes, rng: random.Random, first: int = 0) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(first, len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _in_footer(data: bytes, rng: random.Random) -> bytes:
    return _bits(data, rng, _footer(data))


def _cut(data: bytes, rng: random.Random) -> bytes:
    """A piece is missing, and the footer stands where it says."""
    start = rng.randrange(4, len(data) - 8)
    return data[:start] + data[start + rng.randrange(1, 512) :]


def _doubled(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(4, len(data) - 8)
    end = min(len(data) - 8, start + rng.randrange(1, 512))
    return data[:end] + data[start:end] + data[end:]


def _bytes(data: bytes, rng: random.Random) -> bytes:
    """Extreme bytes in the footer: lengths, counts and types."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(_footer(data), len(changed))
        changed[at] = rng.choice((0x00, 0x01, 0x7F, 0x80, 0xFF))
    return bytes(changed)


def _noise(data: bytes, rng: random.Random) -> bytes:
    return b"PAR1" + rng.randbytes(rng.randrange(0, 4096)) + data[-8:]


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bits": _bits,
    "footer bits": _in_footer,
    "cut": _cut,
    "doubled": _doubled,
    "footer bytes": _bytes,
    "noise": _noise,
}

if __name__ == "__main__":
    app()
