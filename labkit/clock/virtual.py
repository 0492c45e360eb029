"""Simulated time and cooperative tasks: a heap of wake-ups, and a clock that jumps to the next one."""

import heapq
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any, Self, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

NANO = 1_000_000_000
T = TypeVar("T")


class _Task(greenlet):
    """A cooperative task. `ticket` numbers its waits, so that a wake-up meant for an earlier wait is ignored."""

    ticket = 0
    rank = 1
    job: tuple[Callable[..., object], tuple[Any, ...]]


class VirtualClock:
    """A simulated clock: when every task is waiting, it jumps to the next wake-up.

    Tasks are plain blocking functions. Wake-ups of one instant happen in the order in which they were scheduled, those
    of `urgent` tasks first. Time is a whole number of nanoseconds inside: 60,240 sleeps of 10.04 s end at 604,809.6 s
    exactly.

    >>> clock, log = VirtualClock(), []
    >>> def tick(name, interval):
    ...     while True:
    ...         clock.sleep(interval)
    ...         log.append((name, clock.now()))
    >>> _ = clock.spawn(tick, "a", 2), clock.spawn(tick, "b", 3)
    >>> clock.run(until=6); log
    [('a', 2.0), ('b', 3.0), ('a', 4.0)]
    """

    def __init__(self, start: float = 0.0, epoch: float = 0.0) -> None:
        self.epoch = epoch
        self.nanoseconds = nanoseconds(start)  # the current instant
        self._queue: list[tuple[int, int, int, _Task, int]] = []
        self._serial = count()
        self._main = getcurrent()
        self._main_task = _Task()  # the main program's place in the queue when it waits
        self._tasks: dict[_Task, None] = {}
        self._idle: list[_Task] = []
        self._closing = False

    def now(self) -> float:
        """Seconds since t = 0; negative during set-up."""
        return self.nanoseconds / NANO

    def unix_nanoseconds(self) -> int:
        """The current Unix time, for what is stored in a file."""
        return nanoseconds(self.epoch) + self.nanoseconds

    def sleep(self, seconds: float) -> None:
        """Wait while the other tasks run. Called by the main program, it runs them meanwhile."""
        self._schedule(self._current(), self._due_in(seconds))
        self._wait()

    def sleep_until(self, instant: float) -> None:
        """Wait until an instant. If it has passed, wait only for the others that are due now."""
        self._schedule(self._current(), max(self.nanoseconds, nanoseconds(instant)))
        self._wait()

    def spawn(self, function: Callable[..., object], *args: Any, after: float = 0.0, urgent: bool = False) -> object:
        """Run `function(*args)` as a task, `after` seconds from now. `run` raises what it raises."""
        due = self._due_in(after)
        task = self._idle.pop() if self._idle else _Task(self._work, self._main)
        task.gr_context = None  # an empty context, as in a new thread
        task.rank = 0 if urgent else 1
        task.job = function, args
        self._tasks[task] = None
        self._schedule(task, due)
        return task

    def spawn_each(self, function: Callable[[T], object], arguments: Iterable[T]) -> None:
        """Run `function(each)` as a task for each argument."""
        for each in arguments:
            self.spawn(function, each)

    def condition(self) -> "VirtualCondition":
        return VirtualCondition(self)

    def run(self, until: float | None = None, done: Callable[[], bool] | None = None) -> None:
        """Let the tasks run until the instant `until` (half-open), until `done()`, or until nothing is due.

        Raises what a task raised, with its traceback.
        """
        self._must_be_main()
        self._must_be_open()
        end = None if until is None else nanoseconds(until)
        if end is not None and end < self.nanoseconds:
            raise ValueError(f"until ({until}) must be >= the current simulation time ({self.now()})")
        while self._queue and (end is None or self._queue[0][0] < end):
            if done is not None and done():
                return
            self._step()
        if end is not None:
            self.nanoseconds = end

    def close(self) -> None:
        """End every task where it waits, oldest first. Their `finally` blocks run, and must not wait.

        Raises the first exception of such a block, after all tasks have ended.
        """
        self._must_be_main()
        self._closing = True
        errors = []
        for task in [*self._tasks, *self._idle]:
            try:
                task.throw(GreenletExit)
            except BaseException as error:
                errors.append(error)
        self._tasks.clear()
        self._idle.clear()
        self._queue.clear()
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self, serial: int) -> None:
        """Do one job after another, since making a greenlet takes about 13 µs and switching to it 1 µs."""
        task = self._current()
        with suppress(GreenletExit):
            while True:
                function, args = task.job
                try:
                    function(*args)
                finally:
                    self._tasks.pop(task, None)
                self._idle.append(task)
                self._main.switch()

    def _step(self) -> int:
        """Take the next wake-up from the queue, and return its serial."""
        due, _, serial, task, ticket = heapq.heappop(self._queue)
        if task.ticket == ticket:
            self.nanoseconds = due
            task.ticket += 1
            if task is not self._main_task:
                task.switch(serial)
        return serial

    def _wait(self) -> int:
        """Wait for a wake-up of this task, and return its serial. The main program runs the others meanwhile."""
        if getcurrent() is not self._main:
            if self._closing:
                raise GreenletExit
            woken: int = self._main.switch()
            return woken
        self._must_be_open()
        ticket = self._main_task.ticket
        try:
            while self._queue:
                serial = self._step()
                if self._main_task.ticket != ticket:
                    return serial
        except BaseException:
            self._main_task.ticket += 1  # this wait is over: its wake-up must not end the next one
            raise
        raise RuntimeError("deadlock: the main program waits, and nothing is due that could wake it")

    def _due_in(self, seconds: float) -> int:
        """The instant that is `seconds` from now, in nanoseconds."""
        return self.nanoseconds + nanoseconds(checked_wait(seconds))

    def _schedule(self, task: _Task, due: int) -> int:
        """Schedule a wake-up, and return its serial. Of several for one wait, the first one ends it."""
        serial = next(self._serial)
        heapq.heappush(self._queue, (due, task.rank, serial, task, task.ticket))
        return serial

    def _current(self) -> _Task:
        current = getcurrent()
        if isinstance(current, _Task):
            return current
        self._must_be_main()
        return self._main_task

    def _must_be_open(self) -> None:
        if self._closing:
            raise RuntimeError("the clock is closed: its tasks have ended")

    def _must_be_main(self) -> None:
        if getcurrent() is not self._main:
            text = "run and close belong to the program that made the clock, not to a task or another thread"
            raise RuntimeError(text)


class VirtualCondition:
    """A condition on a virtual clock. No other task runs between a check and the wait after it, so it needs no lock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._waiting: dict[_Task, None] = {}
        self.notifications = 0
        """Their number so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to unlock."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for `notify_all` and return True, or for `timeout` seconds and return False."""
        clock = self._clock
        task = clock._current()
        expired = None if timeout is None else clock._schedule(task, clock._due_in(timeout))
        self._waiting[task] = None
        try:
            return clock._wait() != expired
        finally:
            del self._waiting[task]

    def notify_all(self, after: float = 0.0) -> None:
        """Wake every task that waits now, `after` seconds from now, in the order in which they began to wait.

        A task whose wait has timed out by then is not woken.
        """
        self.notifications += 1
        due = self._clock._due_in(after)
        for task in self._waiting:
            self._clock._schedule(task, due)


def checked_wait(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"a time to wait must be >= 0 seconds, got {seconds}")
    return seconds


def nanoseconds(seconds: float) -> int:
    try:
        return round(seconds * NANO)
    except (OverflowError, ValueError):
        raise ValueError(f"seconds must be finite, got {seconds}") from None
