"""Adaptive polling of a Poisson stream: the long-run distribution of the interval, and what follows from it."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labkit.checks import number, share
from labkit.theory.closed_form import check
from labkit.theory.renewal import RenewalTheory
from labkit.theory.series import exp_tail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
Distribution = tuple[tuple[float, float], ...]
"""Intervals in ascending order, each with the share of the polls that it follows."""


class AdaptiveTheory(RenewalTheory):
    """Intervals between `shortest` and `longest` that depend on what the last poll found. Poisson only.

    On such a stream no rule beats a fixed interval: what was found says nothing about what comes next.
    """

    shortest: float
    longest: float

    def __post_init__(self) -> None:
        super().__post_init__()
        number("longest", self.longest, "seconds", least=self.shortest)

    @property
    @abstractmethod
    def distribution(self) -> Distribution:
        """The long-run distribution of the interval."""

    @property
    def mean_interval(self) -> float:
        """E[T], over the polls."""
        return math.fsum(weight * at for at, weight in self.distribution)

    @property
    def period(self) -> float:
        """E[T] + 2d."""
        return self.mean_interval + 2 * self.delay

    @property
    def mean_wait(self) -> float:
        """E[P²] / 2E[P]: with as many requests, polling at a fixed interval waits half a period.

        >>> law = HalveDouble(rate=1 / 353.678, delay=0)
        >>> round(law.mean_wait / (law.period / 2), 2)
        1.68
        """
        return math.fsum(weight * period**2 for period, weight in self._periods()) / (2 * self.period)

    def _periods(self) -> list[tuple[float, float]]:
        return [(at + 2 * self.delay, weight) for at, weight in self.distribution]

    def _tail(self, order: int) -> float:
        return math.fsum(weight * exp_tail(self.rate * period, order) for period, weight in self._periods())

    def quantile(self, q: float) -> float:
        """d + w, P(wait < w) = E[min(w, P)]/E[P], added up over the periods in ascending order.

        >>> round(HalveDouble(rate=1 / 353.678, delay=0).quantile(0.95))
        786
        """
        wait, area, left = 0.0, share("q", q) * self.period, 1.0
        for period, weight in self._periods():
            if area <= left * (period - wait):
                break
            area -= left * (period - wait)
            wait, left = period, left - weight
        return self.delay + min(wait + area / left if left > 0 else wait, self.distribution[-1][0] + 2 * self.delay)


@dataclass(frozen=True)
class HalveDouble(AdaptiveTheory):
    """Half the interval after a poll that found something, twice the interval after an empty one.

    Each step up needs a step down, so half of the polls are empty at any rate, unless the limits are reached. The
    distribution is exact once a limit has been reached. Before, the intervals are start·2^k, which changes the means by
    1 in 10,000 and a share under a quantile by up to 1%; limits that are start·2^k make it exact from the start.

    >>> law = HalveDouble(rate=1 / 353.678, delay=0.02)
    >>> round(law.empty_share, 3), round(law.mean_interval), round(law.mean_latency)
    (0.5, 305, 256)
    """

    delay: float
    shortest: float = 1.0
    longest: float = 3600.0

    @cached_property
    def distribution(self) -> Distribution:
        """Exact, over all intervals that can be reached from the two limits."""
        reached, new = set[float](), {self.shortest, self.longest}
        while new:
            reached |= new
            up, down = {min(2 * at, self.longest) for at in new}, {max(at / 2, self.shortest) for at in new}
            new = (up | down) - reached
        intervals = sorted(reached)
        index = {at: n for n, at in enumerate(intervals)}
        steps = [(index[min(2 * at, self.longest)], index[max(at / 2, self.shortest)]) for at in intervals]
        loads = [self.rate * (at + 2 * self.delay) for at in intervals]
        return tuple(zip(intervals, _stationary(steps, loads), strict=True))


def _stationary(steps: list[tuple[int, int]], loads: list[float]) -> list[float]:
    """The share of each state, by eliminating states one by one, without subtractions (Grassmann, Taksar, Heyman)."""
    import numpy as np

    size = len(steps)
    chances = np.zeros((size, size))
    for state, (up, down) in enumerate(steps):
        chances[state, up] += math.exp(-loads[state])
        chances[state, down] -= math.expm1(-loads[state])
    for last in range(size - 1, 0, -1):
        chances[:last, last] /= chances[last, :last].sum()
        chances[:last, :last] += np.outer(chances[:last, last], chances[last, :last])
    shares = np.ones(1)
    for state in range(1, size):
        shares = np.append(shares, shares @ chances[:state, state])
        shares /= shares.max()
    return list(map(float, shares / shares.sum()))


@dataclass(frozen=True)
class Aimd(AdaptiveTheory):
    """`add` seconds more after an empty poll, half the interval after one that found something.

    The distribution is numerical, on a grid so fine that its means are right to about five digits.

    >>> law = Aimd(rate=1 / 353.678, delay=0.02)
    >>> round(law.empty_share, 2), round(law.mean_interval, 1), round(law.mean_latency, 1)
    (0.86, 53.2, 31.7)
    """

    delay: float
    add: float = 5.0
    shortest: float = 1.0
    longest: float = 3600.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("rate * add", self.rate * self.add, "events", least=1e-6)  # below, the grid would take many seconds

    @cached_property
    def distribution(self) -> Distribution:
        """Iterated on a grid until it no longer changes."""
        import numpy as np

        load, shortest = self.rate * self.add, self.shortest
        steps = max(1, math.ceil(256 * math.sqrt(load / 2)))  # a grid of 1/256 of the usual interval, or of `add`
        top = min(self.longest, shortest + 2 * self.add + math.sqrt(107 * self.add / self.rate))  # beyond: under 1e-17
        intervals = np.arange(shortest, top, self.add / steps)
        intervals = np.append(intervals[intervals < top], top)
        empty = np.exp(-self.rate * (intervals + 2 * self.delay))
        up = _mover(intervals, np.minimum(intervals + self.add, top))
        down = _mover(intervals, np.maximum(intervals / 2, shortest))
        shares = np.full(len(intervals), 1 / len(intervals))
        change = 1.0
        while change > 1e-12:
            after = up(shares * empty) + down(shares * (1 - empty))
            change, shares = float(np.abs(after - shares).sum()), after / after.sum()
        return tuple(zip(intervals.tolist(), shares.tolist(), strict=True))


def _mover(grid: "Floats", to: "Floats") -> "Callable[[Floats], Floats]":
    """A function that moves shares from the grid's points to the targets `to`.

    A target between two points divides its share between them, so that the mean is kept.
    """
    import numpy as np

    before = np.clip(np.searchsorted(grid, to, side="right") - 1, 0, max(0, len(grid) - 2))
    width = np.diff(grid)[before] if len(grid) > 1 else np.ones(1)
    beyond = (to - grid[before]) / width

    def move(shares: "Floats") -> "Floats":
        moved = np.zeros(len(shares) + 1)  # with one more place, which stays empty: nothing moves beyond the last point
        np.add.at(moved, before, shares * (1 - beyond))
        np.add.at(moved, before + 1, shares * beyond)
        return moved[:-1]

    return move


def aimd_fluid_interval(rate: float, add: float, delay: float = 0.0) -> float:
    """The T at which steps up and down balance: add·e^(-λP) = (1 - e^(-λP))·T/2, P = T + 2d. Poisson only.

    For λ·add from 0.01 to 0.2 the true mean is 3 to 7% below it; for λ·add of 1 and more it is above.

    >>> round(aimd_fluid_interval(rate=1 / 360, add=5), 1)
    57.6
    """
    check(delay=delay)
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
    """√(2·add/λ): the fluid interval for small λ·add and no delay. The true mean is at least 10% below it.

    >>> round(aimd_rough_interval(rate=1 / 360, add=5), 6)
    60.0
    """
    check(rate=rate, add=add)
    return math.sqrt(2 * add / rate)
