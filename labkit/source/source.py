"""The source: what happens is stored, and then each active subscription that wants it is told."""

import random

from labkit import signature
from labkit.clock import Clock
from labkit.event import ID, timestamp, to_json
from labkit.network import Network
from labkit.source.app import create_app
from labkit.source.deliver import Attempt, deliver
from labkit.source.store import Store, Subscription

VERIFY = "endpoint.verify"
"""The type of the message that asks an endpoint for a challenge; so no event's."""


class EventSource:
    """A toy event source: `emit` events, and serve `app`, which lists them and takes subscriptions.

    A delivery is one signed attempt per event and endpoint, in a task of its own, so that endpoints do not wait for
    each other.
    """

    def __init__(self, clock: Clock, network: Network, rng: random.Random, host: str = "source") -> None:
        self.clock, self.rng = clock, rng
        self.store = Store(key=rng.randbytes(16))
        self.pending = 0
        self.app = create_app(self)
        self.url = network.host(host, self.app)
        self._deliveries = network.client(host, "delivery")
        self._challenges = network.client(host, "setup")

    def unix(self) -> float:
        return self.clock.epoch + self.clock.now()

    def emit(self, type: str, data: object, id: str = "", occurred: str = "") -> bytes:
        """Store an event and tell the subscribers; returns it as it goes on the wire.

        `id` is made here unless it is given, and `occurred`, RFC 3339, is now. Raises ValueError, and stores nothing,
        if the id could not be signed or is taken, the type is the verification's, or the data is not JSON.
        """
        id = id or f"evt_{self.rng.randbytes(12).hex()}"
        if not ID.fullmatch(id):
            raise ValueError(f"id must be 1 to 64 of A-Z, a-z, 0-9, _ and -, got {id[:80]!r}")
        if type == VERIFY:
            raise ValueError(f"type {VERIFY!r} is kept for the verification of endpoints")
        document = to_json({"id": id, "type": type, "timestamp": occurred or timestamp(self.unix()), "data": data})
        self.store.add(id, type, document)
        for subscription in self.store.subscriptions():
            if subscription.wants(type):
                self.pending += 1
                self.clock.spawn(self._deliver, subscription, id, document)
        return document

    def _deliver(self, subscription: Subscription, id: str, document: bytes) -> None:
        attempt = deliver(self._deliveries, subscription.url, subscription.secret, id, document, self.unix())
        if attempt.verdict == "gone":
            self.store.set_status(subscription.id, "gone")
        self.pending -= 1

    def subscribe(self, url: str, types: list[str], secret: str = "") -> tuple[Subscription, bool]:
        """Enter a pending subscription, with a secret of the subscriber's own or a new one. True: it is new.

        Raises SignatureError, a ValueError, if their secret could not sign.
        """
        if secret:
            signature.key(secret)
        id = f"sub_{self.rng.randbytes(12).hex()}"
        return self.store.subscribe(id, url, types, secret or signature.new_secret(self.rng))

    def challenge(self, subscription: Subscription) -> tuple[str, Attempt]:
        """Ask an endpoint, signed like any delivery, to send a challenge back: that proves that it wants this."""
        challenge, id = self.rng.randbytes(16).hex(), f"msg_{self.rng.randbytes(12).hex()}"
        message = {"type": VERIFY, "timestamp": timestamp(self.unix()), "data": {"challenge": challenge}}
        body, unix = to_json(message), self.unix()
        return challenge, deliver(self._challenges, subscription.url, subscription.secret, id, body, unix)
