"""Batched: several events per delivery, limited by age and by count."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from labkit.checks import whole
from labkit.theory.closed_form import ClosedForm
from labkit.theory.series import exp_tail, poisson_mean


@dataclass(frozen=True)
class Batched(ClosedForm):
    """A batch is sent `max_wait` seconds A after its first event, or with event number `count` N. Poisson only.

    M is the number of events in the A seconds after the first: Poisson with mean λA. `count=math.inf` limits by age
    alone.

    >>> round(Batched(rate=1 / 353.678, max_wait=60, delay=0.02).requests_per_event, 3)
    0.855
    """

    max_wait: float
    delay: float
    count: float = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count != math.inf:
            whole("count", self.count, 1, unit="events")

    def _mean(self, value: Callable[[float], float]) -> float:
        """E[value(M)]."""
        return poisson_mean(self.rate * self.max_wait, value)

    @property
    def mean_size(self) -> float:
        """E[size] = 1 + E[min(M, N - 1)]; by age alone 1 + λA.

        >>> round(Batched(rate=1 / 6, max_wait=60, delay=0, count=10).mean_size, 2)
        9.21
        """
        return 1 + self._mean(lambda m: min(m, self.count - 1))

    @property
    def requests_per_event(self) -> float:
        """1/E[size]; by age alone 1/(1 + λA).

        Polling with T = A and λT = 10 takes 0.1 requests per event. Batches take more for N = 10, and fewer from 12 on:

        >>> [round(Batched(rate=1 / 6, max_wait=60, delay=0, count=n).requests_per_event, 3) for n in (10, 11, 12)]
        [0.109, 0.103, 0.098]
        """
        return 1 / self.mean_size

    @property
    def mean_latency(self) -> float:
        """d + E[k(k + 1)/2]/(λE[size]), k = min(M, N - 1); by age alone d + A(1 + λA/2)/(1 + λA).

        While events are rare that is near A, not A/2:

        >>> round(Batched(rate=1 / 353.678, max_wait=60, delay=0, count=math.inf).mean_latency, 1)
        55.6
        """
        total = self._mean(lambda m: _triangle(min(m, self.count - 1)))
        return self.delay + total / (self.rate * self.mean_size)

    empty_share = 0.0
    """0: a batch has at least one event."""

    @property
    def freshness(self) -> float:
        """F = e^(-λd)/E[size]: no batch has been started, and the last one has arrived.

        >>> round(Batched(rate=1 / 353.678, max_wait=60, delay=0, count=math.inf).freshness, 3)
        0.855
        """
        return math.exp(-self.rate * self.delay) / self.mean_size

    @property
    def staleness(self) -> float:
        """(E[D²]/2 + d·E[D] + d/λ - (1 - e^(-λd))/λ²)·λ/E[size]: D is how long a batch waits to be sent.

        By parts E[D²]/2 = E[k(k + 1)/2]/λ², k = min(M - 1, N - 1), and 0 if M = 0.

        >>> round(Batched(rate=1 / 353.678, max_wait=60, delay=0, count=math.inf).staleness, 2)
        4.35
        """
        square = self._mean(lambda m: _triangle(max(0, min(m, self.count) - 1)))
        gathered = self.rate * self.delay * (self.mean_size - 1)
        return (square + gathered + exp_tail(self.rate * self.delay, 2)) / (self.rate * self.mean_size)


def _triangle(k: float) -> float:
    """1 + 2 + … + k."""
    return k * (k + 1) / 2
