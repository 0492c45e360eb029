"""The figures of a result, held against ledgers written by hand, brute force, and runs of every shape."""

import csv
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, nan
from typing import ClassVar

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import Approach, Arrivals, Event, Outage, Polling, Relay, Scenario, Webhook, bursty, compare, poisson
from labkit.arrivals import EPOCH
from labkit.ledger import Ledger
from labkit.lenses import VirtualLens
from labkit.result import Result
from labkit.totals import currency

KEYS = (
    "approach params lens events received pending lost duplicates recovered requests setup_requests empty_requests "
    "empty_share error_requests requests_per_event bytes_out bytes_in latency freshness staleness "
    "connections connection_seconds"
)


def happening(instants, duration):
    events = (Event(f"evt_{n}", "tick.happened", at, {"n": n}) for n, at in enumerate(instants))
    return Arrivals("made", tuple(events), duration, EPOCH, {})


def by_hand(occurred, received, duration=100.0, rows=()):
    """A result over a ledger with these receipts (None: never), and exchanges besides: (kind, sent_at, status)."""
    ledger = Ledger()
    ledger.add_consumer("consumer-1")
    for kind, sent_at, status in rows:
        exchange = ledger.open(kind, "consumer-1", "source", "GET", "/", sent_at)
        ledger.count(exchange, 10, 20, 0)
        ledger.close(exchange, sent_at + 1, status)
    for number, (happened, came) in enumerate(zip(occurred, received, strict=True)):
        ledger.happened(f"evt_{number}", happened)
        if came is not None:
            exchange = ledger.open("poll", "consumer-1", "source", "GET", "/", came)
            ledger.count(exchange, 1, 2, 0)
            ledger.close(exchange, came, 200)
            ledger.arrived("consumer-1", f"evt_{number}", came, exchange)
    scenario = Scenario(happening(occurred, duration))
    return Result(scenario, Polling(), "virtual", ledger.frames(duration))


@dataclass(frozen=True)
class Fumbling(Approach):
    """Polls, fetching each page twice, after asking for what is not there; one poll in three fails."""

    name: ClassVar[str] = "fumbling"
    interval: float = 10.0

    def subscribe(self, consumer):
        consumer.client("setup").get("/healthz")

    def run(self, consumer):
        client, cursor = consumer.client("poll"), ""
        while True:
            client.get("/nowhere")
            for _ in range(2):
                answer = client.get(f"/events?after={cursor}")
                for event in answer.json()["events"]:
                    consumer.receive(event, answer)
            cursor = answer.json()["next"]
            consumer.clock.sleep(self.interval)


# counting ---------------------------------------------------------------------------------------


def test_the_table_has_the_columns_of_the_design():
    assert list(by_hand([1], [2]).row()) == KEYS.split()


def test_missing_is_what_has_not_arrived_by_the_horizon_and_lost_what_never_does():
    """At the horizon itself is too late; what the drain brings counts in `received` and in the latencies."""
    row = by_hand([10, 20, 30, 40], [15, 100, 170, None], duration=100).row()
    assert (row["events"], row["received"], row["pending"], row["lost"]) == (4, 3, 3, 1)
    assert row["latency"]["max"] == 140
    assert row["latency"]["mean"] == (5 + 80 + 140) / 3


def test_only_the_runs_own_exchanges_are_counted():
    """Set-up is counted apart, and the drain, from the horizon on, not at all: neither in requests nor in bytes."""
    rows = [("setup", -1, 201), ("setup", 0, 200), ("poll", 0, 200), ("poll", 99.9, 200), ("poll", 100, 200)]
    result = by_hand([], [], duration=100, rows=rows)
    row = result.row()
    assert (row["requests"], row["empty_requests"], row["setup_requests"]) == (2, 2, 2)
    assert (row["bytes_out"], row["bytes_in"]) == (20, 40)
    assert len(result.exchanges) == 5


def test_the_empty_share_is_over_requests():
    rows = [("poll", n, 200) for n in range(3)] + [("poll", 3, 503), ("poll", 4, 429)]
    row = by_hand([1, 2], [5, 5], rows=rows).row()
    assert (row["requests"], row["empty_requests"], row["empty_share"]) == (7, 3, 3 / 7)
    assert row["requests_per_event"] == 3.5


def test_connection_seconds_run_from_the_first_request_to_the_last_answer():
    ledger = Ledger()
    ledger.add_consumer("consumer-1")
    for sent_at, connection in ((0, 7), (2, 7), (3, 8)):
        exchange = ledger.open("poll", "consumer-1", "source", "GET", "/", sent_at)
        ledger.count(exchange, 1, 1, connection)
        ledger.close(exchange, sent_at + 1, 200)
    row = Result(Scenario(happening([], 100)), Polling(), "virtual", ledger.frames(100)).row()
    assert (row["connections"], row["connection_seconds"]) == (2, 3 + 1)


def test_a_request_that_never_had_a_connection_counts_as_none():
    """Refused for the first 30 s, then polled every 10 s: a connection each, held for a round trip of 40 ms."""
    row = VirtualLens().run(Scenario(happening([], 60), faults=(Outage(duration=30),)), Polling(10)).row()
    assert (row["requests"], row["error_requests"]) == (6, 3)
    assert (row["connections"], row["connection_seconds"]) == (3, 3 * 0.04)


def test_what_a_relay_is_polled_for_is_not_recovered():
    """Each event comes by a poll, and many of them late: that is how a relay works, and nobody's loss."""
    row = compare(poisson(60, 7200, seed=1), [Relay(600)])[0].row()
    assert row["latency"]["mean"] > 60
    assert row["recovered"] == 0


def test_a_failed_request_is_counted_and_so_is_every_duplicate():
    """A run in which a third of the requests are errors and each page comes twice."""
    result = VirtualLens().run(Scenario(happening([1, 2, 15, 25], 60)), Fumbling())
    row, outcomes = result.row(), result.counted.outcome.value_counts().to_dict()
    polls = 6  # at 0, 10.12, 20.24, 30.36, 40.48, 50.6
    assert row["requests"] == 3 * polls
    assert outcomes == {"error": polls, "hit": 3, "empty": 2 * polls - 3}
    assert (row["received"], row["duplicates"], row["setup_requests"]) == (4, 4, 1)
    assert result.receipts.copies.tolist() == [2, 2, 2, 2]


# latency ----------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_latencies_are_numpys_linear_quantiles(milliseconds):
    latencies = [ms / 1000 for ms in milliseconds]
    found = by_hand([0] * len(latencies), latencies, duration=1e4).row()["latency"]
    expected = {"mean": np.mean(latencies), "max": np.max(latencies)}
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        expected[name] = np.quantile(latencies, q, method="linear")
    assert found == pytest.approx(expected, abs=1.1e-9)
    assert list(found) == ["mean", "p50", "p95", "p99", "max"]


@pytest.mark.parametrize(("occurred", "received"), [([], []), ([3.0], [None])])
def test_figures_are_null_where_there_is_nothing_to_measure(occurred, received):
    """No event received: no latency. No request: no share. No event: nothing was ever missing."""
    row = by_hand(occurred, received).row()
    assert set(row["latency"].values()) == {None}
    assert row["empty_share"] is None
    if not occurred:
        assert row["requests_per_event"] is None
        assert (row["freshness"], row["staleness"]) == (1, {"mean": 0})


# how current ------------------------------------------------------------------------------------


def brute_force(occurred, received, duration, step):
    """Midpoints of small steps: for how long has the oldest missing event been missing?"""
    current = stale = 0.0
    for n in range(round(duration / step)):
        now = (n + 0.5) * step
        missing = [a for a, b in zip(occurred, received, strict=True) if a <= now < b]
        if missing:
            stale += (now - min(missing)) * step
        else:
            current += step
    return current, stale


@given(st.lists(st.tuples(st.integers(0, 39), st.one_of(st.integers(0, 60), st.none())), max_size=8))
def test_currency_is_what_brute_force_integrates(events):
    """Midpoints every 1/4 s are exact where all happens at whole seconds: staleness is linear between these."""
    events.sort(key=lambda event: event[0])
    occurred = [float(at) for at, _ in events]
    received = [inf if wait is None else float(at + wait) for at, wait in events]
    found = currency(occurred, received, 40.0)
    assert found == pytest.approx(brute_force(occurred, received, 40.0, 0.25))


def test_staleness_is_the_age_of_the_oldest_missing_event():
    """Missing from 10 to 40: since 10 until 30 (200 s²), since 20 from then on (150 s²: 20² / 2 - 10² / 2)."""
    row = by_hand([10, 20], [30, 40], duration=100).row()
    assert row["freshness"] == 0.70
    assert row["staleness"]["mean"] == (200 + 150) / 100


def test_what_is_still_missing_at_the_horizon_is_stale_up_to_it():
    """And no longer: the average is over the run."""
    row = by_hand([80.0], [150], duration=100).row()
    assert (row["freshness"], row["staleness"]["mean"]) == (0.80, 2.0)


# in every run -----------------------------------------------------------------------------------

scenarios = st.builds(
    lambda ms, duration, delay, seed: Scenario(
        happening([at / 1000 for at in sorted(ms) if at < duration * 1000], duration), delay / 1000, seed
    ),
    st.lists(st.integers(0, 29_999), max_size=12),
    st.integers(1, 30),
    st.sampled_from([0, 1, 20, 350, 5000]),
    st.integers(0, 3),
)
approaches = st.one_of(
    st.just(Webhook()),
    st.builds(
        Polling,
        interval=st.integers(500, 20_000).map(lambda ms: ms / 1000),
        fixed=st.sampled_from(["delay", "rate"]),
        initial_delay=st.sampled_from([0.0, 0.75, 12.5, 45.0]),
        limit=st.sampled_from([1, 2, 100]),
    ),
)


@settings(max_examples=60)
@given(scenarios, approaches)
def test_the_identities_hold_in_every_run(scenario, approach):
    """With the drain and without it: outcomes add up to requests, new events of hits to what was received.

    Little's law, computed both ways, is equal to the last digit.
    """
    result = VirtualLens().run(scenario, approach)
    row, events = result.row(), len(scenario.arrivals.events)
    assert (row["events"], row["received"], row["lost"]) == (events, events, 0)
    by_event, by_instant = result.little()
    assert by_event == by_instant
    assert by_event == sum(round(b * 1e9) - round(a * 1e9) for a, b in held(result))
    own = result.exchanges[result.exchanges.kind != "setup"]
    for exchanges, received in ((own, row["received"]), (result.counted, None)):
        outcomes = exchanges.outcome.value_counts().to_dict()
        assert sum(outcomes.values()) == len(exchanges)
        assert set(outcomes) <= {"hit", "empty"}
        carried = exchanges.new_events[exchanges.outcome == "hit"].sum()
        assert carried == exchanges.new_events.sum()
        if received is not None:
            assert carried == received
    before = set(result.counted.index)
    assert result.counted.new_events.sum() == result.receipts.exchange.isin(before).sum()
    assert row["requests"] == len(result.counted)
    assert (result.receipts.latency >= scenario.delay - 1e-9).all()
    assert 0 <= row["freshness"] <= 1


def held(result):
    return zip(result.receipts.occurred_at, result.receipts.received_at, strict=True)


def test_littles_law_sees_a_receipt_that_is_off_by_a_nanosecond():
    """The two sums are not the same sum: one goes event by event, the other instant by instant."""
    result = by_hand([1.0, 2.0, 2.0], [5.0, 3.0, None])
    assert result.little() == (5_000_000_000, 5_000_000_000)
    assert by_hand([1.0, 2.0], [5.000000001, 3.0]).little()[0] == 5_000_000_001


# same seed, same rows ---------------------------------------------------------------------------

PROGRAM = """
from labkit import Polling, Scenario, Webhook, bursty
from labkit.lenses import VirtualLens
for approach in (Polling(interval=47.3, limit=3), Webhook()):
    result = VirtualLens().run(Scenario(bursty(60, 3600), 0.35, seed=5), approach)
    print(result.exchanges.to_csv(lineterminator="\\n") + result.receipts.to_csv(lineterminator="\\n"))
    print(result.row())
"""


def printed(hash_seed):
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, check=True, text=True
    ).stdout


@pytest.mark.slow
def test_one_seed_gives_the_same_rows_in_any_process(capsys):
    """In this process, twice, and in two others that hash otherwise."""
    for _ in range(2):
        exec(PROGRAM, {})
        here = capsys.readouterr().out
        assert here == printed("1")
    assert here == printed("2")
    assert len(list(csv.reader(io.StringIO(here)))) > 200


def test_workers_change_nothing():
    """This process or two workers side by side: equal rows, in the order asked for."""
    approaches = [Polling(interval=60), Webhook(), Polling(interval=7.0)]
    with ThreadPoolExecutor(2) as pool:
        one, two = (compare(poisson(60, 1800), approaches, seed=3, executor=executor) for executor in (None, pool))
    assert one.rows() == two.rows()
    for a, b in zip(one, two, strict=True):
        assert a.exchanges.equals(b.exchanges)
        assert a.receipts.equals(b.receipts)
    assert [result.approach for result in two] == approaches


def test_another_seed_gives_other_secrets_but_the_same_figures():
    """The seed is for chance, and polling and telling take none: only what is drawn differs."""
    a, b = (VirtualLens().run(Scenario(bursty(60, 3600), seed=seed), Webhook()) for seed in (0, 1))
    assert a.row() == b.row()


# several consumers ------------------------------------------------------------------------------


@pytest.mark.parametrize("approach", [Polling(interval=60), Webhook()])
def test_each_consumer_costs_and_gets_the_same_as_one_alone(approach):
    """Requests, bytes and events three times, latencies as they were."""
    events = poisson(60, 3600)
    one, three = (VirtualLens().run(Scenario(events, consumers=n), approach).row() for n in (1, 3))
    for key in ("events", "received", "pending", "requests", "setup_requests", "empty_requests", "bytes_in"):
        assert three[key] == 3 * one[key], key
    for key in ("freshness", "staleness", "empty_share", "requests_per_event"):
        assert three[key] == pytest.approx(one[key]), key
    for figure in ("mean", "max"):
        assert three["latency"][figure] == pytest.approx(one["latency"][figure]), figure


# what it is called ------------------------------------------------------------------------------


def test_a_result_is_labelled_by_what_was_set():
    events = happening([1.0], 10)
    assert VirtualLens().run(Scenario(events), Polling(interval=10)).label == "polling interval=10"
    assert Polling(interval=2.5, fixed="rate").label == "polling interval=2.5 fixed=rate"
    assert VirtualLens().run(Scenario(events), Webhook()).label == "webhook"


def test_an_approach_that_fails_is_heard_of():
    """What it raises comes out of the run; nothing is made of half a result."""

    @dataclass(frozen=True)
    class Failing(Fumbling):
        def run(self, consumer):
            consumer.client("poll").get("/nowhere").raise_for_status()

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        VirtualLens().run(Scenario(happening([1.0], 10)), Failing())


def test_nan_is_never_a_figure():
    """Every float of a row is a number or null, so that it can be JSON."""
    for result in (by_hand([], []), by_hand([1], [None]), by_hand([1], [2])):
        row = result.row()
        values = [*row.values(), *row["latency"].values(), *row["staleness"].values()]
        assert nan not in values
        assert all(value == value for value in values if not isinstance(value, dict))
