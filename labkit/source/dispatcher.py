"""The dispatcher: what is due is sent, at once and then by the retry schedule, until it is delivered or dead."""

import random
from email.utils import parsedate_to_datetime

import httpx

from labkit.clock import NANO, Clock, nanoseconds
from labkit.crash import crash_point
from labkit.scenario import RetryProfile
from labkit.source.deliver import Attempt, deliver
from labkit.source.outbox import Delivery, Outbox


class Dispatcher:
    """Sends what the outbox holds. Each attempt is a task of its own, so endpoints do not wait for each other."""

    def __init__(
        self, outbox: Outbox, clock: Clock, client: httpx.Client, profile: RetryProfile, seed: int | str
    ) -> None:
        self.outbox, self.clock, self.client, self.profile, self.seed = outbox, clock, client, profile, seed
        self._changed = clock.condition()
        self._news = False

    def notice(self) -> None:
        """Say that the outbox has changed: something may be due, or a place in flight free."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def run(self) -> None:
        """Claim what is due, send it, and wait for what comes next, until ended."""
        lease = nanoseconds(2 * self.profile.timeout)
        while True:
            self._news = False
            for delivery in self.outbox.claim(self.clock.unix_nanoseconds(), lease, self.profile.in_flight):
                self.clock.spawn(self._attempt, delivery)
            now = self.clock.unix_nanoseconds()
            due = self.outbox.next_due(now)
            with self._changed:
                if not self._news:
                    self._changed.wait(None if due is None else (due - now) / NANO)

    def _attempt(self, delivery: Delivery) -> None:
        sent_at, subscription = self.clock.unix_nanoseconds(), delivery.subscription
        crash_point("before the attempt")
        attempt = deliver(
            self.client, subscription.url, subscription.secret, delivery.event_id, delivery.document, sent_at / NANO
        )
        crash_point("before the mark")
        outcome, again_at = self._judge(delivery, attempt)
        self.outbox.finish(delivery, sent_at, attempt.status, attempt.error, outcome, again_at)
        if attempt.verdict == "gone":
            self.outbox.end(subscription.id)
        self.notice()

    def _judge(self, delivery: Delivery, attempt: Attempt) -> tuple[str, int | None]:
        """What becomes of a delivery, and when it is due again."""
        if attempt.verdict != "failed":
            return "delivered" if attempt.verdict == "delivered" else "dead", None
        key = (self.seed, delivery.subscription.id, delivery.event_id, delivery.attempt)
        wait = self.profile.wait(delivery.attempt, random.Random("/".join(map(str, key))))
        if wait is None:
            return "dead", None
        now = self.clock.unix_nanoseconds()
        asked = retry_after(attempt.retry_after, now / NANO, self.profile.longest_retry_after)
        return "pending", now + nanoseconds(max(wait, asked))


def retry_after(header: str, unix: float, longest: float) -> float:
    """Seconds that an answer asks to wait (RFC 9110, 10.2.3): a number of them, or a date; junk and the past are 0.

    >>> retry_after("120", 0, 86_400), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 0, 86_400)
    (120.0, 60.0)
    >>> retry_after("-5", 0, 86_400), retry_after("soon", 0, 86_400), retry_after("1000000000", 0, 86_400)
    (0.0, 0.0, 86400.0)
    """
    if header.isascii() and header.isdigit():
        return min(float(header[:12]), longest)
    try:
        return min(max(0.0, parsedate_to_datetime(header).timestamp() - unix), longest)
    except (ValueError, OverflowError):
        return 0.0
