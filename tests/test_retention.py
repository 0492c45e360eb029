"""Retention: an event is listed for so long and no longer, and a cursor that has missed one is told so: 410."""

import json
import math
import random

import httpx
import pytest
from world import World, world

from labkit import (
    Arrivals,
    Doorbell,
    Event,
    Hybrid,
    Leased,
    LongPolling,
    OnDemand,
    Outage,
    Polling,
    RealLens,
    RetryProfile,
    Scenario,
    Stream,
    VirtualLens,
    WebSocket,
)
from labkit.arrivals import EPOCH
from labkit.source.store import ExpiredError, Store, open_database

DELAY = 0.02


def emit_at(it: World, *instants: float) -> None:
    for number, at in enumerate(instants, start=1):
        it.clock.run(until=at)
        it.emit(f"evt_{number}")


def listed(answer: httpx.Response) -> list[str]:
    return [event["id"] for event in answer.json()["events"]]


# the wire ---------------------------------------------------------------------------------------


def test_a_cursor_before_an_expired_event_is_answered_410_with_the_oldest_that_has_missed_nothing() -> None:
    with world(retention=60) as it:
        emit_at(it, 10, 20, 30)
        third = it.http.get("/events?limit=2").json()["next"]
        it.clock.run(until=69.9)
        assert listed(it.http.get("/events")) == ["evt_1", "evt_2", "evt_3"]
        it.clock.run(until=80)  # evt_2 is 60 s old: no longer
        refused = it.http.get("/events")
        assert (refused.status_code, refused.headers["Content-Type"]) == (410, "application/problem+json")
        problem = refused.json()
        assert problem["title"] == "Gone" and "read on after" in problem["detail"]
        assert problem["oldest"] == third
        assert listed(it.http.get("/events", params={"after": problem["oldest"]})) == ["evt_3"]
        it.clock.run(until=1000)
        latest = it.http.get("/events", params={"after": third}).json()["oldest"]
        assert it.http.get("/events", params={"after": latest}).json() == {
            "events": [], "next": latest, "has_more": False,
        }  # fmt: skip


def test_every_way_of_reading_by_cursor_is_answered_410_and_the_feed_is_shorter() -> None:
    with world(retention=60) as it:
        shop = it.endpoint("shop")
        emit_at(it, 10, 20, 50)
        it.clock.run(until=85)
        oldest = it.http.get("/events").json()["oldest"]
        for path in ("/events?wait=5", "/stream", "/fake-stream", "/events?type=a"):
            answer = it.http.get(path)
            assert (answer.status_code, answer.json()["oldest"]) == (410, oldest), path
        assert it.http.get("/stream", headers={"Last-Event-ID": it.source.store.cursor(1)}).status_code == 410
        again = it.redeliver(shop, it.source.store.cursor(1))
        assert (again.status_code, again.json()["oldest"]) == (410, oldest)
        assert it.redeliver(shop, oldest).json() == {"redelivered": 1}
        assert listed(it.http.get("/feed")) == ["evt_3"]


def test_an_expired_event_is_erased_but_for_its_id_and_its_attempts() -> None:
    with world(retention=60) as it:
        shop = it.endpoint("shop")
        emit_at(it, 10, 20, 75)
        it.clock.run(until=76)
        assert it.source.db.read("SELECT id FROM events WHERE json = x''") == [("evt_1",)]
        gone = it.http.get("/events/evt_1")
        assert (gone.status_code, gone.json()["detail"]) == (410, "event evt_1 is older than the source keeps events")
        assert [event for event, _, _ in it.attempts(shop)] == ["evt_1", "evt_2", "evt_3"]
        with pytest.raises(ValueError, match="ids must be unique"):
            it.emit("evt_1")


def test_an_event_whose_delivery_is_pending_is_delivered_however_old_it_is() -> None:
    """The list drops it after 60 s, and the outbox keeps it for its retry after 300 s."""
    with world((300,), retention=60) as it:
        from flask import Response

        shop = it.endpoint("shop", lambda event, nth: Response(status=500 if nth == 1 else 204))
        emit_at(it, 10, 100)
        assert it.http.get("/events").status_code == 410
        assert it.http.get("/events/evt_1").status_code == 200
        it.clock.run(until=500)
        assert [event for _, event in shop.got] == ["evt_1", "evt_2", "evt_1", "evt_2"]
        assert it.counts() == (0, 2, 0)


def test_the_horizon_never_falls_when_the_clock_is_set_back() -> None:
    now = [0]
    store = Store(b"k" * 16, expired_by=lambda: now[0])
    for number in range(4):
        store.add(f"evt_{number}", "a", b"{}", 10 * number)
    seen = []
    for now[0] in (0, 15, 5, 25, 0, 99):
        seen.append(store.horizon())
    assert seen == [1, 2, 2, 3, 3, 4]


def test_a_question_that_has_been_answered_is_refused_once_its_events_have_expired() -> None:
    now = [0]
    store = Store(b"k" * 16, expired_by=lambda: now[0])
    for number in range(3):
        store.add(f"evt_{number}", "a", b"{}", 10 * number + 1)
    assert store.after(0, 100) == store.after(0, 100) == [(1, b"{}"), (2, b"{}"), (3, b"{}")]
    now[0] = 11
    with pytest.raises(ExpiredError, match="older than the source keeps them"):
        store.after(0, 100)
    assert store.after(2, 100) == [(3, b"{}")]


def test_an_event_that_is_stored_while_the_horizon_is_looked_up_is_kept(monkeypatch) -> None:
    """All others have expired: the one that comes in between must not be taken for the last of these."""
    db = open_database()
    store, read = Store(b"k" * 16, db, lambda: 5), db.read
    store.add("evt_1", "a", b"{}", 1)

    def overtaken(sql, values=()):
        rows = read(sql, values)
        monkeypatch.undo()
        store.add("evt_2", "a", b"{}", 6)
        return rows

    store._horizon = 0  # as before the first event had expired
    monkeypatch.setattr(db, "read", overtaken)
    assert store.horizon() == 1
    assert store.after(1, 100) == [(2, b"{}")]


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan])
def test_a_retention_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"retention must be (a finite number )?> 0 seconds, got"):
        Scenario(Arrivals("none", (), 10, EPOCH, {}), retention=wrong)
    with pytest.raises(ValueError, match=r"retention must be (a finite number )?> 0 seconds, got"):
        World(retention=wrong)


# approaches -------------------------------------------------------------------------------------

START, LENGTH = 1000, 2000


def outage_of(retention, approach, seed=0, lens=None, delay=DELAY, scale=1.0):
    """A Poisson stream at 1 event per 20 s, and an outage of 2,000 s."""
    chance, at, instants = random.Random(seed), 0.0, []
    while (at := round(at + chance.expovariate(1 / 20), 6)) < 4000:
        instants.append(at)
    events = tuple(Event(f"evt_{n}", "tick.happened", at, {}) for n, at in enumerate(instants))
    scenario = Scenario(
        Arrivals("made", events, 4000, EPOCH, {}), delay, retention=retention,
        retries=RetryProfile((5,)), faults=(Outage(start=START, duration=LENGTH),),
    )  # fmt: skip
    return (lens or VirtualLens()).run(scenario, approach), instants


def by_410(result):
    """The instants of the polls that were answered 410."""
    return result.exchanges[result.exchanges.status == 410].sent_at.round(6).tolist()


@pytest.mark.parametrize("retention", [600, 1500])
@pytest.mark.parametrize(
    "approach",
    [Polling(interval=60), LongPolling(wait=20), Stream(), OnDemand(interval=60)],
    ids=lambda each: each.name,
)
def test_what_a_long_outage_costs_is_what_happened_in_its_first_part_and_is_told(approach, retention):
    """Lost: what was not had before, and is `retention` old when the first request after the outage arrives."""
    result, occurred = outage_of(retention, approach)
    (told,) = by_410(result)
    first = min(at for at, error in zip(result.exchanges.sent_at, result.exchanges.error, strict=True)
                if at >= START + LENGTH and not error)  # fmt: skip
    assert told == round(first, 6)
    missing = result.receipts[result.receipts.received_at.isna()].occurred_at.tolist()
    last = max(at for at in result.receipts[result.receipts.received_at < START + LENGTH].occurred_at)
    assert missing == [at for at in occurred if last < at <= told + DELAY - retention]
    assert len(missing) == result.row()["lost"] > 10


@pytest.mark.parametrize("approach", [Polling(interval=60), Stream()], ids=lambda each: each.name)
def test_an_outage_shorter_than_the_retention_loses_nothing(approach):
    result, _ = outage_of(LENGTH + 200, approach)
    assert (result.row()["lost"], by_410(result)) == (0, [])


@pytest.mark.parametrize(
    "approach", [Hybrid(reconcile_interval=3600), Leased(ttl=9000, reconcile_interval=3600)], ids=lambda each: each.name
)
def test_a_reconciliation_rarer_than_the_retention_is_told_that_it_cannot_see_everything(approach):
    """The webhook lost the events of the outage, and the poll after an hour sees 600 s: it is told."""
    result, _ = outage_of(600, approach)
    polls = result.exchanges[(result.exchanges.kind == "poll") & (result.exchanges.method == "GET")]
    assert polls.status.tolist()[:2] == [410, 200]
    assert result.row()["lost"] > 50


def test_the_sync_of_a_doorbell_goes_on_at_the_oldest_cursor():
    """The first notice after the outage is answered 200: its sync brings the 600 s that are kept."""
    result, occurred = outage_of(600, Doorbell(reconcile_interval=0))
    (told,) = by_410(result)
    after = next(at for at in occurred if at >= START + LENGTH)
    notices = result.exchanges[(result.exchanges.kind == "delivery") & (result.exchanges.sent_at >= START + LENGTH)]
    assert notices.status.iloc[0] == 200
    assert notices.sent_at.iloc[0] <= told - DELAY <= after
    missing = result.receipts[result.receipts.received_at.isna()].occurred_at.tolist()
    assert missing == [at for at in occurred if START <= at <= told + DELAY - 600]


def untold(result, retention):
    """The missing events that no 410 accounts for: sent before the next event arrived, answered when they had expired.

    Whatever the machine did meanwhile, there are none: a stall of its own may lose events too, and a 410 says so.
    """
    gone, left = result.exchanges[result.exchanges.status == 410], []
    rows = result.receipts.sort_values("occurred_at")
    rows["next_arrival"] = rows.received_at.bfill().fillna(math.inf)
    for lost in rows[rows.received_at.isna()].itertuples():
        expired = gone.answered_at + result.machine.clock_offset_error >= lost.occurred_at + retention
        if not ((gone.sent_at <= lost.next_arrival) & expired).any():
            left.append(lost.event_id)
    return left


@pytest.mark.slow
@pytest.mark.parametrize("approach", [Polling(interval=60), WebSocket()], ids=lambda each: each.name)
def test_in_the_real_lens_it_is_the_same(approach, monkeypatch):
    """The outage is from 1 s to 3 s, and 0.6 s are kept. A stream that is quiet for 2 s is settled.

    How many 410s there are is the machine's: at speed 1,000 another event may expire between a 410 and the next poll.
    """
    monkeypatch.setattr("labkit.lenses.lifecycle.HEARTBEAT", 1.0)
    if isinstance(approach, WebSocket):  # its pause of a second cannot be divided
        events = tuple(Event(f"evt_{n}", "tick.happened", n / 10, {}) for n in range(40))
        scenario = Scenario(Arrivals("made", events, 4, EPOCH, {}), 0.0, retention=0.6,
                            faults=(Outage(start=1, duration=2),))  # fmt: skip
        real = RealLens().run(scenario, approach)
    else:
        virtual, _ = outage_of(600, approach, delay=0.0)
        assert len(by_410(virtual)) == 1
        real, _ = outage_of(600, approach, delay=0.0, lens=RealLens(speed=1000))
    assert by_410(real) and untold(real, 0.6) == []
    receipts, margin = real.receipts, real.machine.emit_lag_max + real.machine.clock_offset_error
    expired = receipts[receipts.occurred_at.between(1, 3 - 0.6 - margin)]
    assert not (expired.received_at >= 3).any()
    assert set(receipts.copies) == {0, 1}


def test_the_record_names_it():
    result, _ = outage_of(600, Polling(interval=60))
    assert json.loads(json.dumps(result.scenario.record()))["retention"] == 600
