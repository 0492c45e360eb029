"""The two sums that the closed forms are made of: what is left of e^(-x), and means over a Poisson number."""

import math
from collections.abc import Callable


def exp_tail(x: float, order: int) -> float:
    """e^(-x) minus the first `order` terms of its power series; for small x, the sum of the remaining terms.

    >>> round(exp_tail(1e-9, 2) / 1e-18, 6)  # e^(-x) - 1 + x is x²/2, of which a plain difference leaves no digit
    0.5
    """
    if x < 1:
        return math.fsum((-x) ** k / math.factorial(k) for k in range(order, order + 20))
    return math.exp(-x) - math.fsum((-x) ** k / math.factorial(k) for k in range(order))


def poisson_mean(mean: float, value: Callable[[int], float], least: int = 0) -> float:
    """Σ P(N = n)·value(n), n = `least`, `least` + 1, …, for N Poisson with this mean.

    >>> round(poisson_mean(3, lambda n: n * n), 9)
    12.0
    """
    if mean == 0:
        return value(0) if least == 0 else 0.0
    spread = 12 * math.sqrt(mean) + 40  # what lies beyond has a probability under 1e-30
    counts = range(max(least, math.floor(mean - spread)), math.ceil(mean + spread))
    return math.fsum(value(n) * math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in counts)
