"""Webhook: one request per event, received after one delay."""

import math
from dataclasses import dataclass

from labkit.checks import number, share
from labkit.theory.closed_form import ClosedForm
from labkit.theory.series import exp_tail


@dataclass(frozen=True)
class Webhook(ClosedForm):
    """One POST per event, sent at once, `delay` seconds d one way.

    >>> Webhook(rate=1 / 353.678, delay=0.02).mean_latency
    0.02
    """

    delay: float

    @property
    def mean_latency(self) -> float:
        """d, for every event. Any arrivals."""
        return self.delay

    def quantile(self, q: float) -> float:
        """The mean latency, for every q."""
        share("q", q)
        return self.mean_latency

    requests_per_event = 1.0
    """1 without retries; with them see `attempts_per_event`."""

    empty_share = 0.0
    """0: each request brings an event."""

    @property
    def freshness(self) -> float:
        """F = e^(-λd): no event is on its way. Poisson only.

        >>> round(Webhook(rate=20, delay=0.05).freshness, 3)
        0.368
        """
        return math.exp(-self.rate * self.mean_latency)

    @property
    def staleness(self) -> float:
        """d - (1 - e^(-λd))/λ: mean seconds for which something has been missing. Poisson only.

        >>> round(Webhook(rate=20, delay=0.05).staleness, 4)
        0.0184
        """
        return exp_tail(self.rate * self.mean_latency, 2) / self.rate

    @property
    def age_of_information(self) -> float:
        """1/λ + d: the mean age of the newest event received. Poisson only.

        >>> round(Webhook(1 / 353.678, 0.02).age_of_information, 1)
        353.7
        """
        return 1 / self.rate + self.mean_latency


def attempts_per_event(loss: float) -> float:
    """1/(1 - p): attempts per event if each fails independently with p and is retried until one succeeds.

    >>> attempts_per_event(loss=0.2)
    1.25
    """
    return 1 / (1 - number("loss", loss, least=0, below=1))
