"""The closed forms of long polling, held against lives that do not know them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_paths import SEEDS, agrees, disagreements, long_polling, poisson_arrivals, wrong_quantiles

from labkit import theory

# rate, delay, wait, pause: busy; nearly always held; with a pause; sparse, with many waits in vain
CASES = [(20.0, 0.05, 25.0, 0.0), (0.2, 1.0, 5.0, 0.0), (0.5, 0.5, 3.0, 1.0), (0.05, 2.0, 10.0, 0.0)]


def lives_of(rate, delay, wait, pause, events=5000):
    horizon = events / rate
    return [long_polling(poisson_arrivals(seed, rate, horizon), horizon, delay, wait, pause) for seed in SEEDS]


@pytest.mark.parametrize("case", CASES)
def test_a_long_poll_costs_what_theory_says(case):
    closed, lives = theory.long_polling(*case), lives_of(*case)
    assert not disagreements(closed, lives)
    assert not wrong_quantiles(closed, lives)


@pytest.mark.parametrize("case", CASES)
def test_the_share_of_events_that_wait_for_nothing_is_the_share_of_time_in_which_a_question_is_held(case):
    closed = theory.long_polling(*case)
    assert agrees(closed.held_share, [(life.latency < closed.delay + 1e-9).mean() for life in lives_of(*case)])


def test_as_the_blind_window_shrinks_each_event_costs_a_question_and_the_waits_in_vain():
    """1/(1 - e^(-λW)) requests an event, e^(-λW) of them empty, a delay late."""
    closed = theory.long_polling(rate=0.04, delay=1e-9, wait=25)
    assert closed.requests_per_event == pytest.approx(1 / (1 - math.exp(-1)))
    assert closed.empty_share == pytest.approx(math.exp(-1))
    assert closed.mean_latency == pytest.approx(1e-9)
    assert closed.held_share == pytest.approx(1)


def test_one_transit_on_average_holds_only_while_events_are_rare():
    """At 20 a second and 50 ms it is 1.94 delays, and it tends to two. However rare, some fall between two waits."""
    assert theory.long_polling(1e-6, 0.05, wait=1e9).mean_latency / 0.05 == pytest.approx(1, abs=1e-6)
    assert theory.long_polling(1e-6, 0.05, wait=25).mean_latency / 0.05 == pytest.approx(1 + 0.1 / 25.1, abs=1e-6)
    assert theory.long_polling(20, 0.05).mean_latency / 0.05 == pytest.approx(1.94, abs=0.005)
    assert theory.long_polling(1e6, 0.05).mean_latency / 0.05 == pytest.approx(2)


@given(rate=st.floats(1e-6, 1e3), delay=st.floats(0, 10), wait=st.floats(1e-3, 1e3), pause=st.floats(0, 100))
def test_it_is_never_later_than_the_blind_window_and_never_more_current_than_a_webhook(rate, delay, wait, pause):
    closed, told = theory.long_polling(rate, delay, wait, pause), theory.webhook(rate, delay)
    assert closed.quantile(0) == pytest.approx(delay)
    assert closed.quantile(1) == pytest.approx(delay + closed.blind)
    assert delay <= closed.mean_latency <= delay + closed.blind / 2 + 1e-9
    assert 0 <= closed.freshness <= told.freshness + 1e-9
    assert told.staleness * (1 - 1e-9) <= closed.staleness <= closed.mean_latency


def test_a_very_long_pause_makes_it_polling():
    """With a wait that is nothing and a pause P - 2d, only the delays differ: none."""
    closed, polled = theory.long_polling(0.3, 0.5, wait=1e-9, pause=10), theory.polling(0.3, 10, 0.5)
    for name in ("mean_latency", "requests_per_event", "empty_share", "freshness", "staleness"):
        assert getattr(closed, name) == pytest.approx(getattr(polled, name), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.long_polling(0, 1), "rate must be > 0 events a second, got 0"),
        (lambda: theory.long_polling(1, 1, wait=0), "wait must be > 0 seconds, got 0"),
        (lambda: theory.long_polling(1, 1, pause=-1), "pause must be >= 0 seconds, got -1"),
        (lambda: theory.long_polling(1, 1).quantile(2), "q must be from 0 to 1, got 2"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
