"""Polling at a fixed delay or a fixed rate, page by page, and the choice of its interval."""

import math
from dataclasses import dataclass
from typing import Literal

from labkit.theory.arguments import not_negative, positive, share
from labkit.theory.renewal import RenewalTheory
from labkit.theory.series import exp_tail, poisson_mean


@dataclass(frozen=True, slots=True)
class PollingTheory(RenewalTheory):
    """Fixed polling; `polling` makes one and explains the arguments."""

    rate: float
    interval: float
    delay: float
    fixed: Literal["delay", "rate"] = "delay"
    limit: int = 100

    def __post_init__(self) -> None:
        positive("rate", self.rate, "events a second")
        positive("interval", self.interval, "seconds")
        not_negative("delay", self.delay, "seconds")
        positive("limit", self.limit, "events a page")
        if self.period < 2 * self.delay:
            raise ValueError(f"interval must be >= {2 * self.delay} seconds, a round trip, got {self.interval}")

    @property
    def period(self) -> float:
        """P = T + 2d after a fixed delay (sleep T once the answer is there), T at a fixed rate."""
        return self.interval + _round_trip(self.delay, self.fixed)

    @property
    def mean_period(self) -> float:
        """P itself."""
        return self.period

    @property
    def mean_wait(self) -> float:
        """P/2: half a period until a poll reaches the source, so that the mean latency is d + P/2. Any arrivals."""
        return self.period / 2

    def _rest(self, order: int) -> float:
        return exp_tail(self.rate * self.period, order)

    def quantile(self, q: float) -> float:
        """d + qP: latency is uniform on (d, d + P), for any arrivals without phase lock.

        >>> round(polling(1 / 353.678, 60, 0.02).quantile(0.95), 3)
        57.058
        """
        share("q", q)
        return self.delay + q * self.period

    def standard_error(self, events: int) -> float:
        """P / √(12n): the standard error of the mean latency of n events over whole periods. Poisson only.

        >>> round(polling(1 / 353.678, 60, 0.02).standard_error(1707), 2)
        0.42
        """
        positive("events", events, "events")
        return self.period / math.sqrt(12 * events)

    @property
    def polls_per_event(self) -> float:
        """1/(λP), for any stationary arrivals: 5.89 at 60 s when events come every 353.678 s."""
        return 1 / (self.rate * self.period)

    @property
    def requests_per_poll(self) -> float:
        """E[max(1, ⌈N/L⌉)] with N events in a period and pages of L: see `pages`. Poisson only.

        It leaves the time of the follow-up pages out, so it needs a round trip that is short beside P.
        """
        return pages(self.rate * self.period, self.limit)

    @property
    def requests_per_event(self) -> float:
        """Polls and follow-up pages for each event; equal to `polls_per_event` where one page is enough."""
        return self.polls_per_event * self.requests_per_poll

    def polls(self, duration: float, phase: float = 0.0) -> int:
        """⌈(duration - phase) / P⌉: polls sent at phase, phase + P, … and before the half-open horizon.

        Exact, for any arrivals that fit on one page: times are whole nanoseconds, as in the virtual clock
        (3 * 0.1 / 0.1 is more than 3 in floats). Each sleep is rounded, and each moment of a fixed rate.

        >>> polling(1, 0.1, 0, fixed="rate").polls(3 * 0.1)
        3
        >>> polling(1 / 353.678, 10, 0.02).polls(12 * 3600)
        4303
        """
        not_negative("duration", duration, "seconds")
        not_negative("phase", phase, "seconds")
        horizon = round(duration * 1e9)
        if self.fixed == "rate":
            polls = max(0, math.floor((duration - phase) / self.interval) - 1)
            while round((phase + polls * self.interval) * 1e9) < horizon:
                polls += 1
            return polls
        period = round(self.interval * 1e9) + 2 * round(self.delay * 1e9)
        if period < 1:
            raise ValueError(f"period must be >= 1 nanosecond to be counted, got {self.period} seconds")
        return max(0, -((round(phase * 1e9) - horizon) // period))

    def requests(self, duration: float, phase: float = 0.0) -> float:
        """The polls of a duration times `requests_per_poll`: exact while one page is enough."""
        return self.polls(duration, phase) * self.requests_per_poll

    def empty_requests(self, duration: float, phase: float = 0.0) -> float:
        """e^(-λ(phase + d)) + (polls - 1)·e^(-λP): the first poll looks back on less. Poisson only.

        With events every second and polls at 0, 1 and 2 that take no time, the first is always empty:

        >>> round(polling(1, 1, 0).empty_requests(3), 4)
        1.7358
        """
        polls = self.polls(duration, phase)
        if polls == 0:
            return 0.0
        first = math.exp(-self.rate * (phase + self.delay))
        return first + (polls - 1) * math.exp(-self.rate * self.period)

    @property
    def empty_share(self) -> float:
        """e^(-λP) of the polls find nothing, after the first; a follow-up page is never empty. Poisson only.

        >>> round(polling(1 / 353.678, 300, 0.02).empty_share, 4)
        0.4281
        """
        return math.exp(-self.rate * self.period) / self.requests_per_poll


def polling(
    rate: float, interval: float, delay: float, fixed: Literal["delay", "rate"] = "delay", limit: int = 100
) -> PollingTheory:
    """Poll every `interval` seconds: "delay" sleeps so long after each answer, "rate" sends so often.

    A fixed rate needs an interval of at least the round trip. `limit` is the most events on one page.

    >>> polling(rate=1 / 353.678, interval=60, delay=0.02).mean_latency
    30.04
    >>> polling(rate=1 / 353.678, interval=60, delay=0.02, fixed="rate").mean_latency
    30.02
    """
    return PollingTheory(rate, interval, delay, fixed, limit)


def pages(mean: float, limit: int) -> float:
    """E[max(1, ⌈N/L⌉)] = 1 + Σ P(N > jL), j = 1, 2, …, for N Poisson of this mean: the requests of one poll.

    An empty poll takes one request, and so does a full last page (N = L): `has_more` is exact.

    >>> round(pages(mean=10, limit=5), 1)
    2.4
    """
    positive("mean", mean, "events a poll")
    positive("limit", limit, "events a page")
    return 1 + poisson_mean(mean, lambda n: (n - 1) // limit, least=limit + 1)


def crossover_interval(
    rate: float, delay: float, fixed: Literal["delay", "rate"] = "delay", requests_per_event: float = 1.0
) -> float:
    """The T at which polling sends as many requests as a webhook: λ(T + 2d) = 1 for one POST an event.

    A longer interval sends fewer requests than the webhook. 0 means that every interval does.
    Any stationary arrivals, one page a poll; thin payloads have 2 requests an event.

    >>> round(crossover_interval(rate=1 / 353.678, delay=0.02), 3)
    353.638
    """
    positive("rate", rate, "events a second")
    not_negative("delay", delay, "seconds")
    positive("requests_per_event", requests_per_event, "requests")
    return max(0.0, 1 / (rate * requests_per_event) - _round_trip(delay, fixed))


def best_interval(rate: float, tau: float, delay: float = 0.0, fixed: Literal["delay", "rate"] = "delay") -> float:
    """The T with the least cost "polls + total latency / τ": the period √(2τ/λ), less 2d after a fixed delay.

    τ is the latency, in seconds, that is as bad as one more poll. Any stationary arrivals without phase lock,
    one page a poll. 0 means: ask again at once. Events every 50 s and τ = 100 s make it 100 s:

    >>> best_interval(rate=0.02, tau=100)
    100.0
    """
    positive("rate", rate, "events a second")
    positive("tau", tau, "seconds")
    not_negative("delay", delay, "seconds")
    return max(0.0, math.sqrt(2 * tau / rate) - _round_trip(delay, fixed))


def _round_trip(delay: float, fixed: str) -> float:
    if fixed not in ("delay", "rate"):
        raise ValueError(f"fixed must be 'delay' or 'rate', got {fixed!r}")
    return 2 * delay if fixed == "delay" else 0.0
