"""Approaches designed for failure: what happens when a notice, a sync or a renewal fails."""

import json
import sqlite3
from dataclasses import replace
from functools import cache

import pytest
from test_faults import check_equal, happening, in_both_lenses

from labkit import Doorbell, Leased, Outage, Polling, RateLimit, Scenario, Status, poisson
from labkit.lenses import VirtualLens
from labkit.policies import RetryProfile
from labkit.receiver import Inbox, Receiver

ONCE = RetryProfile(waits=())


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
    """A down receiver: the notice of the new event is tried again in 5 s, then 300, not in 1800."""
    down = Outage(start=0, duration=110)
    result = run(Scenario(happening([10.0, 100.0], 200), faults=(down,)), Doorbell())
    assert of_kind(result, "delivery").sent_at.round(2).tolist() == [10.0, 15.0, 100.0, 105.0, 405.0]
    assert latencies(result) == [395.06, 305.06]


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


# a lease ----------------------------------------------------------------------------------------

HOURS = Scenario(poisson(60, 6 * 3600, seed=1))
GRANTED = -0.5 - 12 * 0.02 + 3 * 0.02
"""When the endpoint was verified last: set-up takes six delays, of which the challenge's answer needs three."""


def test_a_lease_that_is_renewed_in_time_loses_nothing():
    result = run(HOURS, Leased())
    renewals = of_kind(result, "action")
    renewals = renewals[~renewals.drain]
    assert renewals.sent_at.iloc[0] == pytest.approx(GRANTED + 3600 - 600)
    assert renewals.sent_at.diff().dropna().tolist() == pytest.approx([3000.02] * 6)
    assert renewals.path.str.fullmatch("/subscriptions/sub_[0-9a-f]+/renew").all()
    assert (set(renewals.outcome), set(renewals.event_id)) == ({"done"}, {""})
    row = result.row()
    assert (row["lost"], row["duplicates"], row["requests"]) == (0, 0, row["events"] + 7)


def test_a_renewal_that_is_forgotten_loses_every_later_event_and_nothing_fails():
    result = run(HOURS, Leased(forgotten=1))
    kept = result.receipts.received_at.notna()
    assert (kept == (result.receipts.occurred_at < GRANTED + 3600)).all()
    assert 0 < kept.sum() < len(kept)
    assert result.row()["error_requests"] == 0


def test_a_reconciling_poll_brings_what_a_forgotten_lease_misses_and_its_number_is_the_alarm():
    result = run(HOURS, Leased(forgotten=1, reconcile_interval=900))
    silent = result.receipts.occurred_at >= GRANTED + 3600
    assert result.row()["lost"] == 0
    assert result.receipts.latency[silent].mean() == pytest.approx(450, rel=0.1)
    assert result.recovered() == (silent & (result.receipts.latency > 60)).sum() > 200


def test_another_seed_forgets_another_renewal():
    lost = {run(HOURS, Leased(forgotten=0.3, seed=seed)).row()["lost"] for seed in range(4)}
    assert len(lost) > 1


def test_a_renewal_that_fails_is_tried_again_before_the_lease_ends():
    """The source is down when it is due, for less than the 600 s that are left."""
    due = GRANTED + 3000
    result = run(replace(HOURS, faults=(Outage(target="source", start=due - 10, duration=310),)), Leased())
    renewals = of_kind(result, "action")
    assert renewals.sent_at.head(7).tolist() == pytest.approx([due + 60 * n for n in range(6)] + [due + 3300.02])
    assert renewals.outcome.head(7).tolist() == ["error"] * 5 + ["done"] * 2
    assert result.row()["lost"] == 0


def test_a_lease_that_ended_is_verified_again_and_only_what_occurred_in_between_is_lost():
    down = Status(kinds=("action",), start=2000, duration=3000)
    result = run(replace(HOURS, faults=(down,)), Leased())
    actions = of_kind(result, "action")
    back = actions[actions.path.str.endswith("/verify")]
    assert len(back) == 1
    assert actions.status.loc[: back.index[0]].tolist()[-3:] == [503, 410, 200]
    ended, again = GRANTED + 3600, back.sent_at.iloc[0] + 3 * 0.02  # the challenge has come back
    assert 5000 < again < 5061
    inside = (result.receipts.occurred_at >= ended) & (result.receipts.occurred_at < again)
    assert (result.receipts.received_at.isna() == inside).all()
    assert inside.sum() > 10


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Leased(ttl=0), "ttl must be from 1e-06 to 2.592e+06 seconds, got 0"),
        (lambda: Leased(ttl=3e6), "ttl must be from 1e-06 to 2.592e+06 seconds, got 3000000.0"),
        (lambda: Leased(ttl=600), "renew_before must be >= 0 and < 600 seconds, the ttl, got 600.0"),
        (lambda: Leased(renew_before=-1), "renew_before must be from 0 to 1e+09 seconds, got -1"),
        (lambda: Leased(retry_wait=0), "retry_wait must be from 1e-06 to 1e+09 seconds, got 0"),
        (lambda: Leased(forgotten=1.5), "forgotten must be from 0 to 1 of the renewals, got 1.5"),
        (lambda: Doorbell(reconcile_interval=-1), "reconcile_interval must be from 0 to 1e+09 seconds, got -1"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name_and_value(made, said):
    with pytest.raises(ValueError) as caught:
        made()
    assert str(caught.value) == said


# on both clocks ---------------------------------------------------------------------------------

BROKEN = {
    "doorbell, the receiver down": (Doorbell(), Outage(target="receiver", start=0.9, duration=0.7)),
    "doorbell, its syncs answered 503": (Doorbell(), Status(kinds=("fetch",), start=0.9, duration=0.7)),
    "leased, the source down": (
        Leased(ttl=1.0, renew_before=0.4, retry_wait=0.5, reconcile_interval=2.85),
        Outage(target="source", start=0.9, duration=1.1),
    ),
}


@cache
def both():
    scenario = Scenario(
        happening([0.3, 0.5, 0.98, 1.34, 1.4, 1.75, 2.4, 2.5], 3.2),
        delay=0.0,
        retries=RetryProfile(waits=(0.45, 0.8, 1.8), timeout=1.0),
    )
    jobs = {name: (replace(scenario, faults=(fault,)), approach) for name, (approach, fault) in BROKEN.items()}
    return in_both_lenses(jobs, at_a_time=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_fault_gives_the_same_receipts_and_exchanges_on_both_clocks(name):
    ours, theirs = both()[name]
    check_equal(ours, theirs)
    assert theirs.row()["error_requests"] > 0
