"""Thin: a webhook that carries only the event's id, and a request that fetches the event."""

from labkit.theory.webhook import Webhook


class Thin(Webhook):
    """A delivery and a fetch per event. Freshness and staleness are a webhook's at three delays.

    >>> round(Thin(rate=1 / 353.678, delay=0.02).mean_latency, 3)
    0.06
    """

    @property
    def mean_latency(self) -> float:
        """3d, for every event: the delivery, the fetch and its answer. Any arrivals."""
        return 3 * self.delay

    requests_per_event = 2.0
    """2: the delivery and the fetch."""

    empty_share = 0.5
    """1/2: the delivery brings no event, the fetch does."""
