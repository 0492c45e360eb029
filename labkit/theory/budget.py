"""One budget of polls for several sources: how fresh each copy is, and how to divide the budget."""

import math
from collections.abc import Callable, Sequence

from labkit.checks import number
from labkit.theory.closed_form import check
from labkit.theory.series import exp_tail

MOST_CHANGES = 700.0
"""Changes per poll: e^(-700) is still a number."""


def freshness(rate: float, polls: float) -> float:
    """F = (1 - e^(-x))/x with x = λ/f: the share of time for which a copy is up to date, polled f times per second.

    Events are Poisson at `rate` λ in the same unit of time, polls are at equal intervals and take no time (Cho and
    Garcia-Molina 2003, https://doi.org/10.1145/958942.958945). 0 without polls. One change and one poll per day:

    >>> round(freshness(rate=1, polls=1), 3)
    0.632
    """
    check(rate=rate)
    number("polls", polls, "per unit of time", least=0)
    return -exp_tail(rate / polls, 1) * polls / rate if polls else 0.0


def mean_freshness(rates: Sequence[float], polls: Sequence[float]) -> float:
    """The mean of `freshness` over several sources, each of them as important as the others."""
    if len(rates) != len(polls):
        raise ValueError(f"polls must have a number for each of the {len(rates)} rates, got {len(polls)}")
    return math.fsum(map(freshness, rates, polls)) / len(rates)


def uniform_budget(rates: Sequence[float], budget: float) -> tuple[float, ...]:
    """The same number of polls for each source.

    >>> uniform_budget([1, 4], budget=5)
    (2.5, 2.5)
    """
    _check(rates, budget)
    return (budget / len(rates),) * len(rates)


def proportional_budget(rates: Sequence[float], budget: float) -> tuple[float, ...]:
    """Polls in proportion to the rates: less fresh on average than the same number for each.

    >>> proportional_budget([1, 4], budget=5)
    (1.0, 4.0)
    """
    _check(rates, budget)
    return tuple(budget * rate / math.fsum(rates) for rate in rates)


def optimal_budget(rates: Sequence[float], budget: float) -> tuple[float, ...]:
    """The polls for each source with which `mean_freshness` is greatest.

    A Lagrange multiplier μ makes one more poll worth as much at each source: 1 - (1 + x)e^(-x) = μλ, x = λ/f. A source
    with μλ >= 1 gets none: it changes so fast that its copy is hardly ever up to date. Five pages that change 1 to 5
    times per day, with 5 polls per day:

    >>> [round(polls, 2) for polls in optimal_budget([1, 2, 3, 4, 5], budget=5)]
    [1.15, 1.36, 1.35, 1.14, 0.0]
    """
    _check(rates, budget)
    slowest = min(rates)

    def polls(x: float) -> list[float]:
        """With x changes per poll at the slowest source, which is always polled."""
        return [_polls(rate, rate / slowest, x) for rate in rates]

    low, high = _step(lambda x: math.fsum(polls(x)) > budget)
    more, less = polls(max(low, 1e-300)), polls(high)  # neighbours: a mixture of them spends the whole budget
    share = (budget - math.fsum(less)) / ((math.fsum(more) - math.fsum(less)) or 1)
    mixed = [b + share * (a - b) for a, b in zip(more, less, strict=True)]
    return tuple(each * budget / math.fsum(mixed) for each in mixed)


def _polls(rate: float, ratio: float, slowest: float) -> float:
    """The f at which one more poll is worth as much as at a source that is slower by `ratio`; 0 if none is."""
    worthless = 1 - ratio + ratio * _worthless(slowest)
    if worthless <= 0:
        return 0.0
    return rate / _step(lambda x: _worthless(x) > worthless)[1]


def _step(above: Callable[[float], bool]) -> tuple[float, float]:
    """Neighbours from 0 to MOST_CHANGES, by bisection: `above` holds up to the first, and not from the second on."""
    low, high = 0.0, MOST_CHANGES
    for _ in range(80):
        x = (low + high) / 2
        low, high = (x, high) if above(x) else (low, x)
    return low, high


def _worthless(x: float) -> float:
    """(1 + x)e^(-x) = 1 - μλ."""
    return (1 + x) * math.exp(-x)


def _check(rates: Sequence[float], budget: float) -> None:
    if not rates:
        raise ValueError("rates must be of at least one source, got none")
    for rate in rates:
        check(rate=rate)
    number("budget", budget, "polls per unit of time", above=0)
