"""The outbox: an event and its deliveries together or not at all, leases, and one claim at a time (P1)."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork
from labkit.policies import RetryProfile
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.health import Health
from labkit.source.outbox import Delivery, Outbox
from labkit.source.store import Store, open_database

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LEASE = 60


class Office:
    """A store with its outbox, and two endpoints; instants are small whole numbers."""

    def __init__(self, path: str = ":memory:", endpoints: int = 2) -> None:
        self.db = open_database(path, "OFF")
        self.store, self.outbox = Store(b"k" * 16, self.db), Outbox(self.db)
        for number in range(endpoints):
            self.store.subscribe(f"sub_{number}", f"http://shop-{number}/", [], SECRET, "full", (1, 0.0))
            self.activate(f"sub_{number}")

    def activate(self, id: str) -> None:
        Health(self.db, self.store, RetryProfile()).verified(id, now=0)

    def add(self, *ids: str, now: int = 0) -> None:
        for id in ids:
            self.store.add(id, "a", b"{}", now)

    def claim(self, now: int = 0, in_flight: int = 100) -> list[Delivery]:
        return [delivery for request in self.outbox.claim(now, LEASE, in_flight) for delivery in request]

    def states(self) -> dict[tuple[str, str], str]:
        rows = self.db.read("SELECT subscription, id, status FROM deliveries JOIN events USING (seq)")
        return {(subscription, id): status for subscription, id, status in rows}


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    with closing(made.db):
        yield made


def names(deliveries: list[Delivery]) -> list[tuple[str, str]]:
    return [(delivery.subscription.id, delivery.event_id) for delivery in deliveries]


# --- the event and its deliveries are one


@pytest.mark.parametrize("table", ["deliveries", "idempotency"])
@pytest.mark.parametrize("kind", ["ABORT", "FAIL", "ROLLBACK"])
def test_if_a_later_row_fails_the_event_is_not_there_either(table: str, kind: str) -> None:
    """The second of its deliveries, or its idempotency key. Nobody is told that it was stored."""
    clock = VirtualClock()
    source = EventSource(clock, MemoryNetwork(clock, Ledger()), random.Random(0))
    http = source.network.client("me", "setup", source.network.host("source", source.app))
    with closing(source.db), clock:
        for number in range(2):
            subscription, _ = source.subscribe(f"http://shop-{number}/", [])
            source.verified(subscription)
        when = "WHEN (SELECT count(*) FROM deliveries) = 1" if table == "deliveries" else ""
        with source.db.transaction() as sql:
            sql.execute(f"CREATE TRIGGER no BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE({kind}, 'no'); END")
        with pytest.raises(sqlite3.Error, match="no"):
            source.emit("a", {}, "evt_1", key="k", body=b"{}")
        assert http.post("/events", json={"type": "a", "data": {}}, headers={"Idempotency-Key": "k"}).status_code >= 500
        for rows in ("events", "deliveries", "idempotency"):
            assert source.db.read(f"SELECT * FROM {rows}") == []
        with source.db.transaction() as sql:
            sql.execute("DROP TRIGGER no")
        source.emit("a", {}, "evt_1", key="k", body=b"{}")
        assert source.outbox.counts()["pending"] == 2


def test_an_event_is_due_at_once_to_each_active_endpoint_that_wants_it(office: Office) -> None:
    office.store.subscribe("sub_new", "http://new/", [], SECRET, "full", (1, 0.0))
    office.store.subscribe("sub_b", "http://b/", ["b"], SECRET, "full", (1, 0.0))
    office.activate("sub_b")
    office.add("evt_1")
    assert names(office.claim()) == [("sub_0", "evt_1"), ("sub_1", "evt_1")]


# --- leases


def test_what_is_claimed_is_not_claimed_again_until_its_lease_has_run_out(office: Office) -> None:
    office.add("evt_1")
    claimed = office.claim(0)
    assert [office.claim(at) for at in (0, 1, LEASE - 1)] == [[], [], []]
    assert office.outbox.next_due(0) == LEASE
    assert office.claim(LEASE) == claimed
    assert office.claim(LEASE) == []


def test_a_delivery_is_not_claimed_before_it_is_due(office: Office) -> None:
    office.add("evt_1")
    for delivery in office.claim(0):
        office.outbox.finish(delivery, 0, 500, "", "pending", due_at=300)
    assert office.outbox.next_due(0) == 300
    assert office.claim(299) == []
    assert [delivery.attempt for delivery in office.claim(300)] == [2, 2]


def test_claims_at_once_from_many_threads_never_share_a_delivery(tmp_path: Path) -> None:
    office = Office(str(tmp_path / "source.db"), endpoints=3)
    office.add(*(f"evt_{number}" for number in range(60)))
    start = Barrier(8)

    def claim_all(_: int) -> list[tuple[str, str]]:
        start.wait()
        return [name for limit in range(1, 61) for name in names(office.claim(0, limit))]

    with closing(office.db), ThreadPoolExecutor(8) as pool:
        taken = Counter(name for mine in pool.map(claim_all, range(8)) for name in mine)
        assert set(taken.values()) == {1}
        assert len(taken) == 180


def test_every_lease_is_returned_when_the_file_is_opened_again(tmp_path: Path) -> None:
    """Whoever held them has died: there is nothing to wait for."""
    path = str(tmp_path / "source.db")
    first = Office(path)
    with closing(first.db):
        first.add("evt_1", "evt_2")
        assert len(first.claim(0)) == 4
    again = Office(path)
    with closing(again.db):
        assert len(again.claim(1)) == 4


def test_the_longest_due_goes_first_and_each_endpoint_has_its_own_places(office: Office) -> None:
    office.add("evt_1", now=3)
    office.add("evt_2", now=1)
    office.add("evt_3", now=2)
    assert names(office.claim(9, in_flight=2)) == [
        ("sub_0", "evt_2"),
        ("sub_1", "evt_2"),
        ("sub_0", "evt_3"),
        ("sub_1", "evt_3"),
    ]
    assert office.claim(9, in_flight=2) == []
    assert names(office.claim(9, in_flight=3)) == [("sub_0", "evt_1"), ("sub_1", "evt_1")]


def test_a_limit_that_is_lowered_below_what_is_under_way_claims_nothing(office: Office) -> None:
    office.add("evt_1", "evt_2", "evt_3")
    assert len(office.claim(0, in_flight=2)) == 4
    assert office.claim(0, in_flight=1) == []


@pytest.mark.parametrize("due_at", [0, 10**12])
def test_a_claim_takes_no_longer_for_a_long_backlog(due_at: int) -> None:
    """One that has no place in flight, or waits for its retry (P5): counted in steps of SQLite's, not in seconds."""

    def steps(backlog: int) -> int:
        office, taken = Office(), []
        with closing(office.db):
            office.store.unsubscribe("sub_1")
            office.add(*(f"evt_{number}" for number in range(backlog)), now=due_at)
            office.store.subscribe("sub_2", "http://shop-2/", [], SECRET, "full", (1, 0.0))
            office.activate("sub_2")
            office.claim(0, in_flight=5)
            office.add("evt_new", now=1)
            office.db._db.set_progress_handler(lambda: taken.append(1), 10)
            assert ("sub_2", "evt_new") in names(office.claim(1, in_flight=5))
            office.outbox.next_due(1)
            office.db._db.set_progress_handler(None, 0)
        return len(taken)

    assert steps(2000) <= 1.5 * steps(50)


# --- one answer under one key


@pytest.mark.slow
def test_two_requests_at_once_under_one_key_are_one_event() -> None:
    source = EventSource()
    start = Barrier(2)

    def post(body: str, key: str) -> tuple[int, bytes]:
        start.wait()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = httpx.post(f"{server.url}/events", content=body, headers=headers, trust_env=False)
        return answer.status_code, answer.content

    with closing(source), serve(source.app) as server, ThreadPoolExecutor(2) as pool:
        for number in range(30):
            same = f'{{"type": "a", "data": {{"n": {number}}}}}'
            one, other = pool.map(post, [same, same], [f"key-{number}"] * 2)
            assert one == other and one[0] == 201
        assert source.db.read("SELECT count(*) FROM events") == [(30,)]
        for number in range(30):
            bodies = [f'{{"type": "a", "data": {{"n": {n}}}}}' for n in (1, 2)]
            assert sorted(status for status, _ in pool.map(post, bodies, [f"other-{number}"] * 2)) == [201, 422]
        assert source.db.read("SELECT count(*) FROM events") == [(60,)]


# --- any order of things, against a model in plain Python (P1)


class OutboxMachine(RuleBasedStateMachine):
    """The outbox on a file that is closed and opened again at will, and what a dict says that it should hold."""

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.now = 0
        self.office = Office(f"{self.folder.name}/source.db")
        self.active = {"sub_0", "sub_1"}
        self.gone: set[str] = set()
        self.events: list[str] = []
        self.model: dict[tuple[str, str], dict[str, Any]] = {}
        self.claimed: list[Delivery] = []

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.db.close()
            self.folder.cleanup()

    @rule()
    def emit(self) -> None:
        id = f"evt_{len(self.events)}"
        self.office.add(id, now=self.now)
        for name in sorted(self.active):
            self.model[name, id] = {"status": "pending", "due": self.now, "leased": 0, "attempts": 0, "earlier": 0}
        self.events.append(id)

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(in_flight=st.integers(1, 4))
    def claim(self, in_flight: int) -> None:
        expected = []
        for name in ("sub_0", "sub_1"):
            mine = [(key, row) for key, row in self.model.items() if key[0] == name and row["status"] == "pending"]
            flying = sum(row["leased"] > self.now for _, row in mine)
            due = [(key, row) for key, row in mine if row["due"] <= self.now and row["leased"] <= self.now]
            due.sort(key=lambda each: (each[1]["due"], self.events.index(each[0][1])))
            for key, row in due[: max(0, in_flight - flying)]:
                row["leased"] = self.now + LEASE
                expected.append((*key, row["attempts"] + 1, row["attempts"] + 1 - row["earlier"]))
        claimed = self.office.claim(self.now, in_flight)
        found = [(each.subscription.id, each.event_id, each.attempt, each.step) for each in claimed]
        assert sorted(found) == sorted(expected)
        self.claimed += claimed

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "dead", "pending"]), wait=st.integers(0, 200))
    def finish(self, data: st.DataObject, outcome: str, wait: int) -> None:
        """Also what was claimed long ago, and by a process that has died."""
        delivery = self.claimed.pop(data.draw(st.integers(0, len(self.claimed) - 1)))
        again_at = self.now + wait if outcome == "pending" else None
        self.office.outbox.finish(delivery, self.now, 200, "", outcome, again_at)
        row = self.model.get((delivery.subscription.id, delivery.event_id))
        if row:
            row["attempts"] += 1
            row["leased"] = 0
            row["due"] = row["due"] if again_at is None else again_at
            if row["status"] == "pending" or outcome == "delivered":
                row["status"] = outcome

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.active)))
        after = data.draw(st.integers(0, len(self.events)))
        subscription = self.office.store.subscription(name)
        assert subscription
        assert self.office.outbox.redeliver(subscription, after, self.now) == len(self.events) - after
        for id in self.events[after:]:
            row = self.model.setdefault((name, id), {"status": "none", "due": 0, "leased": 0, "attempts": 0})
            if row["status"] != "pending" or row["leased"] <= self.now:
                row.update(status="pending", due=self.now, leased=0, earlier=row["attempts"])

    @precondition(lambda self: "sub_1" in self.active and len(self.events) > 4)
    @rule()
    def end(self) -> None:
        self.office.outbox.end("sub_1")
        self.active.discard("sub_1")
        for (name, _), row in self.model.items():
            if name == "sub_1" and row["status"] == "pending":
                row["status"] = "dead"

    @precondition(lambda self: "sub_1" not in self.active)
    @rule()
    def unsubscribe(self) -> None:
        self.office.store.unsubscribe("sub_1")
        self.model = {key: row for key, row in self.model.items() if key[0] != "sub_1"}

    @rule()
    def reopen(self) -> None:
        self.office.db.close()
        self.office.db = open_database(f"{self.folder.name}/source.db", "OFF")
        self.office.store, self.office.outbox = Store(b"x" * 16, self.office.db), Outbox(self.office.db)
        for row in self.model.values():
            if row["status"] == "pending":
                row["leased"] = 0

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "office"):
            return
        assert self.office.states() == {key: row["status"] for key, row in self.model.items()}
        later = [
            at
            for row in self.model.values()
            if row["status"] == "pending"
            for at in (row["due"], row["leased"])
            if at > self.now
        ]
        assert self.office.outbox.next_due(self.now) == min(later, default=None)
        attempts = Counter(id for name in ("sub_0", "sub_1") for id, *_ in self.office.outbox.attempts(name))
        expected: Counter[str] = Counter()
        for (_, id), row in self.model.items():
            expected[id] += row["attempts"]
        assert attempts == expected


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
