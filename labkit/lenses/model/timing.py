"""When polls are due: after a fixed delay, or at a fixed rate, by number, so that nothing is done for an empty poll;
or by an adaptive rule, poll by poll."""

from labkit.approaches import Aimd, HalveDouble, Polling
from labkit.clock import NANO, nanoseconds
from labkit.network.exchange import KEEP_ALIVE

IDLE = int(KEEP_ALIVE * NANO)


class FixedDelay:
    """The next poll is sent `pause` after an answer, so polls that take equally long have a constant period."""

    def __init__(self, first: int, pause: int) -> None:
        self.next, self.pause = first, pause

    def before(self, instant: int, takes: int) -> int:
        """How many polls are sent before an instant, if each takes so many nanoseconds."""
        return max(0, -((self.next - instant) // (self.pause + takes)))

    def after(self, polls: int, takes: int) -> int:
        """The instant of the next poll after so many."""
        return self.next + polls * (self.pause + takes)

    def answered(self, polls: int, takes: int, at: int, found: bool) -> None:
        """Go on after so many polls, the last of which ended at `at`."""
        self.next = at + self.pause


class FixedRate:
    """Polls are due at multiples of the interval after the first; those that are due before an answer are skipped."""

    def __init__(self, approach: Polling) -> None:
        self.first, self.interval, self.number = approach.initial_delay, approach.interval, 0
        self.whole = nanoseconds(self.interval)

    @property
    def next(self) -> int:
        return self.due(self.number)

    def due(self, number: int) -> int:
        return nanoseconds(round(self.first + number * self.interval, 9))

    def stride(self, takes: int) -> int:
        """By how many numbers the next poll is later than one that takes so many nanoseconds."""
        return max(1, -(-takes // self.whole))

    def before(self, instant: int, takes: int) -> int:
        stride = self.stride(takes)
        polls = max(0, -((self.next - instant) // (stride * self.whole)))
        while polls and self.after(polls - 1, takes) >= instant:
            polls -= 1
        while self.after(polls, takes) < instant:
            polls += 1
        return polls

    def after(self, polls: int, takes: int) -> int:
        return self.due(self.number + polls * self.stride(takes))

    def answered(self, polls: int, takes: int, at: int, found: bool) -> None:
        self.number += (polls - 1) * self.stride(takes) + 1
        if (late := at - self.next) > 0:
            self.number += max(0, late // self.whole - 1)
        while self.next < at:
            self.number += 1


class Adaptive:
    """The next poll is sent an interval after an answer, which the approach adapts to whether a poll found an event."""

    def __init__(self, approach: Aimd | HalveDouble) -> None:
        self.next, self.approach, self.interval = 0, approach, approach.start

    def before(self, instant: int, takes: int) -> int:
        """At most one: each poll's interval depends on the last one."""
        return int(self.next < instant)

    def after(self, polls: int, takes: int) -> int:
        return self.next

    def answered(self, polls: int, takes: int, at: int, found: bool) -> None:
        self.interval = self.approach.limited(self.approach.adapted(self.interval, found))
        self.next = at + nanoseconds(self.interval)


def check_rate(approach: Polling, delay: float, duration: float, held: float = 0.0) -> None:
    """Refuse a fixed rate whose polls this arithmetic does not number exactly; an outage holds each for `held` s."""
    trip, interval = 2 * nanoseconds(delay), approach.interval * NANO
    whole = abs(interval - round(interval)) < 1e-6 and duration < 1e6
    if whole or (max(trip, nanoseconds(held)) + 2 < interval and abs(interval - trip - IDLE) > 2):
        return
    rule = "the model lens needs an interval of whole nanoseconds in a run of under 1,000,000 s"
    raise ValueError(
        f"{rule}, or one longer than a round trip of {2 * delay:g} s, got {approach.interval!r}: use the virtual lens"
    )
