"""One budget of polls for several sources: published numbers, and a search of every division."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.theory import freshness, mean_freshness, optimal_budget, proportional_budget, uniform_budget

RATES = [1, 2, 3, 4, 5]
"""Five pages that change 1 to 5 times per day, with 5 polls per day: Cho and Garcia-Molina 2003."""


@pytest.mark.parametrize(
    ("divide", "fresh"), [(uniform_budget, 0.365), (proportional_budget, 0.317), (optimal_budget, 0.374)]
)
def test_has_the_published_freshness(divide, fresh):
    polls = divide(RATES, 5)
    assert sum(polls) == pytest.approx(5)
    assert round(mean_freshness(RATES, polls), 3) == fresh


def test_the_optimum_is_the_published_one():
    assert [round(polls, 2) for polls in optimal_budget(RATES, 5)] == [1.15, 1.36, 1.35, 1.14, 0]


@pytest.mark.parametrize("rates", [[1, 2, 5], [0.3, 0.3, 9], [1, 1, 1]], ids=str)
def test_no_division_in_fiftieths_is_fresher_than_the_optimum(rates):
    budget, step = 2.0, 0.02
    cells = round(budget / step)
    best = max(
        mean_freshness(rates, [a * step, b * step, (cells - a - b) * step])
        for a, b in product(range(cells + 1), repeat=2)
        if a + b <= cells
    )
    optimum = mean_freshness(rates, optimal_budget(rates, budget))
    assert best <= optimum <= best + 4e-4


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0.1, 100))
def test_the_budget_is_spent_and_one_more_poll_is_worth_as_much_at_each_source(rates, budget):
    polls = optimal_budget(rates, budget)
    assert math.fsum(polls) == pytest.approx(budget, rel=1e-6)
    pairs = list(zip(rates, polls, strict=True))
    worth = [(1 - math.exp(-rate / each) * (1 + rate / each)) / rate for rate, each in pairs if each]
    assert worth == pytest.approx([worth[0]] * len(worth), rel=1e-4)
    assert all(1 / rate <= worth[0] * (1 + 1e-4) for rate, each in pairs if not each)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0.1, 100))
def test_the_optimum_is_at_least_uniform_which_is_at_least_proportional(rates, budget):
    ways = optimal_budget, uniform_budget, proportional_budget
    best, uniform, proportional = (mean_freshness(rates, divide(rates, budget)) for divide in ways)
    assert best + 1e-9 >= uniform >= proportional - 1e-9


def test_freshness_is_that_of_a_poller_without_delay():
    from labkit import compare, poisson
    from labkit.approaches import Polling
    from labkit.scenario import Scenario

    arrivals = poisson(per_hour=60, duration=86_400)
    row = compare(Scenario(arrivals, delay=0), [Polling(60.0)], lens="model")[0].row()
    assert row["freshness"] == pytest.approx(freshness(60, 60), abs=0.02)
    assert freshness(1, 0) == 0
    assert freshness(1, 1e9) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimal_budget([], 5), "rates must be of at least one source, got none"),
        (lambda: uniform_budget([1, 0], 5), "rate must be > 0 events per second, got 0"),
        (lambda: proportional_budget([1], 0), "budget must be > 0 polls per unit of time, got 0"),
        (lambda: freshness(1, -1), "polls must be >= 0 per unit of time, got -1"),
        (lambda: mean_freshness([1, 2], [1]), "polls must have a number for each of the 2 rates, got 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message
