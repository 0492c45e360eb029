"""Feed: the newest few, fetched again and again; what more there was is lost."""

import math
from dataclasses import dataclass

from labkit.theory.arguments import not_negative, positive
from labkit.theory.series import poisson_mean


@dataclass(frozen=True, slots=True)
class FeedTheory:
    """The newest L events every P = T + 2d; `feed` makes one. With or without an ETag: only the bytes differ.

    How many bytes an ETag saves is no closed form: it hangs on what the events weigh.
    """

    rate: float
    interval: float
    delay: float
    last: int = 100

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        positive("interval", self.interval, "seconds")
        not_negative("delay", self.delay, "seconds")
        positive("last", self.last, "events in the list")

    @property
    def period(self) -> float:
        """P = T + 2d: T is slept after each answer."""
        return self.interval + 2 * self.delay

    @property
    def requests_per_event(self) -> float:
        """1/(λP), also of those that are lost. Any stationary arrivals."""
        return 1 / (self.rate * self.period)

    @property
    def empty_share(self) -> float:
        """e^(-λP) of the answers have nothing new, or are a 304. Poisson only."""
        return math.exp(-self.rate * self.period)

    @property
    def lost_share(self) -> float:
        """E[max(0, N - L)]/E[N], with N events in a period. Poisson only.

        >>> round(feed(rate=1, interval=300, delay=0, last=100).lost_share, 3)
        0.667
        """
        mean = self.rate * self.period
        return poisson_mean(mean, lambda n: n - self.last, least=self.last + 1) / mean

    @property
    def mean_latency(self) -> float:
        """d + P·E[k(k + 1)/(N + 1)]/2E[k], k = min(N, L): of those that are not lost, the newest. Poisson only.

        d + P/2 while the list is long enough; the more is lost, the younger is the rest.

        >>> [round(feed(rate=1, interval=300, delay=0, last=n).mean_latency, 1) for n in (1000, 100)]
        [150.0, 50.5]
        """
        mean = self.rate * self.period
        held = poisson_mean(mean, lambda n: min(n, self.last))
        waits = poisson_mean(mean, lambda n: min(n, self.last) * (min(n, self.last) + 1) / (n + 1) / 2)
        return self.delay + self.period * waits / held


def feed(rate: float, interval: float, delay: float, last: int = 100) -> FeedTheory:
    """Fetch the `last` newest events, and again `interval` seconds after the answer.

    >>> round(feed(rate=1 / 353.678, interval=60, delay=0.02).mean_latency, 2)
    30.04
    """
    return FeedTheory(rate, interval, delay, last)
