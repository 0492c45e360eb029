"""The closed forms of long polling, held against sample paths that do not know them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import SEEDS, agrees, disagreements, long_polling, poisson_arrivals, wrong_quantiles

from labkit import theory

# rate, delay, wait, pause: busy; nearly always held; with a pause; sparse, with many empty answers
CASES = [(20.0, 0.05, 25.0, 0.0), (0.2, 1.0, 5.0, 0.0), (0.5, 0.5, 3.0, 1.0), (0.05, 2.0, 10.0, 0.0)]


def paths_of(rate, delay, wait, pause, events=5000):
    horizon = events / rate
    return [long_polling(poisson_arrivals(seed, rate, horizon), horizon, delay, wait, pause) for seed in SEEDS]


@pytest.mark.parametrize("case", CASES)
def test_a_long_poll_costs_what_theory_says(case):
    closed, paths = theory.LongPolling(*case), paths_of(*case)
    assert not disagreements(closed, paths)
    assert not wrong_quantiles(closed, paths)


@pytest.mark.parametrize("case", CASES)
def test_the_share_of_events_answered_at_once_is_the_share_of_time_in_which_a_request_is_held(case):
    closed = theory.LongPolling(*case)
    assert agrees(closed.held_share, [(path.latency < closed.delay + 1e-9).mean() for path in paths_of(*case)])


def test_as_the_blind_window_shrinks_each_event_costs_one_request_and_the_empty_ones():
    """1/(1 - e^(-λW)) requests per event, e^(-λW) of them empty, and a latency of one delay."""
    closed = theory.LongPolling(rate=0.04, delay=1e-9, wait=25)
    assert closed.requests_per_event == pytest.approx(1 / (1 - math.exp(-1)))
    assert closed.empty_share == pytest.approx(math.exp(-1))
    assert closed.mean_latency == pytest.approx(1e-9)
    assert closed.held_share == pytest.approx(1)


def test_one_transit_on_average_holds_only_while_events_are_rare():
    """At 20 per second and 50 ms it is 1.94 delays, and it tends to two. Rare events can still fall between two."""
    assert theory.LongPolling(1e-6, 0.05, wait=1e9).mean_latency / 0.05 == pytest.approx(1, abs=1e-6)
    assert theory.LongPolling(1e-6, 0.05, wait=25).mean_latency / 0.05 == pytest.approx(1 + 0.1 / 25.1, abs=1e-6)
    assert theory.LongPolling(20, 0.05).mean_latency / 0.05 == pytest.approx(1.94, abs=0.005)
    assert theory.LongPolling(1e6, 0.05).mean_latency / 0.05 == pytest.approx(2)


DELAYS = st.just(0.0) | st.floats(1e-9, 10)  # the square of a smaller one is no normal float


@given(rate=st.floats(1e-6, 1e3), delay=DELAYS, wait=st.floats(1e-3, 1e3), pause=st.floats(0, 100))
def test_it_is_never_later_than_the_blind_window_and_never_fresher_than_a_webhook(rate, delay, wait, pause):
    closed, pushed = theory.LongPolling(rate, delay, wait, pause), theory.Webhook(rate, delay)
    assert closed.quantile(0) == pytest.approx(delay)
    assert closed.quantile(1) == pytest.approx(delay + closed.blind)
    assert delay <= closed.mean_latency <= delay + closed.blind / 2 + 1e-9
    assert 0 <= closed.freshness <= pushed.freshness + 1e-9
    assert pushed.staleness * (1 - 1e-9) <= closed.staleness <= closed.mean_latency


def test_a_very_long_pause_makes_it_polling():
    """With a wait of nearly nothing, and the pause as the interval."""
    closed, polled = theory.LongPolling(0.3, 0.5, wait=1e-9, pause=10), theory.Polling(0.3, 10, 0.5)
    for name in ("mean_latency", "requests_per_event", "empty_share", "freshness", "staleness"):
        assert getattr(closed, name) == pytest.approx(getattr(polled, name), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.LongPolling(0, 1), "rate must be > 0 events per second, got 0"),
        (lambda: theory.LongPolling(1, 1, wait=0), "wait must be > 0 seconds, got 0"),
        (lambda: theory.LongPolling(1, 1, pause=-1), "pause must be >= 0 seconds, got -1"),
        (lambda: theory.LongPolling(1, 1).quantile(2), "q must be from 0 to 1, got 2"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
