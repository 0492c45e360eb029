"""Stream: one request for ever. The real one is a webhook's equal in latency, the fake one a poller's."""

from dataclasses import dataclass

from labkit.theory.arguments import not_negative, positive, share
from labkit.theory.renewal import RenewalTheory
from labkit.theory.series import exp_tail
from labkit.theory.webhook import WebhookTheory


@dataclass(frozen=True, slots=True)
class StreamTheory(WebhookTheory):
    """Each event written into one open answer as it happens; `stream` makes one."""

    @property
    def requests_per_event(self) -> float:
        """0 in the long run: one request brings them all."""
        return 0.0

    def requests(self, duration: float) -> float:
        """1, however long it lasts: nothing breaks."""
        not_negative("duration", duration, "seconds")
        return 1.0


def stream(rate: float, delay: float) -> StreamTheory:
    """Keep one answer open, `delay` seconds one way. Any arrivals after the request has reached the source.

    >>> stream(rate=1 / 353.678, delay=0.02).mean_latency
    0.02
    """
    return StreamTheory(rate, delay)


@dataclass(frozen=True, slots=True)
class FakeStreamTheory(RenewalTheory):
    """An open answer behind which the source polls itself; `fake_stream` makes one. Its period is s."""

    rate: float
    interval: float
    delay: float

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        positive("interval", self.interval, "seconds")
        not_negative("delay", self.delay, "seconds")

    @property
    def mean_period(self) -> float:
        """s: a look inside the source takes no time."""
        return self.interval

    @property
    def mean_wait(self) -> float:
        """s/2. Any arrivals without phase lock."""
        return self.interval / 2

    def _rest(self, order: int) -> float:
        return exp_tail(self.rate * self.interval, order)

    def quantile(self, q: float) -> float:
        """d + qs: latency is uniform on (d, d + s). Any arrivals without phase lock."""
        share("q", q)
        return self.delay + q * self.interval

    @property
    def requests_per_event(self) -> float:
        """0 in the long run: nothing on the wire gives it away."""
        return 0.0

    def requests(self, duration: float) -> float:
        """1, however long it lasts."""
        not_negative("duration", duration, "seconds")
        return 1.0

    @property
    def empty_share(self) -> float:
        """0: its looks are no requests."""
        return 0.0


def fake_stream(rate: float, interval: float, delay: float) -> FakeStreamTheory:
    """Keep one answer open, and have the source look every `interval` seconds: s/2 + d late on average.

    >>> fake_stream(rate=1 / 353.678, interval=5, delay=0.02).mean_latency
    2.52
    """
    return FakeStreamTheory(rate, interval, delay)
