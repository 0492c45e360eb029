"""What is wrong with a party and not with an exchange: a clock that is ahead, and events that are committed late."""

from dataclasses import dataclass, field
from typing import ClassVar

from labkit.checks import number
from labkit.faults.fault import Fault
from labkit.ledger import Kind


@dataclass(frozen=True, kw_only=True)
class ClockSkew(Fault):
    """The receivers' clocks are `seconds` ahead of the source's; behind it, if negative.

    A receiver refuses a signature that is more than 300 s from its own clock with 401, and the source tries again: if
    the clock is set right before the waits are used up, nothing is lost. In the table: `error_requests` of deliveries
    (status 401), a higher latency, no duplicates; polls read no clock. With 600 s for an hour, an event of the first
    instant is refused after 0, 5, 305 and 2,105 s, and arrives with the next attempt, after 9,305 s.
    """

    name: ClassVar[str] = "clock_skew"
    selectors: ClassVar[tuple[str, ...]] = ()
    kinds: tuple[Kind, ...] = ("delivery",)
    seconds: float = 600.0
    """Not divided by `speed`, as the tolerance of 300 s is not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number("seconds", self.seconds, "seconds ahead")

    def clock_ahead(self, at: float) -> float:
        return self.seconds if self.active(at) else 0.0


@dataclass(frozen=True, kw_only=True)
class LateCommit(Fault):
    """The source commits an event `seconds` after it happened, and later events before it.

    It models a long transaction, or a replica that lags. The cursor is the order of the commits, so a late event has a
    place after those that were visible before it, and no poller skips it; a cursor that is the events' own time would.
    In the table: the latency is that much higher, with nothing lost and nothing doubled; `receipts` show the disorder.
    By webhook, with 45 s, an event of 10 s arrives at 55.02 s, after one of 20 s that arrives at 20.02 s.
    """

    name: ClassVar[str] = "late_commit"
    fails: ClassVar[bool] = False
    selectors: ClassVar[tuple[str, ...]] = ("events", "every", "p")
    seconds: float = field(default=45.0, metadata={"unit": "s"})

    def __post_init__(self) -> None:
        super().__post_init__()
        number("seconds", self.seconds, "seconds", above=0)

    @property
    def commit_lag(self) -> float:
        return self.seconds
