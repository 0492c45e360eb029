"""Stream: one request that stays open. A real stream has the latency of a webhook, a fake one that of polling."""

from labkit.checks import number
from labkit.theory.renewal import IntervalTheory
from labkit.theory.webhook import Webhook


class _OneRequest:
    """What every stream has in common."""

    requests_per_event = 0.0
    """0 in the long run: one request brings all events. It does not show whether the source polls its store."""

    def requests(self, duration: float) -> float:
        """1, however long the run: the connection never breaks."""
        number("duration", duration, "seconds", least=0)
        return 1.0


class Stream(_OneRequest, Webhook):
    """Each event is written into one open answer as it happens. Any arrivals after the request reaches the source.

    >>> Stream(rate=1 / 353.678, delay=0.02).mean_latency
    0.02
    """


class FakeStream(_OneRequest, IntervalTheory):
    """One open answer, for which the source polls its own store every `interval` seconds T.

    >>> FakeStream(rate=1 / 353.678, interval=5, delay=0.02).mean_latency
    2.52
    """

    @property
    def period(self) -> float:
        """T: a look at the store takes no time."""
        return self.interval

    empty_share = 0.0
    """0: looking at the store is not a request."""
