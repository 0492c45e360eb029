"""The closed forms of batches and of feeds, held against sample paths that do not know them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import SEEDS, agrees, batched, disagreements, poisson_arrivals, polling

from labkit import theory

# rate, age, delay, count: by age alone; by both; pairs; sparse. Mostly by count: tests/test_theory_lens.py
BATCHED = [(0.1, 6.0, 2.0, 100), (1.0, 10.0, 0.5, 10), (1.0, 2.0, 1.0, 2), (0.02, 6.0, 0.0, 4)]
# rate, interval, delay, last: a long list; one that always overflows. Now and then: tests/test_theory_lens.py
FEEDS = [(0.1, 6.0, 2.0, 100), (1.0, 3.0, 0.2, 1)]


@pytest.mark.parametrize("case", BATCHED)
def test_batches_cost_what_theory_says(case):
    rate, age, delay, count = case
    horizon = 5000 / rate
    paths = [batched(poisson_arrivals(seed, rate, horizon), horizon, delay, age, count) for seed in SEEDS]
    assert not disagreements(theory.Batched(*case), paths)


@given(rate=st.floats(1e-6, 10), age=st.floats(0, 1000), delay=st.floats(0, 10))
def test_by_age_alone_the_sums_have_closed_ends(rate, age, delay):
    """1/(1 + λA) requests an event, and a wait of A(1 + λA/2)/(1 + λA)."""
    closed, load = theory.Batched(rate, age, delay, math.inf), rate * age
    assert closed.requests_per_event == pytest.approx(1 / (1 + load))
    assert closed.mean_latency == pytest.approx(delay + age * (1 + load / 2) / (1 + load))


@pytest.mark.parametrize("case", BATCHED)
def test_the_sums_are_those_over_the_tails(case):
    """E[size] = 1 + ΣQ(k), mean wait Σk·Q(k)/(λE[size]), k = 1..N-1, Q(k) = P(Poisson(λA) >= k)."""
    from scipy import stats

    rate, age, delay, count = case
    k = np.arange(1, count)
    tails = stats.poisson.sf(k - 1, rate * age)
    closed = theory.Batched(*case)
    assert closed.mean_size == pytest.approx(1 + tails.sum())
    assert closed.mean_latency == pytest.approx(delay + (k * tails).sum() / (rate * (1 + tails.sum())))


@given(rate=st.floats(1e-6, 10), delay=st.floats(0, 10), count=st.sampled_from([1, 2, 100, math.inf]))
def test_a_batch_that_waits_for_nothing_and_one_of_one_are_webhooks(rate, delay, count):
    pushed = theory.Webhook(rate, delay)
    for closed in (theory.Batched(rate, 0, delay, count), theory.Batched(rate, 60, delay, 1)):
        for name in ("mean_latency", "requests_per_event", "freshness", "staleness"):
            assert getattr(closed, name) == pytest.approx(getattr(pushed, name), abs=1e-12)


@pytest.mark.parametrize("case", FEEDS)
def test_a_feed_costs_and_loses_what_theory_says(case):
    rate, interval, delay, last = case
    horizon = 10_000 / rate
    closed = theory.Feed(*case)
    paths = [
        polling(poisson_arrivals(seed, rate, horizon), horizon, delay, lambda found: interval, newest=last)
        for seed in SEEDS
    ]
    assert not disagreements(closed, paths, ("mean_latency", "requests_per_event", "empty_share"))
    lost = [np.isnan(each.received).mean() for each in paths]
    assert agrees(closed.lost_share, lost)


def test_a_feed_that_is_long_enough_is_polling():
    closed, polled = theory.Feed(0.1, 60, 0.5, 1000), theory.Polling(0.1, 60, 0.5)
    for name in ("mean_latency", "requests_per_event", "empty_share"):
        assert getattr(closed, name) == pytest.approx(getattr(polled, name))
    assert closed.lost_share == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.Batched(1, -1, 0), "max_wait must be >= 0 seconds, got -1"),
        (lambda: theory.Batched(1, 60, 0, 0), "count must be a whole number >= 1 events, got 0"),
        (lambda: theory.Batched(1, 60, 0, math.nan), "count must be a whole number >= 1 events, got nan"),
        (lambda: theory.Feed(1, 60, 0, 0), "last must be a whole number >= 1 events, got 0"),
        (lambda: theory.Feed(1, 0, 0), "interval must be > 0 seconds, got 0"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
