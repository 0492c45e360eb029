"""Polling at a fixed delay or a fixed rate, page by page, and the choice of its interval."""

import math
from dataclasses import dataclass
from typing import Literal

from labkit.checks import number, one_of, whole
from labkit.theory.closed_form import check
from labkit.theory.renewal import IntervalTheory
from labkit.theory.series import poisson_mean


@dataclass(frozen=True)
class Polling(IntervalTheory):
    """Polls every `interval` seconds T, with at most `limit` events per page.

    A fixed "delay" sleeps T after each answer; a fixed "rate" sends a poll every T, at least a round trip.

    >>> Polling(rate=1 / 353.678, interval=60, delay=0.02).mean_latency
    30.04
    >>> Polling(rate=1 / 353.678, interval=60, delay=0.02, fixed="rate").mean_latency
    30.02
    """

    fixed: Literal["delay", "rate"] = "delay"
    limit: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("fixed", self.fixed, ("delay", "rate"))
        if self.fixed == "rate":
            number("interval", self.interval, "seconds, a round trip", least=2 * self.delay)
        whole("limit", self.limit, 1, unit="events per page")

    @property
    def period(self) -> float:
        """P = T + 2d at a fixed delay, and T at a fixed rate."""
        return self.interval + _round_trip(self.delay, self.fixed)

    def standard_error(self, events: int) -> float:
        """P / √(12n): the standard error of the mean latency of n events over whole periods. Poisson only.

        >>> round(Polling(1 / 353.678, 60, 0.02).standard_error(1707), 2)
        0.42
        """
        number("events", events, above=0)
        return self.period / math.sqrt(12 * events)

    @property
    def requests_per_poll(self) -> float:
        """E[max(1, ⌈N/L⌉)] for N events in a period and pages of L: see `pages`. Poisson only.

        It ignores the time that follow-up pages take, so the round trip must be short compared with P.
        """
        return pages(self.rate * self.period, self.limit)

    @property
    def requests_per_event(self) -> float:
        """Requests per poll over λP; 1/(λP) for any stationary arrivals where one page is enough.

        >>> round(Polling(1 / 353.678, 60, 0.02).requests_per_event, 2)
        5.89
        """
        return super().requests_per_event * self.requests_per_poll

    @property
    def empty_share(self) -> float:
        """e^(-λP) of the polls after the first; a follow-up page is never empty. Poisson only.

        >>> round(Polling(1 / 353.678, 300, 0.02).empty_share, 4)
        0.4281
        """
        return super().empty_share / self.requests_per_poll

    def polls(self, duration: float, phase: float = 0.0) -> int:
        """⌈(duration - phase) / P⌉: the polls sent at phase, phase + P, … before the half-open horizon.

        Exact for any arrivals that fit on one page. Times are whole nanoseconds, as in the virtual clock (in floats,
        3 * 0.1 / 0.1 is more than 3). At a fixed delay each sleep is rounded, at a fixed rate each instant.

        >>> Polling(1, 0.1, 0, fixed="rate").polls(3 * 0.1)
        3
        >>> Polling(1 / 353.678, 10, 0.02).polls(12 * 3600)
        4303
        """
        check(duration=duration, phase=phase)
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
        """Polls times `requests_per_poll`: exact where one page is enough."""
        return self.polls(duration, phase) * self.requests_per_poll

    def empty_requests(self, duration: float, phase: float = 0.0) -> float:
        """e^(-λ(phase + d)) + (polls - 1)·e^(-λP): the first poll looks back on less than a period. Poisson only.

        With one event per second and polls at 0, 1 and 2 s that take no time, the first poll is always empty:

        >>> round(Polling(1, 1, 0).empty_requests(3), 4)
        1.7358
        """
        polls = self.polls(duration, phase)
        if polls == 0:
            return 0.0
        return math.exp(-self.rate * (phase + self.delay)) + (polls - 1) * math.exp(-self.rate * self.period)


def pages(mean: float, limit: int) -> float:
    """E[max(1, ⌈N/L⌉)] = 1 + Σ P(N > jL), j = 1, 2, …, for N Poisson with this mean: the requests of one poll.

    An empty poll takes one request. So does a full page (N = L): `has_more` is exact.

    >>> round(pages(mean=10, limit=5), 1)
    2.4
    """
    number("mean", mean, "events per poll", above=0)
    whole("limit", limit, 1, unit="events per page")
    return 1 + poisson_mean(mean, lambda n: (n - 1) // limit, least=limit + 1)


def crossover_interval(
    rate: float, delay: float, fixed: Literal["delay", "rate"] = "delay", requests_per_event: float = 1.0
) -> float:
    """The T at which polling sends as many requests as a webhook: λ(T + 2d) = 1 for one request per event.

    Polling at a longer interval sends fewer requests than the webhook; 0 means that it does at every interval. Any
    stationary arrivals, one page per poll. For thin payloads `requests_per_event` is 2.

    >>> round(crossover_interval(rate=1 / 353.678, delay=0.02), 3)
    353.638
    """
    check(rate=rate, delay=delay)
    number("requests_per_event", requests_per_event, above=0)
    return max(0.0, 1 / (rate * requests_per_event) - _round_trip(delay, fixed))


def best_interval(rate: float, tau: float, delay: float = 0.0, fixed: Literal["delay", "rate"] = "delay") -> float:
    """The T with the lowest cost "polls + total latency / τ": the period is √(2τ/λ).

    τ is the latency, in seconds, that costs as much as one more poll. Any stationary arrivals without phase lock, one
    page per poll. 0 means: poll again at once. With an event every 50 s and τ = 100 s:

    >>> best_interval(rate=0.02, tau=100)
    100.0
    """
    check(rate=rate, tau=tau, delay=delay)
    return max(0.0, math.sqrt(2 * tau / rate) - _round_trip(delay, fixed))


def _round_trip(delay: float, fixed: str) -> float:
    """What one round trip adds to the period."""
    one_of("fixed", fixed, ("delay", "rate"))
    return 2 * delay if fixed == "delay" else 0.0
