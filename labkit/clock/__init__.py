"""Time, as everything in labkit is told it.

A clock gives `now`, `sleep`, `sleep_until`, `spawn` and `condition`; whoever is handed one does not care which it is.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self

from labkit.clock.real import RealClock, Stopped, monotonic, resolution
from labkit.clock.virtual import NANO, VirtualClock, nanoseconds

__all__ = [
    "NANO",
    "Clock",
    "Condition",
    "RealClock",
    "Stopped",
    "VirtualClock",
    "monotonic",
    "nanoseconds",
    "resolution",
]


class Condition(Protocol):
    """Somewhere to wait until another task says that something has changed. Check and wait under `with condition:`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def notify_all(self) -> None: ...


class Clock(Protocol):
    """What client, source and receiver code sees of time. Instants are float seconds since t = 0."""

    epoch: float
    """The Unix time of t = 0."""

    def now(self) -> float: ...
    def unix_nanoseconds(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...
    def sleep_until(self, instant: float) -> None: ...
    def spawn(self, function: Callable[..., object], *args: Any) -> object: ...
    def condition(self) -> Condition: ...
    def close(self) -> None: ...
