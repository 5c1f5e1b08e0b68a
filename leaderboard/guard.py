"""In: files of strangers. Out: judgements, from a child process with bounded memory and time.

A file can make a library crash, loop or swallow memory before any check of ours is reached. Then
the child ends, and that is the reason why the file is refused; the next file gets a new child.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from leaderboard.judge import Judgement, judgement_of
from pdst.errors import SubmissionError
from pdst.keys import RunKey

MIB = 1024 * 1024
ANSWER = 16 * MIB
"""Bytes of a judgement, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a child may use.

    Attributes:
        memory: bytes of address space.
        seconds: for one file.
        start: seconds to load the releases.
    """

    memory: int = 4096 * MIB
    seconds: float = 300.0
    start: float = 600.0


BOUNDS = Bounds()


class Guard:
    """A judge behind glass. Use as a context manager; one file at a time."""

    def __init__(
        self,
        releases: Sequence[str],
        keys: Sequence[RunKey] = (),
        bounds: Bounds = BOUNDS,
    ) -> None:
        """Nothing starts before the first file.

        Args:
            releases: names or folders, for `pdst.load`.
            keys: that the board takes; none: any of these releases.
            bounds: of the child.
        """
        self.releases = list(releases)
        self.keys = list(keys)
        self.bounds = bounds
        self._child: subprocess.Popen[bytes] | None = None
        self._held = b""

    def __enter__(self) -> Self:
        """Nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child."""
        self._end()

    def judge(self, path: Path, digest: str) -> Judgement:
        """Judge a file, whatever it does to the reader.

        Raises:
            SubmissionError: if the child cannot even start (a release that cannot be loaded).
        """
        child = self._child or self._begin()
        self._tell(child, {"path": str(path), "digest": digest})
        line = self._line(child, self.bounds.seconds)
        if line is not None:
            return judgement_of(line)
        code = child.poll()
        self._end()
        if code is None:
            return Judgement(
                problems=(f"reading it took over {self.bounds.seconds:g} s, and was stopped.",)
            )
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Judgement(problems=(f"reading it ended the reader ({name}).",))

    def _begin(self) -> subprocess.Popen[bytes]:
        self._held = b""
        child = subprocess.Popen(
            [sys.executable, "-m", "leaderboard.judge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self._child = child
        setting = {
            "releases": self.releases,
            "keys": [asdict(key) for key in self.keys],
            "memory": self.bounds.memory,
        }
        self._tell(child, setting)
        if self._line(child, self.bounds.start) != "ready":
            self._end()
            raise SubmissionError(
                "The judging process does not start; its message is above. Releases: "
                f"{', '.join(self.releases)}."
            )
        return child

    def _tell(self, child: subprocess.Popen[bytes], what: object) -> None:
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(what).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; the missing answer says so

    def _line(self, child: subprocess.Popen[bytes], seconds: float) -> str | None:
        """The next line, or None if the child ends or is late."""
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        until = time.monotonic() + seconds
        while b"\n" not in self._held:
            left = until - time.monotonic()
            if left <= 0 or len(self._held) > ANSWER:
                return None
            ready, _, _ = select.select([descriptor], [], [], left)
            if not ready:
                return None
            part = os.read(descriptor, MIB)
            if not part:
                child.wait()
                return None
            self._held += part
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        child.wait()
