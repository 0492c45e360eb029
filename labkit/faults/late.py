"""A message that is late: an answer, all at once or byte by byte, and a delivery that others overtake."""

from dataclasses import dataclass, field
from typing import ClassVar

import httpx

from labkit.checks import number
from labkit.faults.fault import Exchange, Fault, Onward
from labkit.ledger import Kind


@dataclass(frozen=True, kw_only=True)
class _Late(Fault):
    """A sender waits for `seconds`, or for each byte."""

    unit: ClassVar[str] = "seconds"
    seconds: float = field(default=10.0, metadata={"unit": "s"})

    def __post_init__(self) -> None:
        super().__post_init__()
        number("seconds", self.seconds, self.unit, above=0)

    @property
    def holds(self) -> float:
        return self.seconds


@dataclass(frozen=True, kw_only=True)
class SlowAnswer(_Late):
    """A request is served at once, and its answer comes `seconds` later: a handler that acts first and then works on.

    In the table: a poll's events are that much later. A delivery's latency stays, since it has arrived; its answer
    holds one of the endpoint's places in flight. If the sender's timeout comes first, it is a lost answer: duplicates.
    With 10 s, a poll at 0 s brings the events of 0 s at 10.04 s; with 30 s, each delivery times out and comes again.
    """

    name: ClassVar[str] = "slow_answer"
    fails: ClassVar[bool] = False

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        answer = onward()
        try:
            exchange.wait(self.seconds)
        except httpx.HTTPError:
            exchange.discard(answer)
            raise
        return answer


@dataclass(frozen=True, kw_only=True)
class DrippingAnswer(_Late):
    """A request is served, and its answer comes one byte every `seconds`, head and body.

    A client's timeout is for each read and never ends it; the source's timeout is for the whole delivery and does
    (ReadTimeout). In the table: a poll's events are late by its bytes × `seconds`, and fewer polls are sent; deliveries
    are duplicates. An empty page has 195 bytes: at 0.5 s each, such a poll takes 0.04 + 97.5 = 97.54 s.
    """

    name: ClassVar[str] = "dripping_answer"
    unit: ClassVar[str] = "seconds per byte"
    seconds: float = field(default=0.5, metadata={"unit": "s"})

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        return exchange.drip(onward(), self.seconds)


@dataclass(frozen=True, kw_only=True)
class Disorder(_Late):
    """A delivery is held back for `seconds` on its way, so that later ones overtake it.

    In the table: a higher latency, and nothing else; `receipts` show that the order of arrival is not the order of
    occurrence. If the source's timeout comes first, the request is lost. With `every=4, seconds=12` and one event per
    5 s, each fourth event arrives 12.02 s after it happened, behind the next two.
    """

    name: ClassVar[str] = "disorder"
    kinds: tuple[Kind, ...] = ("delivery",)

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.wait(self.seconds)
        return onward()
