"""The closed forms of adaptive polling, held against sample paths that do not know them.

Waits of adaptive rules are far from independent: the standard errors are of means over seeds.
"""

import math

import numpy as np
import pytest
from sample_paths import SEEDS, adapting, disagreements, poisson_arrivals, polling, wrong_quantiles

from labkit import theory

# rate, delay, start, shortest, longest: free; both clamps met; off the ladder and met; with a delay
HALVED = [
    (1.0, 0.0, 1.0, 1 / 1024, 1024.0),
    (1.0, 0.2, 1.0, 0.5, 2.0),
    (1.0, 0.1, 1.0, 0.7, 3.0),
    (0.1, 1.0, 4.0, 1.0, 4096.0),
]
# rate, delay, add, shortest, longest
ADDED = [
    (0.01, 0.0, 1.0, 1.0, 3600.0),
    (0.2, 0.0, 1.0, 0.1, 3600.0),
    (1.0, 0.2, 1.0, 0.3, 10.0),
    (2.0, 0.0, 1.0, 0.01, 1000.0),
    (0.05, 0.5, 1.0, 1.0, 4.3),
]


def paths_of(rate, delay, start, adapt, shortest, longest, events):
    horizon = events / rate
    return [
        polling(poisson_arrivals(seed, rate, horizon), horizon, delay, adapting(start, adapt, shortest, longest))
        for seed in SEEDS
    ]


@pytest.mark.parametrize("case", HALVED)
def test_halving_and_doubling_costs_what_theory_says(case):
    rate, delay, start, shortest, longest = case
    closed = theory.HalveDouble(rate, delay, shortest, longest)
    paths = paths_of(rate, delay, start, lambda at, hit: at / 2 if hit else at * 2, shortest, longest, 6000)
    assert not disagreements(closed, paths)
    assert not wrong_quantiles(closed, paths)


@pytest.mark.slow
@pytest.mark.parametrize("case", ADDED)
def test_adding_and_halving_costs_what_theory_says(case):
    rate, delay, add, shortest, longest = case
    closed = theory.Aimd(rate, delay, add, shortest, longest)
    paths = paths_of(rate, delay, shortest, lambda at, hit: at / 2 if hit else at + add, shortest, longest, 6000)
    assert not disagreements(closed, paths)
    assert not wrong_quantiles(closed, paths, shares=(0.3, 0.5, 0.8))


@pytest.mark.parametrize("rate", [1e-4, 1 / 353.678, 0.02])
def test_half_of_the_polls_are_empty_whatever_the_rate(rate):
    """Each step up needs a step down. Where a clamp is met it is not so: rare events meet the longest."""
    assert theory.HalveDouble(rate, 0.02, 2**-9, 2.0**30).empty_share == pytest.approx(0.5, abs=1e-9)
    assert theory.HalveDouble(1e-6, 0.02).empty_share > 0.99


@pytest.mark.parametrize("delay", [0, 1.0])
def test_the_law_over_the_levels_is_the_product_of_steps_up_over_steps_down(delay):
    """π(k+1)/π(k) = e^(-λP(k)) / (1 - e^(-λP(k+1))), as long as the clamps are on one ladder."""
    rate = 0.07
    closed = theory.HalveDouble(rate, delay, 1, 1024)
    intervals, found = zip(*closed.distribution, strict=True)
    periods = np.array(intervals) + 2 * delay
    up = np.exp(-rate * periods[:-1]) / -np.expm1(-rate * periods[1:])
    shares = np.cumprod(np.append(1.0, up))
    assert intervals == tuple(2.0**k for k in range(11))
    assert found == pytest.approx(shares / shares.sum(), rel=1e-12)


def test_clamps_off_the_ladder_begin_ladders_of_their_own():
    """From 1 and from 10: halves of 10, doubles of 1, and the clamps."""
    assert [at for at, _ in theory.HalveDouble(1, 0, 1, 10).distribution] == [1, 1.25, 2, 2.5, 4, 5, 8, 10]


@pytest.mark.parametrize(("rate", "delay", "longest"), [(0.3, 0, 10), (0.3, 0.5, 10), (0.05, 0, 100), (2, 0, 5)])
def test_one_poll_more_leaves_the_law_as_it_is(rate, delay, longest):
    """Each share, moved up by e^(-λP) and down by the rest, on three ladders."""
    closed = theory.HalveDouble(rate, delay, 1, longest)
    shares = dict(closed.distribution)
    after = dict.fromkeys(shares, 0.0)
    for at, share in shares.items():
        empty = math.exp(-rate * (at + 2 * delay))
        after[min(2 * at, longest)] += share * empty
        after[max(at / 2, 1)] += share * (1 - empty)
    assert after == pytest.approx(shares, rel=1e-9, abs=1e-15)
    assert sum(shares.values()) == pytest.approx(1)


def test_a_rate_of_nearly_nothing_stands_at_the_longest_and_one_of_thousands_at_the_shortest():
    rare, busy = theory.HalveDouble(1e-15, 0), theory.HalveDouble(1e4, 0)
    assert rare.mean_interval == pytest.approx(3600)
    assert rare.empty_share == pytest.approx(1)
    assert busy.mean_interval == pytest.approx(1)
    assert busy.empty_share == pytest.approx(0)
    assert theory.HalveDouble(1, 0, 5, 5).distribution == ((5, 1),)
    assert theory.Aimd(1, 0, 1, 5, 5).mean_latency == theory.Polling(1, 5, 0, "rate").mean_latency == 2.5


@pytest.mark.parametrize(("load", "later"), [(0.01, 0.18), (2.0, 0.46)])
def test_at_equal_requests_aimd_is_later_than_fixed_polling(load, later):
    """By 18 to 46% as λ·add goes from 0.01 to 2; halving and doubling by 68%."""
    closed = theory.Aimd(load, 0, 1, 1e-3, 1e4)
    assert closed.mean_wait / (closed.period / 2) - 1 == pytest.approx(later, abs=0.01)
    halved = theory.HalveDouble(load, 0, 1e-6, 1e6)
    assert halved.mean_wait / (halved.period / 2) - 1 == pytest.approx(0.68, abs=0.005)


@pytest.mark.parametrize("load", [0.01, 0.05, 0.2])
def test_the_true_mean_of_aimd_is_3_to_7_percent_below_the_fluid_point(load):
    closed, fluid = theory.Aimd(load, 0, 1, 1e-3, 1e4), theory.aimd_fluid_interval(load, 1)
    assert 0.03 < 1 - closed.mean_interval / fluid < 0.07
    assert 0.10 <= 1 - closed.mean_interval / theory.aimd_rough_interval(load, 1) < 0.22


@pytest.mark.parametrize("load", [1.0, 2.0, 10.0])
def test_for_an_addition_as_long_as_a_gap_the_true_mean_is_above_the_fluid_point(load):
    assert theory.Aimd(load, 0, 1, 1e-3, 1e4).mean_interval > theory.aimd_fluid_interval(load, 1)


@pytest.mark.parametrize(("rate", "add", "delay"), [(1 / 360, 5, 0), (2, 1, 0.3), (1e-9, 1e-3, 5), (50, 100, 0)])
def test_at_the_fluid_point_up_and_down_are_in_balance(rate, add, delay):
    at = theory.aimd_fluid_interval(rate, add, delay)
    load = rate * (at + 2 * delay)
    assert add * math.exp(-load) == pytest.approx(-math.expm1(-load) * at / 2, rel=1e-6)
    assert at < theory.aimd_rough_interval(rate, add)


def test_a_finer_grid_does_not_change_aimds_means():
    """The same law where everything, the addition included, is so small that the grid has other points."""
    coarse, fine = theory.Aimd(1e-4, 0, 1, 0.9, 1e6), theory.Aimd(1e-4, 0, 1, 0.9123, 1e6)
    assert fine.mean_interval == pytest.approx(coarse.mean_interval, rel=1e-5)
    assert fine.mean_wait == pytest.approx(coarse.mean_wait, rel=1e-5)


def test_the_mean_is_the_mean_of_the_quantiles():
    shares = (np.arange(20_000) + 0.5) / 20_000
    closed = theory.HalveDouble(0.1, 1, 1, 100)
    assert np.mean([closed.quantile(q) for q in shares]) == pytest.approx(closed.mean_latency, rel=1e-4)
    assert closed.quantile(0) == 1
    assert closed.quantile(1) == pytest.approx(1 + 102)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.HalveDouble(0, 0), "rate must be > 0 events per second, got 0"),
        (lambda: theory.HalveDouble(1, 0, 0), "shortest must be > 0 seconds, got 0"),
        (lambda: theory.HalveDouble(1, 0, 5, 4), "longest must be >= 5 seconds, got 4"),
        (lambda: theory.Aimd(1, 0, -1), "add must be > 0 seconds, got -1"),
        (lambda: theory.Aimd(1e-9, 0, 1), "rate * add must be >= 1e-06 events, got 1e-09"),
        (lambda: theory.aimd_fluid_interval(1, 0), "add must be > 0 seconds, got 0"),
    ],
)
def test_a_refusal_shows_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == message
