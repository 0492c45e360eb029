"""Relay: webhooks delivered to a public host, and polling of that host."""

from labkit.theory.renewal import IntervalTheory


class Relay(IntervalTheory):
    """A delivery per event to a relay, which is polled `interval` seconds after each answer.

    >>> round(Relay(1 / 353.678, interval=10, delay=0.02).mean_latency, 3)
    5.06
    """

    @property
    def transit(self) -> float:
        """2d: to the relay, and from there to the consumer."""
        return 2 * self.delay

    @property
    def requests_per_event(self) -> float:
        """1 + 1/(λP): the delivery and the polls. Any stationary arrivals."""
        return 1 + super().requests_per_event

    @property
    def empty_share(self) -> float:
        """(λP + e^(-λP))/(λP + 1): deliveries bring the consumer nothing yet, and some polls are empty. Poisson only.

        >>> round(Relay(0.1, 10, 0).empty_share, 4)
        0.6839
        """
        load = self.rate * self.period
        return (load + super().empty_share) / (load + 1)
