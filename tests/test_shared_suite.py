"""What every approach keeps to, on both clocks. A new one joins by being in `labkit.APPROACHES`.

The scenario is ten minutes, and everybody's times are divided by 300: the real lens takes two seconds for it.
"""

import math
import random
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest

from labkit import APPROACHES, Event, LostAnswer, Scenario, VirtualClock, poisson
from labkit.ledger import Ledger
from labkit.lenses import RealLens, VirtualLens
from labkit.lenses.scaling import scaled
from labkit.receiver import Inbox
from labkit.server import Server

SPEED = 300
LENSES = {"virtual": VirtualLens(), "real": RealLens()}
OF = {lens: [name for name, approach in APPROACHES.items() if lens in approach.lenses] for lens in LENSES}


def scenario_of(name, delay=0.0):
    """A hundred events, about, and an approach with the parameters that it has by default.

    The source waits for 5 s and not for 30/300 s, in which a busy machine may be late.
    """
    scenario, approach = scaled(Scenario(poisson(600, 600), delay=0.0), APPROACHES[name](), SPEED)
    return Scenario(scenario.arrivals, delay, retries=replace(scenario.retries, timeout=5.0)), approach


def observed(lens, scenario, approach):
    """A run, the ids that had their effect in it, and how many requests the servers counted."""
    effects, requests = [], []
    with pytest.MonkeyPatch.context() as patch:
        record, call_app = Inbox.record, Server.call_app

        def recording(self, id, *args):
            new = record(self, id, *args)
            if new:
                effects.append((self, id))
            return new

        patch.setattr(Inbox, "record", recording)
        patch.setattr(Server, "call_app", lambda self, *args: (requests.append(self), call_app(self, *args))[1])
        result = lens.run(scenario, approach)
    return result, effects, len(requests)


@cache
def run(lens, name):
    return observed(LENSES[lens], *scenario_of(name))


RUNS = [
    pytest.param((lens, name), marks=[pytest.mark.slow] if lens == "real" else [], id=f"{lens}-{name}")
    for lens in LENSES
    for name in OF[lens]
]


@pytest.fixture(params=RUNS)
def ran(request):
    return run(*request.param)


@pytest.fixture
def result(ran):
    return ran[0]


def test_nothing_is_received_before_it_happened(result):
    assert len(result.receipts) > 60
    assert (result.receipts.latency >= 0).all()


def test_nothing_is_lost_once_a_run_is_settled(result):
    row = result.row()
    assert (row["lost"], row["received"]) == (0, row["events"])
    assert result.receipts.received_at.notna().all()


def test_what_happened_is_what_was_received(result):
    """By id, each at its instant, as the scenario has them."""
    expected = [(event.id, event.occurred_at) for event in result.scenario.arrivals.events]
    assert list(zip(result.receipts.event_id, result.receipts.occurred_at, strict=True)) == expected


def test_nothing_is_doubled(ran):
    """Without a fault nothing arrives twice, and no event has two effects."""
    result, effects, _ = ran
    assert set(result.receipts.copies) == {1}
    assert len(effects) == len(set(effects))
    if effects:
        assert {id for _, id in effects} == set(result.receipts.event_id)


def test_the_order_is_the_events_where_it_is_promised(result):
    if result.approach.in_order:
        assert result.receipts.received_at.is_monotonic_increasing
        assert result.receipts.exchange.is_monotonic_increasing


def test_where_the_source_calls_each_event_has_its_effect_once(result):
    """However many copies arrived, and whether by webhook or by poll."""
    if result.approach.called:
        assert set(result.receipts.effects) == {1}


def test_every_exchange_is_closed_and_is_what_the_servers_saw(ran):
    """Every exchange was answered, by a server that counted it; in the virtual lens there is no other count.

    But for a stream, which has no end, and a long poll that the end of the run cut: these are unanswered.
    """
    result, _, here = ran
    rows = result.exchanges
    cut = rows.path.isin(["/stream", "/fake-stream", "/ws"]) | (rows.drain & (rows.kind == "poll"))
    assert set(rows.error[~cut]) <= {""}
    assert set(rows.error[cut]) <= {"", "unanswered"}
    assert result.exchanges.sent_at.is_monotonic_increasing
    if result.machine is not None:
        assert result.machine.requests_served == len(result.exchanges)
        assert here == (result.exchanges.host != "source").sum()


def test_requests_are_hits_empties_errors_and_throttled(result):
    """And what the hits brought is what was received; both with the drain and without."""
    for rows, received in (
        (result.exchanges, result.receipts),
        (result.counted, result.receipts[result.receipts.exchange.isin(result.counted.index)]),
    ):
        outcomes = rows.outcome.value_counts()
        assert sum(outcomes.get(name, 0) for name in ("hit", "done", "empty", "error", "throttled")) == len(rows)
        assert rows[rows.outcome == "hit"].new_events.sum() == rows.new_events.sum() == len(received)
    row = result.row()
    assert row["requests"] == len(result.counted)
    assert row["empty_requests"] == (result.counted.outcome == "empty").sum()


def test_each_event_came_by_an_exchange_that_was_under_way(result):
    brought = result.exchanges.loc[result.receipts.exchange].reset_index(drop=True)
    assert (result.receipts.received_at >= brought.sent_at - 0.001).all()
    assert (brought.answered_at.fillna(float("inf")) >= result.receipts.occurred_at).all()


def test_littles_law_holds(result):
    """The latencies' sum is the area between the staircases."""
    by_event, by_instant = result.little()
    assert by_event == by_instant


@pytest.mark.slow
@pytest.mark.parametrize("name", OF["virtual"])
def test_both_lenses_agree_on_what_was_received(name):
    """The same events, and as many requests: exactly without a pause, two more or fewer with pauses or batches.

    Where a pause is a few milliseconds, the machine's own time comes to it: there may be any number fewer.
    """
    ours, theirs = (run(lens, name)[0] for lens in ("real", "virtual"))
    assert ours.receipts.event_id.tolist() == theirs.receipts.event_id.tolist()
    assert ours.row()["setup_requests"] == theirs.row()["setup_requests"]
    deliveries = [(result.exchanges.kind == "delivery").sum() for result in (ours, theirs)]
    if name == "doorbell":  # the machine's notices take a while, so that some of them stand for several events
        assert 1 <= deliveries[0] <= deliveries[1] == ours.row()["events"]
        return
    assert abs(deliveries[0] - deliveries[1]) <= (
        2 if name == "batched" else 0
    )  # when a batch closes is a matter of ms
    if name != "batched" and ours.approach.idle_interval == math.inf:  # a slow machine may send the last ones late
        assert len(ours.exchanges) == len(theirs.exchanges)
        return
    requests, expected = (result.row()["requests"] for result in (ours, theirs))
    assert requests <= expected + 2
    if name not in ("aimd", "halve_double", "long_polling", "relay"):
        assert requests >= expected - 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stream", "websocket", "long_polling"])
def test_on_this_machine_an_open_connection_is_about_as_early_as_a_webhook(name):
    """Its median is within three of the webhook's, which is a few milliseconds."""
    medians = [run("real", each)[0].row()["latency"]["p50"] for each in (name, "webhook")]
    assert medians[0] < 3 * medians[1]


@pytest.mark.parametrize("delay", [0.0, 0.02])
@pytest.mark.parametrize("name", OF["virtual"])
def test_the_same_seed_gives_the_same_rows(name, delay):
    """In simulated time, to the last digit; whatever else has used chance in between."""
    first = VirtualLens().run(*scenario_of(name, delay))
    random.random()
    again = VirtualLens().run(*scenario_of(name, delay))
    pd.testing.assert_frame_equal(first.exchanges, again.exchanges, check_exact=True)
    pd.testing.assert_frame_equal(first.receipts, again.receipts, check_exact=True)
    assert len(first.receipts) > 60


@pytest.mark.parametrize("name", OF["virtual"])
def test_a_delivery_that_comes_twice_has_one_effect(name):
    """Each delivery's first acknowledgement is lost: the copies are counted, the effects are as many as the events."""
    scenario, approach = scenario_of(name)
    lost = LostAnswer(error="reset", kinds=("delivery",), attempts=(1,))
    result, effects, _ = observed(VirtualLens(), replace(scenario, faults=(lost,)), approach)
    row = result.row()
    assert (row["lost"], row["received"]) == (0, row["events"])
    if (result.exchanges.kind == "delivery").any():
        inboxes = {inbox for inbox, _ in effects}  # two with a relay: its own, and the consumer's
        for inbox in inboxes:
            assert sorted(id for its, id in effects if its is inbox) == sorted(result.receipts.event_id)
        assert len(inboxes) == 1 + (name == "relay")
        if name == "batched":  # what is tried again may go with what is new, in a batch that is lost in its turn
            assert row["duplicates"] >= row["events"]
        elif name == "doorbell":  # it has moved its cursor: the notice comes twice, and no event does
            assert row["duplicates"] == 0
        else:
            assert row["duplicates"] == row["events"]


def test_a_run_is_not_settled_before_a_poll_that_came_after_the_last_delivery():
    """A relay's last delivery must still be polled by its consumer: the drain lasts until then."""
    from labkit.lenses.lifecycle import is_settled

    ledger, pending = Ledger(), [1]
    ledger.add_consumer("me")
    ledger.happened("evt_1", 0.0)
    ledger.add_poller("me")
    settled = is_settled(ledger, VirtualClock(), lambda: pending[0])

    def poll(at):
        ledger.close(ledger.open("poll", "me", "relay", "GET", "/", at), at + 0.5, 200)

    poll(1.0)
    assert not settled()
    pending[0] = 0
    assert not settled()
    poll(2.0)
    assert settled()


@pytest.mark.parametrize("name", OF["virtual"])
def test_ties_and_full_pages_are_handled_or_their_loss_is_declared(name):
    """A hundred and fifty events at one instant, and another at the next: a page holds a hundred."""
    at_once = [Event(f"evt_{number:03}", "door.opened", 100.0, {}) for number in range(150)]
    last = Event("evt_last", "door.opened", 100.000001, {})
    arrivals = replace(poisson(1, 8000), events=(*at_once, last), duration=8000.0)
    result = VirtualLens().run(Scenario(arrivals), APPROACHES[name]())
    row = result.row()
    assert row["received"] + row["lost"] == 151
    if APPROACHES[name].overflows:
        assert set(result.receipts.event_id[result.receipts.received_at.isna()]) == {event.id for event in at_once[:51]}
    else:
        assert row["lost"] == 0
        assert set(result.receipts.copies) == {2 if name == "hybrid" else 1}
