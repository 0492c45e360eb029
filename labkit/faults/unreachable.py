"""A party that cannot be reached: an outage, and NAT."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import httpx

from labkit.faults.fault import SOURCE, Exchange, Fault, Onward


@dataclass(frozen=True, kw_only=True)
class Nat(Fault):
    """The consumers are behind NAT: they can call, and cannot be called.

    It models a laptop, a phone or a server in a closed network. A call to a consumer gets no answer: ConnectTimeout
    after the sender's timeout. It holds from the start, set-up included, so a webhook's set-up ends the run; with
    `start=0` in the table: `error_requests` and `lost`, for deliveries alone. Polling at 60 s stays at 30 s on average.
    """

    name: ClassVar[str] = "nat"
    start: float = field(default=-math.inf, metadata={"unit": "s"})

    @property
    def holds(self) -> float:
        return math.inf

    def selects(self, exchange: Exchange) -> bool:
        called = exchange.host == exchange.parties[1] != SOURCE  # a relay that a consumer owns is public
        return called and exchange.sender != exchange.host and super().selects(exchange)

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.time_out(httpx.ConnectTimeout, f"{exchange.host} may call, but cannot be called: it is behind NAT")


@dataclass(frozen=True, kw_only=True)
class Outage(Fault):
    """A party is down, or the network between parties: nothing reaches it, and nothing leaves it.

    `target="receiver"` is every consumer with all that it hosts. Calls fail at once if "refused" (ConnectError), or
    after the sender's "timeout" (ConnectTimeout). Exchanges in flight when it begins are cut (ReadError). What the
    party holds in memory stays, and events go on happening. In the table: `error_requests`, a higher latency, and
    `lost` if it lasts longer than the source's retries. In an outage of 1,200 s polling at 60 s is late by
    1,200 / 2 + 60 / 2 = 630 s on average; by webhook, an event of its first instant is attempted after 0, 5, 305 and
    2,105 s, so it is 2,105 s late.
    """

    name: ClassVar[str] = "outage"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    cuts: ClassVar[bool] = True
    target: Literal["receiver", "source", "network"] = "receiver"
    error: Literal["refused", "timeout"] = "refused"

    @property
    def holds(self) -> float:
        return math.inf if self.error == "timeout" else 0.0

    def selects(self, exchange: Exchange) -> bool:
        hit = {
            "receiver": any(party != SOURCE for party in exchange.parties),
            "source": SOURCE in exchange.parties,
            "network": True,
        }
        return hit[self.target] and super().selects(exchange)

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        reason = f"the {self.target} is down from {self.start:g} s to {self.end:g} s"
        if self.error == "refused":
            raise httpx.ConnectError(reason)
        exchange.time_out(httpx.ConnectTimeout, reason)
