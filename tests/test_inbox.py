"""The inbox: one effect per id, written together with it or not at all."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from labkit.course.concurrency import call_concurrently
from labkit.receiver import Inbox

RECEIVER = """
from threading import Lock
from labkit.receiver import Inbox

lock, inboxes = Lock(), []

def receive(path, id):
    with lock:
        inboxes[:] = inboxes or [Inbox(path)]  # one for all threads of this process
    inboxes[0].record(id, b"x", lambda sql: sql.execute("UPDATE sent SET parcels = parcels + 1"))
"""


def test_it_says_whether_an_event_is_new_and_how_many_it_has() -> None:
    with closing(Inbox()) as inbox:
        assert [inbox.record(id, b"x") for id in ("evt_1", "evt_2", "evt_1")] == [True, True, False]
        assert inbox.effects() == 2


def test_for_one_thread_of_many_an_event_is_new() -> None:
    start = Barrier(8)

    def record(_: int) -> list[bool]:
        new = []
        for number in range(100):
            start.wait()
            new.append(inbox.record(f"evt_{number}", b"x"))
        return new

    with closing(Inbox()) as inbox, ThreadPoolExecutor(8) as pool:
        new = list(pool.map(record, range(8)))
        assert [sum(each) for each in zip(*new, strict=True)] == [1] * 100


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "threads"), [(1, 8), (2, 4)])
def test_forty_events_delivered_eight_times_at_once_have_forty_effects(
    processes: int, threads: int, tmp_path: Path
) -> None:
    """Each process has an inbox on the same file. After a restart all copies come again."""
    path, receiver = str(tmp_path / "inbox.db"), tmp_path / "receiver.py"
    receiver.write_text(RECEIVER)
    calls = [(path, f"evt_{number}") for number in range(40)]
    with closing(Inbox(path)) as inbox, closing(sqlite3.connect(path)) as parcels:
        parcels.executescript("CREATE TABLE sent (parcels); INSERT INTO sent VALUES (0)")
        for _ in ("the first start", "a restart"):
            call_concurrently(receiver, "receive", calls, processes, threads)
            assert parcels.execute("SELECT parcels FROM sent").fetchone() == (40,)
            assert inbox.effects() == 40


def test_an_effect_and_its_id_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    path = str(tmp_path / "inbox.db")

    def pay(sql: sqlite3.Connection) -> None:
        sql.execute("CREATE TABLE IF NOT EXISTS payments (n)")
        sql.execute("INSERT INTO payments VALUES (1)")

    def fail(sql: sqlite3.Connection) -> None:
        pay(sql)
        raise RuntimeError("no money")

    with closing(Inbox(path)) as inbox:
        with pytest.raises(RuntimeError, match="no money"):
            inbox.record("evt_1", b"x", fail)
        assert inbox.effects() == 0
        assert [inbox.record("evt_1", b"x", pay) for _ in range(3)] == [True, False, False]
    with closing(Inbox(path)) as again:
        assert again.record("evt_1", b"x", pay) is False
        assert again._db.read("SELECT count(*) FROM payments") == [(1,)]


def test_nonsense_is_kept_once_and_does_not_count_as_an_effect() -> None:
    with closing(Inbox()) as inbox:
        for body in (b"x", b"y"):
            inbox.quarantine("evt_1", body)
        assert inbox._db.read("SELECT * FROM quarantine") == [("evt_1", b"x")]
        assert inbox.effects() == 0
        assert inbox.record("evt_1", b"z") is True


def test_an_inbox_that_is_closed_records_nothing() -> None:
    inbox = Inbox()
    inbox.close()
    with pytest.raises(sqlite3.ProgrammingError):
        inbox.record("evt_1", b"x")
