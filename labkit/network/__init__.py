"""How a request travels: the one place where exchanges, bytes and connections are counted."""

from typing import TYPE_CHECKING, Protocol

import httpx

from labkit.clock import Clock
from labkit.ledger import Kind

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TIMEOUT = 30.0
"""Seconds that everybody waits for an answer: the most that Standard Webhooks advises, 15 to 30 s."""

CLIENT_HEADERS = {"User-Agent": "labkit", "Accept-Encoding": "identity"}
"""A fixed agent and no compression, so that bytes do not depend on what else is installed."""


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep nothing."""


class Client(httpx.Client):
    """An httpx client as every part of labkit uses it. No cookies: looking for some is an eighth of an exchange."""

    cookies = _NoCookies()  # type: ignore[assignment, override, unused-ignore]

    def __init__(self, transport: httpx.BaseTransport, base_url: str, timeout: float) -> None:
        super().__init__(
            transport=transport, base_url=base_url, headers=CLIENT_HEADERS, timeout=timeout, trust_env=False
        )


class Network(Protocol):
    """What source and consumers see of a network."""

    def host(self, name: str, app: "WSGIApplication") -> str:
        """Put an app on the network under a name; returns its URL."""

    def client(
        self, sender: str, kind: Kind, base_url: str = "", timeout: float = TIMEOUT, deadline: float | None = None
    ) -> Client:
        """A client of `sender`, whose exchanges are entered in the ledger under `kind`.

        `timeout` is for each read, as in httpx; `deadline`, where there is one, for the whole exchange.
        """

    def close(self) -> None:
        """Cut what is under way, and free every port."""


def remaining(clock: Clock, until: float | None, timeout: float | None) -> float | None:
    """Seconds left of a read's timeout and of an exchange's deadline, whichever is less; None where neither is set."""
    left = [seconds for seconds in (timeout, None if until is None else until - clock.now()) if seconds is not None]
    return max(0.0, min(left)) if left else None
