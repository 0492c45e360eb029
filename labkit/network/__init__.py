"""How a request travels: the one place where exchanges, bytes and connections are counted."""

from typing import TYPE_CHECKING, Protocol

import httpx

from labkit.ledger import Kind

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TIMEOUT = 30.0
"""Seconds that everybody waits for an answer: the most that Standard Webhooks advises, 15 to 30 s."""

CLIENT_HEADERS = {"User-Agent": "labkit", "Accept-Encoding": "identity"}
"""A fixed agent and no compression, so that bytes do not depend on what else is installed."""


class Network(Protocol):
    """What source and consumers see of a network."""

    def host(self, name: str, app: "WSGIApplication") -> str:
        """Put an app on the network under a name; returns its URL."""

    def client(self, sender: str, kind: Kind, base_url: str = "", timeout: float = TIMEOUT) -> httpx.Client:
        """An httpx client of `sender`, whose exchanges are entered in the ledger under `kind`."""
