"""The closed forms of polling at unequal intervals, of streams, relays and thin webhooks, held against sample paths."""

import math
import random
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import (
    SEEDS,
    agrees,
    disagreements,
    fake_stream,
    looks,
    poisson_arrivals,
    polling,
    relay,
    sample_path,
    wrong_quantiles,
)

from labkit import theory

# rate, interval, delay, jitter: the delay weighs as much as the interval, so that a forgotten 2d is seen
JITTERED = [(0.1, 6.0, 2.0, 1.0), (0.1, 6.0, 2.0, 0.2), (0.05, 6.0, 0.0, 0.7)]
# rate, mean gap, delay, ttl
LOOKING = [(0.1, 6.0, 2.0, 0.0), (0.3, 5.0, 0.0, 0.0), (0.5, 1.0, 0.1, 6.0)]
POLLED = (1.0, 2.0, 0.3)
PUSHED = ("mean_latency", "freshness", "staleness")


def jittered_paths(rate, interval, delay, jitter, events=4000):
    horizon = events / rate
    for seed in SEEDS:
        chance = random.Random(seed)
        yield polling(
            poisson_arrivals(seed, rate, horizon),
            horizon,
            delay,
            lambda found, chance=chance: interval * chance.uniform(1 - jitter, 1 + jitter),
        )


def looking_paths(rate, every, delay, ttl, events=4000):
    horizon = events / rate
    for seed in SEEDS:
        chance = random.Random(seed)
        first, pause = looks(chance, every)(), looks(chance, every, ttl)
        yield polling(poisson_arrivals(seed, rate, horizon), horizon, delay, pause, first=first)


# jitter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", JITTERED)
def test_polling_with_jitter_costs_what_theory_says(case):
    closed, paths = theory.Jittered(*case), list(jittered_paths(*case))
    assert not disagreements(closed, paths)
    assert not wrong_quantiles(closed, paths)


def test_20_percent_of_jitter_cost_1_3_percent_of_the_wait_and_no_request():
    plain, spread = theory.Polling(0.1, 60, 0), theory.Jittered(0.1, 60, 0, jitter=0.2)
    assert spread.mean_latency / plain.mean_latency == pytest.approx(1 + 0.04 / 3)
    assert spread.requests_per_event == pytest.approx(plain.requests_per_event)


@given(rate=st.floats(1e-9, 1e2), interval=st.floats(1e-3, 1e5), delay=st.floats(0, 10))
def test_without_jitter_it_is_fixed_polling(rate, interval, delay):
    fixed, spread = theory.Polling(rate, interval, delay, limit=10**9), theory.Jittered(rate, interval, delay, 0)
    names = ("mean_latency", "requests_per_event", "empty_share", "freshness", "staleness", "age_of_information")
    for name in names:
        assert getattr(spread, name) == pytest.approx(getattr(fixed, name), rel=1e-9, abs=1e-300)
    assert spread.quantile(0.7) == pytest.approx(fixed.quantile(0.7))


@pytest.mark.parametrize("load", [1e-6, 1e-3, 0.5, 0.999, 1.001, 20, 2000])
@pytest.mark.parametrize("jitter", [0.01, 0.3, 1])
def test_the_two_ways_to_average_over_the_jitter_agree_with_a_sum_over_many_periods(load, jitter):
    """20,000 equally likely periods."""
    spread = theory.Jittered(load / 60, 60, 3, jitter)
    periods = 6 + 60 * (1 + jitter * ((np.arange(20_000) + 0.5) / 10_000 - 1))
    assert spread.mean_wait == pytest.approx(theory.unequal_wait(periods), rel=1e-6)
    assert spread.empty_share == pytest.approx(theory.unequal_empty_share(load / 60, periods), rel=1e-4)
    gone = -np.expm1(-load / 60 * periods).mean()
    current = math.exp(-load / 20) * gone / (load / 60 * periods.mean())
    assert spread.freshness == pytest.approx(current, rel=1e-6)
    assert spread.staleness == pytest.approx(spread.mean_latency - (1 - current) * 60 / load, rel=1e-3, abs=1e-6 / load)


# on demand --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", LOOKING)
def test_reading_on_demand_costs_what_theory_says(case):
    closed, paths = theory.OnDemand(*case), list(looking_paths(*case))
    assert not disagreements(closed, paths)
    assert not wrong_quantiles(closed, paths)


def test_exponential_gaps_double_the_wait_and_without_delay_there_are_mu_over_1_plus_mu_ttl_requests():
    assert theory.OnDemand(0.1, 60, 0).mean_latency == 2 * theory.Polling(0.1, 60, 0).mean_latency
    cached = theory.OnDemand(0.1, interval=60, delay=0, ttl=120)
    assert cached.rate * cached.requests_per_event == pytest.approx((1 / 60) / (1 + 120 / 60))


@given(rate=st.floats(1e-6, 1), delay=st.floats(0, 10), ttl=st.floats(0, 1000))
def test_on_demand_and_a_webhook_cross_where_looks_are_as_frequent_as_events(rate, delay, ttl):
    every = theory.on_demand_crossover(rate, delay, ttl)
    if every > 1e-3:
        assert theory.OnDemand(rate, every, delay, ttl).requests_per_event == pytest.approx(1)
    else:
        assert 1 / rate <= 2 * delay + ttl + 1e-3
    assert theory.on_demand_crossover(rate) == 1 / rate


def test_a_share_of_pushes_is_overwritten_before_a_look():
    """The next event and the next look are exponential gaps away: which comes first?"""
    shares = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        shares.append((rng.exponential(60, 5000) < rng.exponential(100, 5000)).mean())
    assert agrees(theory.OnDemand(1 / 60, 100, 0).overwritten_share, shares)


def test_a_share_of_looks_is_answered_from_the_cache():
    shares = []
    for seed in SEEDS:
        chance, asked = random.Random(seed), 0
        fresh_until = at = 0.0
        for _ in range(5000):
            at += chance.expovariate(1 / 60)
            if at >= fresh_until:
                asked, fresh_until = asked + 1, at + 120
        shares.append(1 - asked / 5000)
    assert agrees(theory.OnDemand(1, interval=60, delay=0, ttl=120).cached_share, shares)


def test_the_mean_wait_is_the_mean_of_the_quantiles():
    """∫ quantile(q) dq, at 200,000 values of q: with jitter, and on demand, whose tail is long."""
    shares = (np.arange(200_000) + 0.5) / 200_000
    for closed in (theory.Jittered(0.1, 6, 2, 0.5), theory.OnDemand(0.1, 6, 2, 5)):
        assert np.mean([closed.quantile(q) for q in shares]) == pytest.approx(closed.mean_latency, rel=1e-4)
    assert theory.OnDemand(1, 60, 0).quantile(1) == math.inf


# a stream, a fake one, a relay, a thin webhook --------------------------------------------------


def test_a_fake_stream_is_as_late_as_a_poller_and_sends_one_request():
    rate, every, delay = POLLED
    closed = theory.FakeStream(*POLLED)
    horizon = 4000 / rate
    paths = [fake_stream(poisson_arrivals(seed, rate, horizon), horizon, delay, every) for seed in SEEDS]
    assert not disagreements(closed, paths, PUSHED)
    assert not wrong_quantiles(closed, paths)
    assert closed.requests(horizon) == len(paths[0].sent) == 1
    assert (closed.requests_per_event, closed.empty_share) == (0, 0)


def test_a_relay_costs_a_webhook_and_polling_together():
    rate, interval, delay = POLLED
    closed = theory.Relay(*POLLED)
    horizon = 4000 / rate
    paths = [relay(poisson_arrivals(seed, rate, horizon), horizon, delay, interval) for seed in SEEDS]
    assert not disagreements(closed, paths)
    assert not wrong_quantiles(closed, paths)
    polled = theory.Polling(rate, interval, delay)
    assert closed.requests_per_event == pytest.approx(1 + polled.requests_per_event)
    assert closed.mean_latency == pytest.approx(delay + polled.mean_latency)


@pytest.mark.parametrize(("make", "delays", "requests"), [(theory.Thin, 3, 2), (theory.Stream, 1, 0)])
def test_a_push_is_so_many_delays_late_and_as_fresh_as_a_webhook_that_far_away(make, delays, requests):
    closed, horizon = make(0.5, 0.4), 8000.0
    paths = []
    for seed in SEEDS:
        occurred = poisson_arrivals(seed, 0.5, horizon)
        paths.append(sample_path(occurred, occurred + delays * 0.4, [], [], horizon))
    assert not disagreements(closed, paths, PUSHED)
    assert closed.quantile(0) == closed.quantile(1) == closed.mean_latency
    assert closed.requests_per_event == requests
    assert closed.staleness == pytest.approx(theory.Webhook(0.5, delays * 0.4).staleness)


def test_a_stream_is_one_request_however_long_and_a_thin_webhook_two_per_event_of_which_one_is_empty():
    assert theory.Stream(0.5, 0.1).requests(3600) == theory.Stream(0.5, 0.1).requests(1e9) == 1
    assert theory.Thin(0.5, 0.1).requests(3600) == 3600
    assert theory.Thin(0.5, 0.1).empty_share == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.Jittered(1, 60, 0, 1.5), "jitter must be from 0 to 1, got 1.5"),
        (lambda: theory.Jittered(1, 0, 0, 0.5), "interval must be > 0 seconds, got 0"),
        (lambda: theory.Jittered(1, 60, 0, 0.5).quantile(-1), "q must be from 0 to 1, got -1"),
        (lambda: theory.OnDemand(1, 0, 0), "interval must be > 0 seconds, got 0"),
        (lambda: theory.OnDemand(1, 60, 0, -5), "ttl must be >= 0 seconds, got -5"),
        (lambda: theory.on_demand_crossover(0), "rate must be > 0 events per second, got 0"),
        (lambda: theory.FakeStream(1, -5, 0), "interval must be > 0 seconds, got -5"),
        (lambda: theory.Relay(1, 5, -1), "delay must be >= 0 seconds, got -1"),
        (lambda: theory.Thin(0, 1), "rate must be > 0 events per second, got 0"),
        (lambda: theory.Stream(1, 1).requests(-1), "duration must be >= 0 seconds, got -1"),
    ],
    ids=count(1),
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
