"""Feed: the newest events, fetched again and again; any that no longer fit are lost."""

import math
from dataclasses import dataclass

from labkit.checks import whole
from labkit.theory.closed_form import ClosedForm
from labkit.theory.series import poisson_mean


@dataclass(frozen=True)
class Feed(ClosedForm):
    """The `last` newest events L, fetched again `interval` seconds T after each answer.

    With or without an ETag: only the bytes differ, and they depend on what the events weigh.

    >>> round(Feed(rate=1 / 353.678, interval=60, delay=0.02).mean_latency, 2)
    30.04
    """

    interval: float
    delay: float
    last: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("last", self.last, 1, unit="events")

    @property
    def period(self) -> float:
        """P = T + 2d."""
        return self.interval + 2 * self.delay

    @property
    def requests_per_event(self) -> float:
        """1/(λP), where lost events count too. Any stationary arrivals."""
        return 1 / (self.rate * self.period)

    @property
    def empty_share(self) -> float:
        """e^(-λP): the answer has nothing new, or is a 304. Poisson only."""
        return math.exp(-self.rate * self.period)

    @property
    def lost_share(self) -> float:
        """E[max(0, N - L)]/E[N] for N events in a period. Poisson only.

        >>> round(Feed(rate=1, interval=300, delay=0, last=100).lost_share, 3)
        0.667
        """
        mean = self.rate * self.period
        return poisson_mean(mean, lambda n: n - self.last, least=self.last + 1) / mean

    @property
    def mean_latency(self) -> float:
        """d + P·E[k(k + 1)/(N + 1)]/2E[k], k = min(N, L), for the events that are not lost. Poisson only.

        It is d + P/2 while the list is long enough. The more events are lost, the younger are the rest:

        >>> [round(Feed(rate=1, interval=300, delay=0, last=n).mean_latency, 1) for n in (1000, 100)]
        [150.0, 50.5]
        """
        mean = self.rate * self.period
        held = poisson_mean(mean, lambda n: min(n, self.last))
        waits = poisson_mean(mean, lambda n: min(n, self.last) * (min(n, self.last) + 1) / (n + 1) / 2)
        return self.delay + self.period * waits / held
