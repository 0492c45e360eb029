"""The closed form of a doorbell, held against sample paths that do not know it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import SEEDS, agrees, disagreements, doorbell, poisson_arrivals, wrong_quantiles

from labkit import theory

# rate, delay: rare events; as many as notices can follow; many per notice
CASES = [(0.1, 0.5), (1.0, 0.25), (4.0, 1.0)]
NAMES = ("mean_latency", "requests_per_event", "empty_share", "freshness")


@pytest.mark.parametrize("case", CASES)
def test_a_doorbell_costs_what_theory_says(case):
    horizon = 5000 / case[0]
    closed = theory.Doorbell(*case)
    paths = [doorbell(poisson_arrivals(seed, case[0], horizon), horizon, case[1]) for seed in SEEDS]
    assert not disagreements(closed, paths, NAMES)
    assert not wrong_quantiles(closed, paths)
    assert agrees(closed.notices_per_event, [len(path.sent) / 2 / len(path.occurred) for path in paths])


@given(delay=st.floats(1e-3, 10))
def test_coalescing_takes_the_requests_from_two_to_nothing(delay):
    rare, dense = theory.Doorbell(1e-6 / delay, delay), theory.Doorbell(100 / delay, delay)
    assert rare.requests_per_event == pytest.approx(2)
    assert dense.requests_per_event == pytest.approx(1 / 200)
    assert rare.mean_latency == dense.mean_latency == 3 * delay


def test_while_events_are_rare_it_is_thin():
    rung, thin = theory.Doorbell(1e-9, 0.5), theory.Thin(1e-9, 0.5)
    for name in ("mean_latency", "requests_per_event", "empty_share", "freshness"):
        assert getattr(rung, name) == pytest.approx(getattr(thin, name))


def test_the_mean_is_the_mean_of_the_quantiles():
    closed = theory.Doorbell(1.0, 0.25)
    shares = (np.arange(20_000) + 0.5) / 20_000
    assert np.mean([closed.quantile(q) for q in shares]) == pytest.approx(closed.mean_latency, rel=1e-3)
    assert (closed.quantile(0), closed.quantile(1)) == (0.25, 1.25)


def test_syncs_without_a_notice_are_requests_besides_and_empty():
    alone, both = theory.Doorbell(0.1, 0.5), theory.Doorbell(0.1, 0.5, reconcile_interval=99)
    assert both.requests_per_event == pytest.approx(alone.requests_per_event + 0.1)
    assert both.empty_share > alone.empty_share
    assert both.mean_latency == alone.mean_latency


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.Doorbell(0, 1), "rate must be > 0 events per second, got 0"),
        (lambda: theory.Doorbell(1, -1), "delay must be >= 0 seconds, got -1"),
        (lambda: theory.Doorbell(1, 0, -1), "reconcile_interval must be >= 0 seconds, got -1"),
        (lambda: theory.Doorbell(1, 0).quantile(2), "q must be from 0 to 1, got 2"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
