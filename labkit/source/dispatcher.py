"""The dispatcher: it sends each delivery when it is due, by the retry schedule, until it is delivered or dead."""

import random
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from typing import ParamSpec, TypeVar

from labkit.clock import NANO, Clock, nanoseconds
from labkit.crash import crash_point
from labkit.event import timestamp, to_json
from labkit.network.exchange import Transport
from labkit.policies import RetryProfile
from labkit.source.deliver import Attempt, deliver
from labkit.source.health import Health
from labkit.source.outbox import Delivery, Outbox
from labkit.wire import AVAILABLE, BATCH, retry_after

DB_RETRY_SECONDS = 1.0
"""Seconds to wait before the outbox is used again, when its file was locked or the disk full."""
Ended = tuple[tuple[Delivery, ...], int, Attempt, str, int | None]
"""An attempt that has ended: its deliveries, when it was sent, how it ended, their new status, when due again."""
P = ParamSpec("P")
R = TypeVar("R")


class Dispatcher:
    """Sends what the outbox holds. Each attempt is a task of its own, so endpoints do not wait for each other."""

    def __init__(
        self,
        outbox: Outbox,
        health: Health,
        clock: Clock,
        transport: Transport,
        profile: RetryProfile,
        seed: str,
        noticed: Callable[[], object],
    ) -> None:
        """`noticed()` is called after a notice has been stored."""
        self.outbox, self.health, self.clock, self.transport = outbox, health, clock, transport
        self.profile, self.seed, self.noticed = profile, seed, noticed
        self._changed = clock.condition()
        self._news = self._stopped = False
        self._ended: list[Ended] = []

    def wake(self) -> None:
        """Look at the outbox again: a delivery may be due, or an endpoint have room for another attempt."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Start no more attempts. One that is cut off from now on does not count: its delivery stays pending."""
        self._stopped = True
        self.wake()

    def run(self) -> None:
        """Claim what is due, send it, and wait until more is due; until ended."""
        lease = nanoseconds(2 * self.profile.timeout)
        while not self._stopped:
            self._news = False
            now = self.clock.unix_nanoseconds()
            if self.health.watches and self._retry_while_locked(self.health.switch_on, now):
                self.noticed()
            claimed = self._retry_while_locked(self.outbox.claim, now, lease, self.profile.in_flight)
            self.clock.spawn_each(self._attempt, claimed)
            now = self.clock.unix_nanoseconds()
            due = self._retry_while_locked(self.outbox.next_due, now)
            with self._changed:
                if not self._news:
                    self._changed.wait(None if due is None else (due - now) / NANO)

    def _attempt(self, group: tuple[Delivery, ...]) -> None:
        if self._stopped:
            return
        sent_at = self.clock.unix_nanoseconds()
        id, body = message(group, sent_at / NANO)
        crash_point("before the attempt")
        attempt = deliver(self.transport, group[0].subscription, id, body, sent_at, self.profile)
        if self._stopped and not attempt.status:
            return
        crash_point("before the mark")
        newest = min(group, key=lambda each: each.step)  # no event has fewer attempts than its schedule
        self._record((group, sent_at, attempt, *self._next_attempt(newest, attempt)))

    def _record(self, ended: Ended) -> None:
        """Record how an attempt ended. Those that end while one is being recorded are recorded next, in one commit."""
        with self._changed:
            self._ended.append(ended)
            if len(self._ended) > 1:  # the thread that is recording takes it along
                return
        together = [ended]
        while together:
            if self._retry_while_locked(self._commit, together):
                self.noticed()
            with self._changed:
                del self._ended[: len(together)]
                together = self._ended[:]
            self.wake()

    def _commit(self, together: list[Ended]) -> bool:
        """Write how attempts ended, in one transaction; True if an endpoint was switched off for it."""
        now, noticed = self.clock.unix_nanoseconds(), False
        with self.outbox.db.transaction():
            for group, sent_at, attempt, outcome, due_at in together:
                subscription = group[0].subscription.id
                for each in group:
                    self.outbox.finish(each, sent_at, attempt.status, attempt.error, outcome, due_at)
                if attempt.verdict == "gone":
                    self.outbox.end(subscription)
                if self.health.watches:
                    delivered, answered = attempt.verdict == "delivered", bool(attempt.status)
                    noticed |= self.health.attempted(subscription, delivered, answered, now)
        return noticed

    def _retry_while_locked(self, use: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Use the outbox; try again as long as its file is locked or the disk full."""
        while True:
            try:
                return use(*args, **kwargs)
            except sqlite3.OperationalError:
                self.clock.sleep(DB_RETRY_SECONDS)

    def _next_attempt(self, delivery: Delivery, attempt: Attempt) -> tuple[str, int | None]:
        """A delivery's new status, and when it is due again if it is pending."""
        if attempt.verdict != "failed":
            return "delivered" if attempt.verdict == "delivered" else "dead", None
        key = (self.seed, delivery.subscription.id, delivery.event_id, delivery.attempt)
        wait = self.profile.wait(delivery.step, random.Random("/".join(map(str, key))))
        if wait is None:
            return "dead", None
        now = self.clock.unix_nanoseconds()
        asked = retry_after(attempt.retry_after, now / NANO, self.profile.longest_retry_after)
        return "pending", now + nanoseconds(max(wait, asked))


def message(group: tuple[Delivery, ...], unix: float) -> tuple[str, bytes]:
    """The id and body of one request: an event; under an id of its own, a batch of events, or a notice without data."""
    subscription, digest = group[0].subscription, sha256("/".join(each.event_id for each in group).encode()).hexdigest()
    if subscription.payload == "doorbell":
        id = f"bell_{digest[:24]}"
        return id, to_json({"id": id, "type": AVAILABLE, "timestamp": timestamp(unix), "data": {}})
    if subscription.batch_count == 1:
        return group[0].event_id, group[0].body
    id = f"bat_{digest[:24]}"
    head = to_json({"type": BATCH, "timestamp": timestamp(unix), "data": {"events": []}})
    return id, head.removesuffix(b"]}}") + b",".join(delivery.body for delivery in group) + b"]}}"
