"""One guarded SQLite connection: transactions that are all or nothing, one at a time, whichever thread asks."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, RLock
from typing import Any, Literal

from labkit.clock import monotonic

Synchronous = Literal["FULL", "NORMAL", "OFF"]
BUSY_SECONDS = 5.0
"""Seconds for which a transaction waits for another process's; then it raises sqlite3.OperationalError."""


class Database:
    """A SQLite database with the tables of `schema`, in a file or, by default, in memory.

    WAL, so that readers of the file do not stop the writer; `synchronous=FULL`, so that what is committed has reached
    the disk when `transaction` ends: 100 commits are 100 calls of fdatasync, and 8 at NORMAL. Only its owner can read
    the file: it may hold secrets. Raises OSError, with the path, if the file cannot be opened or is no database.

    `owner`, such as "source", is the only one of its name on the file: a second one is refused with OSError. It holds
    a lock on a file beside it, which the operating system releases when its process ends, however it ends.
    """

    def __init__(
        self, path: str, schema: str, synchronous: Synchronous = "FULL", busy: float = BUSY_SECONDS, owner: str = ""
    ) -> None:
        if synchronous not in ("FULL", "NORMAL", "OFF"):
            raise ValueError(f"synchronous must be FULL, NORMAL or OFF, got {synchronous!r}")
        if path != ":memory:":
            Path(path).touch(mode=0o600)
            Path(path).chmod(0o600)
        self._lock, self._busy = RLock(), busy
        self._owned = own(path, owner) if owner and path != ":memory:" else None
        try:
            self._db = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
            pragmas = f"PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;"
            self._db.executescript(pragmas + schema)
            self._db.executescript("BEGIN IMMEDIATE; COMMIT")  # a file that cannot be written is refused now
            self._db.execute("PRAGMA busy_timeout = 0")  # from here on, _begin does the waiting
        except sqlite3.Error as error:
            if self._owned:
                self._owned.close()
            raise OSError(f"{path} cannot be used as a database: {error}") from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that takes the write lock at once: `with db.transaction() as sql: sql.execute(…)`.

        One inside another is a part of it. Never sleep inside: another task would find it open.
        """
        with self._lock:
            if self._db.in_transaction:  # this thread's own, since it has the lock
                yield self._db
                return
        self._begin()
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk may have rolled it back already
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._lock.release()

    def _begin(self) -> None:
        """Take the lock and start a transaction. While another process has one, our own readers get the lock."""
        until = monotonic() + self._busy
        while True:
            self._lock.acquire()
            try:
                self._db.execute("BEGIN IMMEDIATE")
                return
            except BaseException as error:
                self._lock.release()
                locked = isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY
                if not locked or monotonic() >= until:
                    raise
            Event().wait(0.01)

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a SELECT."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._db.close()
            if self._owned:
                self._owned.close()

    def __del__(self) -> None:
        if hasattr(self, "_db"):  # an owner that forgot to close it: the interpreter would complain from 3.13 on
            self.close()


def own(path: str | Path, owner: str) -> sqlite3.Connection:
    """Lock the file `path`.lock, an empty database, until the connection is closed or the process ends.

    Raises OSError, with the path, if another `owner` has it.

    SQLite's own lock is taken, since it has one for each system (POSIX's fcntl, Windows' LockFileEx).
    """
    file = f"{Path(path).resolve()}.lock"  # one for all names of the file
    Path(file).touch(mode=0o600)
    lock = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        raise OSError(f"{path} is in use by another {owner}: end that one, or use another file") from None
    return lock
