"""Long polling: a request that the source holds until it has something to answer."""

import math
from dataclasses import dataclass

from labkit.checks import share
from labkit.theory.closed_form import ClosedForm
from labkit.theory.series import exp_tail


@dataclass(frozen=True)
class LongPolling(ClosedForm):
    """A request answered at the first event or after `wait` seconds W; the next is sent `pause` seconds g later.

    Poisson only, and while every answer fits on one page.

    >>> round(LongPolling(rate=1 / 353.678, delay=0.02).mean_latency, 5)
    0.02003
    """

    delay: float
    wait: float = 25.0
    pause: float = 0.0

    @property
    def blind(self) -> float:
        """B = 2d + g: from the instant at which an answer leaves the source to the arrival of the next request."""
        return 2 * self.delay + self.pause

    @property
    def hold(self) -> float:
        """h = e^(-λB)·(1 - e^(-λW))/λ: mean seconds for which a request is held, 0 if an event came in the blind time.

        >>> round(LongPolling(rate=0.04, delay=0).hold, 2)
        15.8
        """
        return math.exp(-self.rate * self.blind) * -math.expm1(-self.rate * self.wait) / self.rate

    @property
    def cycle(self) -> float:
        """C = B + h: mean seconds from answer to answer."""
        return self.blind + self.hold

    @property
    def held_share(self) -> float:
        """h/C: the share of time in which the source holds a request, and of events that are answered at once.

        >>> round(LongPolling(rate=20, delay=0.05).held_share, 3)
        0.063
        """
        return self.hold / self.cycle

    @property
    def mean_latency(self) -> float:
        """d + B²/(2C): near d while B is small compared with W and 1/λ, and near d + B/2 for large λB.

        >>> round(LongPolling(rate=20, delay=0.05).mean_latency / 0.05, 2)
        1.94
        """
        return self.delay + self.blind**2 / (2 * self.cycle)

    def quantile(self, q: float) -> float:
        """d for the share of events that find a request held, and uniform on (d, d + B) for the others.

        >>> round(LongPolling(rate=20, delay=0.05).quantile(0.5) / 0.05, 2)
        1.93
        """
        return self.delay + max(0.0, share("q", q) * self.cycle - self.hold)

    @property
    def requests_per_event(self) -> float:
        """1/(λC): near 1/(1 - e^(-λW)) for small B, and below 1 where one answer brings several events.

        >>> round(LongPolling(rate=0.04, delay=0).requests_per_event, 3)
        1.582
        """
        return 1 / (self.rate * self.cycle)

    @property
    def empty_share(self) -> float:
        """e^(-λ(B + W)): no event in the blind time, nor while the request was held.

        >>> round(LongPolling(rate=0.04, delay=0).empty_share, 3)
        0.368
        """
        return math.exp(-self.rate * (self.blind + self.wait))

    @property
    def freshness(self) -> float:
        """F = (h + (e^(-λd) - e^(-λB))/λ + e^(-λ(B + W))·(1 - e^(-λd))/λ)/C: the share of time with nothing missing.

        The terms: while a request is held; after an answer has arrived, until the first event since it was given; and
        while an empty answer is on its way.

        >>> round(LongPolling(rate=20, delay=0.05).freshness, 3)
        0.172
        """
        x = self.rate * self.delay
        after = math.exp(-x) * -math.expm1(-self.rate * (self.blind - self.delay))
        during = self.empty_share * -math.expm1(-x)
        return (self.hold + (after + during) / self.rate) / self.cycle

    @property
    def staleness(self) -> float:
        """Mean seconds for which something has been missing, 0 while fresh.

        In each cycle: over B, the time since the first event after an answer; but over d, while an answer that is not
        empty is on its way, the time since that answer's own first event.

        >>> round(LongPolling(rate=20, delay=0.05).staleness, 4)
        0.0554
        """
        x, y = self.rate * self.delay, self.rate * self.blind
        full = -math.expm1(-self.rate * (self.blind + self.wait))
        return (x * exp_tail(y, 2) + full * exp_tail(x, 2) - exp_tail(y, 3)) / (self.rate**2 * self.cycle)
