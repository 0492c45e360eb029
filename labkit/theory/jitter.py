"""Polling at unequal intervals: measured periods of any kind, and intervals with jitter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.checks import number, share
from labkit.theory.closed_form import check
from labkit.theory.renewal import IntervalTheory
from labkit.theory.series import exp_tail


def unequal_wait(periods: Sequence[float]) -> float:
    """E[P²] / 2E[P]: the mean wait until the next poll, without the delay of its answer.

    Each period is chosen from the past alone, and the events are Poisson (or the periods do not depend on them). Long
    periods catch more events, so periods of 30 and 90 s wait longer on average than the 30 s of two periods of 60 s:

    >>> unequal_wait([30, 90])
    37.5
    """
    _check(periods)
    return math.fsum(p * p for p in periods) / (2 * math.fsum(periods))


def unequal_empty_share(rate: float, periods: Sequence[float]) -> float:
    """E[e^(-λP)] over the polls, on the conditions of `unequal_wait`. Poisson only.

    >>> round(unequal_empty_share(1 / 353.678, [30, 90]), 3)
    0.847
    """
    check(rate=rate)
    _check(periods)
    return math.fsum(math.exp(-rate * p) for p in periods) / len(periods)


@dataclass(frozen=True)
class Jittered(IntervalTheory):
    """Polling whose every pause is T times a uniform number between 1 - j and 1 + j: `jitter` j is a share.

    It costs no requests, and little latency: 1.3% at j = 0.2.

    >>> round(Jittered(1 / 353.678, 60, 0.02, jitter=0.2).mean_latency, 2)
    30.44
    """

    jitter: float

    @property
    def mean_wait(self) -> float:
        """P/2 + j²T²/(6P), P = T + 2d; without a delay T/2·(1 + j²/3). Any arrivals that do not depend on the pauses.

        >>> round(Jittered(1 / 353.678, 60, 0, jitter=0.2).mean_wait / 30, 4)
        1.0133
        """
        return self.period / 2 + (self.jitter * self.interval) ** 2 / (6 * self.period)

    def _tail(self, order: int) -> float:
        """The mean over x - y to x + y, uniform; by its power series where y is small."""
        x, y = self.rate * self.period, self.rate * self.jitter * self.interval
        if y < 1:
            even = range(0, 20, 2)
            return math.fsum(y**k / math.factorial(k + 1) * exp_tail(x, max(0, order - k)) for k in even)
        return (exp_tail(x - y, order + 1) - exp_tail(x + y, order + 1)) / (2 * y)

    def quantile(self, q: float) -> float:
        """d + w, P(wait < w) = E[min(w, P)]/E[P]: uniform up to the shortest period, thinning out to the longest.

        >>> [round(Jittered(0.01, 60, 0, jitter=1).quantile(q), 2) for q in (0.5, 1)]
        [35.15, 120.0]
        """
        share("q", q)
        spread = self.jitter * self.interval
        if q * self.period <= self.period - spread:
            return self.delay + q * self.period
        return self.delay + self.period + spread - math.sqrt(4 * (1 - q) * self.period * spread)


def _check(periods: Sequence[float]) -> None:
    if len(periods) == 0:
        raise ValueError("periods must have at least one period, got none")
    for period in periods:
        number("period", period, "seconds", above=0)
