"""The source's tables of events and subscriptions, with the SQL in sight."""

import hmac
import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from labkit.clock import nanoseconds
from labkit.event import to_json
from labkit.signature import Keyring
from labkit.sqlite import BUSY_SECONDS, Database, Synchronous
from labkit.wire import NOTICES

HEALTHY = "reason = '', failures = 0, failing_since = 0, rests_until = 0, back_at = 0"
"""What an UPDATE sets of a subscription whose endpoint has answered as it should."""
COLUMNS = (
    "id, url, types, status, secret, payload, batch_count, batch_seconds, ttl, expires_at, reason, earlier_secrets"
)
_NO_NOTICES = f"AND type NOT IN {NOTICES}"
NEVER = 2**63 - 1
"""An instant on file that does not come, in Unix nanoseconds."""


def open_database(path: str = ":memory:", synchronous: Synchronous = "FULL", busy: float = BUSY_SECONDS) -> Database:
    """A database with the tables of `schema.sql`, in a file or in memory; OSError if another source has the file."""
    schema = files("labkit.source").joinpath("schema.sql").read_text(encoding="utf-8")
    return Database(path, schema, synchronous, busy, owner="source")


class ExpiredError(Exception):
    """The events after a cursor have been dropped. `oldest` is the cursor from which on all events are kept."""

    def __init__(self, oldest: str) -> None:
        super().__init__(f"events after this place are older than the source keeps them; read on after {oldest}")
        self.oldest = oldest


@dataclass(frozen=True)
class Subscription:
    """One endpoint and what it wants. `types` is empty for all types; `secret` stays out of the repr.

    With the payload "thin" it is sent an event's id and type, and fetches the rest; with "doorbell" it is sent a notice
    for any number of events, and reads the list.
    """

    id: str
    url: str
    types: tuple[str, ...]
    status: str
    secret: str = field(repr=False)
    payload: str = "full"
    batch_count: int = 1
    batch_seconds: float = 0.0
    ttl: float = 0.0
    expires_at: int = NEVER
    reason: str = ""
    """Why it is disabled."""
    earlier_secrets: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    """The secrets before this one, each with the instant at which it expires, in Unix nanoseconds."""

    @property
    def keyring(self) -> Keyring:
        return Keyring(self.secret, self.earlier_secrets)

    def status_at(self, now: int) -> str:
        """Its status at an instant: an active one is expired from the end of its lease on.

        >>> Subscription("sub_1", "http://shop/hook", (), "active", "whsec_", ttl=60, expires_at=60).status_at(60)
        'expired'
        """
        return "expired" if self.status == "active" and now >= self.expires_at else self.status

    def wants(self, type: str, now: int) -> bool:
        """Whether it is sent events of a type. Notices go to subscriptions that name their type."""
        return self.status_at(now) == "active" and (type in self.types if self.types else type not in NOTICES)

    def lease_end(self, now: int) -> int:
        """The end of a lease that is granted now."""
        return now + nanoseconds(self.ttl) if self.ttl else NEVER


class Store:
    """Events in the order in which they became visible, and the subscriptions.

    `key` signs the cursors, so that a forged one, or one of another store, is recognised. `expired_by()`, Unix
    nanoseconds, is the instant up to which stored events have expired; without it, all are kept.
    """

    def __init__(self, key: bytes, db: Database | None = None, expired_by: Callable[[], int] | None = None) -> None:
        self._db = db = db or open_database()
        self._expired_by, self._horizon = expired_by, 0
        with db.transaction() as sql:  # a file keeps its first key
            sql.execute("INSERT OR IGNORE INTO meta VALUES ('cursor key', ?)", (key,))
            (kept,) = sql.execute("SELECT value FROM meta WHERE name = 'cursor key'").fetchone()
        self._tag = lru_cache(256)(lambda place: hmac.digest(kept, place, "sha256")[:6])  # the same few come again
        self._stored, self._answer = 0, lru_cache(4)(lambda _, sql, values: db.read(sql, values))

    # events

    def add(self, id: str, type: str, document: bytes, now: int, key: str = "", body: bytes = b"") -> bytes | None:
        """Store an event and, in the same transaction, a delivery for each endpoint that wants it, due `now` (Unix ns).

        With an idempotency `key`, the event is the answer to `body` from now on. If the key has an answer already, it
        is returned, and nothing is stored. ValueError if it was for another body, or if the id exists.
        """
        with self._db.transaction() as sql:
            if key and (first := _first_answer(sql, key, body)):
                return first
            self.insert(sql, id, type, document, now)
            if key:
                sql.execute("INSERT INTO idempotency VALUES (?, ?, ?)", (key, sha256(body).digest(), document))
            if self._expired_by:
                self._erase(sql)
        return None

    def insert(self, sql: sqlite3.Connection, id: str, type: str, document: bytes, now: int) -> None:
        """Store an event and its deliveries in the caller's transaction."""
        self._stored += 1  # first: who reads from here on waits for the commit
        try:
            values = (id, type, document, now)
            new = sql.execute("INSERT INTO events (id, type, json, stored_at) VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            raise ValueError(f"there is an event {id!r} already; ids must be unique") from None
        wanting = [each for each in self.subscriptions() if each.wants(type, now)]
        sql.executemany(
            "INSERT INTO deliveries (subscription, seq, due_at) VALUES (?, ?, ?)",
            [(each.id, new.lastrowid, now + nanoseconds(each.batch_seconds)) for each in wanting],
        )

    def _erase(self, sql: sqlite3.Connection) -> None:
        """Free the space of expired events, up to the first whose delivery is pending. Ids and attempts stay."""
        (pending,) = sql.execute("SELECT min(seq) FROM deliveries WHERE status = 'pending'").fetchone()
        last = self.horizon() if pending is None else min(self.horizon(), pending - 1)
        erased = "SELECT coalesce(max(seq), 0) FROM events WHERE seq <= :last AND json = x''"
        sql.execute(f"UPDATE events SET json = x'' WHERE seq > ({erased}) AND seq <= :last", {"last": last})

    def horizon(self) -> int:
        """The place of the last event that has expired; 0 if none has. It only rises."""
        if self._expired_by:
            before = "SELECT coalesce(min(seq) - 1, (SELECT max(seq) FROM events), 0)"  # the second if all have expired
            kept = "FROM events WHERE seq > ? AND stored_at > ?"
            ((last,),) = self._db.read(f"{before} {kept}", (self._horizon, self._expired_by()))
            self._horizon = max(self._horizon, last)
        return self._horizon

    def check(self, place: int) -> None:
        """Raise ExpiredError if an event after a place in the order has expired."""
        if place < (horizon := self.horizon()):
            raise ExpiredError(self.cursor(horizon))

    def acknowledge(self, id: str, now: int) -> int:
        """Record that an event was acknowledged, `now` (Unix ns); returns when it first was."""
        with self._db.transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO acknowledgements VALUES (?, ?)", (id, now))
            return int(sql.execute("SELECT at FROM acknowledgements WHERE event = ?", (id,)).fetchone()[0])

    def event(self, id: str) -> bytes | None:
        """An event, also an expired one for as long as its delivery is pending; None, and b"" if it has been erased."""
        rows = self._db.read("SELECT json FROM events WHERE id = ?", (id,))
        return rows[0][0] if rows else None

    def after(self, place: int, limit: int, types: Sequence[str] = ()) -> list[tuple[int, bytes]]:
        """Up to `limit` events after a place in the order, each with its own place.

        Raises ExpiredError rather than leave a gap. Until the next event is stored, equal questions share one query:
        for each event 1,000 streams make two, of which one finds it, and one finds nothing after it.
        """
        self.check(place)
        chosen = f"AND type IN ({', '.join('?' * len(types))})" if types else _NO_NOTICES
        sql = f"SELECT seq, json FROM events WHERE seq > ? {chosen} ORDER BY seq LIMIT ?"
        return self._answer(self._stored, sql, (place, *types, limit))

    def page(self, after: int, limit: int, types: Sequence[str] = ()) -> tuple[list[bytes], int, bool]:
        """Up to `limit` events after a place in the order; the place of the last one; whether there are more."""
        rows = self.after(after, limit + 1, types)
        page = rows[:limit]
        return [document for _, document in page], page[-1][0] if page else after, len(rows) > limit

    def newest(self, last: int) -> tuple[list[bytes], int]:
        """The `last` newest events, newest first, and the place of the newest; 0 if there is none."""
        chosen = f"SELECT seq, json FROM events WHERE seq > ? {_NO_NOTICES} ORDER BY seq DESC LIMIT ?"
        rows = self._db.read(chosen, (self.horizon(), last))
        return [document for _, document in rows], rows[0][0] if rows else 0

    def cursor(self, seq: int) -> str:
        """A place in the order as an opaque token of 16 characters."""
        place = seq.to_bytes(6)
        return urlsafe_b64encode(place + self._tag(place)).decode()

    def place(self, cursor: str) -> int:
        """The place that a cursor stands for, 0 for an empty one; ValueError if this store never wrote it."""
        if not cursor:
            return 0
        try:
            given = cursor.encode("ascii")
            seq = int.from_bytes(urlsafe_b64decode(given)[:6])
        except ValueError:
            given, seq = b"", 0
        if not hmac.compare_digest(self.cursor(seq).encode(), given):
            raise ValueError(f"cursor {cursor[:40]!r} is not one of this source's: pass `next` of an answer, unchanged")
        return seq

    # subscriptions

    def subscribe(
        self,
        id: str,
        url: str,
        types: list[str],
        secret: str,
        payload: str,
        batch: tuple[int, float],
        lease: tuple[float, int] = (0.0, NEVER),
    ) -> tuple[Subscription, bool]:
        """Store a pending subscription; the same URL and types give the existing one. True if it is new."""
        listed = to_json(sorted(set(types))).decode()
        with self._db.transaction() as sql:
            new = sql.execute(
                f"INSERT OR IGNORE INTO subscriptions ({COLUMNS})"
                " VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, '', '[]')",
                (id, url, listed, secret, payload, *batch, *lease),
            ).rowcount
            rows = sql.execute(f"SELECT {COLUMNS} FROM subscriptions WHERE url = ? AND types = ?", (url, listed))
            return from_row(rows.fetchone()), new == 1

    def subscription(self, id: str) -> Subscription | None:
        rows = self._db.read(f"SELECT {COLUMNS} FROM subscriptions WHERE id = ?", (id,))
        return from_row(rows[0]) if rows else None

    def subscriptions(self) -> list[Subscription]:
        return [from_row(row) for row in self._db.read(f"SELECT {COLUMNS} FROM subscriptions ORDER BY rowid")]

    def renew(self, subscription: Subscription, now: int) -> None:
        """Start an active subscription's lease again; nothing if it has expired."""
        with self._db.transaction() as sql:
            sql.execute(
                "UPDATE subscriptions SET expires_at = ? WHERE id = ? AND status = 'active' AND expires_at > ?",
                (subscription.lease_end(now), subscription.id, now),
            )

    def rotate(self, id: str, secret: str, now: int, grace: int) -> None:
        """Give a subscription a new secret; see Keyring.rotated."""
        with self._db.transaction() as sql:
            row = sql.execute(f"SELECT {COLUMNS} FROM subscriptions WHERE id = ?", (id,)).fetchone()
            if row:  # it is still there
                ring = from_row(row).keyring.rotated(secret, now, grace)
                values = (ring.newest, to_json(ring.earlier).decode(), id)
                sql.execute("UPDATE subscriptions SET secret = ?, earlier_secrets = ? WHERE id = ?", values)

    def unsubscribe(self, id: str) -> None:
        """Delete a subscription and its deliveries."""
        with self._db.transaction() as sql:
            sql.execute("DELETE FROM subscriptions WHERE id = ?", (id,))


def _first_answer(sql: sqlite3.Connection, key: str, body: bytes) -> bytes | None:
    """The answer first given under an Idempotency-Key; ValueError if it was for another body."""
    row: tuple[bytes, bytes] | None
    row = sql.execute("SELECT request, response FROM idempotency WHERE key = ?", (key,)).fetchone()
    if row and row[0] != sha256(body).digest():
        raise ValueError(f"Idempotency-Key {key!r} was used for another body: use a new key for a new event")
    return row[1] if row else None


@lru_cache(10_000)
def from_row(row: tuple[Any, ...]) -> Subscription:
    """Cached: the same rows are read for each event and for each claim."""
    id, url, types, *rest, earlier = row
    secrets = tuple((secret, expires_at) for secret, expires_at in json.loads(earlier))
    return Subscription(id, url, tuple(json.loads(types)), *(*rest, secrets))
