"""The guarded connection: the file's mode, its durability, its transactions, and what happens while it is locked."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from labkit.clock import monotonic
from labkit.sqlite import BUSY_SECONDS, Database

posix = pytest.mark.skipif(os.name != "posix", reason="file modes and strace are POSIX's")
SCHEMA = "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT)"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notes.db")


@pytest.fixture
def db(path: str) -> Iterator[Database]:
    with closing(Database(path, SCHEMA)) as made:
        yield made


@contextmanager
def locked(path: str) -> Iterator[sqlite3.Connection]:
    """Another process, as good as, that is in the middle of a write."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


def note(db: Database, name: str = "a", value: str = "b") -> None:
    with db.transaction() as sql:
        sql.execute("INSERT INTO notes VALUES (?, ?)", (name, value))


# --- how it is kept


@posix
@pytest.mark.parametrize("made_before", [False, True])
def test_a_file_and_what_lies_beside_it_can_be_read_by_its_owner_alone(path: str, made_before: bool) -> None:
    """It may hold secrets. Also if somebody had made the file, open to all."""
    if made_before:
        Path(path).touch(mode=0o644)
        Path(path).chmod(0o644)
    old = os.umask(0)
    try:
        with closing(Database(path, SCHEMA)) as db:
            note(db)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in Path(path).parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"notes.db": 0o600, "notes.db-wal": 0o600, "notes.db-shm": 0o600}


def test_it_is_kept_in_wal_with_full_synchrony_by_default(path: str) -> None:
    for arguments, level in (((), 2), (("FULL",), 2), (("NORMAL",), 1), (("OFF",), 0)):
        with closing(Database(path, SCHEMA, *arguments)) as db:
            assert db.read("PRAGMA journal_mode") == [("wal",)]
            assert db.read("PRAGMA synchronous") == [(level,)]
            assert db.read("PRAGMA foreign_keys") == [(1,)]
    assert BUSY_SECONDS == 5.0
    with pytest.raises(ValueError, match="synchronous must be FULL, NORMAL or OFF, got 'EXTRA'"):
        Database(path, SCHEMA, "EXTRA")  # type: ignore[arg-type]


_COMMITS = f"""
import sys
from labkit.sqlite import Database

db = Database(sys.argv[1], {SCHEMA!r}, sys.argv[2])
for number in range(100):
    with db.transaction() as sql:
        sql.execute("INSERT INTO notes VALUES (?, 'b')", (str(number),))
"""


@pytest.mark.slow
@posix
@pytest.mark.skipif(not shutil.which("strace"), reason="strace, which counts system calls, is not installed")
def test_full_synchrony_is_a_call_of_fdatasync_for_each_commit_and_normal_is_not(path: str) -> None:
    def calls(level: str) -> int:
        log = Path(path).with_suffix(".strace")
        traced = ["strace", "-f", "-e", "trace=fdatasync,fsync", "-o", str(log), sys.executable, "-c", _COMMITS]
        said = subprocess.run([*traced, f"{path}-{level}", level], capture_output=True, timeout=60)
        if said.returncode and b"PTRACE" in said.stderr:
            pytest.skip("strace may not trace here")
        assert said.returncode == 0, said.stderr
        return len(re.findall(r"\b(?:fdatasync|fsync)\(", log.read_text()))

    assert 100 <= calls("FULL") <= 130
    assert calls("NORMAL") <= 20
    assert calls("OFF") <= 6  # of making the file


def test_what_is_no_database_is_refused_with_its_path(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(OSError, match=r"notes\.txt cannot be used as a database: file is not a database"):
        Database(str(text), SCHEMA)
    for path in (tmp_path, tmp_path / "no" / "notes.db"):
        with pytest.raises(OSError, match=re.escape(str(path))):
            Database(str(path), SCHEMA)


# --- transactions


@pytest.mark.parametrize("fails", ["inside", "after", ""])
def test_a_transaction_inside_another_is_a_part_of_it(db: Database, fails: str) -> None:
    try:
        with db.transaction() as sql:
            sql.execute("INSERT INTO notes VALUES ('outer', '')")
            with db.transaction() as inner:
                inner.execute("INSERT INTO notes VALUES ('inner', '')")
                assert fails != "inside"
            assert sql.in_transaction
            assert fails != "after"
    except AssertionError:
        assert fails
    assert db.read("SELECT name FROM notes ORDER BY name") == ([] if fails else [("inner",), ("outer",)])
    note(db)


def test_a_transaction_is_all_or_nothing_and_leaves_the_way_free(db: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), db.transaction() as sql:
        sql.executemany("INSERT INTO notes VALUES ('a', ?)", [("b",), ("c",)])
    assert db.read("SELECT * FROM notes") == []
    with ThreadPoolExecutor(1) as pool:  # another thread: the lock is free
        assert pool.submit(db.read, "SELECT 1").result(5) == [(1,)]
    note(db)
    assert db.read("SELECT * FROM notes WHERE name = ?", ("a",)) == [("a", "b")]


def test_a_commit_that_fails_leaves_no_transaction_open(db: Database) -> None:
    with db.transaction() as sql:
        sql.execute("CREATE TABLE later (n REFERENCES notes (name) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"), db.transaction() as sql:
        sql.execute("INSERT INTO later VALUES ('nothing')")  # found out at the commit
    assert db.read("SELECT * FROM later") == []
    note(db)


def test_a_transaction_holds_the_write_lock_from_its_start(db: Database, path: str) -> None:
    with closing(sqlite3.connect(path, timeout=0)) as other:
        insert = "INSERT INTO notes VALUES ('a', 'b')"
        with db.transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute(insert)
        assert other.execute(insert).rowcount == 1


def test_transactions_of_many_threads_come_one_after_another(db: Database) -> None:
    def add(number: int) -> None:
        for _ in range(25):
            with db.transaction() as sql:
                (count,) = sql.execute("SELECT count(*) FROM notes").fetchone()
                sql.execute("INSERT INTO notes VALUES (?, 'x')", (str(count),))  # fails if another had the same count

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert db.read("SELECT count(*) FROM notes") == [(200,)]


# --- locked by another process


def test_a_lock_is_waited_for_as_long_as_busy_says_and_readers_go_on(path: str) -> None:
    with closing(Database(path, SCHEMA, busy=0.5)) as db, locked(path), ThreadPoolExecutor(6) as pool:
        began = monotonic()
        asked = [pool.submit(note, db) for _ in range(6)]
        assert db.read("SELECT * FROM notes") == []
        assert monotonic() - began < 0.4
        for each in asked:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                each.result()
        assert 0.5 <= monotonic() - began < 2  # one after another they would have waited 3 s


def test_a_lock_that_goes_in_time_costs_only_the_wait(path: str) -> None:
    with closing(Database(path, SCHEMA, busy=10.0)) as db, ThreadPoolExecutor(1) as pool, locked(path) as other:
        asked = pool.submit(note, db)
        with pytest.raises(TimeoutError):
            asked.result(0.3)
        other.execute("ROLLBACK")
        asked.result(5)
        assert db.read("SELECT * FROM notes") == [("a", "b")]


def test_a_file_that_is_locked_when_it_is_opened_is_refused_in_words(path: str) -> None:
    Database(path, SCHEMA).close()
    with locked(path), pytest.raises(OSError, match=r"notes\.db cannot be used as a database: database is locked"):
        Database(path, SCHEMA, busy=0.1)
