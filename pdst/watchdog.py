"""In: a call that may never return. Out: its result, or TimeLimitError after a number of seconds.

Two lines of defence. First an alarm signal, which raises inside the call wherever Python code runs
(a loop over steps, a sleep, a lock, a socket). Then, for a call stuck in native code, where no
exception can reach it, a thread that is told so after a grace period and may end the process. Code
that keeps Python's global lock for ever stops that thread, too; torch's does not.
"""

import signal
import threading
import time
from collections.abc import Callable
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
    last_resort = threading.Timer(seconds + grace, on_stuck or (lambda: None))
    last_resort.daemon = True
    owner = object()
    began = time.monotonic()
    last_resort.start()
    try:
        result = _with_alarm(owner, seconds, grace / 2, call) if _can_signal() else call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if isinstance(error, _Alarm):
            if error.owner is not owner:  # of a call_within around this one
                raise
        elif time.monotonic() - began < seconds:
            raise
        raise TimeLimitError(late) from error
    finally:
        last_resort.cancel()
        last_resort.join()  # if it has begun, nothing else goes on beside it
    if time.monotonic() - began >= seconds:
        raise TimeLimitError(late)
    return result


def _can_signal() -> bool:
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None  # None: not Python's, cannot be put back
    )


def _with_alarm(owner: object, seconds: float, again: float, call: Callable[[], Result]) -> Result:
    over = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if not over:
            raise _Alarm(owner)

    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    began = time.monotonic()
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, again)
            return call()
        finally:
            over = True  # from here on an alarm would hit the caller; the next is `again` away
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # forgets one held back by a signal mask
        signal.signal(signal.SIGALRM, handler)
        if left:
            # One that is overdue rings when our own clearing up is done.
            rest = left - (time.monotonic() - began)
            signal.setitimer(signal.ITIMER_REAL, max(rest, 1e-3), interval)
