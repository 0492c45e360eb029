"""The source's tables of events and subscriptions, with the SQL in sight."""

import hmac
import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from labkit.clock import nanoseconds
from labkit.event import to_json
from labkit.sqlite import BUSY_SECONDS, Database, Synchronous

COLUMNS = "id, url, types, status, secret, payload, batch_count, batch_seconds"
_ALL = f"SELECT {COLUMNS} FROM subscriptions ORDER BY rowid"


def open_database(path: str = ":memory:", synchronous: Synchronous = "FULL", busy: float = BUSY_SECONDS) -> Database:
    """A database with the tables of `schema.sql`, in a file or in memory."""
    schema = files("labkit.source").joinpath("schema.sql").read_text(encoding="utf-8")
    return Database(path, schema, synchronous, busy)


@dataclass(frozen=True)
class Subscription:
    """One endpoint and what it wants. `types` is empty for all types; `secret` stays out of the repr.

    With the payload "thin" it is sent an event's id and type, and fetches the rest.
    """

    id: str
    url: str
    types: tuple[str, ...]
    status: str
    secret: str = field(repr=False)
    payload: str = "full"
    batch_count: int = 1
    batch_seconds: float = 0.0

    def wants(self, type: str) -> bool:
        return self.status == "active" and (not self.types or type in self.types)


class Store:
    """Events in the order in which they became visible, and the subscriptions.

    `key` signs the cursors, so that a forged one, or one of another store, is recognised.
    """

    def __init__(self, key: bytes, db: Database | None = None) -> None:
        self._db = db = db or open_database()
        with db.transaction() as sql:  # a file keeps its first key
            sql.execute("INSERT OR IGNORE INTO meta VALUES ('cursor key', ?)", (key,))
            (kept,) = sql.execute("SELECT value FROM meta WHERE name = 'cursor key'").fetchone()
        self._tag = lru_cache(maxsize=256)(partial(_tag, kept))  # the same few cursors come again and again

    # events

    def add(self, id: str, type: str, document: bytes, now: int, key: str = "", body: bytes = b"") -> None:
        """Store an event and, in the same transaction, a delivery for each endpoint that wants it, due `now` (Unix ns).

        With an idempotency `key`, the answer to `body` is remembered too. ValueError if the id exists.
        """
        with self._db.transaction() as sql:
            try:
                seq = sql.execute(
                    "INSERT INTO events (id, type, json) VALUES (?, ?, ?)", (id, type, document)
                ).lastrowid
            except sqlite3.IntegrityError:
                raise ValueError(f"there is an event {id!r} already; ids must be unique") from None
            wanting = [each for each in _subscriptions(sql) if each.wants(type)]
            sql.executemany(
                "INSERT INTO deliveries (subscription, seq, due_at) VALUES (?, ?, ?)",
                [(each.id, seq, now + nanoseconds(each.batch_seconds)) for each in wanting],
            )
            if key:  # if another request has stored it in the meantime, all of this is rolled back
                sql.execute("INSERT INTO idempotency VALUES (?, ?, ?)", (key, sha256(body).digest(), document))

    def acknowledge(self, id: str, now: int) -> int:
        """Record that an event was acknowledged, `now` (Unix ns); returns when it first was."""
        with self._db.transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO acknowledgements VALUES (?, ?)", (id, now))
            at: int = sql.execute("SELECT at FROM acknowledgements WHERE event = ?", (id,)).fetchone()[0]
        return at

    def event(self, id: str) -> bytes | None:
        rows = self._db.read("SELECT json FROM events WHERE id = ?", (id,))
        return rows[0][0] if rows else None

    def after(self, place: int, limit: int, types: Sequence[str] = ()) -> list[tuple[int, bytes]]:
        """Up to `limit` events after a place in the order, each with its own place."""
        chosen = f"AND type IN ({', '.join('?' * len(types))})" if types else ""
        return self._db.read(
            f"SELECT seq, json FROM events WHERE seq > ? {chosen} ORDER BY seq LIMIT ?", (place, *types, limit)
        )

    def page(self, after: int, limit: int, types: Sequence[str] = ()) -> tuple[list[bytes], int, bool]:
        """Up to `limit` events after a place in the order; the place of the last one; whether there are more."""
        rows = self.after(after, limit + 1, types)
        page = rows[:limit]
        return [document for _, document in page], page[-1][0] if page else after, len(rows) > limit

    def newest(self, last: int) -> tuple[list[bytes], int]:
        """The `last` newest events, newest first, and the place of the newest; 0 if there is none."""
        rows = self._db.read("SELECT seq, json FROM events ORDER BY seq DESC LIMIT ?", (last,))
        return [document for _, document in rows], rows[0][0] if rows else 0

    def cursor(self, seq: int) -> str:
        """A place in the order as an opaque token of 16 characters."""
        place = seq.to_bytes(6)
        return urlsafe_b64encode(place + self._tag(place)).decode()

    def place(self, cursor: str) -> int:
        """The place that a cursor stands for; ValueError if this store never wrote it."""
        try:
            given = cursor.encode("ascii")
            seq = int.from_bytes(urlsafe_b64decode(given)[:6])
        except ValueError:
            given, seq = b"", 0
        if not hmac.compare_digest(self.cursor(seq).encode(), given):
            raise ValueError(f"cursor {cursor[:40]!r} is not one of this source's: pass `next` of an answer, unchanged")
        return seq

    # POST /events again under the same Idempotency-Key

    def remembered(self, key: str, body: bytes) -> bytes | None:
        """The answer first given under a key; ValueError if it was for another body."""
        rows = self._db.read("SELECT request, response FROM idempotency WHERE key = ?", (key,))
        if not rows:
            return None
        if rows[0][0] != sha256(body).digest():
            raise ValueError(f"Idempotency-Key {key!r} was used for another body: use a new key for a new event")
        response: bytes = rows[0][1]
        return response

    # subscriptions

    def subscribe(
        self,
        id: str,
        url: str,
        types: Sequence[str],
        secret: str,
        payload: str = "full",
        batch: tuple[int, float] = (1, 0.0),
    ) -> tuple[Subscription, bool]:
        """Store a pending subscription; the same URL and types give the existing one. True if it is new."""
        listed = to_json(sorted(set(types))).decode()
        with self._db.transaction() as sql:
            new = sql.execute(
                f"INSERT OR IGNORE INTO subscriptions ({COLUMNS}) VALUES (?, ?, ?, 'pending', ?, ?, ?, ?)",
                (id, url, listed, secret, payload, *batch),
            ).rowcount
            row = sql.execute(
                f"SELECT {COLUMNS} FROM subscriptions WHERE url = ? AND types = ?", (url, listed)
            ).fetchone()
        return from_row(row), new == 1

    def subscription(self, id: str) -> Subscription | None:
        rows = self._db.read(f"SELECT {COLUMNS} FROM subscriptions WHERE id = ?", (id,))
        return from_row(rows[0]) if rows else None

    def subscriptions(self) -> list[Subscription]:
        return [from_row(row) for row in self._db.read(_ALL)]

    def activate(self, id: str) -> None:
        with self._db.transaction() as sql:
            sql.execute("UPDATE subscriptions SET status = 'active' WHERE id = ?", (id,))

    def unsubscribe(self, id: str) -> None:
        """Delete a subscription and its deliveries."""
        with self._db.transaction() as sql:
            sql.execute("DELETE FROM subscriptions WHERE id = ?", (id,))


def _subscriptions(sql: sqlite3.Connection) -> list[Subscription]:
    return [from_row(row) for row in sql.execute(_ALL)]


def _tag(key: bytes, place: bytes) -> bytes:
    return hmac.digest(key, place, "sha256")[:6]


def from_row(row: tuple[Any, ...]) -> Subscription:
    id, url, types, *rest = row
    return Subscription(id, url, tuple(json.loads(types)), *rest)
