"""Polling again and again, by whatever rule: what follows from the distribution of the period between two polls."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from labkit.checks import share
from labkit.theory.closed_form import ClosedForm
from labkit.theory.series import exp_tail


class RenewalTheory(ClosedForm, ABC):
    """Polls that each find everything since the last one. A subclass knows the distribution of the period P.

    Each period is chosen from the past alone: it is fixed, or random, or depends on what was found before.
    """

    delay: float

    @property
    @abstractmethod
    def period(self) -> float:
        """E[P]: mean seconds between the instants at which two polls reach the source."""

    @property
    @abstractmethod
    def mean_wait(self) -> float:
        """E[P²] / 2E[P]: mean seconds from an event to the poll that finds it."""

    @abstractmethod
    def _tail(self, order: int) -> float:
        """E[e^(-λP)] minus the means of the first `order` terms of its power series."""

    @property
    def transit(self) -> float:
        """d: seconds from the poll that finds an event to its receipt."""
        return self.delay

    @property
    def mean_latency(self) -> float:
        """d + E[P²] / 2E[P]. Any arrivals without phase lock if P does not depend on them; otherwise Poisson only."""
        return self.transit + self.mean_wait

    @property
    def requests_per_event(self) -> float:
        """1/(λE[P]) while every answer fits on one page. Any stationary arrivals."""
        return 1 / (self.rate * self.period)

    @property
    def empty_share(self) -> float:
        """E[e^(-λP)], for the polls after the first. Poisson only."""
        return self._tail(0)

    @property
    def freshness(self) -> float:
        """F = e^(-λd)·E[1 - e^(-λP)]/(λE[P]): the share of time in which nothing is missing. Poisson only."""
        return math.exp(-self.rate * self.transit) * -self._tail(1) / (self.rate * self.period)

    @property
    def staleness(self) -> float:
        """Mean latency - (1 - F)/λ: mean seconds for which something has been missing, 0 while fresh. Poisson only.

        Computed as a sum of positive terms, so that nothing cancels when λP is tiny.
        """
        in_flight = self.rate * self.transit
        while_in_flight = exp_tail(in_flight, 2) / self.rate - math.expm1(-in_flight) * self.mean_wait
        return while_in_flight - math.exp(-in_flight) * self._tail(3) / (self.rate * self.period) / self.rate

    @property
    def age_of_information(self) -> float:
        """1/λ + mean latency: the mean age of the newest event received. Poisson only."""
        return 1 / self.rate + self.mean_latency


@dataclass(frozen=True)
class IntervalTheory(RenewalTheory):
    """Polls sent `interval` seconds T after each answer: the period is P = T + 2d.

    >>> week = IntervalTheory(rate=1 / 353.678, interval=60, delay=0.02)
    >>> round(week.freshness, 3), round(week.staleness, 2), round(week.age_of_information, 1)
    (0.92, 1.63, 383.7)
    """

    interval: float
    delay: float

    @property
    def period(self) -> float:
        """P = T + 2d."""
        return self.interval + 2 * self.delay

    @property
    def mean_wait(self) -> float:
        """P/2. Any arrivals without phase lock."""
        return self.period / 2

    def _tail(self, order: int) -> float:
        return exp_tail(self.rate * self.period, order)

    def quantile(self, q: float) -> float:
        """d + qP: latency is uniform on (d, d + P). Any arrivals without phase lock."""
        return self.transit + share("q", q) * self.period
