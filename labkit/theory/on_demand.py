"""On demand: ask only when somebody looks, at moments that know nothing of the events."""

import math
from dataclasses import dataclass

from labkit.theory.arguments import not_negative, positive, share
from labkit.theory.renewal import RenewalTheory
from labkit.theory.series import exp_tail


@dataclass(frozen=True, slots=True)
class OnDemandTheory(RenewalTheory):
    """Looks at exponential gaps of mean m = 1/μ, with a cache; `on_demand` makes one.

    The period is a fixed part b = 2d + TTL, in which nobody asks, and then an exponential gap until the next look.
    """

    rate: float
    interval: float
    delay: float
    ttl: float = 0.0

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        positive("interval", self.interval, "seconds")
        not_negative("delay", self.delay, "seconds")
        not_negative("ttl", self.ttl, "seconds")

    @property
    def fixed_part(self) -> float:
        """b = 2d + TTL: the round trip, and the life of the cached answer."""
        return 2 * self.delay + self.ttl

    @property
    def mean_period(self) -> float:
        """b + m. Without a delay a consumer sends μ/(1 + μ·TTL) requests a second, whatever happens at the source.

        >>> round(on_demand(rate=1, interval=60, delay=0, ttl=120).mean_period)
        180
        """
        return self.fixed_part + self.interval

    @property
    def mean_wait(self) -> float:
        """(b + m)/2 + m²/(2(b + m)): m if b = 0, twice as long as at equal gaps. Any arrivals.

        >>> on_demand(rate=1, interval=60, delay=0).mean_wait
        60.0
        """
        return self.mean_period / 2 + self.interval**2 / (2 * self.mean_period)

    def _rest(self, order: int) -> float:
        """e^(-λb)/(1 + λm) for order 0; the higher ones by parts, of terms with one sign."""
        if order == 0:
            return math.exp(-self.rate * self.fixed_part) / (1 + self.rate * self.interval)
        return exp_tail(self.rate * self.fixed_part, order) - self.rate * self.interval * self._rest(order - 1)

    def quantile(self, q: float) -> float:
        """d + w: uniform up to b, then exponential of mean m; infinite for q = 1. Any arrivals.

        >>> round(on_demand(rate=1, interval=60, delay=0).quantile(0.5), 2)  # 60 s · ln 2
        41.59
        """
        share("q", q)
        wait = q * self.mean_period
        if wait > self.fixed_part:
            left = (1 - q) * self.mean_period / self.interval
            wait = self.fixed_part - self.interval * math.log(left) if left else math.inf
        return self.delay + wait

    @property
    def cached_share(self) -> float:
        """μ·TTL/(1 + μ·TTL) of the looks are answered from the cache.

        >>> round(on_demand(rate=1, interval=60, delay=0, ttl=120).cached_share, 3)
        0.667
        """
        return self.ttl / (self.interval + self.ttl)

    @property
    def overwritten_share(self) -> float:
        """λ/(λ + μ): of what a webhook pushed, the share that the next event overwrites before a look. Poisson only.

        >>> round(on_demand(rate=1 / 60, interval=600, delay=0).overwritten_share, 3)
        0.909
        """
        return self.rate * self.interval / (1 + self.rate * self.interval)


def on_demand(rate: float, interval: float, delay: float, ttl: float = 0.0) -> OnDemandTheory:
    """Look on average every `interval` seconds, and ask unless the last answer is younger than `ttl` seconds.

    >>> on_demand(rate=1 / 353.678, interval=600, delay=0).mean_latency
    600.0
    """
    return OnDemandTheory(rate, interval, delay, ttl)


def on_demand_crossover(rate: float, delay: float = 0.0, ttl: float = 0.0) -> float:
    """The seconds between looks at which asking sends as many requests as a webhook: μ = λ without delay and cache.

    Whoever looks less often sends fewer. 0 means that everybody does. Any stationary arrivals.

    >>> on_demand_crossover(rate=0.01)
    100.0
    """
    positive("rate", rate, "events a second")
    not_negative("delay", delay, "seconds")
    not_negative("ttl", ttl, "seconds")
    return max(0.0, 1 / rate - 2 * delay - ttl)
