"""Approaches designed for failure: what happens when a notice, a sync or a renewal fails."""

import json
import sqlite3
from dataclasses import replace

import pytest

from labkit import Doorbell, Event, Outage, Polling, RateLimit, Scenario, Status, poisson
from labkit.lenses import VirtualLens
from labkit.policies import RetryProfile
from labkit.receiver import Inbox, Receiver

ONCE = RetryProfile(waits=())


def happening(instants, duration):
    events = tuple(Event(f"evt_{number}", "door.opened", at, {}) for number, at in enumerate(instants, start=1))
    return replace(poisson(1, duration), events=events, duration=float(duration))


def run(scenario, approach):
    result = VirtualLens().run(scenario, approach)
    by_event, by_instant = result.little()
    assert by_event == by_instant
    return result


def latencies(result):
    return result.receipts.latency.round(6).tolist()


def of_kind(result, kind):
    return result.exchanges[result.exchanges.kind == kind]


# a doorbell -------------------------------------------------------------------------------------


def test_one_notice_stands_for_all_that_is_new_and_what_occurs_meanwhile_shares_the_next():
    """A delay of 1 s: the notice of 10.0 is answered at 14.0, and its sync is at the source at 12.0."""
    result = run(Scenario(happening([10.0, 10.5, 12.0, 12.5, 13.0, 40.0], 60), delay=1.0), Doorbell())
    assert latencies(result) == [3.0, 2.5, 1.0, 4.5, 4.0, 3.0]
    assert of_kind(result, "delivery").sent_at.tolist() == [10.0, 14.0, 40.0]
    assert of_kind(result, "fetch").new_events.tolist() == [3, 2, 1]
    assert set(result.receipts.copies) == {1}


def test_a_sync_follows_the_pages_and_is_about_no_event_in_particular():
    result = run(Scenario(happening([5.0] * 2500, 60)), Doorbell())
    fetches = of_kind(result, "fetch")
    assert fetches.new_events.tolist() == [1000, 1000, 500]
    assert set(fetches.event_id) == {""}
    assert of_kind(result, "delivery").event_id.str.startswith("bell_").all()
    assert len(of_kind(result, "delivery")) == 1


def test_a_lost_notice_delays_its_events_until_the_next_notice():
    lost = Status(kinds=("delivery",), start=0, duration=30)
    result = run(Scenario(happening([10.0, 20.0, 50.0], 60), faults=(lost,), retries=ONCE), Doorbell())
    assert latencies(result) == [40.06, 30.06, 0.06]
    assert result.row()["lost"] == 0


@pytest.mark.parametrize(("every", "lost"), [(600.0, 0), (0.0, 2)])
def test_without_another_notice_they_wait_for_a_sync_that_needs_none(every, lost):
    """And without that they are lost, if the source does not come again."""
    fault = Status(kinds=("delivery",))
    scenario = Scenario(happening([10.0, 20.0], 3600), faults=(fault,), retries=ONCE)
    result = run(scenario, Doorbell(reconcile_interval=every))
    assert result.row()["lost"] == lost
    assert result.recovered() == 2 - lost
    if every:
        assert latencies(result) == [590.04, 580.04]


def test_a_sync_that_fails_is_answered_503_and_the_source_comes_again():
    unread = Status(kinds=("fetch",), start=0, duration=12)
    result = run(Scenario(happening([10.0], 60), faults=(unread,)), Doorbell())
    assert of_kind(result, "delivery").status.tolist() == [503, 200]
    assert latencies(result) == [pytest.approx(5.14)]


def test_during_a_pause_that_the_source_requests_a_notice_is_answered_503():
    arrivals = happening([10.0, 20.0, 30.0], 60)
    result = run(Scenario(arrivals, rate_limit=RateLimit(requests=1, seconds=15)), Doorbell())
    assert of_kind(result, "fetch").status.tolist() == [200, 429, 200, 429, 200]
    assert result.row()["lost"] == 0


def test_the_cursor_stays_if_an_effect_could_not_be_stored(monkeypatch):
    """The disk is full at the second of three events: the sync is repeated, and each event has one effect."""
    record, full, effects = Inbox.record, [True], []

    def failing(self, id, *args):
        if id == "evt_2" and full:
            full.pop()
            raise sqlite3.OperationalError("database or disk is full")
        effects.append((id, new := record(self, id, *args)))
        return new

    monkeypatch.setattr(Inbox, "record", failing)
    result = run(Scenario(happening([10.0, 10.0, 10.0], 60)), Doorbell())
    assert of_kind(result, "delivery").status.tolist() == [503, 200]
    assert effects == [("evt_1", True), ("evt_1", False), ("evt_2", True), ("evt_3", True)]
    assert result.row()["duplicates"] == 2


def test_a_new_event_starts_the_schedule_of_its_notice_anew():
    """A down receiver: the old event waits 300 s for its next attempt, the new one's notice is tried again in 5 s."""
    down = Outage(start=0, duration=104)
    result = run(Scenario(happening([10.0, 100.0], 200), faults=(down,)), Doorbell())
    assert of_kind(result, "delivery").sent_at.round(2).tolist() == [10.0, 15.0, 100.0, 105.0]
    assert latencies(result) == [95.06, 5.06]


def test_it_reconciles_in_the_order_of_occurrence_and_as_a_poller_would():
    """With deliveries that all fail, a doorbell is polling."""
    scenario = Scenario(poisson(60, 7200), faults=(Status(kinds=("delivery",)),), retries=ONCE)
    rung = run(scenario, Doorbell(reconcile_interval=600))
    polled = run(replace(scenario, faults=()), Polling(interval=600, initial_delay=600))
    assert rung.receipts.received_at.tolist() == polled.receipts.received_at.tolist()


def test_a_notice_has_no_data(monkeypatch):
    bodies, handle = [], Receiver.handle

    def reading(self, headers, body, now):
        bodies.append(json.loads(body))
        return handle(self, headers, body, now)

    monkeypatch.setattr(Receiver, "handle", reading)
    run(Scenario(happening([10.0, 10.0], 60)), Doorbell())
    challenge, notice = bodies
    assert challenge["type"] == "endpoint.verify"
    assert (notice["type"], notice["data"]) == ("events.available", {})
