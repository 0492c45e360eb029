"""What every approach is given: a name on the network, a clock, and a ledger to enter what arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import flask
import httpx

from labkit.approaches.parameters import LONGEST
from labkit.clock import Clock
from labkit.ledger import Kind, Ledger
from labkit.network import TIMEOUT, Network

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass
class Consumer:
    """Somebody who wants to know: a name on the network, a clock, and a ledger in which what arrives is entered."""

    name: str
    source_url: str
    clock: Clock
    network: Network
    ledger: Ledger
    found: dict[str, str] = field(default_factory=dict)
    """What `subscribe` arranged and `run` needs, such as a URL."""
    not_before: float = 0.0
    """The instant up to which the source asked not to be asked."""

    def client(self, kind: Kind) -> httpx.Client:
        """An httpx client that talks to the source; its exchanges are entered under `kind`."""
        if kind == "poll":
            self.ledger.add_poller(self.name)
        patience = 2 * TIMEOUT if kind == "setup" else TIMEOUT  # the source may wait for an endpoint meanwhile
        client = self.network.client(self.name, kind, self.source_url, patience)
        client.event_hooks = {"response": [self._note_backoff]}
        return client

    def _note_backoff(self, answer: httpx.Response) -> None:
        """Note how long the source asks to be left alone: `Retry-After` (RFC 9110, 10.2.3), `X-Poll-Interval`."""
        for header in ("Retry-After", "X-Poll-Interval"):
            if (asked := answer.headers.get(header, "")).isdecimal():
                self.not_before = max(self.not_before, self.clock.now() + min(float(asked), LONGEST))

    def pause(self, seconds: float) -> None:
        """Sleep before asking again; longer where the source's last answer asked for it."""
        wait = max(seconds, self.not_before - self.clock.now())
        if wait > 0:
            self.clock.sleep(wait)

    def pause_until(self, at: float) -> None:
        """Sleep until an instant; longer where the source's last answer asked for it."""
        self.clock.sleep_until(max(at, self.not_before))

    def host(self, app: "WSGIApplication") -> str:
        """Make an app callable under this consumer's name; returns its URL."""
        return self.network.host(self.name, app)

    def mark_open_ended(self, answer: httpx.Response) -> None:
        """Say that an answer has no end of its own: a run does not wait for one."""
        self.ledger.open_ended.add(answer.extensions["labkit.exchange"])

    def receive(self, event: Mapping[str, Any], carrier: httpx.Response | flask.Request) -> None:
        """Enter that an event arrived, and by which answer or request. Comes before deduplication."""
        if isinstance(carrier, httpx.Response):
            exchange, came_by = carrier.extensions["labkit.exchange"], (0, 0)
        else:
            environ = carrier.environ  # in memory the exchange is known, on sockets how it came
            exchange = environ.get("labkit.exchange", -1)
            came_by = int(environ.get("REMOTE_PORT", 0)), environ.get("labkit.request", 0)
        self.ledger.arrived(self.name, event["id"], self.clock.now(), exchange, came_by)
