"""Thin: a webhook that says only that something happened, and a request for what it was."""

from dataclasses import dataclass

from labkit.theory.webhook import WebhookTheory


@dataclass(frozen=True, slots=True)
class ThinTheory(WebhookTheory):
    """A call and a fetch an event; `thin` makes one. Its staleness and currency are a webhook's at three delays."""

    @property
    def mean_latency(self) -> float:
        """3d, for each event: the call, the question, the answer."""
        return 3 * self.delay

    @property
    def requests_per_event(self) -> float:
        """2: the call and the fetch."""
        return 2.0

    @property
    def empty_share(self) -> float:
        """1/2: the call brings no event, the fetch does."""
        return 0.5


def thin(rate: float, delay: float) -> ThinTheory:
    """Call at each event with its id alone, and have the event fetched, `delay` seconds one way. Any arrivals.

    >>> round(thin(rate=1 / 353.678, delay=0.02).mean_latency, 3)
    0.06
    """
    return ThinTheory(rate, delay)
