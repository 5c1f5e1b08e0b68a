"""In: Ctrl-C. Out: a wish to stop, which is heard between two steps, where nothing is half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Wish:
    """Whether somebody wants to stop."""

    stop: bool = False


@contextmanager
def held_interrupts() -> Iterator[Wish]:
    """Hold the first Ctrl-C back: it becomes a wish. The second interrupts at once.

    Outside of the main thread signals cannot be held, and nothing is.
    """
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: FrameType | None) -> None:
        wish.stop = True
        signal.signal(signal.SIGINT, before)

    if before is None or before is signal.SIG_IGN:  # not Python's, or meant to be deaf
        yield wish
        return
    signal.signal(signal.SIGINT, hear)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)
