"""In: a call that may never return. Out: its result, or TimeLimitError after a number of seconds.

Two lines of defence. First an alarm signal, which raises inside the call wherever Python code runs
(a loop over steps, a sleep, a lock, a socket). Then, for a call stuck in native code, where no
exception can reach it, a thread that is told so after a grace period and may end the process. Code
that keeps Python's global lock for ever stops that thread, too; torch's does not.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TypeVar

Result = TypeVar("Result")

GRACE = 5.0
"""Seconds that an interrupted call has to unwind before it counts as stuck."""


class TimeLimitError(Exception):
    """A call took longer than its limit. Its cause shows where the call was by then."""


class _Alarm(BaseException):
    """Raised inside the call. No `Exception`, so that `except Exception` does not swallow it."""

    def __init__(self, owner: object) -> None:
        super().__init__("the time was up here")
        self.owner = owner


def call_within(
    seconds: float | None,
    call: Callable[[], Result],
    *,
    on_stuck: Callable[[], None] | None = None,
    grace: float = GRACE,
) -> Result:
    """Call something, and give up on it after a while.

    The caller's own alarm, if one is set, waits until the call is over.

    Args:
        seconds: the limit; None: no limit.
        call: what to call.
        on_stuck: called from another thread if the call does not even unwind within `grace` after
            the limit. It cannot stop the call; it can end the process.
        grace: seconds. An alarm can get lost, in a bare `except:` or a destructor, so it rings
            again each time that half of them have passed.

    Raises:
        TimeLimitError: if the limit passed, whatever the call then made of it. Outside the main
            thread (where Python delivers no signal) and on Windows, only once the call returns by
            itself.
        ValueError: if `seconds` is no positive number.
    """
    if seconds is None:
        return call()
    if not 0 < seconds <= threading.TIMEOUT_MAX - grace:
        raise ValueError(f"the limit is {seconds} s, wanted more than 0. None: no limit.")
    late = f"took longer than {seconds:g} s"
    last_resort = partial(_last_resort, seconds + grace, on_stuck or (lambda: None))
    owner = object()
    began = ended = time.monotonic()

    def timed() -> Result:
        nonlocal ended
        try:
            return call()
        finally:
            ended = time.monotonic()  # the timer's own start and end do not count

    try:
        if _can_signal():
            # The caller's alarm comes back last: none can cut into the timer's start or end.
            with _callers_alarm_put_off(), last_resort():
                began = time.monotonic()
                result = _with_alarm(owner, seconds, grace / 2, timed)
        else:
            with last_resort():
                began = time.monotonic()
                result = timed()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if isinstance(error, _Alarm):
            if error.owner is not owner:  # of a call_within around this one
                raise
        elif ended - began < seconds:
            raise
        raise TimeLimitError(late) from error
    if ended - began >= seconds:
        raise TimeLimitError(late)
    return result


def _can_signal() -> bool:
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None  # None: not Python's, cannot be put back
    )


@contextmanager
def _last_resort(seconds: float, on_stuck: Callable[[], None]) -> Iterator[None]:
    """A timer that is over, thread and all, when this is: also if Ctrl-C cuts in once."""
    timer = threading.Timer(seconds, on_stuck)
    timer.daemon = True
    try:
        timer.start()
        yield
    finally:
        try:
            _end(timer)
        finally:
            _end(timer)
            # Now, while no alarm can ring: Python runs code when a thread object is freed, and only
            # reports what is raised in there.
            del timer


def _end(timer: threading.Timer) -> None:
    timer.cancel()
    if timer.is_alive():  # not if its start was cut short; cancelled, it then ends by itself
        timer.join()  # if it has begun, nothing else goes on beside it


@contextmanager
def _callers_alarm_put_off() -> Iterator[None]:
    """Hold the caller's alarm back; one that is overdue rings when this is over.

    By its handler, not by a signal mask: another thread, with another mask, would take the signal,
    and Python would still run the handler in this one.
    """
    rung = False

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal rung
        rung = True

    handler = signal.signal(signal.SIGALRM, note)
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # also if Ctrl-C cut the call's clearing up short
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # forgets one held back by a signal mask
        signal.signal(signal.SIGALRM, handler)
        if left or rung:
            rest = 0.0 if rung else left - (time.monotonic() - began)
            signal.setitimer(signal.ITIMER_REAL, max(rest, 1e-3), interval)


def _with_alarm(owner: object, seconds: float, again: float, call: Callable[[], Result]) -> Result:
    """No context manager: its own alarm could cut in before that one's clearing up begins."""
    over = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if not over:
            raise _Alarm(owner)

    signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, again)
            return call()
        finally:
            over = True  # from here on an alarm would hit the caller; the next is `again` away
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
