"""An error answer: from something in between, or from the receiver's handler."""

from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit.checks import whole
from labkit.faults.fault import Exchange, Fault, Onward


@dataclass(frozen=True, kw_only=True)
class Status(Fault):
    """Something in between answers with an error, such as a load balancer without a server: the host sees nothing.

    `retry_after`, in whole seconds, adds `Retry-After` (RFC 9110, 10.2.3). A rate limiter answers, for example,
    `status=429` with `retry_after=60`.
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
