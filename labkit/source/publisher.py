"""What a source does, HTTP interface apart: it stores each event with its deliveries, and dispatches these."""

import random

from labkit import signature
from labkit.checks import number
from labkit.clock import NANO, Clock, RealClock, nanoseconds
from labkit.crash import crash_point
from labkit.event import ID, ID_RULE, document, timestamp, to_json
from labkit.ledger import Ledger
from labkit.network import Network
from labkit.network.sockets import SocketNetwork
from labkit.policies import RateLimit, RetryProfile
from labkit.source.deliver import Attempt, deliver
from labkit.source.dispatcher import Dispatcher
from labkit.source.health import Health
from labkit.source.outbox import Outbox
from labkit.source.store import NEVER, Store, Subscription, open_database
from labkit.sqlite import Database
from labkit.wire import NOTICES, RESERVED, TEST, VERIFY


class Publisher:
    """Stores events, and delivers each to every subscriber that wants it, at least once.

    `retries` says when a failed delivery is attempted again, `rate_limit` what clients of the app are held to, and
    `retention` for how many seconds an event is kept in the list; None is for ever.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        network: Network | None = None,
        rng: random.Random | None = None,
        *,
        db: Database | None = None,
        retries: RetryProfile | None = None,
        rate_limit: RateLimit | None = None,
        retention: float | None = None,
        name: str = "source",
    ) -> None:
        self.clock = clock or RealClock()
        self.rng = rng or random.SystemRandom()
        self.db = db or open_database()
        kept = None if retention is None else nanoseconds(number("retention", retention, "seconds", above=0))
        expired_by = None if kept is None else lambda: self.clock.unix_nanoseconds() - kept
        self.store, self.outbox = Store(self.rng.randbytes(16), self.db, expired_by), Outbox(self.db)
        self.network = network = network or SocketNetwork(self.clock, Ledger())
        self.retries = retries = retries or RetryProfile()
        self.health = Health(self.db, self.store, retries)
        deliveries = network.transport(name, "delivery", retries.timeout)
        self._challenges = network.transport(name, "setup", retries.timeout)
        self.rate_limit = rate_limit or RateLimit()
        self.news = self.clock.condition()
        seed = self.rng.randbytes(8).hex()
        self.dispatcher = Dispatcher(self.outbox, self.health, self.clock, deliveries, retries, seed, self._announce)
        self.clock.spawn(self.dispatcher.run)

    def close(self) -> None:
        """End the dispatcher and its attempts, and close the database: what is pending stays on file."""
        self.dispatcher.stop()
        self.network.close()
        try:
            self.clock.close()
        finally:
            self.db.close()

    def emit(
        self, type: str, data: object, id: str = "", occurred: str = "", key: str = "", body: bytes = b""
    ) -> bytes:
        """Store an event with a delivery for each subscriber that wants it; returns it as it goes on the wire.

        `id` is made here unless it is given; `occurred`, RFC 3339, is now unless it is given. With an idempotency
        `key`, the same `body` gives the first answer again. Raises ValueError, and stores nothing, if the id cannot be
        signed or exists, the type is reserved, or the data is not JSON.
        """
        id = id or f"evt_{self.rng.randbytes(12).hex()}"
        if not ID.fullmatch(id):
            raise ValueError(f"id must be {ID_RULE}, got {id[:80]!r}")
        if type in RESERVED + NOTICES:
            raise ValueError(f"type must not be reserved ({', '.join(RESERVED + NOTICES)}), got {type!r}")
        now = self.clock.unix_nanoseconds()
        written = document(id, type, occurred or timestamp(now / NANO), data)
        if first := self.store.add(id, type, written, now, key, body):
            return first
        crash_point("after the commit")
        self._announce()
        return written

    def _announce(self) -> None:
        """Tell the dispatcher, and the clients that wait, that an event has been stored."""
        self.dispatcher.wake()
        with self.news:
            self.news.notify_all()

    def redeliver(self, subscription: Subscription, after: int) -> int:
        """Deliver again every event that a subscriber wants after a place in the order; returns how many.

        Raises ExpiredError if one of these is not kept any more.
        """
        self.store.check(after)
        count = self.outbox.redeliver(subscription, after, self.clock.unix_nanoseconds())
        self.dispatcher.wake()
        return count

    def subscribe(
        self,
        url: str,
        types: list[str],
        secret: str = "",
        payload: str = "full",
        batch: tuple[int, float] = (1, 0.0),
        ttl: float = 0.0,
    ) -> tuple[Subscription, bool]:
        """Store a pending subscription, with the subscriber's secret or a new one; True if it is new.

        With a `ttl` it expires after so many seconds, unless it is renewed. Raises SignatureError, a ValueError, if the
        subscriber's secret cannot sign.
        """
        if secret:
            signature.key(secret)
        id = f"sub_{self.rng.randbytes(12).hex()}"
        lease = ttl, self.clock.unix_nanoseconds() + nanoseconds(ttl) if ttl else NEVER
        return self.store.subscribe(id, url, types, secret or signature.new_secret(self.rng), payload, batch, lease)

    def rotate(self, subscription: Subscription, secret: str, grace: float) -> str:
        """Give a subscription another secret, its owner's or a new one, and return it.

        For `grace` seconds its messages are signed with the earlier ones too, so that the receiver can be given the new
        one meanwhile. Raises SignatureError if the owner's cannot sign, or is one that the subscription has had.
        """
        secret = secret or signature.new_secret(self.rng)
        signature.key(secret)
        self.store.rotate(subscription.id, secret, self.clock.unix_nanoseconds(), nanoseconds(grace))
        return secret

    def verified(self, subscription: Subscription) -> None:
        """Make a subscription active; one that had been switched off is on again, and a lease starts again."""
        now = self.clock.unix_nanoseconds()
        self.health.verified(subscription.id, now, subscription.lease_end(now))
        self._announce()

    def challenge(self, subscription: Subscription) -> tuple[str, Attempt]:
        """Send an endpoint a challenge, signed like any delivery; it must return it to prove that it subscribed."""
        challenge = self.rng.randbytes(16).hex()
        return challenge, self._send(subscription, VERIFY, {"challenge": challenge})

    def test(self, subscription: Subscription) -> Attempt:
        """Send an endpoint one message that is no event, so that its owner can see it arrive."""
        return self._send(subscription, TEST, {})

    def _send(self, subscription: Subscription, type: str, data: dict[str, str]) -> Attempt:
        id, now = f"msg_{self.rng.randbytes(12).hex()}", self.clock.unix_nanoseconds()
        message = to_json({"type": type, "timestamp": timestamp(now / NANO), "data": data})
        return deliver(self._challenges, subscription, id, message, now, self.retries)
