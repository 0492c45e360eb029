"""What every approach is given: a name on the network, a clock, and a ledger that records what arrives."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from labkit.approaches.parameters import LONGEST
from labkit.clock import Clock
from labkit.event import to_json
from labkit.ledger import Kind, Ledger
from labkit.network import TIMEOUT, Network
from labkit.receiver import Inbox
from labkit.wire import retry_after

if TYPE_CHECKING:
    import flask
    from _typeshed.wsgi import WSGIApplication


@dataclass
class Consumer:
    """One consumer of a run: its name, the source's URL, and the ledger that records its arrivals."""

    name: str
    source_url: str
    clock: Clock
    network: Network
    ledger: Ledger
    found: dict[str, Any] = field(default_factory=dict)
    """What `subscribe` prepared and `run` needs, such as a URL."""
    not_before: float = 0.0
    """The instant before which the source accepts no request."""
    inbox: Inbox | None = None
    """What deduplicates, where an event may come both by webhook and by poll, or twice by poll."""

    def client(self, kind: Kind) -> httpx.Client:
        """An httpx client for the source; its exchanges are recorded under `kind`."""
        if kind == "poll":
            self.ledger.add_poller(self.name)
        timeout = 2 * TIMEOUT if kind == "setup" else TIMEOUT  # the source may be waiting for an endpoint
        client = self.network.client(self.name, kind, self.source_url, timeout)
        client.event_hooks = {"response": [self._note_backoff]}
        return client

    def _note_backoff(self, answer: httpx.Response) -> None:
        """Note the pause that an answer requests by `Retry-After` or `X-Poll-Interval`; the longest counts."""
        now = self.clock.now()
        for name in ("Retry-After", "X-Poll-Interval"):
            if name in answer.headers:
                asked = retry_after(answer.headers[name], self.clock.epoch + now, LONGEST)
                self.not_before = max(self.not_before, now + asked)

    def backoff(self) -> float:
        """Seconds left of the pause that the source requested; 0 or less if there is none."""
        return self.not_before - self.clock.now()

    def pause(self, seconds: float) -> None:
        """Sleep before the next request; longer if the source requested it."""
        wait = max(seconds, self.backoff())
        if wait > 0:
            self.clock.sleep(wait)

    def pause_until(self, at: float) -> None:
        """Sleep until an instant; longer if the source requested it."""
        self.clock.sleep_until(max(at, self.not_before))

    def host(self, app: "WSGIApplication") -> str:
        """Put an app on the network under this consumer's name; returns its URL."""
        return self.network.host(self.name, app)

    def mark_open_ended(self, answer: httpx.Response) -> None:
        """Mark an answer that does not end by itself, such as a stream: the run does not wait for it."""
        self.ledger.open_ended.add(answer.extensions["labkit.exchange"])

    def act_on(self, event: Mapping[str, Any], sql: sqlite3.Connection) -> None:
        """Record that an event has its effect: once, however many copies arrived, or deduplication has a defect.

        It is the `on_event` of a receiver, and changes nothing else in its transaction.
        """
        self.ledger.had_effect(self.name, event["id"])

    def receive(self, event: Mapping[str, Any], carrier: "httpx.Response | flask.Request") -> None:
        """Record that a copy of an event arrived, before deduplication, and in which answer or request."""
        if isinstance(carrier, httpx.Response):
            exchange, came_by = carrier.extensions["labkit.exchange"], (0, 0)
        else:
            environ = carrier.environ  # in memory it has the exchange's number, on sockets the connection's
            exchange = environ.get("labkit.exchange", -1)
            came_by = int(environ.get("REMOTE_PORT", 0)), environ.get("labkit.request", 0)
        self.ledger.arrived(self.name, event["id"], self.clock.now(), exchange, came_by)
        if self.inbox and isinstance(carrier, httpx.Response):  # of a delivery, its receiver does it
            self.inbox.record(event["id"], to_json(event), partial(self.act_on, event))
