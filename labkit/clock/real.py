"""The machine's own time, and threads. The only file that imports `time`."""

import threading
import time
from collections.abc import Callable, Iterable
from operator import length_hint
from typing import Any, Self, TypeVar
from weakref import WeakSet

from greenlet import GreenletExit

from labkit.clock.virtual import NANO, checked_wait

T = TypeVar("T")
monotonic = time.perf_counter
"""Seconds that never decrease, and are the same in every process of a machine."""
JOIN_TIMEOUT = 5.0
"""Seconds that `close` waits for a task that is busy, such as a request handler."""

PATIENCE = 0.001
"""Seconds after which `spawn_each` starts another thread, if none of its tasks has begun meanwhile."""
Stopped = GreenletExit
"""Raised where a task waits when its clock is closed, on either clock. `except Exception` does not catch it."""


class RealClock:
    """The machine's clock: a task is a thread, and waiting takes real time.

    `origin` is the machine's `monotonic()` at t = 0; two processes with the same `origin` share their t = 0.
    """

    def __init__(self, origin: float | None = None, epoch: float | None = None) -> None:
        self.origin = monotonic() if origin is None else origin
        # rounded to a millisecond, so that the timestamps of events have no more digits than the events' instants
        self.epoch = round(time.time() - self.now(), 3) if epoch is None else epoch
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._threads = set[threading.Thread]()
        self._conditions: WeakSet[RealCondition] = WeakSet()
        self._error: BaseException | None = None

    def now(self) -> float:
        """Seconds since t = 0; negative during set-up."""
        return monotonic() - self.origin

    def unix_nanoseconds(self) -> int:
        """The current Unix time, for what is stored in a file."""
        return round((self.epoch + self.now()) * NANO)

    def sleep(self, seconds: float) -> None:
        if self._closing.wait(_wait(seconds)):
            raise Stopped

    def sleep_until(self, instant: float) -> None:
        self.sleep(max(0.0, instant - self.now()))

    def spawn(self, function: Callable[..., object], *args: Any, after: float = 0.0, urgent: bool = False) -> object:
        """Run `function(*args)` in a thread, `after` seconds from now. `run` raises what it raises.

        `urgent` has no effect: threads of one instant run in any order.
        """
        after = _wait(after)

        def work() -> None:
            try:
                if after:
                    self.sleep(after)
                function(*args)
            except Stopped:
                pass
            except BaseException as error:
                # after `close` begins, a failure such as a connection that was cut is expected
                if not self._closing.is_set() and self._error is None:
                    self._error = error
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=work, daemon=True, name=getattr(function, "__name__", "task"))
        with self._lock:
            if self._closing.is_set():
                raise Stopped
            thread.start()
            self._threads.add(thread)
        return thread

    def spawn_each(self, function: Callable[[T], object], arguments: Iterable[T]) -> None:
        """Run `function(each)` as a task for each argument; returns when all have begun.

        A thread that has ended one begins the next, and another thread is started if none has begun for a millisecond:
        1,000 that are soon done share some 30 threads, and one that takes long holds up no other.
        """
        waiting = iter(list(arguments))  # shared by the threads: each takes the next

        def work() -> None:
            for each in waiting:
                function(each)

        left = length_hint(waiting)
        while left:
            if length_hint(waiting) == left:
                self.spawn(work)
            left = length_hint(waiting)
            self._closing.wait(PATIENCE)

    def condition(self) -> "RealCondition":
        condition = RealCondition(self)
        with self._lock:
            self._conditions.add(condition)
        return condition

    def run(self, until: float | None = None, done: Callable[[], bool] | None = None) -> None:
        """Let the tasks run until the instant `until`, until `done()`, or until all have ended.

        Raises what a task raised, with its traceback.
        """
        while True:
            self._raise()
            if done is not None and done():
                return
            left = 0.01 if until is None else min(0.01, until - self.now())
            if left <= 0:
                return
            if until is None and not self._threads:
                return
            time.sleep(left)

    def close(self, timeout: float = JOIN_TIMEOUT) -> None:
        """End every task where it waits, and wait `timeout` seconds for those that are busy.

        Raises what a task raised before and `run` has not raised.
        """
        with self._lock:
            self._closing.set()
            conditions, threads = list(self._conditions), list(self._threads)
        for condition in conditions:
            with condition:
                condition.notify_all()
        deadline = monotonic() + timeout
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

    def __exit__(self, *error: object) -> None:
        self.close()


class RealCondition:
    """A condition on the machine's clock. Check and wait under `with condition:`, or a notification may be missed.

    Each task that is woken wakes the next one. When 1,000 threads were woken at once, all of them requested the
    interpreter's lock every 5 ms: the last one ran after 140 ms, sometimes 800; now it runs after 100 ms.
    """

    def __init__(self, clock: RealClock) -> None:
        self._closing, self._lock = clock._closing, threading.RLock()
        self._waiting = threading.Condition(self._lock)
        self.notifications = 0
        """Their number so far."""

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for `notify_all` and return True, or for `timeout` seconds and return False."""
        seconds, waiting = None if timeout is None else _wait(timeout), self._waiting
        if not self._closing.is_set():
            waiting.wait(seconds)
        notified = waiting is not self._waiting
        if notified:
            waiting.notify()  # even if this wait timed out: it may have been the one that was woken
        if self._closing.is_set():
            raise Stopped
        return notified

    def notify_all(self) -> None:
        """Wake every task that waits now, and none that waits later."""
        self.notifications += 1
        waiting, self._waiting = self._waiting, threading.Condition(self._lock)
        waiting.notify()


def _wait(seconds: float) -> float:
    """A time to wait, at most what the system allows."""
    return min(checked_wait(seconds), threading.TIMEOUT_MAX)


def resolution() -> float:
    """The smallest step of the machine's clock among 1,000, in seconds."""
    steps = []
    for _ in range(1000):
        start = time.perf_counter_ns()
        while (end := time.perf_counter_ns()) == start:
            pass
        steps.append(end - start)
    return min(steps) / NANO
