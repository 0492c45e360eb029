"""The closed forms of a lease, held against sample paths that do not know them."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import SEEDS, agrees, leased, poisson_arrivals

from labkit import theory

# ttl, renew_before, delay, forgotten, duration: within the first lease, some leases, many, nearly
# always forgotten, a delay that weighs as much as the rest
CASES = [
    (600.0, 100.0, 5.0, 0.3, 500.0),
    (600.0, 100.0, 5.0, 0.3, 3000.0),
    (60.0, 20.0, 0.0, 0.05, 1500.0),
    (60.0, 0.0, 1.0, 0.9, 600.0),
    (60.0, 50.0, 20.0, 0.3, 200.0),
]


def lives(ttl, before, delay, forgotten, count=40_000, seed=0):
    """How long each of some leases is renewed, one renewal after the other."""
    chance = random.Random(seed)
    for _ in range(count):
        ends = ttl
        while chance.random() >= forgotten:
            ends = ends - before + delay + ttl
        yield ends


@pytest.mark.parametrize("case", CASES)
def test_a_lease_falls_silent_when_theory_says(case):
    ttl, before, delay, forgotten, duration = case
    closed = theory.Leased(0.1, delay, ttl, before, forgotten)
    samples = np.array([list(lives(*case[:4], count=4000, seed=seed)) for seed in SEEDS])
    assert agrees(closed.mean_lifetime, samples.mean(axis=1))
    for used in (0.0, 0.5 * ttl):
        silent = 1 - np.minimum(samples - used, duration).mean(axis=1) / duration
        assert agrees(closed.silent_share(duration, used), silent)


@given(ttl=st.floats(1, 1e6), left=st.floats(0, 0.9), forgotten=st.floats(0.001, 1))
def test_without_a_delay_it_is_the_textbooks_formula(ttl, left, forgotten):
    """(L - r)/q + r."""
    before = left * ttl
    closed = theory.Leased(1, 0, ttl, before, forgotten)
    assert closed.mean_lifetime == pytest.approx((ttl - before) / forgotten + before)


def test_what_a_poll_brings_is_half_a_period_late():
    ttl, before, delay, forgotten, duration = CASES[1]
    closed = theory.Leased(2.0, delay, ttl, before, forgotten, reconcile_interval=40)
    late, empty = [], []
    for seed in range(1200):
        occurred = poisson_arrivals(seed, 2.0, duration)
        chance = random.Random(seed)
        path = leased(
            occurred, duration, delay, ttl, before, lambda chance=chance: chance.random() < forgotten, reconcile=40.0
        )
        late.append(path.latency.mean())
        empty.append(np.isnan(path.received).any())
    assert not any(empty)
    assert agrees(closed.mean_latency_over(duration), np.reshape(late, (40, -1)).mean(axis=1), finest=0.02)


def test_a_lease_that_nobody_forgets_is_a_webhook_and_its_renewals():
    pushed, kept = theory.Webhook(0.1, 0.5), theory.Leased(0.1, 0.5, 3600, 600)
    for name in ("mean_latency", "freshness", "staleness", "empty_share"):
        assert getattr(kept, name) == pytest.approx(getattr(pushed, name))
    assert kept.requests_per_event == pytest.approx(1 + 1 / (0.1 * 3000.5))
    assert (kept.mean_lifetime, kept.silent_share(1e7)) == (math.inf, 0)
    assert kept.mean_latency_over(1e7) == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.Leased(1, 0, 60, 60), "renew_before must be >= 0 and < 60 seconds, the ttl, got 60"),
        (lambda: theory.Leased(1, 0, 0, 0), "renew_before must be >= 0 and < 0 seconds, the ttl, got 0"),
        (lambda: theory.Leased(1, 0, 60, 6, 2), "forgotten must be from 0 to 1, got 2"),
        (lambda: theory.Leased(1, 0, 60, 6).silent_share(0), "duration must be > 0 seconds, got 0"),
        (lambda: theory.Leased(1, 0, 60, 6).silent_share(9, 61), "used must be from 0 to 60 seconds, got 61"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
