"""Relay: a webhook to a host that can be called, and polling of that host."""

from dataclasses import dataclass

from labkit.theory.arguments import not_negative, positive, share
from labkit.theory.renewal import RenewalTheory
from labkit.theory.series import exp_tail


@dataclass(frozen=True, slots=True)
class RelayTheory(RenewalTheory):
    """A delivery an event, and polls of the relay every P = T + 2d; `relay` makes one."""

    rate: float
    interval: float
    delay: float

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        positive("interval", self.interval, "seconds")
        not_negative("delay", self.delay, "seconds")

    @property
    def mean_period(self) -> float:
        """T + 2d: T is slept after each answer."""
        return self.interval + 2 * self.delay

    @property
    def mean_wait(self) -> float:
        """P/2. Any arrivals without phase lock."""
        return self.mean_period / 2

    def _rest(self, order: int) -> float:
        return exp_tail(self.rate * self.mean_period, order)

    @property
    def lag(self) -> float:
        """2d: the way to the relay, and the way back from it."""
        return 2 * self.delay

    def quantile(self, q: float) -> float:
        """2d + qP: latency is uniform on (2d, 2d + P). Any arrivals without phase lock."""
        share("q", q)
        return self.lag + q * self.mean_period

    @property
    def requests_per_event(self) -> float:
        """1 + 1/(λP): polling's and the webhook's together. Any stationary arrivals."""
        return 1 + 1 / (self.rate * self.mean_period)

    @property
    def empty_share(self) -> float:
        """(λP + e^(-λP))/(λP + 1): the deliveries bring the consumer nothing yet, nor do the empty polls. Poisson only.

        >>> round(relay(0.1, 10, 0).empty_share, 4)
        0.6839
        """
        load = self.rate * self.mean_period
        return (load + self._rest(0)) / (load + 1)


def relay(rate: float, interval: float, delay: float) -> RelayTheory:
    """Have each event delivered to a relay, and poll that every `interval` seconds: T/2 + 3d late on average.

    >>> round(relay(1 / 353.678, interval=10, delay=0.02).mean_latency, 3)
    5.06
    """
    return RelayTheory(rate, interval, delay)
