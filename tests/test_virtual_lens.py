"""The virtual lens, held against an independent SimPy program and against theory.

Statistical checks use the fixed seeds 0..n and a Šidák bound: all of them together fail once in a thousand.
"""

import math
from functools import cache

import numpy as np
import pytest
import simpy_twin
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from labkit import Arrivals, Event, Polling, Scenario, Webhook, bursty, earthquakes, poisson, theory
from labkit.arrivals import EPOCH
from labkit.lenses import VirtualLens

CHECKS = 60
ALPHA = 1 - (1 - 0.001) ** (1 / CHECKS)
BOUND = stats.norm.isf(ALPHA / 2)  # 4.3
DAY = 86_400.0


def happening(instants, duration):
    events = (Event(f"evt_{n}", "tick.happened", at, {"n": n}) for n, at in enumerate(instants))
    return Arrivals("made", tuple(events), duration, EPOCH, {})


def twin_of(scenario, approach):
    occurred = [event.occurred_at for event in scenario.arrivals.events]
    if isinstance(approach, Webhook):
        return simpy_twin.webhook(occurred, scenario.duration, scenario.delay)
    settings = (approach.interval, approach.fixed, approach.initial_delay, approach.limit)
    return simpy_twin.polling(occurred, scenario.duration, scenario.delay, *settings)


def compare_with_twin(result):
    """Each request and each receipt, drain included: counts exactly, instants to the nanosecond."""
    twin = twin_of(result.scenario, result.approach)
    exchanges = result.exchanges[result.exchanges.kind != "setup"]
    assert exchanges.sent_at.tolist() == pytest.approx([at / 1e9 for at in twin.sent], abs=1e-9, rel=0)
    assert exchanges.new_events.tolist() == twin.found
    assert result.receipts.received_at.tolist() == pytest.approx([at / 1e9 for at in twin.received], abs=1e-9, rel=0)
    row = result.row()
    assert (row["requests"], row["empty_requests"]) == (twin.requests, twin.empty)
    assert row["received"] == len(twin.received)
    assert row["pending"] == sum(at >= twin.duration for at in twin.received)
    return row


@cache
def week_at_60():
    return VirtualLens().run(Scenario(earthquakes()), Polling(interval=60))


# the earthquake week ----------------------------------------------------------------------------


def test_a_week_polled_every_60_seconds_is_as_an_independent_program_found_it():
    """10,074 polls, 8,507 empty, 1,707 events; mean 29.938 s, p50 30.160, p95 56.788, p99 59.286, max 60.010."""
    row = week_at_60().row()
    assert (row["requests"], row["empty_requests"], row["received"], row["lost"]) == (10_074, 8_507, 1_707, 0)
    expected = {"mean": 29.938, "p50": 30.160, "p95": 56.788, "p99": 59.286, "max": 60.010}
    assert {name: round(value, 3) for name, value in row["latency"].items()} == expected


def test_each_request_and_receipt_of_that_week_is_the_twins():
    compare_with_twin(week_at_60())


def test_littles_law_holds_over_that_week():
    by_event, by_instant = week_at_60().little()
    assert by_event == by_instant
    assert by_event / 1e9 == pytest.approx(29.938 * 1707, rel=1e-4)


def test_a_week_polled_every_300_seconds():
    """2,016 polls, 865 empty."""
    row = compare_with_twin(VirtualLens().run(Scenario(earthquakes()), Polling(interval=300)))
    assert (row["requests"], row["empty_requests"]) == (2_016, 865)


def test_half_a_day_polled_every_10_seconds():
    """4,303 polls as the twin has them; for the week the twin has the 58,553 empty ones of 60,240 that are known."""
    week = twin_of(Scenario(earthquakes()), Polling(interval=10))
    assert (week.requests, week.empty) == (60_240, 58_553)
    row = compare_with_twin(VirtualLens().run(Scenario(earthquakes(duration=DAY / 2)), Polling(interval=10)))
    assert row["requests"] == 4_303


def test_a_week_by_webhook():
    """1,707 requests, none empty, every latency 0.020 s: what was put in comes out."""
    result = VirtualLens().run(Scenario(earthquakes()), Webhook())
    row = compare_with_twin(result)
    assert (row["requests"], row["empty_requests"], row["setup_requests"]) == (1_707, 0, 3)
    assert set(result.receipts.latency.round(9)) == {0.02}
    assert set(row["latency"].values()) == {0.02}


# any scenario -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrivals", "interval"),
    [
        (earthquakes(min_magnitude=2.5, duration=DAY), 60),
        (earthquakes(duration=DAY / 2), 47.3),
        (poisson(3600, 400), 0.5),
        (poisson(3600, 400, seed=1), 1 / 3),
    ],
)
@pytest.mark.parametrize("fixed", ["delay", "rate"])
def test_other_intervals_and_filters_equal_the_twin(arrivals, interval, fixed):
    compare_with_twin(VirtualLens().run(Scenario(arrivals), Polling(interval=interval, fixed=fixed)))


@pytest.mark.parametrize("delay", [0, 0.02, 0.35, 5])
@pytest.mark.parametrize("fixed", ["delay", "rate"])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_delays_and_pages_equal_the_twin(delay, fixed, limit):
    """Bursts of ten on pages of one: a poll takes ten round trips, longer than the interval, so a fixed rate skips."""
    scenario = Scenario(bursty(600, 1200, spread=0.5), delay)
    compare_with_twin(VirtualLens().run(scenario, Polling(interval=7, fixed=fixed, limit=limit)))


@pytest.mark.parametrize("delay", [0, 0.35, 5])
def test_webhooks_at_any_delay_equal_the_twin(delay):
    compare_with_twin(VirtualLens().run(Scenario(bursty(600, 1200), delay), Webhook()))


@settings(max_examples=150)
@given(
    ms=st.lists(st.integers(0, 7_999), max_size=10),
    duration=st.integers(1, 8),
    delay=st.sampled_from([0, 1, 250, 500, 1000]),
    interval=st.sampled_from([1, 2, 3, 4, 7]).map(lambda n: n * 500),
    fixed=st.sampled_from(["delay", "rate"]),
    initial_delay=st.sampled_from([0, 500, 1234, 9000]),
    limit=st.sampled_from([1, 2, 100]),
    ties=st.booleans(),
)
@example([7_999], 8, 0, 500, "delay", 9_000, 100, False)
@example([0, 0, 500, 500], 8, 500, 500, "rate", 0, 1, True)
def test_any_small_scenario_equals_the_twin(ms, duration, delay, interval, fixed, initial_delay, limit, ties):
    """Whole milliseconds; with ties, whole half seconds, so that events fall on the instants of polls."""
    instants = sorted(at - at % 500 if ties else at for at in ms)
    scenario = Scenario(happening([at / 1000 for at in instants if at < duration * 1000], duration), delay / 1000)
    compare_with_twin(VirtualLens().run(scenario, Polling(interval / 1000, fixed, initial_delay / 1000, limit)))


def test_an_event_of_the_very_instant_of_a_polls_arrival_is_found():
    """Polls arrive at 0.25, 5.75 and so on. One millisecond later is one poll later."""
    polling = Polling(interval=5)
    for instants in ([0.125, 0.25], [0.25, 0.25], [0.0, 0.25, 5.75]):
        result = VirtualLens().run(Scenario(happening(instants, 20), 0.25), polling)
        assert result.receipts.received_at.tolist() == [0.5 if at <= 0.25 else 6 for at in instants]
    late = VirtualLens().run(Scenario(happening([0.125, 0.251], 20), 0.25), polling)
    assert late.receipts.received_at.tolist() == [0.5, 6]


def test_the_horizon_is_half_open():
    """A poll due at the horizon itself is drain: six of every ten seconds in a minute, not seven."""
    result = VirtualLens().run(Scenario(happening([59.999], 60)), Polling(interval=10, fixed="rate"))
    assert result.exchanges.sent_at.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert result.exchanges.drain.tolist() == [False] * 6 + [True]
    row = result.row()
    assert (row["requests"], row["empty_requests"], row["received"], row["pending"]) == (6, 6, 1, 1)
    assert row["latency"]["max"] == pytest.approx(60.04 - 59.999)


def test_a_fixed_rate_counts_the_interval_from_send_to_send_and_a_fixed_delay_from_answer_to_send():
    """Over 600 s at 10 s and half a second each way: 60 polls, or 55."""
    counts = {
        fixed: VirtualLens().run(Scenario(happening([], 600), 0.5), Polling(10, fixed)).row()["requests"]
        for fixed in ("rate", "delay")
    }
    assert counts == {"rate": 60, "delay": math.ceil(600 / 11)}


def test_a_page_with_more_behind_it_is_followed_at_once():
    """Five events on pages of two: three requests, a round trip apart, and all are counted."""
    result = VirtualLens().run(Scenario(happening([1.0] * 5, 60), 0.5), Polling(interval=9, limit=2))
    hits = result.exchanges[result.exchanges.outcome == "hit"]
    assert hits.sent_at.tolist() == [10, 11, 12]
    assert hits.new_events.tolist() == [2, 2, 1]
    assert result.receipts.received_at.tolist() == [11, 11, 12, 12, 13]


# theory -----------------------------------------------------------------------------------------

LOADS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10]
"""Events an interval, λT."""


@cache
def polls_at(load):
    """How many: 1,000, or as many as bring about 2,000 events."""
    return min(1000, round(2000 / load))


def at_load(load, fixed, seed):
    """2 s each way against 6 s, so that a forgotten delay is seen."""
    interval, delay = 6.0, 2.0
    closed = theory.Polling(load / interval, interval, delay, fixed)
    events = poisson(3600 * load / interval, polls_at(load) * closed.period, seed)
    return VirtualLens().run(Scenario(events, delay), Polling(interval, fixed, limit=1000)), closed


CASES = [(load, fixed, seed) for seed, load in enumerate(LOADS) for fixed in ("delay", "rate")]


@pytest.mark.parametrize(("load", "fixed", "seed"), CASES)
def test_the_mean_wait_is_theorys(load, fixed, seed):
    """Over whole periods, from the first poll's look at the source to the last one's."""
    result, closed = at_load(load, fixed, seed)
    first, last = result.counted.sent_at.iloc[[0, -1]] + closed.delay
    whole = result.receipts[(result.receipts.occurred_at > first) & (result.receipts.occurred_at <= last)]
    assert len(whole) >= 5
    z = (whole.latency.mean() - closed.mean_latency) / closed.standard_error(len(whole))
    assert abs(z) < BOUND


@pytest.mark.parametrize(("load", "fixed", "seed"), CASES)
def test_the_empty_share_is_theorys(load, fixed, seed):
    """Polls after the first are empty independently: an exact binomial interval."""
    result, closed = at_load(load, fixed, seed)
    polls = result.counted.outcome.iloc[1:]
    low, high = stats.binom.interval(1 - ALPHA, len(polls), closed.empty_share)
    assert low <= (polls == "empty").sum() <= high


@pytest.mark.parametrize(("load", "fixed", "seed"), CASES)
def test_the_number_of_polls_is_theorys_exactly(load, fixed, seed):
    result, closed = at_load(load, fixed, seed)
    assert len(result.counted) == closed.polls(result.scenario.duration) == polls_at(load)


def test_the_standard_error_is_neither_too_small_nor_too_large():
    """Over the seeds 0..199, z looks standard normal: Kolmogorov-Smirnov, and the variance by chi square.

    By the SimPy program, whose instants are the lens's.
    """
    closed = theory.Polling(1, 6, 2)
    scores = []
    for seed in range(200):
        twin = twin_of(Scenario(poisson(3600, 11 * closed.period, seed), 2.0), Polling(6))
        first, last = ((twin.sent[poll] + 2 * 10**9) for poll in (0, twin.requests - 1))
        whole = [late for at, late in zip(twin.occurred, twin.latencies, strict=True) if first < at <= last]
        scores.append((np.mean(whole) - closed.mean_latency) / closed.standard_error(len(whole)))
    assert stats.kstest(scores, "norm").pvalue > 0.001
    low, high = stats.chi2.interval(0.999, len(scores))
    assert low < sum(z * z for z in scores) < high


@pytest.mark.parametrize("share", [0.25, 0.8, 1.25, 4])
def test_polling_sends_fewer_requests_than_the_webhook_beyond_one_event_a_period(share):
    """They cross at λ(T + 2d) = 1: the interval is so many times the one of `theory.crossover_interval`."""
    scenario = Scenario(poisson(3600, 400), delay=0.05)
    crossover = theory.crossover_interval(scenario.arrivals.rate, scenario.delay)
    told = VirtualLens().run(scenario, Webhook()).row()["requests"]
    asked = VirtualLens().run(scenario, Polling(interval=share * crossover)).row()["requests"]
    assert told == len(scenario.arrivals.events)
    assert (asked < told) == (share > 1)
    assert asked / told == pytest.approx(1 / (scenario.arrivals.rate * (share * crossover + 0.1)), rel=0.02)


def test_how_current_one_is_on_the_earthquakes_is_near_theory():
    """Current 92.0% of the time and 1.63 s stale by theory; the week is one sample, Poisson at this scale."""
    row, closed = week_at_60().row(), theory.Polling(1707 / 604_800, 60, 0.02)
    assert row["freshness"] == pytest.approx(closed.freshness, abs=0.01)
    assert row["staleness"]["mean"] == pytest.approx(closed.staleness, rel=0.1)


# faults that its own figures must show ----------------------------------------------------------


def test_a_planted_delay_of_50_ms_shows_in_the_figures():
    """The paired difference is 50 ms for every event by webhook: nothing hides it, nothing blurs it."""
    events = poisson(60, 3600)
    plain, slower = (VirtualLens().run(Scenario(events, delay), Webhook()).receipts.latency for delay in (0.02, 0.07))
    assert (slower - plain).tolist() == pytest.approx([0.05] * len(events.events))
