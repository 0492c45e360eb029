"""A message that is lost: the request on its way, or the answer on its way back."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import httpx

from labkit.faults.fault import Exchange, Fault, Onward


@dataclass(frozen=True, kw_only=True)
class LostRequest(Fault):
    """A request is lost on its way: the host never sees it, and the sender waits until its timeout (ReadTimeout).

    It models a connection that a firewall or load balancer has dropped without a word. In the table: `error_requests`,
    a higher latency, and no duplicates. A delivery that is lost once under the default policy arrives 30 s (the
    timeout) + 5 s (the first wait) + the delay after its event: 35.02 s.
    """

    name: ClassVar[str] = "lost_request"

    @property
    def holds(self) -> float:
        return math.inf

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.time_out(httpx.ReadTimeout, "the request was lost")


@dataclass(frozen=True, kw_only=True)
class LostAnswer(Fault):
    """A request is served, and its answer is lost: the host has acted, and the sender does not know.

    The sender waits until its timeout (ReadTimeout), or the connection is "reset" when the answer should have arrived
    (ReadError). A lost answer to a delivery is a lost acknowledgement: the source delivers again, and the receiver gets
    a duplicate. In the table: `duplicates`, and for a poll `error_requests`. An acknowledgement that is lost once
    leaves the latency at 0.02 s, and the second copy arrives 35 s after the first.
    """

    name: ClassVar[str] = "lost_answer"
    error: Literal["timeout", "reset"] = "timeout"

    @property
    def holds(self) -> float:
        return math.inf if self.error == "timeout" else 0.0

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.discard(onward())
        if self.error == "reset":
            raise httpx.ReadError("the connection was reset before the answer came")
        exchange.time_out(httpx.ReadTimeout, "the answer was lost")
