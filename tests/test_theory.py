"""The closed forms, held against simulations that do not know them.

Statistical checks use the fixed seeds 0..n and a Šidák bound: all of them together fail once in a thousand.
"""

import doctest
import importlib
import math
import pkgutil
from decimal import Decimal, localcontext

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from labkit import theory
from labkit.theory import Polling, Webhook

CHECKS = 60
ALPHA = 1 - (1 - 0.001) ** (1 / CHECKS)
BOUND = stats.norm.isf(ALPHA / 2)  # 4.3
QUAKES = 1 / 353.678  # earthquakes a second

# rate, interval, delay, fixed: the delay weighs as much as the interval, so that a forgotten 2d is seen
CASES = [(0.1, 6.0, 2.0, "delay"), (2.0, 0.5, 0.25, "delay"), (0.5, 4.0, 1.5, "rate"), (0.01, 60.0, 5.0, "rate")]

rates = st.floats(1e-9, 1e2)
intervals = st.floats(1e-3, 1e5)
delays = st.floats(0, 10)


def poisson_arrivals(rng, rate, duration):
    """Poisson arrivals before `duration`: a Poisson number of uniform instants."""
    return np.sort(rng.uniform(0, duration, rng.poisson(rate * duration)))


def poll_instants(interval, delay, fixed, count):
    """When each poll is sent, step by step."""
    step = interval + 2 * delay if fixed == "delay" else interval
    return np.arange(count) * step


def simulated_polling(seed, rate, interval, delay, fixed, count=4000):
    """Latencies of the events seen by polls 1..count-1, and how many events each of them found."""
    seen_at = poll_instants(interval, delay, fixed, count) + delay
    arrivals = poisson_arrivals(np.random.default_rng(seed), rate, seen_at[-1])
    arrivals = arrivals[arrivals > seen_at[0]]
    poll = np.searchsorted(seen_at, arrivals, side="left")
    return seen_at[poll] + delay - arrivals, np.bincount(poll, minlength=count)[1:]


def staleness_samples(seed, rate, period, delay, count=20_000):
    """Staleness at independent instants, so far apart that no event matters to two of them."""
    rng = np.random.default_rng(seed)
    slot = period * math.ceil(2 + (delay + 1) / period) if period else 4 * delay + 1
    arrivals = np.append(poisson_arrivals(rng, rate, slot * (count + 2)), np.inf)
    now = slot * np.arange(1, count + 1) + rng.uniform(0, period, count)
    known_up_to = period * np.floor((now - delay) / period) if period else now - delay
    oldest_unheard = arrivals[np.searchsorted(arrivals, known_up_to, side="right")]
    return np.maximum(0, now - oldest_unheard)


def z_score(sample, expected):
    return (np.mean(sample) - expected) / (np.std(sample, ddof=1) / math.sqrt(len(sample)))


def simpy_poller(interval, delay, fixed, duration, arrivals):
    """A poller written as processes: the instants of its polls, and the latency of each event."""
    env, store, sent, latencies = simpy.Environment(), [], [], []

    def source():
        for at in arrivals:
            yield env.timeout(at - env.now)
            store.append(at)

    def poller():
        seen = 0
        while True:
            sent.append(env.now)
            yield env.timeout(delay)
            answer, seen = store[seen:], len(store)
            yield env.timeout(delay)
            latencies.extend(env.now - at for at in answer)
            yield env.timeout(interval if fixed == "delay" else interval - 2 * delay)

    env.process(source())
    env.process(poller())
    env.run(until=duration)
    return sent, latencies


# Polling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_the_mean_latency_is_a_delay_and_half_a_period(case, seed):
    """The standard error is the closed form's, too: it is neither measured nor chosen."""
    latencies, _ = simulated_polling(seed, *case)
    expected = Polling(*case)
    z = (latencies.mean() - expected.mean_latency) / expected.standard_error(len(latencies))
    assert abs(z) < BOUND


def test_z_over_200_seeds_looks_standard_normal():
    """P/√(12n) is the standard error: half or double of it would show here."""
    case = CASES[0]
    expected = Polling(*case)
    z = []
    for seed in range(200):
        latencies, _ = simulated_polling(seed, *case)
        z.append((latencies.mean() - expected.mean_latency) / expected.standard_error(len(latencies)))
    assert stats.kstest(z, "norm").pvalue > 0.001
    assert stats.kstest(np.array(z) / 2, "norm").pvalue < 0.001
    assert stats.kstest(np.array(z) * 2, "norm").pvalue < 0.001


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("case", CASES)
def test_a_share_q_of_latencies_lies_under_the_quantile(case, q):
    latencies, _ = simulated_polling(0, *case)
    under = int((latencies < Polling(*case).quantile(q)).sum())
    assert stats.binomtest(under, len(latencies), q).pvalue > ALPHA


@pytest.mark.parametrize("case", CASES)
def test_no_latency_is_outside_the_quantiles_0_and_1(case):
    latencies, _ = simulated_polling(0, *case)
    expected = Polling(*case)
    assert latencies.min() >= expected.quantile(0) - 1e-6
    assert latencies.max() <= expected.quantile(1) + 1e-6
    assert np.ptp(latencies) > 0.99 * expected.period


@pytest.mark.parametrize("case", CASES)
def test_the_empty_share_of_poisson_arrivals_is_exponential(case):
    _, found = simulated_polling(0, *case)
    assert stats.binomtest(int((found == 0).sum()), len(found), Polling(*case).empty_share).pvalue > ALPHA


def test_clusters_break_the_empty_share_but_not_the_requests_per_event():
    """Clusters of ten: the formula for Poisson arrivals is refused, the one for any arrivals holds."""
    rng = np.random.default_rng(0)
    expected = Polling(0.1, 1.6, 0.02)
    polls = 100_000
    clusters = poisson_arrivals(rng, expected.rate / 10, polls * expected.period)
    found = np.bincount((clusters / expected.period).astype(int), minlength=polls) * 10
    assert stats.binomtest(int((found == 0).sum()), polls, expected.empty_share).pvalue < 1e-9
    assert abs(z_score(found, 1 / expected.requests_per_event)) < BOUND


@pytest.mark.parametrize("case", CASES)
def test_requests_per_event_is_what_was_counted(case):
    _, found = simulated_polling(0, *case)
    assert abs(z_score(found, 1 / Polling(*case).requests_per_event)) < BOUND


@pytest.mark.parametrize("phase", [0.0, 1.5])
def test_the_first_poll_looks_back_on_less_than_a_period(phase):
    """Empty polls in three periods, counted in 10,000 short runs. An unshortened first window is refused."""
    expected = Polling(*CASES[0])
    seen_at = phase + poll_instants(*CASES[0][1:], 3) + expected.delay
    empties = []
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        arrivals = poisson_arrivals(rng, expected.rate, seen_at[-1])
        found = np.histogram(arrivals, np.concatenate([[0], seen_at]))[0]
        empties.append((found == 0).sum())
    duration = phase + 3 * expected.period
    assert abs(z_score(empties, expected.empty_requests(duration, phase))) < BOUND
    assert abs(z_score(empties, 3 * expected.empty_share)) > BOUND


@pytest.mark.parametrize("case", CASES)
def test_current_share_and_staleness_of_a_poller(case):
    expected = Polling(*case)
    staleness = staleness_samples(0, expected.rate, expected.period, expected.delay)
    current = int((staleness == 0).sum())
    assert stats.binomtest(current, len(staleness), expected.freshness).pvalue > ALPHA
    assert abs(z_score(staleness, expected.staleness)) < BOUND


@pytest.mark.parametrize(
    ("interval", "delay", "fixed"), [(2.0, 0.25, "delay"), (2.0, 0.25, "rate"), (0.5, 0.5, "delay")]
)
def test_simpy_sends_the_same_polls(interval, delay, fixed):
    """Exact: binary fractions, and a horizon that falls on, just before and just after a poll."""
    expected = Polling(1, interval, delay, fixed)
    for duration in [expected.period * 8 + off for off in (-0.125, 0, 0.125)]:
        sent, _ = simpy_poller(interval, delay, fixed, duration, [])
        assert expected.polls(duration) == len(sent)
        assert expected.requests(duration) == len(sent)
        assert sent[1] - sent[0] == expected.period


@pytest.mark.parametrize("fixed", ["delay", "rate"])
def test_simpy_hears_one_event_at_each_phase_after_the_mean_latency(fixed):
    """Exact: one event in the middle of each 64th of a period has the mean of the uniform law."""
    expected = Polling(1, 2.0, 0.25, fixed)
    phases = [0.25 + (k + k / 64 + 1 / 128) * expected.period for k in range(64)]
    _, latencies = simpy_poller(2.0, 0.25, fixed, 66 * expected.period, phases)
    assert len(latencies) == 64
    assert sum(latencies) / 64 == pytest.approx(expected.mean_latency, rel=1e-12)


@given(period=st.integers(1, 10**5), duration=st.integers(0, 10**7), phase=st.integers(0, 10**5))
def test_polls_are_counted_in_whole_milliseconds_without_float_errors(period, duration, phase):
    for fixed in ("delay", "rate"):
        poller = Polling(1, period / 1000, 0, fixed)
        assert poller.polls(duration / 1000, phase / 1000) == len(range(phase, duration, period))


def test_a_sum_of_floats_at_the_horizon_adds_no_poll():
    """0.1 + 0.1 + 0.1 is more than 0.3 in floats: by them a fourth poll would stand before the horizon."""
    assert math.ceil((0.1 + 0.1 + 0.1) / 0.1) == 4
    assert Polling(1, 0.1, 0, "rate").polls(0.1 + 0.1 + 0.1) == 3
    assert Polling(1, 0.06, 0.02, "delay").polls(0.1 + 0.1 + 0.1) == 3


def test_a_rounded_sleep_drifts_and_a_fixed_rate_does_not():
    """A third of a second, sleep by sleep, is 1 ms early after 1,000,000 s. Two legs of 1.4 ns take 2 ns."""
    assert Polling(1, 1 / 3, 0, "rate").polls(1_000_000) == 3_000_000
    assert Polling(1, 1 / 3, 0, "delay").polls(1_000_000) == 3_000_001
    assert Polling(1, 1, 1.4e-9, "delay").polls(5.000000011) == 6


# Pages ------------------------------------------------------------------------------------------


def test_ten_events_a_poll_in_pages_of_five_take_2_4_requests():
    """With a further request after each full last page it would be 2.6."""
    assert theory.pages(10, 5) == pytest.approx(2.4, abs=0.005)
    full_page_asks_again = 1 + stats.poisson.sf(np.arange(5, 200, 5) - 1, 10).sum()
    assert full_page_asks_again == pytest.approx(2.6, abs=0.005)


def test_paging_by_has_more_takes_that_many_requests():
    rng = np.random.default_rng(0)
    requests = []
    for pending in rng.poisson(10, 20_000):
        asked, has_more = 0, True
        while has_more:
            pending, asked = max(0, pending - 5), asked + 1
            has_more = pending > 0
        requests.append(asked)
    assert abs(z_score(requests, theory.pages(10, 5))) < BOUND


@given(mean=st.floats(1e-6, 3000), limit=st.integers(1, 1000))
def test_pages_agree_with_scipys_tails(mean, limit):
    """E[max(1, ⌈N/L⌉)] = 1 + Σ P(N > jL)."""
    tails = stats.poisson.sf(np.arange(limit, mean + 40 * math.sqrt(mean) + 200, limit), mean)
    assert theory.pages(mean, limit) == pytest.approx(1 + tails.sum(), rel=1e-9)


def test_requests_count_pages_and_polls_do_not():
    poller = Polling(10, 1, 0, "rate", limit=5)
    assert poller.polls(100) == 100
    assert poller.requests(100) == pytest.approx(240, abs=0.5)
    assert poller.requests_per_event == pytest.approx(0.24, abs=0.0005)
    assert poller.empty_share == pytest.approx(math.exp(-10) / 2.4, rel=0.001)
    assert poller.empty_requests(100) == pytest.approx(1 + 99 * math.exp(-10))


# Choosing an interval ---------------------------------------------------------------------------


@given(rate=rates, delay=delays, fixed=st.sampled_from(["delay", "rate"]), requests=st.floats(0.5, 3))
def test_at_the_crossover_polling_sends_as_much_as_the_webhook(rate, delay, fixed, requests):
    interval = theory.crossover_interval(rate, delay, fixed, requests)
    if interval == 0:
        assert 1 / (rate * 2 * delay) <= requests * (1 + 1e-9)
    elif interval > max(1e-6, 2 * delay):
        assert Polling(rate, interval, delay, fixed).requests_per_event == pytest.approx(requests, rel=1e-9)


@pytest.mark.parametrize("fixed", ["delay", "rate"])
@pytest.mark.parametrize(("rate", "tau", "delay"), [(QUAKES, 30, 0.02), (0.5, 100, 2.0), (5, 20, 0)])
def test_no_other_interval_costs_less(rate, tau, delay, fixed):
    """The minimum of polls + total latency / τ, found numerically over the closed forms."""

    def cost(interval):
        poller = Polling(rate, interval, delay, fixed, limit=10**9)
        return poller.requests_per_event + poller.mean_latency / tau

    found = optimize.minimize_scalar(cost, bounds=(2 * delay + 1e-6, 1e4), method="bounded", options={"xatol": 1e-7})
    assert theory.best_interval(rate, tau, delay, fixed) == pytest.approx(found.x, rel=1e-4)


def test_when_latency_is_dear_the_best_interval_is_to_ask_again_at_once():
    assert theory.best_interval(rate=10, tau=1, delay=1) == 0


# Unequal intervals ------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["jitter", "exponential"])
def test_unequal_periods_wait_longer_and_are_empty_more_often(draw):
    """Polls jittered by ±20%, and at exponential gaps. Batch means: the waits are not independent."""
    rng = np.random.default_rng(0)
    periods = rng.uniform(48, 72, 100_000) if draw == "jitter" else rng.exponential(60, 100_000)
    polls = np.cumsum(periods)
    arrivals = poisson_arrivals(rng, 0.02, polls[-1])
    poll = np.searchsorted(polls, arrivals, side="left")
    waits = polls[poll] - arrivals
    batches = [batch.mean() for batch in np.array_split(waits, 200)]
    assert abs(z_score(batches, theory.unequal_wait(periods))) < BOUND
    empties = len(periods) - len(np.unique(poll))
    share = theory.unequal_empty_share(0.02, periods)
    assert abs(empties - share * len(periods)) < BOUND * math.sqrt(share * (1 - share) * len(periods))
    assert share > math.exp(-0.02 * 60)


@given(period=st.floats(1e-3, 1e5), count=st.integers(1, 20), rate=rates)
def test_equal_periods_are_fixed_polling(period, count, rate):
    fixed = Polling(rate, period, 0)
    assert theory.unequal_wait([period] * count) == pytest.approx(fixed.mean_latency)
    assert theory.unequal_empty_share(rate, [period] * count) == pytest.approx(math.exp(-rate * period))


@given(st.lists(st.floats(1e-3, 1e5), min_size=1))
def test_no_periods_of_the_same_mean_wait_less_than_equal_ones(periods):
    assert theory.unequal_wait(periods) >= sum(periods) / len(periods) / 2 * (1 - 1e-12)


# Webhook ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "delay"), [(0.1, 2.0), (20, 0.05)])
def test_current_share_and_staleness_of_a_webhook(rate, delay):
    expected = Webhook(rate, delay)
    staleness = staleness_samples(0, rate, 0, delay)
    current = int((staleness == 0).sum())
    assert stats.binomtest(current, len(staleness), expected.freshness).pvalue > ALPHA
    assert abs(z_score(staleness, expected.staleness)) < BOUND


def test_a_webhook_sends_one_request_an_event_and_hears_after_the_delay():
    hook = Webhook(rate=0.5, delay=0.02)
    assert (hook.requests(1000), hook.requests_per_event, hook.empty_share) == (500, 1, 0)
    assert hook.mean_latency == hook.quantile(0) == hook.quantile(0.99) == 0.02


def test_retries_multiply_the_attempts():
    """Attempts until one arrives, tossed one by one."""
    rng = np.random.default_rng(0)
    attempts = []
    for _ in range(10_000):
        attempts.append(1)
        while rng.random() < 0.3:
            attempts[-1] += 1
    assert abs(z_score(attempts, theory.attempts_per_event(0.3))) < BOUND


# Both -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [0, 10.0])
def test_the_age_of_information_is_the_gap_and_the_latency(period):
    """The age of the newest event held, sampled at instants 40 mean gaps apart."""
    rng = np.random.default_rng(0)
    rate, delay, count = 0.2, 2.0, 10_000
    expected = Polling(rate, period, delay, "rate") if period else Webhook(rate, delay)
    arrivals = poisson_arrivals(rng, rate, 200 * (count + 2))
    now = 200 * np.arange(1, count + 1) + rng.uniform(0, period, count)
    known_up_to = period * np.floor((now - delay) / period) if period else now - delay
    age = now - arrivals[np.searchsorted(arrivals, known_up_to, side="right") - 1]
    assert abs(z_score(age, expected.age_of_information)) < BOUND


@given(rate=rates, interval=intervals, delay=delays)
def test_staleness_keeps_its_digits(rate, interval, delay):
    """theory.md's formulas as they stand, in 80 decimal digits, where cancelling does no harm."""
    with localcontext() as context:
        context.prec = 80
        lam, d = Decimal(rate), Decimal(delay)
        period = Decimal(interval) + 2 * d
        gone = 1 - (-lam * period).exp()
        current = (-lam * d).exp() * gone / (lam * period)
        polled = d + period / 2 - 1 / lam + (-lam * d).exp() * gone / (lam * lam * period)
        pushed = d - (1 - (-lam * d).exp()) / lam
    poller, hook = Polling(rate, interval, delay), Webhook(rate, delay)
    assert poller.freshness == pytest.approx(float(current), rel=1e-12)
    assert poller.staleness == pytest.approx(float(polled), rel=1e-12)
    assert hook.staleness == pytest.approx(float(pushed), rel=1e-12)


def test_when_nothing_happens_every_poll_is_empty_and_nothing_is_missing():
    """λ -> 0, down to rates at which 1 - e^(-x) computed naively is 0."""
    for rate in (1e-6, 1e-12, 1e-30):
        poller = Polling(rate, 60, 0.02)
        assert poller.empty_share == pytest.approx(1, abs=100 * rate)
        assert poller.freshness == pytest.approx(1, abs=100 * rate)
        assert poller.requests_per_poll == 1
        assert poller.staleness / rate == pytest.approx((0.02**2 + 0.02 * 60.04 + 60.04**2 / 3) / 2, rel=1e-3)
        assert Webhook(rate, 0.02).staleness / rate == pytest.approx(0.02**2 / 2, rel=1e-6)


def test_polling_all_the_time_at_a_fixed_rate_is_as_current_as_a_webhook():
    """T -> 0 without a delay: P -> 0; with a delay a fixed delay keeps P = 2d, and so its latency is 2d."""
    hook = Webhook(0.1, 0)
    poller = Polling(0.1, 1e-9, 0)
    assert poller.mean_latency == pytest.approx(hook.mean_latency, abs=1e-9)
    assert poller.freshness == pytest.approx(hook.freshness, abs=1e-9)
    assert poller.staleness == pytest.approx(hook.staleness, abs=1e-9)
    assert Polling(0.1, 1e-9, 0.5).mean_latency == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Polling(0, 60, 0), "rate must be > 0 events per second, got 0"),
        (lambda: Polling(1, -1, 0), "interval must be > 0 seconds, got -1"),
        (lambda: Polling(1, math.nan, 0), "interval must be a finite number > 0 seconds, got nan"),
        (lambda: Polling(1, math.inf, 0), "interval must be a finite number > 0 seconds, got inf"),
        (lambda: Polling(1, 60, -0.1), "delay must be >= 0 seconds, got -0.1"),
        (lambda: Polling(1, 60, 0, "speed"), "fixed must be 'delay' or 'rate', got 'speed'"),
        (lambda: Polling(1, 1, 0.6, "rate"), "interval must be >= 1.2 seconds, a round trip, got 1"),
        (lambda: Polling(1, 1, 0, limit=0), "limit must be a whole number >= 1 events per page, got 0"),
        (lambda: Polling(1, 1, 0).quantile(1.1), "q must be from 0 to 1, got 1.1"),
        (lambda: Polling(1, 1, 0).standard_error(0), "events must be > 0, got 0"),
        (lambda: Polling(1, 1, 0).polls(-1), "duration must be >= 0 seconds, got -1"),
        (lambda: Polling(1, 1e-12, 0).polls(1), "period must be >= 1 nanosecond to be counted, got 1e-12 seconds"),
        (lambda: Webhook(-2, 0), "rate must be > 0 events per second, got -2"),
        (lambda: Webhook(1, -1), "delay must be >= 0 seconds, got -1"),
        (lambda: theory.attempts_per_event(1), "loss must be >= 0 and < 1, got 1"),
        (lambda: theory.pages(0, 5), "mean must be > 0 events per poll, got 0"),
        (lambda: theory.best_interval(1, 0), "tau must be > 0 seconds, got 0"),
        (lambda: theory.crossover_interval(1, 0, requests_per_event=0), "requests_per_event must be > 0, got 0"),
        (lambda: theory.unequal_wait([]), "periods must have at least one period, got none"),
        (lambda: theory.unequal_empty_share(1, [1, 0]), "period must be > 0 seconds, got 0"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message


def test_every_docstring_computes_what_it_says():
    """Each file of the package has at least one worked number."""
    for module in pkgutil.iter_modules(theory.__path__, "labkit.theory."):
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0
        assert result.attempted > 0
