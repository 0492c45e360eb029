"""Simulated time, and cooperative tasks: a heap of what is due, and a clock that jumps to it."""

import heapq
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Any, Self

from greenlet import GreenletExit, getcurrent, greenlet

NANO = 1_000_000_000


class _Task(greenlet):
    """A cooperative task; `ticket` numbers its pauses, so that a wake-up meant for an earlier one is ignored."""

    ticket = 0
    rank = 1
    job: tuple[Callable[..., object], tuple[Any, ...]]


class VirtualClock:
    """A simulated clock: when every task is waiting, it jumps to the next thing due.

    Tasks are plain blocking functions. Things due at one instant happen first come, first served; a task spawned
    as `urgent` goes before the others of its instant. Inside, time is a whole number of nanoseconds, so nothing drifts.

    >>> clock, log = VirtualClock(), []
    >>> def tick(name, every):
    ...     while True:
    ...         clock.sleep(every)
    ...         log.append((name, clock.now()))
    >>> _ = clock.spawn(tick, "a", 2), clock.spawn(tick, "b", 3)
    >>> clock.run(until=6); log
    [('a', 2.0), ('b', 3.0), ('a', 4.0)]
    """

    def __init__(self, start: float = 0.0, epoch: float = 0.0) -> None:
        self.epoch = epoch
        self.nanoseconds = nanoseconds(start)  # now, as a whole number
        self._queue: list[tuple[int, int, int, _Task, int]] = []
        self._serial = count()
        self._main = getcurrent()
        self._visitor = _Task()  # stands in the queue for the main program, when that waits
        self._tasks: dict[_Task, None] = {}
        self._idle: list[_Task] = []
        self._closing = False

    def now(self) -> float:
        """Seconds since t = 0; negative during set-up."""
        return self.nanoseconds / NANO

    def sleep(self, seconds: float) -> None:
        """Wait, while the other tasks go on. Called by the main program, it runs them for so long."""
        self._wake(self._current(), self._ahead(seconds))
        self._pause()

    def sleep_until(self, instant: float) -> None:
        """Wait until an instant; one that has passed means: let the others of this instant go first."""
        self._wake(self._current(), max(self.nanoseconds, nanoseconds(instant)))
        self._pause()

    def spawn(self, function: Callable[..., object], *args: Any, after: float = 0.0, urgent: bool = False) -> object:
        """Start `function(*args)` as a task, `after` so many seconds. What it raises comes out of `run`."""
        due = self._ahead(after)
        task = self._idle.pop() if self._idle else _Task(self._work, self._main)
        task.gr_context = None  # empty, as a thread's is
        task.rank = 0 if urgent else 1
        task.job = function, args
        self._tasks[task] = None
        self._wake(task, due)
        return task

    def condition(self) -> "VirtualCondition":
        return VirtualCondition(self)

    def unix_nanoseconds(self) -> int:
        """The Unix time of now, exactly: for what is kept in a file."""
        return nanoseconds(self.epoch) + self.nanoseconds

    def run(self, until: float | None = None, done: Callable[[], bool] | None = None) -> None:
        """Let the tasks run until `until` (half-open: what is due then stays), `done()`, or nothing is due any more.

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
        """End every task where it waits, oldest first; their `finally` blocks run, and may not wait.

        Raises the first exception that one of these raised, once all have ended.
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self, serial: int) -> None:
        """A task's life: a job, and then another, since a greenlet takes longer to make than to switch to."""
        task = self._current()
        while True:
            function, args = task.job
            try:
                function(*args)
            except GreenletExit:
                return
            finally:
                self._tasks.pop(task, None)
            self._idle.append(task)
            try:
                self._main.switch()
            except GreenletExit:
                return

    def _step(self) -> int:
        """Do the next thing due, and return its serial."""
        due, _, serial, task, ticket = heapq.heappop(self._queue)
        if task.ticket == ticket:
            self.nanoseconds = due
            task.ticket += 1
            if task is not self._visitor:
                task.switch(serial)
        return serial

    def _pause(self) -> int:
        """Give way until a wake-up of this task, and return its serial; the main program runs the others meanwhile."""
        if getcurrent() is not self._main:
            if self._closing:
                raise GreenletExit
            woken: int = self._main.switch()
            return woken
        self._must_be_open()
        ticket = self._visitor.ticket
        try:
            while self._queue:
                serial = self._step()
                if self._visitor.ticket != ticket:
                    return serial
        except BaseException:
            self._visitor.ticket += 1  # this wait is over: what would have ended it must not end the next
            raise
        raise RuntimeError("deadlock: the main program waits, and no task is due that could wake it")

    def _ahead(self, seconds: float) -> int:
        """The instant so many seconds from now."""
        if not seconds >= 0:
            raise ValueError(f"a time to wait must be >= 0 seconds, got {seconds}")
        return self.nanoseconds + nanoseconds(seconds)

    def _wake(self, task: _Task, due: int) -> int:
        """Put a wake-up in the queue, and return its serial; the first one due counts, the others then do not."""
        serial = next(self._serial)
        heapq.heappush(self._queue, (due, task.rank, serial, task, task.ticket))
        return serial

    def _current(self) -> _Task:
        current = getcurrent()
        if isinstance(current, _Task):
            return current
        self._must_be_main()
        return self._visitor

    def _must_be_open(self) -> None:
        if self._closing:
            raise RuntimeError("the clock is closed: its tasks have ended")

    def _must_be_main(self) -> None:
        if getcurrent() is not self._main:
            raise RuntimeError(
                "run and close belong to the program that made the clock, not to a task or another thread"
            )


class VirtualCondition:
    """A condition on a virtual clock. Nothing else runs between a task's check and its wait, so there is no lock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._waiting: dict[_Task, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to unlock."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for `notify_all`: True; or until `timeout` seconds have passed: False."""
        clock = self._clock
        task = clock._current()
        expired = None if timeout is None else clock._wake(task, clock._ahead(timeout))
        self._waiting[task] = None
        try:
            return clock._pause() != expired
        finally:
            del self._waiting[task]

    def notify_all(self, after: float = 0.0) -> None:
        """Wake every waiting task, `after` so many seconds, in the order in which they came.

        Who has stopped waiting by then, because of a timeout, is not told.
        """
        due = self._clock._ahead(after)
        for task in self._waiting:
            self._clock._wake(task, due)


def nanoseconds(seconds: float) -> int:
    try:
        return round(seconds * NANO)
    except (OverflowError, ValueError):
        raise ValueError(f"seconds must be finite, got {seconds}") from None
