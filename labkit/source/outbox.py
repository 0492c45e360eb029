"""The outbox: which deliveries are due, who has claimed them, and how each attempt ended."""

from dataclasses import dataclass

from labkit.source.database import Database
from labkit.source.store import Subscription

_PENDING = "status = 'pending'"


@dataclass(frozen=True)
class Delivery:
    """One event to one endpoint, claimed for its attempt number `attempt`, from 1."""

    subscription: Subscription
    seq: int
    event_id: str
    document: bytes
    attempt: int


class Outbox:
    """Deliveries on file. Instants are Unix nanoseconds, so that they outlive the process.

    A delivery is pending until it is delivered or dead. Claiming it takes a lease; one that its owner lets run out, or
    that a dead process left, is claimed again: so an event may be told twice, and is never forgotten.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        with db.transaction() as sql:  # whoever opens the file takes over: the leases of the last owner have ended
            sql.execute(f"UPDATE deliveries SET leased_until = 0 WHERE {_PENDING}")

    def claim(self, now: int, lease: int, in_flight: int) -> list[Delivery]:
        """Take what is due, for `lease` nanoseconds: up to `in_flight` at once an endpoint, the longest due first."""
        with self._db.transaction() as sql:
            rows = sql.execute(
                f"""
                SELECT s.id, s.url, s.types, s.status, s.secret, due.seq, e.id, e.json, due.attempts FROM (
                    SELECT *, row_number() OVER (PARTITION BY subscription ORDER BY due_at, seq) AS place
                    FROM deliveries WHERE {_PENDING} AND due_at <= :now AND leased_until <= :now
                ) AS due
                JOIN subscriptions AS s ON s.id = due.subscription
                JOIN events AS e ON e.seq = due.seq
                WHERE place <= :in_flight - (
                    SELECT count(*) FROM deliveries AS d
                    WHERE d.{_PENDING} AND d.leased_until > :now AND d.subscription = due.subscription
                )
                ORDER BY due.due_at, due.seq, s.rowid
                """,
                {"now": now, "in_flight": in_flight},
            ).fetchall()
            sql.executemany(
                "UPDATE deliveries SET leased_until = ? WHERE subscription = ? AND seq = ?",
                [(now + lease, row[0], row[5]) for row in rows],
            )
        return [
            Delivery(Subscription(id, url, (), status, secret), seq, event_id, document, attempts + 1)
            for id, url, _, status, secret, seq, event_id, document, attempts in rows
        ]

    def next_due(self, now: int) -> int | None:
        """When something becomes due, or a lease ends, after now."""
        rows = self._db.read(
            f"SELECT min(max(due_at, leased_until)) FROM deliveries WHERE {_PENDING} AND max(due_at, leased_until) > ?",
            (now,),
        )
        due: int | None = rows[0][0]
        return due

    def finish(
        self, delivery: Delivery, sent_at: int, status: int, error: str, outcome: str, again_at: int | None = None
    ) -> None:
        """Enter how an attempt ended. `outcome` is delivered, dead, or pending: then it is due again at `again_at`."""
        where = (delivery.subscription.id, delivery.seq)
        with self._db.transaction() as sql:
            known = sql.execute(
                "UPDATE deliveries SET status = ?, attempts = ?, due_at = coalesce(?, due_at), leased_until = 0"
                " WHERE subscription = ? AND seq = ?",
                (outcome, delivery.attempt, again_at, *where),
            ).rowcount
            if known:  # unsubscribed meanwhile: there is nothing to enter
                sql.execute(
                    "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?)",
                    (*where, delivery.attempt, sent_at, status, error),
                )

    def end(self, subscription: str) -> None:
        """The endpoint is gone: nothing more is sent to it, and what was pending is dead."""
        with self._db.transaction() as sql:
            sql.execute("UPDATE subscriptions SET status = 'gone' WHERE id = ?", (subscription,))
            sql.execute(f"UPDATE deliveries SET status = 'dead' WHERE subscription = ? AND {_PENDING}", (subscription,))

    def redeliver(self, subscription: Subscription, after: int, now: int) -> int:
        """Make every wanted event after a place in the order due again, also what was delivered; returns how many."""
        with self._db.transaction() as sql:
            rows = sql.execute("SELECT seq, type FROM events WHERE seq > ?", (after,)).fetchall()
            wanted = [seq for seq, type in rows if subscription.wants(type)]
            sql.executemany(
                "INSERT INTO deliveries (subscription, seq, due_at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET status = 'pending', due_at = excluded.due_at WHERE status != 'pending'",
                [(subscription.id, seq, now) for seq in wanted],
            )
        return len(wanted)

    def counts(self) -> dict[str, int]:
        """How many deliveries are pending, delivered and dead."""
        found = dict(self._db.read("SELECT status, count(*) FROM deliveries GROUP BY status"))
        return {status: found.get(status, 0) for status in ("pending", "delivered", "dead")}

    def attempts(self, subscription: str) -> list[tuple[str, int, int, int, str]]:
        """Each attempt as (event id, number, sent at, status, error), in the order sent."""
        return self._db.read(
            "SELECT e.id, number, at, status, error FROM attempts JOIN events AS e USING (seq)"
            " WHERE subscription = ? ORDER BY at, seq, number",
            (subscription,),
        )
