"""Webhook: one request an event, a delay late."""

import math
from dataclasses import dataclass

from labkit.theory.arguments import not_negative, positive
from labkit.theory.series import exp_tail


@dataclass(frozen=True, slots=True)
class WebhookTheory:
    """One POST an event, sent at once; `webhook` makes one."""

    rate: float
    delay: float

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        not_negative("delay", self.delay, "seconds")

    @property
    def mean_latency(self) -> float:
        """d, for each event: what was put in comes out."""
        return self.delay

    def quantile(self, q: float) -> float:
        """The mean latency, whatever the quantile."""
        return self.mean_latency

    @property
    def requests_per_event(self) -> float:
        """1: see `attempts_per_event` for retries."""
        return 1.0

    def requests(self, duration: float) -> float:
        """λ·duration, the expected number; in a run it is the number of events. Any stationary arrivals."""
        not_negative("duration", duration, "seconds")
        return self.requests_per_event * self.rate * duration

    @property
    def empty_share(self) -> float:
        """0: a webhook comes only when there is something."""
        return 0.0

    @property
    def freshness(self) -> float:
        """F = e^(-λd): no event is on its way. Poisson only.

        >>> round(webhook(rate=20, delay=0.05).freshness, 3)
        0.368
        """
        return math.exp(-self.rate * self.mean_latency)

    @property
    def staleness(self) -> float:
        """d - (1 - e^(-λd))/λ: the mean time for which something has been missing. Poisson only.

        >>> round(webhook(rate=20, delay=0.05).staleness, 4)
        0.0184
        """
        return exp_tail(self.rate * self.mean_latency, 2) / self.rate

    @property
    def age_of_information(self) -> float:
        """1/λ + d: the mean age of the newest event that is held. Poisson only.

        >>> round(webhook(1 / 353.678, 0.02).age_of_information, 1)
        353.7
        """
        return 1 / self.rate + self.mean_latency


def webhook(rate: float, delay: float) -> WebhookTheory:
    """POST each event as it happens, `delay` seconds one way.

    >>> webhook(rate=1 / 353.678, delay=0.02).mean_latency
    0.02
    """
    return WebhookTheory(rate, delay)


def attempts_per_event(loss: float) -> float:
    """1/(1 - p): POSTs an event when each fails with p, independently, and is retried until one arrives.

    >>> attempts_per_event(loss=0.2)
    1.25
    """
    if not 0 <= loss < 1:
        raise ValueError(f"loss must be >= 0 and < 1, got {loss}")
    return 1 / (1 - loss)
