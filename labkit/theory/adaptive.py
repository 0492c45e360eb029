"""Adaptive polling on a Poisson stream: the law of the interval in the long run, and what follows from it."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labkit.theory.arguments import not_negative, positive, share
from labkit.theory.renewal import RenewalTheory
from labkit.theory.series import exp_tail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Steps = tuple[NDArray[np.int64], NDArray[np.float64]]

LEAST = 1e-6
"""The least λ·add whose law comes within a second or two."""


@dataclass(frozen=True, slots=True)
class AdaptiveTheory(RenewalTheory):
    """Intervals, and the share of the polls that come after each; `halve_double` and `aimd` make one.

    All of it is Poisson only. On such a stream no rule beats fixed polling: what was found says nothing of what comes.
    """

    rate: float
    delay: float
    intervals: tuple[float, ...] = field(repr=False)
    shares: tuple[float, ...] = field(repr=False)

    @property
    def mean_interval(self) -> float:
        """E[T], over the polls."""
        return math.fsum(weight * at for at, weight in zip(self.intervals, self.shares, strict=True))

    @property
    def mean_period(self) -> float:
        """E[T] + 2d."""
        return self.mean_interval + 2 * self.delay

    @property
    def mean_wait(self) -> float:
        """E[P²] / 2E[P]: at equal requests later than fixed polling by E[P²]/E[P]², 68 % for halving and doubling.

        >>> law = halve_double(rate=1 / 353.678, delay=0)
        >>> round(law.mean_wait / (law.mean_period / 2), 2)
        1.68
        """
        squares = math.fsum(weight * period**2 for period, weight in self._periods())
        return squares / (2 * self.mean_period)

    def _periods(self) -> list[tuple[float, float]]:
        return [(at + 2 * self.delay, weight) for at, weight in zip(self.intervals, self.shares, strict=True)]

    def _rest(self, order: int) -> float:
        return math.fsum(weight * exp_tail(self.rate * period, order) for period, weight in self._periods())

    def quantile(self, q: float) -> float:
        """d + w, P(wait < w) = E[min(w, P)]/E[P], the intervals in order.

        >>> round(halve_double(rate=1 / 353.678, delay=0).quantile(0.95))
        786
        """
        share("q", q)
        wait, area, left = 0.0, q * self.mean_period, 1.0
        for period, weight in self._periods():
            if area <= left * (period - wait):
                break
            area -= left * (period - wait)
            wait, left = period, left - weight
        return self.delay + min(wait + area / left if left > 0 else wait, self.intervals[-1] + 2 * self.delay)


def halve_double(rate: float, delay: float, shortest: float = 1.0, longest: float = 3600.0) -> AdaptiveTheory:
    """Half the interval after a poll that found something, twice as long after one that did not, between two clamps.

    Each step up needs a step down, so half of the polls are empty, whatever the rate, unless the clamps are met. The
    law is exact once a clamp has been met. Before, the intervals are start·2^k: it changes the means by 1 in 10,000 and
    a share under a quantile by up to 1 %; clamps that are start·2^k make it exact from the start.

    >>> law = halve_double(rate=1 / 353.678, delay=0.02)
    >>> round(law.empty_share, 3), round(law.mean_interval), round(law.mean_latency)
    (0.5, 305, 256)
    """
    _check(rate, delay, shortest, longest)
    reached, new = set[float](), {shortest, longest}
    while new:
        reached |= new
        new = {min(2 * at, longest) for at in new} | {max(at / 2, shortest) for at in new}
        new -= reached
    intervals = sorted(reached)
    number = {at: n for n, at in enumerate(intervals)}
    steps = [(number[min(2 * at, longest)], number[max(at / 2, shortest)]) for at in intervals]
    empty = [math.exp(-rate * (at + 2 * delay)) for at in intervals]
    found = [-math.expm1(-rate * (at + 2 * delay)) for at in intervals]
    return AdaptiveTheory(rate, delay, tuple(intervals), _long_run(steps, empty, found))


def _long_run(steps: list[tuple[int, int]], empty: list[float], found: list[float]) -> tuple[float, ...]:
    """The share of each state, by taking states out one by one: without a subtraction (Grassmann, Taksar, Heyman)."""
    import numpy as np

    size = len(steps)
    chances = np.zeros((size, size))
    for state, (up, down) in enumerate(steps):
        chances[state, up] += empty[state]
        chances[state, down] += found[state]
    for last in range(size - 1, 0, -1):
        chances[:last, last] /= chances[last, :last].sum()
        chances[:last, :last] += np.outer(chances[:last, last], chances[last, :last])
    shares = np.ones(1)
    for state in range(1, size):
        shares = np.append(shares, shares @ chances[:state, state])
        shares /= shares.max()
    return tuple((shares / shares.sum()).tolist())


def aimd(rate: float, delay: float, add: float = 5.0, shortest: float = 1.0, longest: float = 3600.0) -> AdaptiveTheory:
    """`add` seconds more after a poll that found nothing, half the interval after one that did, between two clamps.

    The law is numerical, on a grid so fine that its means are right to about five digits.

    >>> law = aimd(rate=1 / 353.678, delay=0.02)
    >>> round(law.empty_share, 2), round(law.mean_interval, 1), round(law.mean_latency, 1)
    (0.86, 53.2, 31.7)
    """
    import numpy as np

    _check(rate, delay, shortest, longest)
    positive("add", add, "seconds")
    if rate * add < LEAST:
        raise ValueError(f"rate * add must be >= {LEAST:g} for a law that can be computed, got {rate * add:g}")
    steps = max(1, math.ceil(256 * math.sqrt(rate * add / 2)))  # a grid of 1/256 of the usual interval, or of `add`
    top = min(longest, shortest + 2 * add + math.sqrt(107 * add / rate))  # nobody climbs so high: a chance under 1e-17
    intervals = np.arange(shortest, top, add / steps)
    intervals = np.append(intervals[intervals < top], top)
    empty = np.exp(-rate * (intervals + 2 * delay))
    up = _onto(intervals, np.minimum(intervals + add, top))
    down = _onto(intervals, np.maximum(intervals / 2, shortest))
    shares = np.full(len(intervals), 1 / len(intervals))
    change = 1.0
    while change > 1e-12:
        after = _moved(up, shares * empty) + _moved(down, shares * (1 - empty))
        change, shares = float(np.abs(after - shares).sum()), after / after.sum()
    return AdaptiveTheory(rate, delay, tuple(intervals.tolist()), tuple(shares.tolist()))


def _onto(grid: "NDArray[np.float64]", to: "NDArray[np.float64]") -> "Steps":
    """For each place, the grid's point before it and the share that goes to the next: the mean stays what it was."""
    import numpy as np

    before = np.clip(np.searchsorted(grid, to, side="right") - 1, 0, max(0, len(grid) - 2))
    width = np.diff(grid)[before] if len(grid) > 1 else np.ones(1)
    return before, (to - grid[before]) / width


def _moved(steps: "Steps", shares: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    before, beyond = steps
    moved = np.zeros(len(shares) + 1)  # one more, of which nothing comes: nobody goes beyond the last point
    np.add.at(moved, before, shares * (1 - beyond))
    np.add.at(moved, before + 1, shares * beyond)
    return moved[:-1]


def aimd_fluid_interval(rate: float, add: float, delay: float = 0.0) -> float:
    """The T at which up and down balance: add·e^(-λP) = (1 - e^(-λP))·T/2, P = T + 2d. Poisson only.

    For λ·add from 0.01 to 0.2 the true mean is 3 to 7 % below it, and for 1 and more above.

    >>> round(aimd_fluid_interval(rate=1 / 360, add=5), 1)
    57.6
    """
    not_negative("delay", delay, "seconds")
    low, high = 0.0, aimd_rough_interval(rate, add)
    for _ in range(200):
        middle = (low + high) / 2
        load = rate * (middle + 2 * delay)
        if add * math.exp(-load) > -math.expm1(-load) * middle / 2:
            low = middle
        else:
            high = middle
    return high


def aimd_rough_interval(rate: float, add: float) -> float:
    """√(2·add/λ): the fluid interval while λ·add is small and there is no delay; the true mean is 10 % and more below.

    >>> round(aimd_rough_interval(rate=1 / 360, add=5), 6)
    60.0
    """
    positive("rate", rate, "events a second")
    positive("add", add, "seconds")
    return math.sqrt(2 * add / rate)


def _check(rate: float, delay: float, shortest: float, longest: float) -> None:
    positive("rate", rate, "events a second")
    not_negative("delay", delay, "seconds")
    positive("shortest", shortest, "seconds")
    if not shortest <= longest < math.inf:
        raise ValueError(f"longest must be >= shortest, {shortest} seconds, got {longest}")
