"""Endpoints that fail: they rest, are switched off, and come back."""

import sqlite3
from hashlib import sha256

from labkit.clock import NANO, nanoseconds
from labkit.event import timestamp, to_json
from labkit.policies import RetryProfile
from labkit.source.outbox import GIVE_UP
from labkit.source.store import HEALTHY, NEVER, Store
from labkit.sqlite import Database
from labkit.wire import DISABLED, ENABLED


class Health:
    """Applies a profile's `rest` and `off` to the endpoints on file. Instants are Unix nanoseconds.

    An endpoint that is switched off has the status `disabled`: what is pending is dead, and events that occur while it
    is off are not delivered to it. Each switching is an event of the source's own (`labkit.wire.NOTICES`), written in
    the same transaction; the cursor `since` in `endpoint.disabled` is where a redelivery has to start to lose nothing.
    """

    def __init__(self, db: Database, store: Store, profile: RetryProfile) -> None:
        self._db, self._store, self._profile = db, store, profile
        self.watches = bool(profile.rest or profile.off)
        """Whether the profile has any such rule. If not, there is nothing to record."""

    def attempted(self, subscription: str, delivered: bool, answered: bool, now: int) -> bool:
        """Record an attempt, which is on file already; True if the endpoint was switched off for it."""
        off = self._profile.off
        with self._db.transaction() as sql:
            if delivered:
                sql.execute(f"UPDATE subscriptions SET {HEALTHY} WHERE id = ? AND failures > 0", (subscription,))
                return False
            rests = 0 if answered else now + nanoseconds(self._profile.rest)
            counted = sql.execute(
                "UPDATE subscriptions SET failures = failures + 1, rests_until = max(rests_until, ?),"
                " failing_since = iif(failures = 0, ?, failing_since) WHERE id = ? AND status = 'active'"
                " RETURNING failures, failing_since",
                (rests, now, subscription),
            ).fetchall()
            if not counted:  # it is off or gone already
                return False
            ((failures, since),) = counted
            if off.failures and failures >= off.failures:
                reason = f"{failures} attempts in a row failed"
            elif off.failing_for and now - since >= nanoseconds(off.failing_for):
                reason = f"all attempts failed for {(now - since) / NANO:g} s"
            elif off.success_below and self._share(sql, subscription, now) < off.success_below:
                reason = f"less than {off.success_below:.0%} of the attempts in the last {off.window:g} s succeeded"
            else:
                return False
            back = off.back(failures)
            self._switch_off(sql, subscription, reason, now, now + nanoseconds(back) if back else 0)
            return True

    def _share(self, sql: sqlite3.Connection, subscription: str, now: int) -> float:
        """The share of an endpoint's attempts in the window that succeeded; 1 if there were too few to judge."""
        made, succeeded = sql.execute(
            "SELECT count(*), sum(status BETWEEN 200 AND 299) FROM attempts WHERE subscription = ? AND at > ?",
            (subscription, now - nanoseconds(self._profile.off.window)),
        ).fetchone()
        return succeeded / made if made >= self._profile.off.least_attempts else 1.0

    def _switch_off(self, sql: sqlite3.Connection, subscription: str, reason: str, now: int, back_at: int) -> None:
        missed = "SELECT min(seq) FROM deliveries WHERE subscription = ? AND status != 'delivered'"
        (since,) = sql.execute(f"SELECT coalesce(({missed}) - 1, max(seq), 0) FROM events", (subscription,)).fetchone()
        sql.execute(
            "UPDATE subscriptions SET status = 'disabled', reason = ?, back_at = ? WHERE id = ?",
            (reason, back_at, subscription),
        )
        sql.execute(GIVE_UP, (subscription,))
        back = {"back_at": timestamp(back_at / NANO)} if back_at else {}
        cursor = self._store.cursor(max(since, self._store.horizon()))
        self._notice(sql, DISABLED, subscription, now, {"reason": reason, "since": cursor, **back})

    def switch_on(self, now: int) -> bool:
        """Switch on the endpoints that come back by now, by themselves; True if there were any.

        One whose lease has ended in the meantime stays off until it is verified again.
        """
        with self._db.transaction() as sql:
            due = "status = 'disabled' AND back_at BETWEEN 1 AND :now AND expires_at > :now"
            rows = sql.execute(
                f"UPDATE subscriptions SET status = 'active', reason = '', back_at = 0 WHERE {due} RETURNING id",
                {"now": now},
            ).fetchall()
            for (id,) in rows:
                self._notice(sql, ENABLED, id, now, {})
        return bool(rows)

    def verified(self, subscription: str, now: int, expires_at: int = NEVER) -> None:
        """Make a subscription active until the end of its lease, however it stood before.

        Its endpoint has proved that it wants it.
        """
        with self._db.transaction() as sql:
            active = f"UPDATE subscriptions SET status = 'active', expires_at = ?, {HEALTHY} WHERE id = ?"
            disabled = "SELECT 1 FROM subscriptions WHERE id = ? AND status = 'disabled'"
            was_off = sql.execute(disabled, (subscription,)).fetchone()
            sql.execute(active, (expires_at, subscription))
            if was_off:
                self._notice(sql, ENABLED, subscription, now, {})

    def _notice(self, sql: sqlite3.Connection, type: str, subscription: str, now: int, data: dict[str, object]) -> None:
        id = f"evt_{sha256(f'{type}/{subscription}/{now}'.encode()).hexdigest()[:24]}"
        document = {"id": id, "type": type, "timestamp": timestamp(now / NANO),
                    "data": {"subscription": subscription, **data}}  # fmt: skip
        self._store.insert(sql, id, type, to_json(document), now)
