"""The source on a file: it outlives the process, and 503 is answered while it is locked or the disk full."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path

import httpx
import pytest

from labkit.clock import monotonic
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.store import Store, open_database
from labkit.sqlite import Database

posix = pytest.mark.skipif(os.name != "posix", reason="resource limits are POSIX's")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "source.db"


@contextmanager
def served(database: Database) -> Iterator[httpx.Client]:
    """A source on that database, and a client of it."""
    with closing(EventSource(db=database)) as source, serve(source.app) as server:
        client = httpx.Client(base_url=server.url, trust_env=False, timeout=20)
        with client:
            yield client


def emit(client: httpx.Client, data: object = "x") -> httpx.Response:
    return client.post("/events", json={"type": "a", "data": {"x": data}})


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as other:
        return int(other.execute("SELECT count(*) FROM events").fetchone()[0])


def sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as other:
        return other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# --- how it is kept


def test_what_one_process_wrote_the_next_one_reads_its_cursors_too(path: Path) -> None:
    code = (
        "import sys; from labkit.source import EventSource; from labkit.source.store import open_database;"
        "source = EventSource(db=open_database(sys.argv[1])); [source.emit('a', {}, f'evt_{n}') for n in range(5)];"
        "print(source.store.cursor(3))"
    )
    said = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True, timeout=60)
    cursor = said.stdout.decode().strip()
    for _ in range(2):  # and the one after that
        with served(open_database(str(path))) as client:
            page = client.get("/events", params={"after": cursor}).json()
            assert [event["id"] for event in page["events"]] == ["evt_3", "evt_4"]
            forged = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
            assert client.get("/events", params={"after": forged}).status_code == 400
    assert sound(path)


def test_a_cursor_of_one_file_is_none_of_another(path: Path) -> None:
    with closing(open_database(str(path))) as one, closing(open_database(f"{path}-2")) as two:
        cursor = Store(os.urandom(16), one).cursor(3)
        with pytest.raises(ValueError, match="is not one of this source's"):
            Store(os.urandom(16), two).place(cursor)


# --- an answer is kept until the next event is stored


def test_an_answer_is_that_of_a_new_query_however_often_and_whatever_was_asked_before(path: Path) -> None:
    with closing(open_database(str(path))) as db:
        store, kept = Store(b"k" * 16, db), []
        for number in range(1, 8):
            store.add(f"evt_{number}", "ab"[number % 2], b"%d" % number, number)
            kept.append((number, b"%d" % number, "ab"[number % 2]))
            with pytest.raises(ValueError, match="ids must be unique"):
                store.add("evt_1", "a", b"again", number)  # rolled back
            for place, limit, types in product(range(number + 1), (1, 3, 100), ((), ("a",), ("b",), ("a", "b"))):
                wanted = [(seq, json) for seq, json, type in kept if seq > place and type in (types or "ab")]
                assert [store.after(place, limit, types) for _ in range(2)] == [wanted[:limit]] * 2


def test_an_event_that_is_stored_while_rows_are_read_is_in_the_next_answer(path: Path, monkeypatch) -> None:
    with closing(open_database(str(path))) as db:
        store, read = Store(b"k" * 16, db), db.read

        def overtaken(sql: str, values: tuple[object, ...]) -> list[object]:
            rows = read(sql, values)
            monkeypatch.undo()
            store.add("evt_1", "a", b"{}", 1)
            return rows

        monkeypatch.setattr(db, "read", overtaken)
        assert store.after(0, 100) == []
        assert store.after(0, 100) == [(1, b"{}")]


def test_who_asks_during_a_transaction_is_told_of_its_event_only_if_it_is_committed(path: Path) -> None:
    with closing(open_database(str(path))) as db, ThreadPoolExecutor(1) as pool:
        store = Store(b"k" * 16, db)
        for commits, wanted in ((False, []), (True, [(1, b"{}")])):
            with suppress(ZeroDivisionError), db.transaction() as sql:
                store.insert(sql, "evt_1", "a", b"{}", 1)
                asked = pool.submit(store.after, 0, 100)
                with pytest.raises(TimeoutError):
                    asked.result(0.05)
                1 / commits  # False ends the transaction
            assert asked.result() == store.after(0, 100) == wanted


# --- locked


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """A process of somebody else's, as good as, that is in the middle of a write."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


def test_while_another_process_writes_the_answer_is_503_within_the_busy_timeout(path: Path) -> None:
    """For all who ask at once: they do not queue up for it, a timeout each. Reading goes on meanwhile."""
    with served(open_database(str(path), busy=1.0)) as client:
        assert emit(client).status_code == 201
        with locked(path), ThreadPoolExecutor(8) as pool:
            began = monotonic()
            asked = [pool.submit(emit, client) for _ in range(6)]
            reading = monotonic()
            assert len(client.get("/events").json()["events"]) == 1
            assert monotonic() - reading < 0.9
            answers = [each.result() for each in asked]
            took = monotonic() - began
        assert [answer.status_code for answer in answers] == [503] * 6
        assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
        assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
        assert "locked" in answers[0].json()["detail"]
        assert 1.0 <= took < 4  # one after the other they would have taken 6
        assert emit(client).status_code == 201
    assert (count(path), sound(path)) == (2, True)


@pytest.mark.parametrize("what", ["subscribe", "unsubscribe", "redeliver", "verify"])
def test_every_write_is_answered_503_while_the_file_is_locked(path: Path, what: str) -> None:
    source = EventSource(db=open_database(str(path), busy=0.0))
    subscription, _ = source.subscribe("http://127.0.0.1:9/hook", [])
    source.verified(subscription)
    http, url = source.app.test_client(), f"/subscriptions/{subscription.id}"
    with closing(source), locked(path):
        answer = {
            "subscribe": lambda: http.post("/subscriptions", json={"url": "http://127.0.0.1:8/"}),
            "unsubscribe": lambda: http.delete(url),
            "redeliver": lambda: http.post(f"{url}/redeliver", json={"since": ""}),
            "verify": lambda: http.post(f"{url}/verify"),
        }[what]()
        expected = 422 if what == "verify" else 503  # nobody listens there, and that is found out first
        assert answer.status_code == expected
        assert [each.status for each in source.store.subscriptions()] == ["active"]


# --- full


def test_a_full_disk_is_503_and_nothing_is_stored_and_then_it_recovers(path: Path) -> None:
    database = open_database(str(path))
    with served(database) as client:
        stored = [emit(client).json()["id"]]
        (pages,) = database.read("PRAGMA page_count")[0]
        database.read(f"PRAGMA max_page_count = {pages + 20}")
        full = False
        for number in range(200):
            answer = emit(client, "x" * 2000)
            assert answer.status_code == (503 if full else 201) or answer.status_code == 503
            full = full or answer.status_code == 503
            if answer.status_code == 201:
                stored.append(answer.json()["id"])
            elif number % 50 == 0:
                assert answer.headers["Retry-After"] == "1"
                assert "full" in answer.json()["detail"]
        assert full
        listed = [event["id"] for event in client.get("/events?limit=1000").json()["events"]]
        assert listed == stored  # readable all the while, and no more than was promised
        database.read("PRAGMA max_page_count = 1000000")
        stored.append(emit(client, "x" * 2000).json()["id"])
    with served(open_database(str(path))) as client:
        assert [event["id"] for event in client.get("/events?limit=1000").json()["events"]] == stored
    assert sound(path)


_LIMITED = """
import resource, signal, sys
from labkit.source import EventSource
from labkit.source.store import open_database

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = EventSource(db=open_database(sys.argv[1]))
http, stored = source.app.test_client(), []
def emit():
    answer = http.post("/events", json={"type": "a", "data": {"x": "x" * 2000}})
    if answer.status_code == 201:
        stored.append(answer.json["id"])
    return answer.status_code
assert emit() == 201
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
statuses = [emit() for _ in range(200)]
assert set(statuses) == {201, 503}, set(statuses)
assert statuses[-1] == 503
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert emit() == 201
assert [event["id"] for event in http.get("/events?limit=1000").json["events"]] == stored
source.close()
print(len(stored))
"""


@posix
def test_a_write_that_the_system_refuses_is_503_too_and_leaves_no_transaction_open(path: Path) -> None:
    """RLIMIT_FSIZE makes the very write of the commit fail."""
    said = subprocess.run([sys.executable, "-c", _LIMITED, str(path)], capture_output=True, timeout=60)
    assert said.returncode == 0, said.stderr.decode()
    assert count(path) == int(said.stdout)
    assert sound(path)


# --- one source per file


_HOLDER = """
import sys
from labkit.source.store import open_database

database = open_database(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_source_on_a_file_is_refused_with_the_reason(path: Path) -> None:
    """In this process, and in another; when the first one has closed it, the file is free."""
    said = re.escape(f"{path} is in use by another source: end that one, or use another file")
    with closing(open_database(str(path))), pytest.raises(OSError, match=said):
        open_database(str(path))
    with closing(open_database(str(path))):
        refused = subprocess.run([sys.executable, "-m", "labkit", "serve", "source", "--db", str(path)],
                                 stdin=subprocess.PIPE, capture_output=True, timeout=60)  # fmt: skip
        assert refused.returncode == 2
        assert re.search(said, refused.stderr.decode())


def test_a_crash_releases_the_file_at_once(path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None and one.stdout.readline() == b"open\n"
        with pytest.raises(OSError, match="in use by another source"):
            open_database(str(path))
        one.kill()
    with closing(open_database(str(path))):
        pass


def test_anybody_may_read_the_file_of_a_source_and_the_lock_is_the_owners_alone(path: Path) -> None:
    with closing(open_database(str(path))), closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (0,)
        lock = Path(f"{path}.lock")
        assert lock.stat().st_size == 0
        if os.name == "posix":
            assert lock.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_not_kept_locked(path: Path) -> None:
    path.write_bytes(b"no database, but a text " * 50)
    for _ in range(2):
        with pytest.raises(OSError, match="cannot be used as a database"):
            open_database(str(path))
