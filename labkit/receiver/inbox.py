"""The receiver's memory: an event has its effect once, however many copies of it arrive, and however many at once."""

import sqlite3
from collections.abc import Callable

from labkit.crash import crash_point
from labkit.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS effects (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine (id TEXT PRIMARY KEY, body BLOB NOT NULL);
"""


class Inbox:
    """A SQLite table with one row per event id, in memory or in a file; the row is the effect, or what proves it.

    `INSERT OR IGNORE` looks and writes in one statement. With a SELECT first and an INSERT after it, two copies that
    arrive at once both find nothing: 40 events that arrived 8 times at once had 293 effects.
    """

    def __init__(self, path: str = ":memory:") -> None:
        self._db = Database(path, _SCHEMA)

    def record(self, id: str, body: bytes, effect: Callable[[sqlite3.Connection], object] | None = None) -> bool:
        """Record an event, and have its effect, unless it is on record; True if it is new.

        `effect` writes through the connection that it is given: in the same transaction, so that both are there or
        neither is. Raises sqlite3.OperationalError if the file is locked or the disk full: then nothing was written.
        """
        with self._db.transaction() as sql:
            new = sql.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (id, body)).rowcount == 1
            if new and effect:
                effect(sql)
            crash_point("before the commit")
        crash_point("after the commit")
        return new

    def quarantine(self, id: str, body: bytes) -> None:
        """Keep a signed message that makes no sense, once, for a person to look at."""
        with self._db.transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO quarantine VALUES (?, ?)", (id, body))

    def effects(self) -> int:
        """How many events have had their effect."""
        return int(self._db.read("SELECT count(*) FROM effects")[0][0])

    def close(self) -> None:
        self._db.close()
