"""When polls are due, by number: after a fixed delay, or at a fixed rate. Nothing is done for an empty poll."""

from labkit.approaches import Polling
from labkit.clock import NANO, nanoseconds
from labkit.network.memory import KEEP_ALIVE

IDLE = int(KEEP_ALIVE * NANO)


class FixedDelay:
    """The next poll is sent `pause` after an answer, so a poll that takes one round trip has a constant period."""

    def __init__(self, first: int, pause: int, trip: int) -> None:
        self.next, self.pause, self.period = first, pause, pause + trip

    def before(self, instant: int) -> int:
        """How many polls are sent before an instant, if each takes one round trip."""
        return max(0, -((self.next - instant) // self.period))

    def skip(self, polls: int) -> int:
        """The instant of the next poll after so many, which it becomes."""
        self.next += polls * self.period
        return self.next

    def answered(self, at: int) -> int:
        """Go on after an answer; returns how long the connection is idle until the next poll."""
        self.next = at + self.pause
        return self.pause

    @property
    def idle(self) -> int:
        """How long the connection is idle between polls that take one round trip each."""
        return self.pause


class FixedRate:
    """Polls are due at multiples of the interval after the first; those that are due before an answer are skipped."""

    def __init__(self, approach: Polling, trip: int) -> None:
        self.first, self.interval, self.trip = approach.initial_delay, approach.interval, trip
        whole = nanoseconds(self.interval)
        self.stride = max(1, -(-trip // whole))
        self.number, self.period = 0, self.stride * whole
        self.idle = self.period - trip

    def due(self, number: int) -> int:
        return nanoseconds(round(self.first + number * self.interval, 9))

    def before(self, instant: int) -> int:
        polls = max(0, -((self.due(self.number) - instant) // self.period))
        while polls and self.due(self.number + (polls - 1) * self.stride) >= instant:
            polls -= 1
        while self.due(self.number + polls * self.stride) < instant:
            polls += 1
        return polls

    def skip(self, polls: int) -> int:
        self.number += polls * self.stride
        return self.due(self.number)

    def answered(self, at: int) -> int:
        self.number += 1
        if (late := at - self.due(self.number)) > 0:
            self.number += max(0, late // nanoseconds(self.interval) - 1)
        while self.due(self.number) < at:
            self.number += 1
        return self.due(self.number) - at


def check_rate(approach: Polling, delay: float, duration: float) -> None:
    """Refuse a fixed rate whose polls this arithmetic does not number exactly."""
    trip, interval = 2 * nanoseconds(delay), approach.interval * NANO
    whole = abs(interval - round(interval)) < 1e-6 and duration < 1e6
    if whole or (trip + 2 < interval and abs(interval - trip - IDLE) > 2):
        return
    rule = "the model lens needs an interval of whole nanoseconds in a run of under 1,000,000 s"
    raise ValueError(
        f"{rule}, or one longer than a round trip of {2 * delay:g} s, got {approach.interval!r}: use the virtual lens"
    )
