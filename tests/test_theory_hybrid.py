"""The closed forms of a webhook with a reconciling poll, held against sample paths that do not know them."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import SEEDS, agrees, disagreements, hybrid, poisson_arrivals, wrong_quantiles

from labkit import theory

# rate, delay, reconcile, loss, retries: none; two; two of which the second is rarely before the poll; nearly all lost
CASES = [
    (0.1, 2.0, 100.0, 0.3, ()),
    (0.1, 2.0, 100.0, 0.5, (5.0, 40.0)),
    (0.5, 1.0, 20.0, 0.4, (3.0, 30.0)),
    (1.0, 0.0, 10.0, 0.9, (1.0, 2.0, 3.0)),
]
NAMES = ("mean_latency", "requests_per_event", "empty_share", "freshness")


def paths_of(rate, delay, reconcile, loss, retries, events=5000):
    horizon = events / rate
    for seed in SEEDS:
        chance = random.Random(seed)
        yield hybrid(
            poisson_arrivals(seed, rate, horizon),
            horizon,
            delay,
            reconcile,
            retries,
            lambda number, attempt, chance=chance: chance.random() < loss,
        )


@pytest.mark.parametrize("case", CASES)
def test_a_hybrid_costs_what_theory_says(case):
    closed, paths = theory.Hybrid(*case), list(paths_of(*case))
    assert not disagreements(closed, paths, NAMES)
    assert not wrong_quantiles(closed, paths)


@given(rate=st.floats(1e-6, 10), delay=st.floats(0, 10), reconcile=st.floats(1, 1e5), loss=st.floats(0, 1))
def test_without_retries_it_is_a_share_of_half_an_interval_late(rate, delay, reconcile, loss):
    closed = theory.Hybrid(rate, delay, reconcile, loss)
    assert closed.mean_latency == pytest.approx(delay + loss * (reconcile + 2 * delay) / 2)
    assert closed.recovered_share == pytest.approx(loss)
    assert closed.attempts_per_event == 1


def test_what_is_never_lost_is_a_webhook_and_what_always_is_polling():
    pushed, polled = theory.Webhook(0.1, 0.5), theory.Polling(0.1, 60, 0.5)
    sure, hopeless = theory.Hybrid(0.1, 0.5, 60, 0), theory.Hybrid(0.1, 0.5, 60, 1)
    for name in ("mean_latency", "freshness"):
        assert getattr(sure, name) == pytest.approx(getattr(pushed, name))
        assert getattr(hopeless, name) == pytest.approx(getattr(polled, name))
    assert sure.requests_per_event == pytest.approx(1 + polled.requests_per_event)
    for q in (0, 0.3, 1):
        assert hopeless.quantile(q) == pytest.approx(polled.quantile(q))
        assert sure.quantile(q) == 0.5


def test_retries_without_end_and_a_reconciliation_that_never_comes_make_the_attempts_of_a_webhook():
    closed = theory.Hybrid(0.1, 0, 1e9, 0.2, tuple(range(1, 200)))
    assert closed.attempts_per_event == pytest.approx(theory.attempts_per_event(0.2))


def test_the_mean_is_the_mean_of_the_quantiles():
    shares = (np.arange(20_000) + 0.5) / 20_000
    for case in CASES:
        closed = theory.Hybrid(*case)
        assert np.mean([closed.quantile(q) for q in shares]) == pytest.approx(closed.mean_latency, rel=1e-3)


def test_a_share_of_the_events_is_recovered_by_a_reconciliation():
    """Those whose latency is not that of an attempt."""
    rate, delay, reconcile, loss, retries = CASES[1]
    closed = theory.Hybrid(rate, delay, reconcile, loss, retries)
    attempts = np.array([0.0, *retries]) + delay
    shares = []
    for path in paths_of(*CASES[1]):
        delivered = np.isclose(path.latency[:, None], attempts, atol=1e-6).any(axis=1)
        shares.append(1 - delivered.mean())
    assert agrees(closed.recovered_share, shares)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.Hybrid(1, 0, 0), "reconcile_interval must be > 0 seconds, got 0"),
        (lambda: theory.Hybrid(1, 0, 60, 1.1), "loss must be from 0 to 1, got 1.1"),
        (
            lambda: theory.Hybrid(1, 0, 60, 0.1, (5, 5)),
            "retries must be seconds after the event, > 0 and increasing, got (5, 5)",
        ),
        (lambda: theory.Hybrid(1, 0, 60).quantile(-0.1), "q must be from 0 to 1, got -0.1"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
