"""Outages by window: when an exchange is refused or times out, and when one that is under way is cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from labkit.clock import NANO, nanoseconds
from labkit.faults import Fault, Outage
from labkit.ledger import Kind

NEVER = 2**62
"""An instant after every run."""


@dataclass
class _Probe:
    """What a fault's selectors read of an exchange. `check_faults` refuses faults that read what has a default."""

    kind: Kind
    parties: tuple[str, str]
    events: tuple[str, ...] = ()
    place: int = 1
    attempt: int = 1


class _Window:
    """An outage, in whole nanoseconds."""

    def __init__(self, outage: Outage, timeout: int) -> None:
        self.hold = 0 if outage.error == "refused" else timeout
        """For how long an exchange waits until it has failed."""
        self._start, self._length, self._period = nanoseconds(outage.start), NEVER, NEVER
        if isfinite(outage.period):
            self._length, self._period = nanoseconds(outage.duration), nanoseconds(outage.period)
        elif isfinite(outage.end):
            self._length = first_at(outage.end) - self._start

    def active(self, at: int) -> bool:
        return self._start <= at and (at - self._start) % self._period < self._length

    def begins(self, after: int) -> int:
        """The first instant after another one at which the window begins."""
        return self._next(self._start, after)

    def ends(self, after: int) -> int:
        return self._next(self._start + self._length, after)

    def _next(self, first: int, after: int) -> int:
        """The first instant after another one, of `first` and those that come a period, two periods, … later."""
        return first + max(0, (after - first) // self._period + 1) * self._period


class Windows:
    """The outages of one kind of exchange between two parties, whose sender waits `timeout` seconds for an answer.

    An exchange that is sent in a window fails. One that is under way when a window begins is cut, even if its answer
    arrives at that instant.
    """

    def __init__(self, faults: Sequence[Fault], kind: Kind, timeout: float, parties: tuple[str, str]) -> None:
        probe, hold = _Probe(kind, parties), nanoseconds(timeout)
        self._windows = [
            _Window(each, hold)
            for each in faults
            if isinstance(each, Outage) and each.selects(probe)  # type: ignore[arg-type]
        ]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._windows)

    def hold(self, at: int) -> int | None:
        """For how long an exchange that is sent at an instant waits until it has failed; None if it is carried."""
        for each in self._windows:
            if each.active(at):
                return each.hold
        return None

    def end(self, at: int, takes: int) -> int:
        """When an exchange that is sent at an instant is answered, after so many nanoseconds, or has failed."""
        if not self._windows:
            return at + takes
        hold = self.hold(at)
        return min(at + (takes if hold is None else hold), self.cut(at))

    def cut(self, after: int) -> int:
        """The first instant after another one at which what is under way is cut."""
        return min([each.begins(after) for each in self._windows]) if self._windows else NEVER

    def change(self, after: int) -> int:
        """The first instant after another one at which a window begins or ends."""
        return min([self.cut(after), *(each.ends(after) for each in self._windows)])


def first_at(seconds: float) -> int:
    """The first nanosecond that is not before a time in seconds."""
    instant = nanoseconds(seconds)
    return instant + (instant / NANO < seconds)


def check_faults(faults: Sequence[Fault], duration: float) -> None:
    """Refuse all faults but outages that hit every exchange of some kinds, in windows of whole nanoseconds."""
    remedy = "use the virtual lens"
    for fault in faults:
        if "model" not in fault.lenses:
            raise ValueError(f"the model lens has no fault but outages, got {fault.name}: {remedy}")
        if fault.start < 0:
            raise ValueError(f"the model lens needs outages from 0 s on, got start={fault.start:g}: {remedy}")
        if nanoseconds(fault.start) != first_at(fault.start):
            rule = "the model lens needs an outage that starts at a whole nanosecond"
            raise ValueError(f"{rule}, got start={fault.start!r}: {remedy}")
        if isfinite(fault.period):
            _check_period(fault, duration)
        for name in ("events", "every", "attempts", "p"):
            if value := fault.record().get(name):
                rule = "the model lens needs outages that select by kind alone"
                raise ValueError(f"{rule}, got {name}={value!r}: {remedy}")


def _check_period(fault: Fault, duration: float) -> None:
    """Refuse a period whose multiples, as floats, may be a nanosecond off."""
    if (fault.start % 1 or fault.period % 1) and not (
        duration < 1e5 and all(nanoseconds(each) / NANO == each for each in (fault.start, fault.period))
    ):
        rule = "the model lens needs an outage that recurs by whole seconds"
        rule += ", or by whole nanoseconds in a run of under 100,000 s"
        got = f"got start={fault.start!r} and period={fault.period!r}"
        raise ValueError(f"{rule}, {got}: use the virtual lens")
