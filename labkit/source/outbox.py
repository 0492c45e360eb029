"""The outbox: which deliveries are due, which are claimed, and how each attempt ended."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from labkit.event import to_json
from labkit.source.store import COLUMNS, NEVER, Subscription, from_row
from labkit.sqlite import Database

_PENDING = "status = 'pending'"
GIVE_UP = f"UPDATE deliveries SET status = 'dead' WHERE subscription = ? AND {_PENDING}"
_WAITING = f"{_PENDING} AND leased_until = 0"
_LEASED = f"{_PENDING} AND leased_until > 0"
_FRESH = "attempts = earlier"
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
    due_at: int

    @property
    def body(self) -> bytes:
        """What is sent: the event as it stands in the list; without its data if the subscription's payload is thin.

        >>> thin = Subscription("sub_1", "http://shop/hook", (), "active", "whsec_", "thin")
        >>> Delivery(thin, 1, "evt_1", b'{"id":"evt_1","type":"a","timestamp":"t","data":{"n":1}}', 1, 1, 0).body
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
        self.db = db
        with db.transaction() as sql:  # the last process that had the file is gone, and so are its leases
            sql.execute(f"UPDATE deliveries SET leased_until = 0 WHERE {_PENDING}")

    def claim(self, now: int, lease: int, in_flight: int) -> list[tuple[Delivery, ...]]:
        """Claim what is due, for `lease` nanoseconds: up to `in_flight` deliveries per endpoint, the longest due first.

        An endpoint that rests gets nothing. Each item goes into one request: one delivery, or up to `batch_count` of a
        subscription with batches, as soon as the first of them is due or that many are waiting for their first attempt.
        A batch has no retry that is not due. A doorbell's notice stands for all that are waiting, and no other is sent
        while it is in flight.
        """
        due: list[tuple[Delivery, ...]] = []
        with self.db.transaction() as sql:
            expired = f"{_PENDING} AND leased_until BETWEEN 1 AND ?"
            sql.execute(f"UPDATE deliveries SET leased_until = 0 WHERE {expired}", (now,))
            subscriptions = sql.execute(
                f"SELECT {COLUMNS}, (SELECT count(*) FROM deliveries WHERE subscription = s.id AND {_LEASED})"
                " FROM subscriptions AS s WHERE rests_until <= ?"
                f" AND (EXISTS (SELECT 1 FROM deliveries WHERE subscription = s.id AND {_WAITING} AND due_at <= ?)"
                " OR CASE WHEN batch_count > 1 THEN batch_count <="
                f" (SELECT count(*) FROM deliveries WHERE subscription = s.id AND {_WAITING} AND {_FRESH}) END)"
                " ORDER BY id",  # neighbours on file are sent, and recorded, together: a commit writes fewer pages
                (now, now),
            ).fetchall()
            for *columns, in_flight_now in subscriptions:
                subscription = from_row(tuple(columns))
                room, ready = max(0, in_flight - in_flight_now), "due_at <= :now"
                if rings := subscription.payload == "doorbell":
                    room, ready = 0 if in_flight_now else NEVER, "TRUE"
                elif subscription.batch_count > 1:
                    ready = f"({ready} OR {_FRESH})"
                rows = sql.execute(
                    "SELECT seq, e.id, e.json, attempts + 1, attempts + 1 - earlier, due_at"
                    " FROM deliveries JOIN events AS e USING (seq)"
                    f" WHERE subscription = :id AND {_WAITING} AND {ready} ORDER BY due_at, seq LIMIT :room",
                    {"id": subscription.id, "now": now, "room": room},
                )
                waiting = [Delivery(subscription, *row) for row in rows]
                one_notice = rings and waiting
                groups = [(tuple(waiting), True)] if one_notice else batches(waiting, subscription.batch_count)
                due += [group for group, full in groups if full or group[0].due_at <= now]
            sql.executemany(
                "UPDATE deliveries SET leased_until = ? WHERE subscription = ? AND seq = ?",
                [(now + lease, each.subscription.id, each.seq) for group in due for each in group],
            )
        return sorted(due, key=lambda group: (group[0].due_at, group[0].seq))

    def next_due(self, now: int) -> int | None:
        """The next instant after `now` at which there may be something to claim; None if there is none.

        A delivery is due, a lease or an endpoint's rest ends, or an endpoint comes back.
        """
        ((instant,),) = self.db.read(
            f"SELECT min(at) FROM (SELECT min(due_at) AS at FROM deliveries WHERE {_PENDING} AND due_at > ?"
            f" UNION ALL SELECT min(leased_until) FROM deliveries WHERE {_PENDING} AND leased_until > ?"
            " UNION ALL SELECT min(rests_until) FROM subscriptions WHERE rests_until > ?"
            " UNION ALL SELECT min(back_at) FROM subscriptions WHERE back_at > ?)",
            (now,) * 4,
        )
        return instant  # type: ignore[no-any-return]

    def finish(
        self, delivery: Delivery, sent_at: int, status: int, error: str, outcome: str, due_at: int | None
    ) -> None:
        """Record how an attempt ended. `outcome` is delivered, dead, or pending: then it is due again at `due_at`.

        A delivery that another attempt has delivered, or a 410 ended, in the meantime does not become pending again.
        """
        where = {"id": delivery.subscription.id, "seq": delivery.seq}
        with self.db.transaction() as sql:  # unsubscribed in the meantime: no row, and nothing to record
            sql.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = coalesce(:due_at, due_at), leased_until = 0,"
                " status = iif(status = 'pending' OR :outcome = 'delivered', :outcome, status)"
                " WHERE subscription = :id AND seq = :seq",
                {**where, "due_at": due_at, "outcome": outcome},
            )
            sql.execute(
                "INSERT INTO attempts SELECT subscription, seq, attempts, :sent_at, :status, :error"
                " FROM deliveries WHERE subscription = :id AND seq = :seq",
                {**where, "sent_at": sent_at, "status": status, "error": error},
            )

    def end(self, subscription: str) -> None:
        """End a subscription: nothing more is sent to its endpoint, and what was pending is dead."""
        with self.db.transaction() as sql:
            sql.execute("UPDATE subscriptions SET status = 'gone' WHERE id = ?", (subscription,))
            sql.execute(GIVE_UP, (subscription,))

    def redeliver(self, subscription: Subscription, after: int, now: int) -> int:
        """Make every wanted event after a place in the order due now, delivered ones too; returns how many.

        Each starts the retry schedule again. One that is being attempted is left alone.
        """
        with self.db.transaction() as sql:
            active = "SELECT 1 FROM subscriptions WHERE id = ? AND status = 'active'"
            if not sql.execute(active, (subscription.id,)).fetchone():  # it has ended in the meantime
                return 0
            rows = sql.execute("SELECT seq, type FROM events WHERE seq > ?", (after,)).fetchall()
            wanted = [seq for seq, type in rows if subscription.wants(type, now)]
            sql.executemany(
                "INSERT INTO deliveries (subscription, seq, due_at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET status = 'pending', due_at = excluded.due_at, earlier = attempts, leased_until = 0"
                f" WHERE NOT ({_PENDING} AND leased_until > excluded.due_at)",
                [(subscription.id, seq, now) for seq in wanted],
            )
        return len(wanted)

    def counts(self) -> dict[str, int]:
        """How many deliveries are pending, delivered and dead."""
        found = dict(self.db.read("SELECT status, count(*) FROM deliveries GROUP BY status"))
        return {status: found.get(status, 0) for status in ("pending", "delivered", "dead")}

    def attempts(self, subscription: str) -> list[tuple[str, int, int, int, str]]:
        """Each attempt as (event id, number, sent at, status, error), in the order sent."""
        return self.db.read(
            "SELECT e.id, number, at, status, error FROM attempts JOIN events AS e USING (seq)"
            " WHERE subscription = ? ORDER BY at, seq, number",
            (subscription,),
        )


def batches(deliveries: list[Delivery], count: int) -> Iterator[tuple[tuple[Delivery, ...], bool]]:
    """Deliveries in groups of up to `count` and of at most BATCH_BYTES; with each, whether it is full."""
    group: tuple[Delivery, ...] = ()
    size = 0
    for each in deliveries:
        if group and (len(group) == count or size + len(each.document) > BATCH_BYTES):
            yield group, True
            group, size = (), 0
        group, size = (*group, each), size + len(each.document)
    if group:
        yield group, len(group) == count
