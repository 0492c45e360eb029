"""Long polling: a question that the source keeps until it has an answer."""

import math
from dataclasses import dataclass

from labkit.theory.arguments import not_negative, positive, share
from labkit.theory.series import exp_tail


@dataclass(frozen=True, slots=True)
class LongPollingTheory:
    """A question held for up to W seconds, and asked again g seconds after the answer; `long_polling` makes one.

    All of it is Poisson only, and for answers that fit on one page.
    """

    rate: float
    delay: float
    wait: float = 25.0
    pause: float = 0.0

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        not_negative("delay", self.delay, "seconds")
        positive("wait", self.wait, "seconds")
        not_negative("pause", self.pause, "seconds")

    @property
    def blind(self) -> float:
        """B = 2d + g: from an answer's leaving the source to the arrival of the next question."""
        return 2 * self.delay + self.pause

    @property
    def hold(self) -> float:
        """h = e^(-λB)·(1 - e^(-λW))/λ: mean seconds for which a question is kept; 0 if something happened meanwhile.

        >>> round(long_polling(rate=0.04, delay=0).hold, 2)
        15.8
        """
        return math.exp(-self.rate * self.blind) * -math.expm1(-self.rate * self.wait) / self.rate

    @property
    def cycle(self) -> float:
        """C = B + h: mean seconds from answer to answer."""
        return self.blind + self.hold

    @property
    def held_share(self) -> float:
        """1 - B/C: the share of time in which the source has a question, and the share of events that wait for nothing.

        >>> round(long_polling(rate=20, delay=0.05).held_share, 3)
        0.063
        """
        return self.hold / self.cycle

    @property
    def mean_latency(self) -> float:
        """d + B²/(2C): d while B is small beside W and 1/λ, and towards d + B/2 as λB grows.

        >>> round(long_polling(rate=20, delay=0.05).mean_latency / 0.05, 2)
        1.94
        """
        return self.delay + self.blind**2 / (2 * self.cycle)

    def quantile(self, q: float) -> float:
        """d for the share of events that find a question held, uniform on (d, d + B) for the others.

        >>> round(long_polling(rate=20, delay=0.05).quantile(0.5) / 0.05, 2)
        1.93
        """
        share("q", q)
        return self.delay + max(0.0, q * self.cycle - self.hold)

    @property
    def requests_per_event(self) -> float:
        """1/(λC): towards 1/(1 - e^(-λW)) as B shrinks, and below 1 when one answer brings several.

        >>> round(long_polling(rate=0.04, delay=0).requests_per_event, 3)
        1.582
        """
        return 1 / (self.rate * self.cycle)

    @property
    def empty_share(self) -> float:
        """e^(-λ(B + W)): nothing happened while the client was away, nor while the question was kept.

        >>> round(long_polling(rate=0.04, delay=0).empty_share, 3)
        0.368
        """
        return math.exp(-self.rate * (self.blind + self.wait))

    @property
    def freshness(self) -> float:
        """F = (h + (e^(-λd) - e^(-λB))/λ + e^(-λ(B + W))·(1 - e^(-λd))/λ)/C: nothing is missing.

        That is: while a question is held; after an answer has come, if nothing has happened since it was given; and
        while an empty one is on its way.

        >>> round(long_polling(rate=20, delay=0.05).freshness, 3)
        0.172
        """
        x = self.rate * self.delay
        after = math.exp(-x) * -math.expm1(-self.rate * (self.blind - self.delay))
        during = self.empty_share * -math.expm1(-x)
        return (self.hold + (after + during) / self.rate) / self.cycle

    @property
    def staleness(self) -> float:
        """Mean seconds for which something has been missing: since the last answer, or known to be on its way.

        Per cycle: the time since the first event after an answer, over B; and over d, where the answer under way is not
        empty, that answer's own first event instead.

        >>> round(long_polling(rate=20, delay=0.05).staleness, 4)
        0.0554
        """
        x, y = self.rate * self.delay, self.rate * self.blind
        full = -math.expm1(-self.rate * (self.blind + self.wait))
        return (x * exp_tail(y, 2) + full * exp_tail(x, 2) - exp_tail(y, 3)) / (self.rate**2 * self.cycle)


def long_polling(rate: float, delay: float, wait: float = 25.0, pause: float = 0.0) -> LongPollingTheory:
    """Ask, be answered at the first event or after `wait` seconds, and ask again `pause` seconds later.

    >>> round(long_polling(rate=1 / 353.678, delay=0.02).mean_latency, 5)
    0.02003
    """
    return LongPollingTheory(rate, delay, wait, pause)
