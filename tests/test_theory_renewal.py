"""The closed forms of asking at unequal moments, and of what is pushed and relayed, held against plain lives."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import (
    SEEDS,
    agrees,
    asking,
    disagreements,
    fake_stream,
    looks,
    poisson_arrivals,
    relay,
    sample_path,
    wrong_quantiles,
)

from labkit import theory

# rate, interval, delay, jitter: the delay weighs as much as the interval, so that a forgotten 2d is seen
JITTERED = [(0.1, 6.0, 2.0, 1.0), (0.1, 6.0, 2.0, 0.2), (1.0, 5.0, 0.5, 0.5), (0.05, 6.0, 0.0, 0.7)]
# rate, mean gap, delay, ttl
LOOKING = [(0.1, 6.0, 2.0, 0.0), (0.1, 6.0, 1.0, 10.0), (0.3, 5.0, 0.0, 0.0), (0.5, 1.0, 0.1, 6.0)]
POLLED = [(0.1, 6.0, 2.0), (1.0, 2.0, 0.3)]
PUSHED = ("mean_latency", "freshness", "staleness")


def jittered_lives(rate, interval, delay, jitter, events=4000):
    horizon = events / rate
    for seed in SEEDS:
        chance = random.Random(seed)
        yield asking(
            poisson_arrivals(seed, rate, horizon),
            horizon,
            delay,
            lambda found, chance=chance: interval * chance.uniform(1 - jitter, 1 + jitter),
        )


def looking_lives(rate, every, delay, ttl, events=4000):
    horizon = events / rate
    for seed in SEEDS:
        chance = random.Random(seed)
        first, pause = looks(chance, every)(), looks(chance, every, ttl)
        yield asking(poisson_arrivals(seed, rate, horizon), horizon, delay, pause, first=first)


# jitter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", JITTERED)
def test_polling_with_jitter_costs_what_theory_says(case):
    closed, lives = theory.jittered(*case), list(jittered_lives(*case))
    assert not disagreements(closed, lives)
    assert not wrong_quantiles(closed, lives)


def test_20_percent_of_jitter_cost_1_3_percent_of_the_wait_and_no_request():
    plain, spread = theory.polling(0.1, 60, 0), theory.jittered(0.1, 60, 0, jitter=0.2)
    assert spread.mean_latency / plain.mean_latency == pytest.approx(1 + 0.04 / 3)
    assert spread.requests_per_event == pytest.approx(plain.requests_per_event)


@given(rate=st.floats(1e-9, 1e2), interval=st.floats(1e-3, 1e5), delay=st.floats(0, 10))
def test_without_jitter_it_is_fixed_polling(rate, interval, delay):
    fixed, spread = theory.polling(rate, interval, delay, limit=10**9), theory.jittered(rate, interval, delay, 0)
    names = ("mean_latency", "requests_per_event", "empty_share", "freshness", "staleness", "age_of_information")
    for name in names:
        assert getattr(spread, name) == pytest.approx(getattr(fixed, name), rel=1e-9, abs=1e-300)
    assert spread.quantile(0.7) == pytest.approx(fixed.quantile(0.7))


@pytest.mark.parametrize("load", [1e-6, 1e-3, 0.5, 0.999, 1.001, 20, 2000])
@pytest.mark.parametrize("jitter", [0.01, 0.3, 1])
def test_the_two_ways_to_average_over_the_jitter_agree_with_a_sum_over_many_periods(load, jitter):
    """20,000 equally likely periods."""
    spread = theory.jittered(load / 60, 60, 3, jitter)
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
    closed, lives = theory.on_demand(*case), list(looking_lives(*case))
    assert not disagreements(closed, lives)
    assert not wrong_quantiles(closed, lives)


def test_exponential_gaps_double_the_wait_and_theorys_mu_over_1_plus_mu_ttl_is_the_limit_without_delay():
    assert theory.on_demand(0.1, 60, 0).mean_latency == 2 * theory.polling(0.1, 60, 0).mean_latency
    cached = theory.on_demand(0.1, interval=60, delay=0, ttl=120)
    assert cached.rate * cached.requests_per_event == pytest.approx((1 / 60) / (1 + 120 / 60))


@given(rate=st.floats(1e-6, 1), delay=st.floats(0, 10), ttl=st.floats(0, 1000))
def test_asking_and_being_told_cross_where_looks_are_as_frequent_as_events(rate, delay, ttl):
    every = theory.on_demand_crossover(rate, delay, ttl)
    if every > 1e-3:
        assert theory.on_demand(rate, every, delay, ttl).requests_per_event == pytest.approx(1)
    else:
        assert 1 / rate <= 2 * delay + ttl + 1e-3
    assert theory.on_demand_crossover(rate) == 1 / rate


def test_a_share_of_pushes_is_overwritten_before_a_look():
    """An event and a look, each at exponential gaps: whichever comes first. Batches of 1,000 events."""
    shares = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        shares.append((rng.exponential(60, 5000) < rng.exponential(100, 5000)).mean())
    assert agrees(theory.on_demand(1 / 60, 100, 0).overwritten_share, shares)


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
    assert agrees(theory.on_demand(1, interval=60, delay=0, ttl=120).cached_share, shares)


def test_the_mean_wait_is_the_mean_of_the_quantiles():
    """∫ quantile(q) dq, at 200,000 values of q: of jitter, and of looks, whose tail is long."""
    shares = (np.arange(200_000) + 0.5) / 200_000
    for closed in (theory.jittered(0.1, 6, 2, 0.5), theory.on_demand(0.1, 6, 2, 5)):
        assert np.mean([closed.quantile(q) for q in shares]) == pytest.approx(closed.mean_latency, rel=1e-4)
    assert theory.on_demand(1, 60, 0).quantile(1) == math.inf


# a stream, a fake one, a relay, a thin webhook --------------------------------------------------


@pytest.mark.parametrize("case", POLLED)
def test_a_fake_stream_is_as_late_as_a_poller_and_sends_one_request(case):
    rate, every, delay = case
    closed = theory.fake_stream(*case)
    horizon = 4000 / rate
    lives = [fake_stream(poisson_arrivals(seed, rate, horizon), horizon, delay, every) for seed in SEEDS]
    assert not disagreements(closed, lives, PUSHED)
    assert not wrong_quantiles(closed, lives)
    assert closed.requests(horizon) == len(lives[0].sent) == 1
    assert (closed.requests_per_event, closed.empty_share) == (0, 0)


@pytest.mark.parametrize("case", POLLED)
def test_a_relay_costs_a_webhook_and_polling_together(case):
    rate, interval, delay = case
    closed = theory.relay(*case)
    horizon = 4000 / rate
    lives = [relay(poisson_arrivals(seed, rate, horizon), horizon, delay, interval) for seed in SEEDS]
    assert not disagreements(closed, lives)
    assert not wrong_quantiles(closed, lives)
    polled = theory.polling(rate, interval, delay)
    assert closed.requests_per_event == pytest.approx(1 + polled.requests_per_event)
    assert closed.mean_latency == pytest.approx(delay + polled.mean_latency)


@pytest.mark.parametrize(("make", "delays", "requests"), [(theory.thin, 3, 2), (theory.stream, 1, 0)])
def test_what_is_pushed_is_so_many_delays_late_and_as_current_as_a_webhook_so_far_away(make, delays, requests):
    closed, horizon = make(0.5, 0.4), 8000.0
    lives = []
    for seed in SEEDS:
        occurred = poisson_arrivals(seed, 0.5, horizon)
        lives.append(sample_path(occurred, occurred + delays * 0.4, [], [], horizon))
    assert not disagreements(closed, lives, PUSHED)
    assert closed.quantile(0) == closed.quantile(1) == closed.mean_latency
    assert closed.requests_per_event == requests
    assert closed.staleness == pytest.approx(theory.webhook(0.5, delays * 0.4).staleness)


def test_a_stream_is_one_request_however_long_and_a_thin_webhook_two_an_event_of_which_one_brings_nothing():
    assert theory.stream(0.5, 0.1).requests(3600) == theory.stream(0.5, 0.1).requests(1e9) == 1
    assert theory.thin(0.5, 0.1).requests(3600) == 3600
    assert theory.thin(0.5, 0.1).empty_share == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.jittered(1, 60, 0, 1.5), "jitter must be from 0 to 1, got 1.5"),
        (lambda: theory.jittered(1, 0, 0, 0.5), "interval must be > 0 seconds, got 0"),
        (lambda: theory.jittered(1, 60, 0, 0.5).quantile(-1), "q must be from 0 to 1, got -1"),
        (lambda: theory.on_demand(1, 0, 0), "interval must be > 0 seconds, got 0"),
        (lambda: theory.on_demand(1, 60, 0, -5), "ttl must be >= 0 seconds, got -5"),
        (lambda: theory.on_demand_crossover(0), "rate must be > 0 events a second, got 0"),
        (lambda: theory.fake_stream(1, -5, 0), "interval must be > 0 seconds, got -5"),
        (lambda: theory.relay(1, 5, -1), "delay must be >= 0 seconds, got -1"),
        (lambda: theory.thin(0, 1), "rate must be > 0 events a second, got 0"),
        (lambda: theory.stream(1, 1).requests(-1), "duration must be >= 0 seconds, got -1"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
