"""Claims about time limits: what they interrupt, what they leave behind, what comes last."""

import gc
import math
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType

import pytest

from pdst.watchdog import TimeLimitError, call_within

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms on Windows")

SHORT = 0.1
FAR = 30.0
"""Seconds that a test would take if the limit did not work."""


TIMER = threading.Timer
"""As it is before a test puts a slow one in its place."""


def _timers() -> int:
    """Threads of the watchdog's kind; libraries start others whenever they please."""
    return sum(isinstance(thread, TIMER) for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def alarm_is_as_before() -> Iterator[None]:
    """No test may leave a handler, a timer, a pending alarm or a thread behind."""
    before = (signal.getsignal(signal.SIGALRM), _timers())
    yield
    assert (signal.getsignal(signal.SIGALRM), _timers()) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.SIGALRM not in signal.sigpending()


def loop() -> None:
    end = time.monotonic() + FAR
    while time.monotonic() < end:
        sum(range(50))


def sleep() -> None:
    time.sleep(FAR)


def lock() -> None:
    held = threading.Lock()
    held.acquire()
    held.acquire(timeout=FAR)


def wait() -> None:
    threading.Event().wait(FAR)


def child() -> None:
    subprocess.run([sys.executable, "-c", f"import time; time.sleep({FAR})"], check=True)


def swallow_exceptions() -> None:
    end = time.monotonic() + FAR
    while time.monotonic() < end:
        try:
            time.sleep(FAR)
        except Exception:
            continue


def wrap() -> None:
    try:
        time.sleep(FAR)
    except BaseException as error:
        raise RuntimeError("generation failed") from error


def answer_all_the_same() -> str:
    try:
        time.sleep(FAR)
    except BaseException:
        return "half an image"
    return "an image"


class SlowToStart(threading.Timer):
    """Stands in for a timer on a loaded machine: an alarm finds it being started."""

    def start(self) -> None:
        super().start()
        time.sleep(3 * SHORT)


class SlowToCancel(threading.Timer):
    """The same: an alarm finds it not cancelled yet."""

    def cancel(self) -> None:
        time.sleep(3 * SHORT)
        super().cancel()


class SlowToEnd(threading.Timer):
    """The same: an alarm finds it cancelled, and its thread not ended yet."""

    def run(self) -> None:
        super().run()
        time.sleep(3 * SHORT)


# --- within the limit ----------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [None, FAR])
def test_a_quick_call_returns_its_result(seconds: float | None) -> None:
    assert call_within(seconds, lambda: "an image") == "an image"


@pytest.mark.parametrize("seconds", [None, FAR])
def test_the_calls_own_error_comes_through(seconds: float | None) -> None:
    def fail() -> None:
        raise ZeroDivisionError("own")

    with pytest.raises(ZeroDivisionError, match="own"):
        call_within(seconds, fail)


def test_no_limit_touches_no_signal() -> None:
    seen = call_within(None, lambda: signal.getsignal(signal.SIGALRM))
    assert seen is signal.getsignal(signal.SIGALRM)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="wanted more than 0"):
        call_within(seconds, lambda: "an image")


def test_on_stuck_is_not_called_for_a_quick_call() -> None:
    told = threading.Event()
    call_within(0.3, lambda: None, on_stuck=told.set, grace=0.05)
    assert not told.wait(0.5)


def test_a_slow_timer_does_not_count_as_the_calls_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Timer", SlowToEnd)
    assert call_within(2 * SHORT, lambda: "an image") == "an image"
    monkeypatch.setattr(threading, "Timer", SlowToStart)
    assert call_within(2 * SHORT, lambda: "an image") == "an image"


# --- past the limit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [loop, sleep, lock, wait, child, swallow_exceptions, wrap, answer_all_the_same],
    ids=lambda call: call.__name__,
)
def test_a_call_that_takes_too_long_is_given_up(call: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"^took longer than 0\.1 s$"):
        call_within(SHORT, call)
    assert SHORT <= time.monotonic() - began < FAR / 3


def test_a_call_clears_up_after_itself() -> None:
    cleared = []

    def careful() -> None:
        try:
            time.sleep(FAR)
        finally:
            time.sleep(0.05)
            cleared.append("up")

    with pytest.raises(TimeLimitError):
        call_within(SHORT, careful)
    assert cleared == ["up"]


def test_the_error_shows_where_the_call_was() -> None:
    with pytest.raises(TimeLimitError) as caught:
        call_within(SHORT, wait)
    cause = caught.value.__cause__
    assert cause is not None
    assert "wait" in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]


def test_nothing_of_a_call_that_was_given_up_is_held() -> None:
    class Tensor:
        pass

    held: list[weakref.ref[Tensor]] = []

    def call() -> None:
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        time.sleep(FAR)

    gc.disable()  # memory on a device is not what makes it run
    try:
        with suppress(TimeLimitError):
            call_within(SHORT, call)
        assert held[0]() is None
    finally:
        gc.enable()


def test_an_alarm_that_gets_lost_rings_again() -> None:
    lost = []

    def bare_except() -> None:
        for _ in range(3):
            try:
                time.sleep(FAR)
            except:  # noqa: E722 - what careless code does
                lost.append(time.monotonic())
        time.sleep(FAR)

    with pytest.raises(TimeLimitError):
        call_within(SHORT, bare_except, grace=0.2)
    assert len(lost) == 3


def test_an_alarm_in_a_destructor_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: lost.append(what.exc_type.__name__))

    class Slow:
        def __del__(self) -> None:
            time.sleep(FAR)

    def call() -> None:
        Slow()  # Python reports what a destructor raises, and goes on
        time.sleep(FAR)

    with pytest.raises(TimeLimitError):
        call_within(SHORT, call, grace=0.2)
    assert lost == ["_Alarm"]


def test_ctrl_c_stays_ctrl_c() -> None:
    def late_ctrl_c() -> None:
        try:
            time.sleep(FAR)
        except BaseException:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        call_within(SHORT, late_ctrl_c)


def test_a_hundred_calls_that_end_at_their_limit_harm_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The alarm may ring just before, in, or after the end of a call."""
    # Or in a destructor, where Python only reports it.
    monkeypatch.setattr(sys, "unraisablehook", lambda what: None)
    outcomes = set()
    for number in range(100):
        seconds = 0.002
        end = time.monotonic() + seconds + (number - 50) * 4e-5

        def call(end: float = end) -> str:
            while time.monotonic() < end:
                pass
            return "in time"

        try:
            outcomes.add(call_within(seconds, call))
        except TimeLimitError:
            outcomes.add("late")
    assert outcomes <= {"in time", "late"}


# --- what was set before -------------------------------------------------------------------------


@pytest.mark.parametrize("call", [sleep, lambda: None], ids=["late", "in time"])
def test_a_handler_and_a_timer_of_the_caller_are_put_back(call: Callable[[], None]) -> None:
    rung: list[int] = []

    def own(number: int, _frame: FrameType | None) -> None:
        rung.append(number)

    before = signal.signal(signal.SIGALRM, own)
    signal.setitimer(signal.ITIMER_REAL, FAR, 7.0)
    try:
        try:
            call_within(SHORT, call)
        except TimeLimitError:
            assert call is sleep
        assert signal.getsignal(signal.SIGALRM) is own
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert FAR - 5 < left < FAR - (SHORT if call is sleep else 0)
        assert interval == 7.0
        assert rung == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_of_the_caller_that_is_overdue_rings_afterwards() -> None:
    def rung_in_the_call() -> bool:
        time.sleep(0.15)
        return rung.is_set()

    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: rung.set())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        assert call_within(FAR, rung_in_the_call) is False
        assert rung.wait(5)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_of_the_caller_just_as_a_limit_begins_rings_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[str] = []
    real = signal.setitimer

    def rings_first(*arguments: float) -> tuple[float, float]:
        """Stands in for an alarm that comes between two lines of call_within."""
        monkeypatch.setattr(signal, "setitimer", real)
        signal.raise_signal(signal.SIGALRM)
        return real(*arguments)  # type: ignore[arg-type]

    def call() -> str:
        rung.append("call")
        return "an image"

    before = signal.signal(signal.SIGALRM, lambda _number, _frame: rung.append("alarm"))
    monkeypatch.setattr(signal, "setitimer", rings_first)
    try:
        assert call_within(FAR, call) == "an image"
        end = time.monotonic() + 5
        while len(rung) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        assert rung == ["call", "alarm"]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_limits_can_be_nested() -> None:
    def inner_is_shorter() -> str:
        with pytest.raises(TimeLimitError, match=r"0\.1 s"):
            call_within(SHORT, sleep)
        return "went on"

    def outer_is_shorter() -> None:
        with pytest.raises(TimeLimitError, match=r"0\.3 s"):
            call_within(0.3, sleep)
        time.sleep(FAR)

    assert call_within(FAR, inner_is_shorter) == "went on"
    with pytest.raises(TimeLimitError, match=r"0\.1 s"):
        call_within(SHORT, outer_is_shorter)


@pytest.mark.parametrize("timer", [SlowToStart, SlowToCancel, SlowToEnd])
def test_an_outer_alarm_leaves_no_timer_of_an_inner_limit(
    timer: type[threading.Timer], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner: list[str] = []

    def call() -> None:
        monkeypatch.setattr(threading, "Timer", timer)  # the outer one's own has begun already
        inner.append(call_within(FAR, lambda: "an image"))
        time.sleep(FAR)

    before = _timers()
    with pytest.raises(TimeLimitError, match=r"0\.1 s"):
        call_within(SHORT, call)
    assert _timers() == before
    assert inner == ["an image"], "the outer alarm waits until the inner call is over"


def test_an_outer_alarm_that_another_thread_takes_leaves_no_timer_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal mask of the main thread's would not hold it back."""
    done = threading.Event()
    bystander = threading.Thread(target=done.wait, args=(FAR,))  # takes any signal
    bystander.start()

    def call() -> None:
        monkeypatch.setattr(threading, "Timer", SlowToStart)
        call_within(FAR, lambda: None)

    before = _timers()
    try:
        with pytest.raises(TimeLimitError, match=r"0\.1 s"):
            call_within(SHORT, call)
        assert _timers() == before
    finally:
        done.set()
        bystander.join()


def test_ctrl_c_while_a_timer_ends_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(SlowToEnd):
        """Stands in for a person who presses Ctrl-C just while it is joined."""

        joined = 0

        def join(self, timeout: float | None = None) -> None:
            self.joined += 1
            if self.joined == 1:
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr(threading, "Timer", Interrupted)
    before = _timers()
    with pytest.raises(KeyboardInterrupt):
        call_within(FAR, lambda: None)
    assert _timers() == before


# --- when no exception can reach the call --------------------------------------------------------


def test_a_call_that_no_signal_reaches_is_reported_from_another_thread() -> None:
    told = threading.Event()
    where: list[threading.Thread] = []

    def on_stuck() -> None:
        where.append(threading.current_thread())
        told.set()

    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        # With the signal blocked, the call cannot be interrupted, as in native code.
        with pytest.raises(TimeLimitError):
            call_within(SHORT, lambda: told.wait(FAR), on_stuck=on_stuck, grace=0.1)
        assert told.is_set()
        assert where[0] is not threading.main_thread()
    finally:
        # An alarm that was held back must not ring (it would end the process) now.
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)


def test_on_stuck_may_end_the_process_of_a_call_in_native_code() -> None:
    program = """
import ctypes, os
from pdst.watchdog import call_within

def deadlock():  # goes on waiting after a signal, and never comes back to Python
    c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    c.pthread_mutex_init(mutex, None)
    c.pthread_mutex_lock(mutex)
    c.pthread_mutex_lock(mutex)

def stuck():
    os.write(1, b"stuck")
    os._exit(4)

call_within(0.1, deadlock, on_stuck=stuck, grace=0.2)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, b"stuck", b"")


def test_in_another_thread_the_limit_counts_when_the_call_returns() -> None:
    found: list[object] = []

    def late() -> None:
        try:
            found.append(call_within(0.05, lambda: time.sleep(0.15)))
        except TimeLimitError as error:
            found.append(error)

    def fail_late() -> None:
        time.sleep(0.15)
        raise ZeroDivisionError

    def late_and_failing() -> None:
        try:
            call_within(0.05, fail_late)
        except TimeLimitError as error:
            found.append(error.__cause__)

    def in_time() -> None:
        found.append(call_within(FAR, lambda: "an image"))

    for call in (late, late_and_failing, in_time):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(FAR)
    assert [type(one) for one in found] == [TimeLimitError, ZeroDivisionError, str]


def test_in_another_thread_on_stuck_is_called_too() -> None:
    told = threading.Event()

    def call() -> None:
        with pytest.raises(TimeLimitError):
            call_within(SHORT, lambda: told.wait(FAR), on_stuck=told.set, grace=0.05)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(FAR)
    assert told.is_set()
    assert not thread.is_alive()
