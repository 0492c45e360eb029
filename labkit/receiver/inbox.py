"""Where a receiver keeps what it was told: an effect happens once per event, however many deliveries arrive."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from labkit.crash import crash_point

_SCHEMA = """
CREATE TABLE IF NOT EXISTS effects (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine (id TEXT PRIMARY KEY, body BLOB NOT NULL);
"""
Effect = Callable[[sqlite3.Connection], object]


class Inbox:
    """A SQLite table with one row per event id, in memory or in a file; the row is the effect, or what proves it.

    `INSERT OR IGNORE` decides and acts in one statement. SELECT first and INSERT after it, and two deliveries at once
    both find nothing.
    """

    def __init__(self, path: str = ":memory:") -> None:
        if path != ":memory:":
            Path(path).touch(mode=0o600)
        self._lock = Lock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OSError(f"{path} cannot be used as a database: {error}") from None

    def take(self, id: str, body: bytes, effect: Effect | None = None) -> bool:
        """Have the effect of an event, unless it was had; True if it is the first time.

        `effect`, where there is one, writes through the connection that it is given: in the same transaction, so that
        both are there or neither is.
        """
        with self._transaction() as sql:
            first = sql.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (id, body)).rowcount == 1
            if first and effect:
                effect(sql)
            crash_point("before the commit")
        crash_point("after the commit")
        return first

    def quarantine(self, id: str, body: bytes) -> None:
        """Keep a signed message that makes no sense, once, for somebody to look at."""
        with self._transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO quarantine VALUES (?, ?)", (id, body))

    def effects(self) -> int:
        """How many events have had their effect."""
        with self._lock:
            count: int = self._db.execute("SELECT count(*) FROM effects").fetchone()[0]
        return count

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __del__(self) -> None:
        if hasattr(self, "_db"):  # an owner that forgot to close it: the interpreter would complain from 3.13 on
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
