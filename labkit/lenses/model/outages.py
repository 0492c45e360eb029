"""Outages by window: when an exchange is refused or times out, and when one that is under way is cut."""

from bisect import bisect_right
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


class Windows:
    """The outages of one kind of exchange between two parties, whose sender waits `timeout` seconds for an answer.

    An exchange that is sent in a window fails. One that is under way when a window begins is cut, even if its answer
    arrives at that instant.
    """

    def __init__(self, faults: Sequence[Fault], kind: Kind, timeout: float, parties: tuple[str, str]) -> None:
        probe, hold = _Probe(kind, parties), nanoseconds(timeout)
        outages = [each for each in faults if isinstance(each, Outage) and each.selects(probe)]  # type: ignore[arg-type]
        self._spans = [
            (first_at(each.start), first_at(each.end), 0 if each.error == "refused" else hold) for each in outages
        ]
        self._cuts = sorted(start for start, _, _ in self._spans)
        self._changes = sorted({instant for span in self._spans for instant in span[:2]})

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._spans)

    def hold(self, at: int) -> int | None:
        """For how long an exchange that is sent at an instant waits until it has failed; None if it is carried."""
        for first, end, hold in self._spans:
            if first <= at < end:
                return hold
        return None

    def end(self, at: int, takes: int) -> int:
        """When an exchange that is sent at an instant is answered, after so many nanoseconds, or has failed."""
        hold = self.hold(at)
        return min(at + (takes if hold is None else hold), self.cut(at))

    def cut(self, after: int) -> int:
        """The first instant after another one at which what is under way is cut."""
        return _next(self._cuts, after)

    def change(self, after: int) -> int:
        """The first instant after another one at which a window begins or ends."""
        return _next(self._changes, after)


def _next(instants: list[int], after: int) -> int:
    place = bisect_right(instants, after)
    return instants[place] if place < len(instants) else NEVER


def first_at(seconds: float) -> int:
    """The first nanosecond that is not before a time in seconds."""
    instant = nanoseconds(seconds)
    return instant + (instant / NANO < seconds)


def check_none(faults: Sequence[Fault], approach: str) -> None:
    """Refuse all faults."""
    for fault in faults:
        raise ValueError(f"the model lens has no faults for {approach}, got {fault.name}: use the virtual lens")


def check_faults(faults: Sequence[Fault]) -> None:
    """Refuse all faults but outages with one window each, which hit every exchange of some kinds."""
    remedy = "use the virtual lens"
    for fault in faults:
        if "model" not in fault.lenses:
            raise ValueError(f"the model lens has no fault but outages, got {fault.name}: {remedy}")
        if not (fault.start >= 0 and isfinite(fault.end)):
            again = ", again and again" if isfinite(fault.period) else ""
            rule = "the model lens needs outages of one window that starts at 0 or later"
            raise ValueError(f"{rule}, got {fault.start:g} s to {fault.start + fault.duration:g} s{again}: {remedy}")
        if nanoseconds(fault.start) != first_at(fault.start):
            rule = "the model lens needs an outage that starts at a whole nanosecond"
            raise ValueError(f"{rule}, got start={fault.start!r}: {remedy}")
        for name in ("events", "every", "attempts", "p"):
            if value := fault.record().get(name):
                rule = "the model lens needs outages that select by kind alone"
                raise ValueError(f"{rule}, got {name}={value!r}: {remedy}")
