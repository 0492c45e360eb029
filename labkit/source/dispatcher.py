"""The dispatcher: what is due is sent, at once and then by the retry schedule, until it is delivered or dead."""

import random
import sqlite3
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import ParamSpec, TypeVar

import httpx

from labkit.clock import NANO, Clock, nanoseconds
from labkit.crash import crash_point
from labkit.event import timestamp, to_json
from labkit.policies import RetryProfile
from labkit.source.deliver import Attempt, deliver
from labkit.source.outbox import Delivery, Outbox

DB_RETRY_SECONDS = 1.0
"""Seconds to wait when the outbox cannot be used, before it is tried again."""
P = ParamSpec("P")
R = TypeVar("R")


class Dispatcher:
    """Sends what the outbox holds. Each attempt is a task of its own, so endpoints do not wait for each other."""

    def __init__(
        self, outbox: Outbox, clock: Clock, client: httpx.Client, profile: RetryProfile, seed: int | str
    ) -> None:
        self.outbox, self.clock, self.client, self.profile, self.seed = outbox, clock, client, profile, seed
        self._changed = clock.condition()
        self._news = self._stopped = False

    def wake(self) -> None:
        """Say that the outbox has changed: something may be due, or a place in flight free."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Start no attempt any more. What is cut off from now on was cut by us: it stays pending, and is no attempt."""
        self._stopped = True
        self.wake()

    def run(self) -> None:
        """Claim what is due, send it, and wait for what comes next, until ended."""
        lease = nanoseconds(2 * self.profile.timeout)
        while not self._stopped:
            self._news = False
            now = self.clock.unix_nanoseconds()
            for group in self._retry_while_locked(self.outbox.claim, now, lease, self.profile.in_flight):
                self.clock.spawn(self._attempt, group)
            now = self.clock.unix_nanoseconds()
            due = self._retry_while_locked(self.outbox.next_due, now)
            with self._changed:
                if not self._news:
                    self._changed.wait(None if due is None else (due - now) / NANO)

    def _attempt(self, group: tuple[Delivery, ...]) -> None:
        if self._stopped:
            return
        sent_at, subscription = self.clock.unix_nanoseconds(), group[0].subscription
        id, body = message(group, sent_at / NANO)
        crash_point("before the attempt")
        attempt = deliver(self.client, subscription.url, subscription.secret, id, body, sent_at / NANO)
        if self._stopped and not attempt.status:
            return
        crash_point("before the mark")
        outcome, again_at = self._next_attempt(group[0], attempt)
        for delivery in group:
            self._retry_while_locked(
                self.outbox.finish, delivery, sent_at, attempt.status, attempt.error, outcome, again_at
            )
        if attempt.verdict == "gone":
            self._retry_while_locked(self.outbox.end, subscription.id)
        self.wake()

    def _retry_while_locked(self, use: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Use the outbox; while its file is locked or its disk full, come again."""
        while True:
            try:
                return use(*args, **kwargs)
            except sqlite3.OperationalError:
                self.clock.sleep(DB_RETRY_SECONDS)

    def _next_attempt(self, delivery: Delivery, attempt: Attempt) -> tuple[str, int | None]:
        """What becomes of a delivery, and when it is due again."""
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
    """The id and body of what one request carries: an event, or a batch of them under an id of its own."""
    if group[0].subscription.batch_count == 1:
        return group[0].event_id, group[0].body
    id = "bat_" + sha256("/".join(delivery.event_id for delivery in group).encode()).hexdigest()[:24]
    head = to_json({"type": "batch", "timestamp": timestamp(unix), "data": {"events": []}})
    return id, head.removesuffix(b"]}}") + b",".join(delivery.body for delivery in group) + b"]}}"


def retry_after(header: str, unix: float, longest: float) -> float:
    """Seconds that an answer asks to wait (RFC 9110, 10.2.3): a number of them, or a date; junk and the past are 0.

    >>> retry_after("120", 0, 86_400), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 0, 86_400)
    (120.0, 60.0)
    >>> retry_after("-5", 0, 86_400), retry_after("soon", 0, 86_400), retry_after("1000000000", 0, 86_400.0)
    (0.0, 0.0, 86400.0)
    """
    if header.isascii() and header.isdigit():
        return min(float(header[:12]), longest)
    try:
        date = parsedate_to_datetime(header)
        return min(max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - unix), longest)
    except (ValueError, OverflowError):
        return 0.0
