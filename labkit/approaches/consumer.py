"""What every approach is given: a name on the network, a clock, and a ledger in which to enter what arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import flask
import httpx

from labkit.approaches.parameters import LONGEST
from labkit.clock import Clock
from labkit.ledger import Kind, Ledger
from labkit.network import TIMEOUT, Network
from labkit.wire import retry_after

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass
class Consumer:
    """One consumer of a run: who it is, where the source is, and the ledger in which its arrivals are entered."""

    name: str
    source_url: str
    clock: Clock
    network: Network
    ledger: Ledger
    found: dict[str, str] = field(default_factory=dict)
    """What `subscribe` arranged and `run` needs, such as a URL."""
    not_before: float = 0.0
    """The instant before which the source asked to be sent no request."""

    def client(self, kind: Kind) -> httpx.Client:
        """An httpx client that talks to the source; its exchanges are entered under `kind`."""
        if kind == "poll":
            self.ledger.add_poller(self.name)
        patience = 2 * TIMEOUT if kind == "setup" else TIMEOUT  # the source may wait for an endpoint meanwhile
        client = self.network.client(self.name, kind, self.source_url, patience)
        client.event_hooks = {"response": [self._note_backoff]}
        return client

    def _note_backoff(self, answer: httpx.Response) -> None:
        """Note a pause that an answer asks for, by `Retry-After` or `X-Poll-Interval`; the longest counts."""
        now = self.clock.now()
        for name in ("Retry-After", "X-Poll-Interval"):
            if value := answer.headers.get(name):
                self.not_before = max(self.not_before, now + retry_after(value, self.clock.epoch + now, LONGEST))

    def backoff(self) -> float:
        """Seconds left of the pause that the source asked for; 0 or less: none."""
        return self.not_before - self.clock.now()

    def pause(self, seconds: float) -> None:
        """Sleep before the next request; longer if the source asked for it."""
        wait = max(seconds, self.backoff())
        if wait > 0:
            self.clock.sleep(wait)

    def pause_until(self, at: float) -> None:
        """Sleep until an instant; longer if the source asked for it."""
        self.clock.sleep_until(max(at, self.not_before))

    def host(self, app: "WSGIApplication") -> str:
        """Make an app callable under this consumer's name; returns its URL."""
        return self.network.host(self.name, app)

    def mark_open_ended(self, answer: httpx.Response) -> None:
        """Mark an answer that has no end of its own: a run does not wait for it."""
        self.ledger.open_ended.add(answer.extensions["labkit.exchange"])

    def receive(self, event: Mapping[str, Any], carrier: httpx.Response | flask.Request) -> None:
        """Enter that a copy of an event arrived, and by which answer or request: before deduplication."""
        if isinstance(carrier, httpx.Response):
            exchange, came_by = carrier.extensions["labkit.exchange"], (0, 0)
        else:
            environ = carrier.environ  # in memory the exchange is known, on sockets how it came
            exchange = environ.get("labkit.exchange", -1)
            came_by = int(environ.get("REMOTE_PORT", 0)), environ.get("labkit.request", 0)
        self.ledger.arrived(self.name, event["id"], self.clock.now(), exchange, came_by)
