"""In: what the command line has to say. Out: results on stdout, the rest on stderr, exit codes."""

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Annotated, NoReturn, Self

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from pdst.errors import PdstError
from pdst.version import __version__

OK, CRASHED, BAD_INPUT, INCOMPLETE, STUCK, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""Exit codes: all well; a bug of ours; bad input or settings; done, but some images could not be
scored (or a release has errors); a generator hung in native code; stopped with Ctrl-C."""

EXIT_CODES = (
    "Exit codes: 0 all well; 2 bad input or settings; 3 done, but some images could not be scored; "
    "4 the generator hung and could not be interrupted (run again to go on); 130 stopped by Ctrl-C."
)

messages = Console(stderr=True)
results = Console()


def _version(shown: bool) -> None:
    if shown:
        put(f"pdst {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
]

STAGES = {
    "references": "photos embedded",
    "texts": "captions embedded",
    "learn": "subjects learned",
    "draw": "images drawn",
    "embed": "images embedded",
}


class Bars:
    """Progress on stderr: a bar a stage, with rate and time left."""

    def __init__(self, *, shown: bool) -> None:
        """Draw bars, or nothing."""
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=messages,
            disable=not shown,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars as they stand."""
        self._bars.stop()

    def __call__(self, stage: str, done: float, total: int) -> None:
        """`done` of `total` are complete."""
        if stage not in self._tasks:
            # What an earlier session did must not count into this one's rate.
            self._tasks[stage] = self._bars.add_task(
                STAGES.get(stage, stage), total=total, already=done
            )
        self._bars.update(self._tasks[stage], completed=done)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        made = task.completed - task.fields.get("already", 0)
        if not elapsed or made <= 0:
            return Text("–/s")
        return Text(f"{made / elapsed:.1f}/s")


def say(text: str) -> None:
    """A line for people, on stderr."""
    messages.print(text, markup=False, highlight=False, soft_wrap=True)


def put(text: str) -> None:
    """A result, on stdout, exactly as it is."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


class _ToStderr(io.TextIOBase):
    """Stands in for stdout while somebody else's code runs; closing it closes nothing."""

    def write(self, text: str) -> int:
        """Pass it on."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Pass it on."""
        sys.stderr.flush()

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def stdout_for_results() -> Iterator[None]:
    """Send to stderr what anything inside prints, child processes and native code included."""
    sys.stdout.flush()
    results_go_to, kept = sys.stdout, os.dup(1)
    os.dup2(2, 1)
    sys.stdout = _ToStderr()
    try:
        yield
    finally:
        sys.stdout = results_go_to
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def failing_well(*, go_on: str = "") -> Iterator[None]:
    """Turn what callers can mend into a message and an exit code; leave bugs their traceback.

    Args:
        go_on: what to do after Ctrl-C.
    """
    try:
        yield
    except PdstError as error:
        say(f"Error: {error}")
        raise typer.Exit(BAD_INPUT) from error
    except OSError as error:  # a full disk, a read-only folder
        say(f"Error: {error}. What was written before is kept; mend that, then go on.")
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt as error:
        say(f"Stopped. {go_on}".rstrip())
        raise typer.Exit(INTERRUPTED) from error


def log_to_stderr(*, verbose: bool) -> None:
    """Show the library's warnings, and with `verbose` its information, too."""
    handler = RichHandler(console=messages, show_path=False, show_time=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    logging.getLogger("pdst").setLevel(logging.INFO if verbose else logging.WARNING)


def ended_at_once(code: int) -> Callable[[str], NoReturn]:
    """Say a last word and end the process, from any thread, without waiting for any other."""

    def end(message: str) -> NoReturn:
        sys.stderr.write(f"\nError: {message}\n")
        sys.stderr.flush()
        os._exit(code)

    return end
