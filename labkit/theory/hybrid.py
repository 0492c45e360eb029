"""Hybrid: webhooks that may be lost, and a reconciling poll that finds what was."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from labkit.checks import number, share
from labkit.theory.closed_form import ClosedForm


@dataclass(frozen=True)
class Hybrid(ClosedForm):
    """Each event is delivered at once, and a poll `reconcile_interval` seconds after each answer finds what was lost.

    Each attempt fails independently with `loss` p; `retries` are the seconds from the event to each further attempt. An
    outage is not such a p: it takes every attempt in its window, and perhaps the polls too.

    >>> round(Hybrid(1 / 353.678, 0.02, reconcile_interval=3600, loss=0.01, retries=(5, 305)).mean_latency, 3)
    0.1
    """

    delay: float
    reconcile_interval: float
    loss: float = 0.0
    retries: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        number("reconcile_interval", self.reconcile_interval, "seconds", above=0)
        if any(later <= earlier for earlier, later in pairwise((0.0, *self.retries))):
            raise ValueError(f"retries must be seconds after the event, > 0 and increasing, got {self.retries}")

    @property
    def period(self) -> float:
        """R = reconcile_interval + 2d: from one poll's arrival at the source to the next one's."""
        return self.reconcile_interval + 2 * self.delay

    def _between(self) -> Iterator[tuple[float, float, float]]:
        """From attempt to attempt within a period: (start, end, p^k), the chance that all k attempts so far failed."""
        within = [0.0, *(at for at in self.retries if at < self.period), self.period]
        for made, (start, end) in enumerate(pairwise(within), start=1):
            yield start, end, self.loss**made

    @property
    def attempts_per_event(self) -> float:
        """1 + p + p² + … up to the last retry: the source does not know that a poll came first. Any arrivals.

        >>> Hybrid(rate=1, delay=0, reconcile_interval=3600, loss=0.5, retries=(5, 300)).attempts_per_event
        1.75
        """
        return math.fsum(self.loss**made for made in range(len(self.retries) + 1))

    @property
    def requests_per_event(self) -> float:
        """The attempts, and 1/(λR) polls of one page. Any stationary arrivals.

        >>> Hybrid(rate=0.01, delay=0, reconcile_interval=1000).requests_per_event
        1.1
        """
        return self.attempts_per_event + 1 / (self.rate * self.period)

    @property
    def mean_latency(self) -> float:
        """d + Σ p^(k+1)·∫ (1 - x/R) dx, from retry k to the next or to R; without retries d + pR/2. Any arrivals.

        >>> Hybrid(rate=0.01, delay=0, reconcile_interval=3600, loss=0.01).mean_latency
        18.0
        """
        steps = self._between()
        waits = (lost * (end - start) * (1 - (start + end) / (2 * self.period)) for start, end, lost in steps)
        return self.delay + math.fsum(waits)

    def quantile(self, q: float) -> float:
        """d + w, P(wait > w) = p^k·(1 - w/R) after k attempts: many events wait exactly until an attempt. Any arrivals.

        >>> [round(Hybrid(rate=0.01, delay=0, reconcile_interval=3600, loss=0.1).quantile(q)) for q in (0.9, 0.95)]
        [0, 1800]
        """
        share("q", q)
        for start, end, lost in self._between():
            if 1 - q >= lost * (1 - start / self.period):
                return self.delay + start
            if 1 - q >= lost * (1 - end / self.period):
                return self.delay + self.period * (1 - (1 - q) / lost)
        return self.delay + self.period

    @property
    def recovered_share(self) -> float:
        """(1/R)·Σ p^(k+1)·(time from retry k to the next): the events that a poll finds first; p without retries.

        >>> Hybrid(rate=0.01, delay=0, reconcile_interval=3600, loss=0.01, retries=(360,)).recovered_share
        0.00109
        """
        return math.fsum(lost * (end - start) for start, end, lost in self._between()) / self.period

    @property
    def empty_share(self) -> float:
        """e^(-λR·recovered) of the polls, which recover nothing, and the retries that arrive after a poll.

        A failed attempt is an error, not empty. Poisson only.

        >>> round(Hybrid(rate=0.01, delay=0, reconcile_interval=1000).empty_share, 3)
        0.091
        """
        polls = math.exp(-self.rate * self.period * self.recovered_share) / (self.rate * self.period)
        late = (self.loss**made * min(1, after / self.period) for made, after in enumerate(self.retries, start=1))
        return (polls + (1 - self.loss) * math.fsum(late)) / self.requests_per_event

    @property
    def freshness(self) -> float:
        """F = e^(-λd)·E[e^(-m)], m what a poll would find; without retries (1 - e^(-λpR))/(λpR). Poisson only.

        >>> round(Hybrid(rate=0.01, delay=0, reconcile_interval=1000, loss=0.1).freshness, 3)
        0.632
        """
        missing, area = 0.0, 0.0
        for start, end, lost in self._between():
            more = self.rate * lost * (end - start)
            area += math.exp(-missing) * (end - start) * (-math.expm1(-more) / more if more else 1.0)
            missing += more
        return math.exp(-self.rate * self.delay) * area / self.period
