"""Asking again and again, whatever the rule: what follows from the law of the period."""

import math
from abc import ABC, abstractmethod

from labkit.theory.series import exp_tail


class RenewalTheory(ABC):
    """Whoever looks again and again, and finds all that has happened since the last look.

    Each period P is chosen from the past alone: it is fixed, random, or made of what was found before. A subclass knows
    the law of P.
    """

    __slots__ = ()
    rate: float
    delay: float

    @property
    @abstractmethod
    def mean_period(self) -> float:
        """E[P]: seconds from one look at the source to the next."""

    @property
    @abstractmethod
    def mean_wait(self) -> float:
        """E[P²] / 2E[P]: seconds from an event until a look finds it, the same for each way of choosing P."""

    @abstractmethod
    def _rest(self, order: int) -> float:
        """E[e^(-λP)], less the means of the first `order` terms of the power series."""

    @property
    def lag(self) -> float:
        """d: seconds from the look that finds an event until it is known."""
        return self.delay

    @property
    def mean_latency(self) -> float:
        """d + E[P²] / 2E[P]. Any arrivals without phase lock if P knows nothing of them; else Poisson only."""
        return self.lag + self.mean_wait

    @property
    def requests_per_event(self) -> float:
        """1/(λE[P]), one page a look. Any stationary arrivals."""
        return 1 / (self.rate * self.mean_period)

    @property
    def empty_share(self) -> float:
        """E[e^(-λP)] of the looks find nothing, after the first. Poisson only."""
        return self._rest(0)

    @property
    def freshness(self) -> float:
        """F = e^(-λd)·E[1 - e^(-λP)]/(λE[P]): the share of time in which nothing is missing. Poisson only.

        >>> from labkit.theory import polling
        >>> round(polling(1 / 353.678, 60, 0.02).freshness, 3)
        0.92
        """
        return math.exp(-self.rate * self.lag) * -self._rest(1) / (self.rate * self.mean_period)

    @property
    def staleness(self) -> float:
        """Mean latency - (1 - F)/λ: mean time for which something has been missing, 0 while current. Poisson only.

        Computed from terms that are all positive, so that nothing cancels when λP is tiny.

        >>> from labkit.theory import polling
        >>> round(polling(1 / 353.678, 60, 0.02).staleness, 2)
        1.63
        """
        in_flight = self.rate * self.lag
        while_in_flight = exp_tail(in_flight, 2) / self.rate - math.expm1(-in_flight) * self.mean_wait
        return while_in_flight - math.exp(-in_flight) * self._rest(3) / (self.rate * self.mean_period) / self.rate

    @property
    def age_of_information(self) -> float:
        """1/λ + mean latency: the mean age of the newest event that is held. Poisson only.

        >>> from labkit.theory import polling
        >>> round(polling(1 / 353.678, 60, 0.02).age_of_information, 1)
        383.7
        """
        return 1 / self.rate + self.mean_latency
