"""On demand: poll only when somebody looks, at instants that do not depend on the events."""

import math
from dataclasses import dataclass

from labkit.checks import share
from labkit.theory.closed_form import check
from labkit.theory.renewal import IntervalTheory
from labkit.theory.series import exp_tail


@dataclass(frozen=True)
class OnDemand(IntervalTheory):
    """Looks at exponential gaps of mean m = `interval`, each a poll unless the last answer is under `ttl` seconds old.

    The period is a fixed part b = 2d + TTL, in which nobody polls, and then an exponential gap until the next look.

    >>> OnDemand(rate=1 / 353.678, interval=600, delay=0).mean_latency
    600.0
    """

    ttl: float = 0.0

    @property
    def fixed_part(self) -> float:
        """b = 2d + TTL: the round trip, and the time for which the answer is cached."""
        return 2 * self.delay + self.ttl

    @property
    def period(self) -> float:
        """E[P] = b + m. With μ = 1/m and no delay that is μ/(1 + μ·TTL) requests per second, whatever the rate.

        >>> OnDemand(rate=1, interval=60, delay=0, ttl=120.0).period
        180.0
        """
        return self.fixed_part + self.interval

    @property
    def mean_wait(self) -> float:
        """(b + m)/2 + m²/(2(b + m)): m if b = 0, twice the wait of polling at equal gaps. Any arrivals.

        >>> OnDemand(rate=1, interval=60, delay=0).mean_wait
        60.0
        """
        return self.period / 2 + self.interval**2 / (2 * self.period)

    def _tail(self, order: int) -> float:
        """e^(-λb)/(1 + λm) for order 0; the higher orders by parts, as sums of terms with one sign."""
        if order == 0:
            return math.exp(-self.rate * self.fixed_part) / (1 + self.rate * self.interval)
        return exp_tail(self.rate * self.fixed_part, order) - self.rate * self.interval * self._tail(order - 1)

    def quantile(self, q: float) -> float:
        """d + w: uniform up to b, then exponential with mean m; infinite for q = 1. Any arrivals.

        >>> round(OnDemand(rate=1, interval=60, delay=0).quantile(0.5), 2)  # 60 s · ln 2
        41.59
        """
        wait = share("q", q) * self.period
        if wait > self.fixed_part:
            left = (1 - q) * self.period / self.interval
            wait = self.fixed_part - self.interval * math.log(left) if left else math.inf
        return self.delay + wait

    @property
    def cached_share(self) -> float:
        """μ·TTL/(1 + μ·TTL) of the looks are answered from the cache.

        >>> round(OnDemand(rate=1, interval=60, delay=0, ttl=120).cached_share, 3)
        0.667
        """
        return self.ttl / (self.interval + self.ttl)

    @property
    def overwritten_share(self) -> float:
        """λ/(λ + μ): the share of a webhook's events that the next event overwrites before a look. Poisson only.

        >>> round(OnDemand(rate=1 / 60, interval=600, delay=0).overwritten_share, 3)
        0.909
        """
        return self.rate * self.interval / (1 + self.rate * self.interval)


def on_demand_crossover(rate: float, delay: float = 0.0, ttl: float = 0.0) -> float:
    """The mean seconds between looks at which polling on demand sends as many requests as a webhook.

    Without delay and cache that is μ = λ. Rarer looks send fewer requests; 0 means that looks of any frequency do. Any
    stationary arrivals.

    >>> on_demand_crossover(rate=0.01)
    100.0
    """
    check(rate=rate, delay=delay, ttl=ttl)
    return max(0.0, 1 / rate - 2 * delay - ttl)
