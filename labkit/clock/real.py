"""The machine's own time, and threads. The only file that imports `time`."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from greenlet import GreenletExit

from labkit.clock.virtual import NANO

monotonic = time.perf_counter
"""Seconds that only rise; equal in every process of a machine."""
JOIN_SECONDS = 5.0
"""For which closing waits for a task that does not wait itself, such as a handler at work."""


Stopped = GreenletExit
"""Raised in a task where it waits when its clock is closed, on either clock. No `except Exception` stops it."""


class RealClock:
    """The machine's clock: a task is a thread, and waiting takes as long as it says.

    `origin` is the machine's `monotonic()` at t = 0; two processes that are given the same one share their t = 0.
    """

    def __init__(self, origin: float | None = None, epoch: float | None = None) -> None:
        self.origin = monotonic() if origin is None else origin
        # to a millisecond, so that the timestamps of events are no longer than the events' own instants make them
        self.epoch = round(time.time() - self.now(), 3) if epoch is None else epoch
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._conditions: WeakSet[RealCondition] = WeakSet()
        self._error: BaseException | None = None

    def now(self) -> float:
        """Seconds since t = 0; negative during set-up."""
        return monotonic() - self.origin

    def unix_nanoseconds(self) -> int:
        """The Unix time of now, for what is kept in a file."""
        return round((self.epoch + self.now()) * NANO)

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def sleep(self, seconds: float) -> None:
        if self._closing.wait(_wait(seconds)):
            raise Stopped

    def sleep_until(self, instant: float) -> None:
        self.sleep(max(0.0, instant - self.now()))

    def spawn(self, function: Callable[..., object], *args: Any, after: float = 0.0, urgent: bool = False) -> object:
        """Start `function(*args)` in a thread, `after` so many seconds. What it raises comes out of `run`."""
        after = _wait(after)

        def work() -> None:
            try:
                if after:
                    self.sleep(after)
                function(*args)
            except Stopped:
                pass
            except BaseException as error:
                # what breaks because the run is over, such as a connection that was cut, is no error
                if not self._closing.is_set() and self._error is None:
                    self._error = error

        thread = threading.Thread(target=work, daemon=True, name=getattr(function, "__name__", "task"))
        with self._lock:
            if self.closing:
                raise Stopped
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)
            thread.start()
        return thread

    def condition(self) -> "RealCondition":
        condition = RealCondition(self)
        with self._lock:
            self._conditions.add(condition)
        return condition

    def run(self, until: float | None = None, done: Callable[[], bool] | None = None) -> None:
        """Let the tasks run until `until`, `done()`, or none is left. Raises what a task raised, with its traceback."""
        while True:
            self._raise()
            if done is not None and done():
                return
            left = 0.01 if until is None else min(0.01, until - self.now())
            if left <= 0:
                return
            with self._lock:
                busy = any(thread.is_alive() for thread in self._threads)
            if until is None and not busy:
                return
            time.sleep(left)

    def close(self, patience: float = JOIN_SECONDS) -> None:
        """End every task where it waits, and wait `patience` seconds for those that do not.

        Raises what a task had raised before.
        """
        with self._lock:
            self._closing.set()
            conditions, threads = list(self._conditions), list(self._threads)
        for condition in conditions:
            with condition:
                condition.notify_all()
        deadline = monotonic() + patience
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - monotonic()))
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RealCondition:
    """A condition on the machine's clock. Check and wait under `with condition:`, or a notice may slip between.

    A notice goes from one who waits to the next. When a thousand threads were woken at once, all of them asked for the
    interpreter every 5 ms: the last of 1,000 streams had an event after 140 ms, now and then 800. It is 100 now.
    """

    def __init__(self, clock: RealClock) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._waiting = threading.Condition(self._lock)

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for `notify_all`: True; or until `timeout` seconds have passed: False."""
        seconds, waiting = None if timeout is None else _wait(timeout), self._waiting
        if not self._clock.closing:
            waiting.wait(seconds)
        notified = waiting is not self._waiting
        if notified:
            waiting.notify()  # also if our time ran out meanwhile: the notice may have been with us
        if self._clock.closing:
            raise Stopped
        return notified

    def notify_all(self) -> None:
        """Wake everybody who waits now, and nobody who comes later."""
        waiting, self._waiting = self._waiting, threading.Condition(self._lock)
        waiting.notify()


def _wait(seconds: float) -> float:
    """A time to wait, no longer than the system can."""
    if not seconds >= 0:
        raise ValueError(f"a time to wait must be >= 0 seconds, got {seconds}")
    return min(seconds, threading.TIMEOUT_MAX)


def resolution() -> float:
    """The smallest step that the machine's clock was seen to take, in seconds."""
    steps = []
    for _ in range(1000):
        start = time.perf_counter_ns()
        while (end := time.perf_counter_ns()) == start:
            pass
        steps.append(end - start)
    return min(steps) / NANO
