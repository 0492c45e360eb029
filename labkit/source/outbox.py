"""The outbox: which deliveries are due, which are claimed, and how each attempt ended."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labkit.event import to_json
from labkit.source.store import COLUMNS, Subscription, from_row
from labkit.sqlite import Database

_PENDING = "status = 'pending'"
_EVER = 2**63 - 1
BATCH_BYTES = 200_000
"""Bytes of the events of a batch that has more than one: a receiver takes a body of 262,144."""


@dataclass(frozen=True)
class Delivery:
    """One event to one endpoint, claimed for its attempt number `attempt`, from 1."""

    subscription: Subscription
    seq: int
    event_id: str
    document: bytes
    attempt: int
    step: int
    """Its place in the retry schedule, from 1: `attempt`, unless it is a redelivery."""

    @property
    def body(self) -> bytes:
        """What is sent: the event as it stands in the list; without its data if the subscription's payload is thin.

        >>> thin = Subscription("sub_1", "http://shop/hook", (), "active", "whsec_", "thin")
        >>> Delivery(thin, 1, "evt_1", b'{"id":"evt_1","type":"a","timestamp":"t","data":{"n":1}}', 1, 1).body
        b'{"id":"evt_1","type":"a","timestamp":"t","data":{}}'
        """
        if self.subscription.payload == "full":
            return self.document
        return to_json({**json.loads(self.document), "data": {}})


class Outbox:
    """Deliveries on file. Instants are Unix nanoseconds, so that they outlive the process.

    A delivery is pending until it is delivered or dead. Claiming it takes a lease. After the lease, or when another
    process opens the file, it can be claimed again: an event may be delivered twice, and none is forgotten.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        with db.transaction() as sql:  # the last process that had the file is gone, and so are its leases
            sql.execute(f"UPDATE deliveries SET leased_until = 0 WHERE {_PENDING}")

    def claim(self, now: int, lease: int, in_flight: int) -> list[tuple[Delivery, ...]]:
        """Claim what is due, for `lease` nanoseconds: up to `in_flight` deliveries per endpoint, the longest due first.

        Each item goes into one request: one delivery, or up to `batch_count` of a subscription with batches, as soon as
        the first of them is due or that many are waiting.
        """
        due = []
        with self._db.transaction() as sql:
            sql.execute(
                f"UPDATE deliveries SET leased_until = 0 WHERE {_PENDING} AND leased_until BETWEEN 1 AND ?", (now,)
            )
            waiting = sql.execute(
                f"SELECT {COLUMNS} FROM subscriptions AS s WHERE EXISTS (SELECT 1 FROM deliveries"
                f" WHERE subscription = s.id AND {_PENDING} AND leased_until = 0 AND due_at <= :now)"
                " OR CASE WHEN batch_count > 1 THEN batch_count <= (SELECT count(*) FROM deliveries"
                f" WHERE subscription = s.id AND {_PENDING} AND leased_until = 0) END ORDER BY rowid",
                {"now": now},
            ).fetchall()
            for subscription in map(from_row, waiting):
                due_by = now if subscription.batch_count == 1 else _EVER
                (flying,) = sql.execute(
                    f"SELECT count(*) FROM deliveries WHERE subscription = ? AND {_PENDING} AND leased_until > 0",
                    (subscription.id,),
                ).fetchone()
                rows = sql.execute(
                    "SELECT d.due_at, seq, e.id, e.json, d.attempts, d.earlier"
                    f" FROM deliveries AS d JOIN events AS e USING (seq) WHERE subscription = ? AND {_PENDING}"
                    " AND leased_until = 0 AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
                    (subscription.id, due_by, max(0, in_flight - flying)),
                ).fetchall()
                for group, full in batches(rows, subscription.batch_count):
                    if group[0][0] <= now or full:
                        due.append((subscription, group))
            sql.executemany(
                "UPDATE deliveries SET leased_until = ? WHERE subscription = ? AND seq = ?",
                [(now + lease, subscription.id, row[1]) for subscription, group in due for row in group],
            )
        due.sort(key=lambda item: item[1][0][:2])
        return [
            tuple(
                Delivery(subscription, seq, event_id, document, attempts + 1, attempts + 1 - earlier)
                for _, seq, event_id, document, attempts, earlier in group
            )
            for subscription, group in due
        ]

    def next_due(self, now: int) -> int | None:
        """The next instant after `now` at which a delivery becomes due or a lease ends; None if there is none."""
        rows = self._db.read(
            f"SELECT min(due_at) FROM deliveries WHERE {_PENDING} AND due_at > ? UNION ALL"
            f" SELECT min(leased_until) FROM deliveries WHERE {_PENDING} AND leased_until > ?",
            (now, now),
        )
        return min((due for (due,) in rows if due is not None), default=None)

    def finish(
        self, delivery: Delivery, sent_at: int, status: int, error: str, outcome: str, again_at: int | None = None
    ) -> None:
        """Record how an attempt ended. `outcome` is delivered, dead, or pending: then it is due again at `again_at`.

        A delivery that another attempt has delivered, or a 410 ended, in the meantime does not become pending again.
        """
        where = (delivery.subscription.id, delivery.seq)
        with self._db.transaction() as sql:
            for (number,) in sql.execute(  # no row: unsubscribed in the meantime, and nothing to record
                "UPDATE deliveries SET attempts = attempts + 1, due_at = coalesce(:again_at, due_at), leased_until = 0,"
                " status = iif(status = 'pending' OR :outcome = 'delivered', :outcome, status)"
                " WHERE subscription = :id AND seq = :seq RETURNING attempts",
                {"again_at": again_at, "outcome": outcome, "id": where[0], "seq": where[1]},
            ).fetchall():
                sql.execute("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)", (*where, number, sent_at, status, error))

    def end(self, subscription: str) -> None:
        """End a subscription: nothing more is sent to its endpoint, and what was pending is dead."""
        with self._db.transaction() as sql:
            sql.execute("UPDATE subscriptions SET status = 'gone' WHERE id = ?", (subscription,))
            sql.execute(f"UPDATE deliveries SET status = 'dead' WHERE subscription = ? AND {_PENDING}", (subscription,))

    def redeliver(self, subscription: Subscription, after: int, now: int) -> int:
        """Make every wanted event after a place in the order due now, delivered ones too; returns how many.

        Each starts the retry schedule again. One that is being attempted is left alone.
        """
        with self._db.transaction() as sql:
            active = "SELECT 1 FROM subscriptions WHERE id = ? AND status = 'active'"
            if not sql.execute(active, (subscription.id,)).fetchone():  # it has ended in the meantime
                return 0
            rows = sql.execute("SELECT seq, type FROM events WHERE seq > ?", (after,)).fetchall()
            wanted = [seq for seq, type in rows if subscription.wants(type)]
            sql.executemany(
                "INSERT INTO deliveries (subscription, seq, due_at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET status = 'pending', due_at = excluded.due_at, earlier = attempts, leased_until = 0"
                f" WHERE NOT ({_PENDING} AND leased_until > excluded.due_at)",
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


def batches(rows: list[Any], count: int) -> Iterator[tuple[list[Any], bool]]:
    """Rows in groups of up to `count` and of at most BATCH_BYTES; with each, whether it is full."""
    group: list[Any] = []
    size = 0
    for row in rows:
        if group and size + len(row[3]) > BATCH_BYTES:
            yield group, True
            group, size = [], 0
        group.append(row)
        size += len(row[3])
        if len(group) == count:
            yield group, True
            group, size = [], 0
    if group:
        yield group, False
