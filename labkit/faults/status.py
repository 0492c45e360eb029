"""An error answer: from something in between, or from the receiver's handler."""

from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit.checks import whole
from labkit.faults.fault import Exchange, Fault, Onward
from labkit.ledger import Kind


@dataclass(frozen=True, kw_only=True)
class Status(Fault):
    """Something in between answers with an error, such as a load balancer without a server: the host sees nothing.

    `retry_after`, in whole seconds, adds `Retry-After` (RFC 9110, 10.2.3). A rate limiter answers, for example,
    `status=429` with `retry_after=60`. A burst is `start=600, duration=30, period=900`: 30 s of every 15 min. In the
    table: `error_requests`, a higher latency, no duplicates. A delivery that is answered 503 once arrives one round
    trip + the first wait later: 0.04 + 5 + 0.02 = 5.06 s after its event; with `retry_after=60`, after 60.06 s.
    """

    name: ClassVar[str] = "status"
    status: int = 503
    retry_after: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("status", self.status, 400, 599)
        if self.retry_after is not None:
            whole("retry_after", self.retry_after, 0, unit="seconds")

    @property
    def whole_seconds(self) -> bool:
        return self.retry_after is not None

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return exchange.answer(self.status, headers, f"{self.status} by the fault {self.name!r}\n".encode())


@dataclass(frozen=True, kw_only=True)
class Poison(Status):
    """A poison event: the receiver's handler fails for it each time, and its transaction is rolled back.

    With 500 the source delivers it until its waits are used up, with 422 once; then it is a dead letter. The other
    events flow, except those in the same batch. In the table: `lost` is the number of poison events, and
    `error_requests` their attempts: 10 each under Standard Webhooks' nine waits.
    """

    name: ClassVar[str] = "poison"
    selectors: ClassVar[tuple[str, ...]] = ("events", "every")
    status: int = 500
    kinds: tuple[Kind, ...] = ("delivery",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.events and self.every == 1:
            raise ValueError("poison needs the event: give its id in events, or every=10")
