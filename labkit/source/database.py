"""The source's SQLite file: one connection, one writer, and transactions that are all or nothing."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from threading import RLock
from typing import Any, Literal

Synchronous = Literal["FULL", "NORMAL", "OFF"]
BUSY_SECONDS = 5.0
"""For which a transaction waits for another process's; then sqlite3.OperationalError, and a 503."""


class Database:
    """A SQLite database, in a file or in memory (the default), with the tables of `schema.sql`.

    WAL, so that readers of the file do not stop the writer; `synchronous=FULL`, so that what is committed has reached
    the disk when `transaction` ends. A file can be read by its owner alone: it holds secrets.
    """

    def __init__(self, path: str = ":memory:", synchronous: Synchronous = "FULL") -> None:
        if synchronous not in ("FULL", "NORMAL", "OFF"):
            raise ValueError(f"synchronous must be FULL, NORMAL or OFF, got {synchronous!r}")
        if path != ":memory:":
            Path(path).touch(mode=0o600)
        self._lock = RLock()
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {synchronous}")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(files("labkit.source").joinpath("schema.sql").read_text(encoding="utf-8"))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that takes the write lock at once: `with db.transaction() as sql: sql.execute(…)`.

        Never sleep inside: another task would find it open.
        """
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a SELECT."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._db.close()
