"""Doorbell: notices without data, one in flight at a time, and a sync from the consumer's cursor for each."""

import math
from dataclasses import dataclass

from labkit.checks import share
from labkit.theory.closed_form import ClosedForm


@dataclass(frozen=True)
class Doorbell(ClosedForm):
    """A notice takes 4d: there, the sync's request and answer, and back. What occurs meanwhile shares the next notice.

    Besides, there is a sync `reconcile_interval` seconds R after the last such one; 0: never. The few events that it
    finds before their notice does are neglected. Nothing is lost on the way.

    >>> [round(Doorbell(rate, delay=0.02).requests_per_event, 2) for rate in (0.01, 1, 10, 100)]
    [2.0, 1.99, 1.6, 0.25]
    """

    delay: float
    reconcile_interval: float = 0.0

    @property
    def notices_per_event(self) -> float:
        """1/(4λd + e^(-4λd)): after 4d the next one follows at once, or with the next event. Poisson only.

        >>> Doorbell(rate=1, delay=0).notices_per_event
        1.0
        """
        load = 4 * self.rate * self.delay
        return 1 / (load + math.exp(-load))

    @property
    def polls_per_event(self) -> float:
        """1/(λ(R + 2d)): the syncs without a notice, of one page each. Any stationary arrivals."""
        every = self.reconcile_interval
        return 1 / (self.rate * (every + 2 * self.delay)) if every else 0.0

    @property
    def requests_per_event(self) -> float:
        """2/(4λd + e^(-4λd)), and 1/(λ(R + 2d)): 2 while events are rare, towards 1/(2λd) under load. Poisson only."""
        return 2 * self.notices_per_event + self.polls_per_event

    @property
    def mean_latency(self) -> float:
        """3d at any rate: coalescing delays nothing on average. Poisson only.

        The event that causes a notice at once waits 3d. Those of the 4d of a notice wait 3d on average: 2d if the sync
        of that notice finds them, and 4d if they have just missed it.
        """
        return 3 * self.delay

    def quantile(self, q: float) -> float:
        """3d for the share e^(-4λd)/(4λd + e^(-4λd)), which causes a notice at once; else d to 5d. Poisson only.

        >>> [round(Doorbell(rate=10, delay=0.02).quantile(q), 3) for q in (0, 0.5, 1)]
        [0.02, 0.06, 0.1]
        """
        share("q", q)
        side = 2 * self.rate * self.delay * self.notices_per_event  # the share that waits less than 3d, or more
        if q < side:
            return self.delay * (1 + 2 * q / side)
        return 3 * self.delay if 1 - q >= side else self.delay * (5 - 2 * (1 - q) / side)

    @property
    def empty_share(self) -> float:
        """Every notice, e^(-4λd)(1 - e^(-2λd)) of its syncs, and all others. Poisson only.

        A sync is empty if the one before it has found all that its notice stands for.

        >>> Doorbell(rate=1, delay=0).empty_share
        0.5
        """
        found_before = math.exp(-4 * self.rate * self.delay) * -math.expm1(-2 * self.rate * self.delay)
        empty = self.notices_per_event * (1 + found_before) + self.polls_per_event
        return empty / self.requests_per_event

    @property
    def freshness(self) -> float:
        """F = (e^(-λd) - e^(-5λd) + e^(-7λd))/(4λd + e^(-4λd)). Poisson only.

        >>> round(Doorbell(rate=20, delay=0.05).freshness, 3)
        0.09
        """
        flight = self.rate * self.delay
        return (math.exp(-flight) - math.exp(-5 * flight) + math.exp(-7 * flight)) * self.notices_per_event
