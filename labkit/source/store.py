"""Where the source keeps what happened: SQLite, with its SQL in sight."""

import hmac
import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from importlib.resources import files

from labkit.event import to_json


@dataclass(frozen=True)
class Subscription:
    """One endpoint that asked to be told. `types` is empty for all types; `secret` stays out of the repr."""

    id: str
    url: str
    types: tuple[str, ...]
    status: str
    secret: str = field(repr=False)

    def wants(self, type: str) -> bool:
        return self.status == "active" and (not self.types or type in self.types)


class Store:
    """Events in the order in which they became visible, and who asked to be told of them.

    `key` signs the cursors, so that a forged one, or one of another store, is told from a real one.
    """

    def __init__(self, key: bytes, path: str = ":memory:") -> None:
        self._tag = lru_cache(maxsize=256)(partial(_tag, key))  # the same few cursors come again and again
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(files("labkit.source").joinpath("schema.sql").read_text())

    # events

    def add(self, id: str, type: str, document: bytes) -> int:
        """Store an event and return its place in the order, from 1; ValueError if its id is taken."""
        try:
            inserted = self._db.execute("INSERT INTO events (id, type, json) VALUES (?, ?, ?)", (id, type, document))
        except sqlite3.IntegrityError:
            raise ValueError(f"there is an event {id!r} already; ids must be unique") from None
        assert inserted.lastrowid is not None
        return inserted.lastrowid

    def event(self, id: str) -> bytes | None:
        row = self._db.execute("SELECT json FROM events WHERE id = ?", (id,)).fetchone()
        return None if row is None else row[0]

    def page(self, after: int, limit: int, types: Sequence[str] = ()) -> tuple[list[bytes], int, bool]:
        """Up to `limit` events after a place in the order; the place of the last one; whether there are more."""
        chosen = f"AND type IN ({', '.join('?' * len(types))})" if types else ""
        rows = self._db.execute(
            f"SELECT seq, json FROM events WHERE seq > ? {chosen} ORDER BY seq LIMIT ?", (after, *types, limit + 1)
        ).fetchall()
        page = rows[:limit]
        return [json for _, json in page], page[-1][0] if page else after, len(rows) > limit

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
        row = self._db.execute("SELECT request, response FROM idempotency WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[0] != sha256(body).digest():
            raise ValueError(f"Idempotency-Key {key!r} was used for another body: use a new key for a new event")
        response: bytes = row[1]
        return response

    def remember(self, key: str, body: bytes, response: bytes) -> None:
        self._db.execute("INSERT INTO idempotency VALUES (?, ?, ?)", (key, sha256(body).digest(), response))

    # subscriptions

    def subscribe(self, id: str, url: str, types: Sequence[str], secret: str) -> tuple[Subscription, bool]:
        """Enter a pending subscription; the same URL and types again give the one there is. True: it is new."""
        listed = to_json(sorted(set(types))).decode()
        new = self._db.execute(
            "INSERT OR IGNORE INTO subscriptions VALUES (?, ?, ?, 'pending', ?)", (id, url, listed, secret)
        ).rowcount
        row = self._db.execute("SELECT * FROM subscriptions WHERE url = ? AND types = ?", (url, listed)).fetchone()
        return _subscription(row), new == 1

    def subscription(self, id: str) -> Subscription | None:
        row = self._db.execute("SELECT * FROM subscriptions WHERE id = ?", (id,)).fetchone()
        return None if row is None else _subscription(row)

    def subscriptions(self) -> list[Subscription]:
        return [_subscription(row) for row in self._db.execute("SELECT * FROM subscriptions ORDER BY rowid")]

    def set_status(self, id: str, status: str) -> None:
        self._db.execute("UPDATE subscriptions SET status = ? WHERE id = ?", (status, id))

    def unsubscribe(self, id: str) -> None:
        self._db.execute("DELETE FROM subscriptions WHERE id = ?", (id,))

    def close(self) -> None:
        self._db.close()


def _tag(key: bytes, place: bytes) -> bytes:
    return hmac.digest(key, place, "sha256")[:6]


def _subscription(row: tuple[str, str, str, str, str]) -> Subscription:
    id, url, types, status, secret = row
    return Subscription(id, url, tuple(json.loads(types)), status, secret)
