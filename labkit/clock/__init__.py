"""Time for all of labkit: the same calls on a simulated clock and on the machine's.

|                       | `VirtualClock`                     | `RealClock`                      |
|-----------------------|------------------------------------|----------------------------------|
| a task is             | a greenlet                         | a thread                         |
| `sleep(60)`           | returns at once: the clock jumps   | takes 60 s                       |
| due at one instant    | first come, first served           | in any order                     |
| time is read from     | a count of whole nanoseconds       | `time.perf_counter()`            |
| `epoch`               | given, such as the date of a trace | the machine's date, unless given |
| a wait without an end | RuntimeError: deadlock             | waits for ever                   |
"""

from collections.abc import Callable
from typing import Any, Protocol, Self

from labkit.clock.real import RealClock, Stopped, monotonic, resolution
from labkit.clock.virtual import NANO, VirtualClock, nanoseconds

__all__ = ["NANO", "Clock", "Condition", "RealClock", "Stopped", "VirtualClock",
           "monotonic", "nanoseconds", "resolution"]  # fmt: skip


class Condition(Protocol):
    """A place to wait for another task's notification. Check and wait under `with condition:`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def notify_all(self) -> None: ...


class Clock(Protocol):
    """What client, source and receiver code uses. Instants are float seconds since t = 0, durations float seconds."""

    epoch: float
    """The Unix time of t = 0."""

    def now(self) -> float: ...
    def unix_nanoseconds(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...
    def sleep_until(self, instant: float) -> None: ...
    def spawn(self, function: Callable[..., object], *args: Any) -> object: ...
    def condition(self) -> Condition: ...
    def close(self) -> None: ...
