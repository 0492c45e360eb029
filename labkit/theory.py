"""Closed forms: what arithmetic says polling and webhooks cost. It knows nothing of any lens.

Symbols: rate λ (events a second), interval T, delay d (one way), period P: the time between the moments
at which two polls reach the source. The server takes no time, nothing is lost unless a rule says so.
"Poisson only" marks a rule that needs events which come one by one, independently, at one rate;
the others need no more than arrivals without phase lock to the poller.
The properties carry the names of a `Result`'s columns, so that theory can be drawn over measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Polling ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PollingTheory:
    """Fixed polling; `polling` makes one and explains the arguments."""

    rate: float
    interval: float
    delay: float
    fixed: Literal["delay", "rate"] = "delay"
    limit: int = 100

    def __post_init__(self) -> None:
        _positive("rate", self.rate, "events a second")
        _positive("interval", self.interval, "seconds")
        _not_negative("delay", self.delay, "seconds")
        _positive("limit", self.limit, "events a page")
        if self.period < 2 * self.delay:
            raise ValueError(f"interval must be >= {2 * self.delay} seconds, a round trip, got {self.interval}")

    @property
    def period(self) -> float:
        """P = T + 2d after a fixed delay (sleep T once the answer is there), T at a fixed rate."""
        return self.interval + _round_trip(self.delay, self.fixed)

    @property
    def mean_latency(self) -> float:
        """d + P/2: half a period until a poll reaches the source, and one delay back. Any arrivals."""
        return self.delay + self.period / 2

    def quantile(self, q: float) -> float:
        """d + qP: latency is uniform on (d, d + P), for any arrivals without phase lock.

        >>> round(polling(1 / 353.678, 60, 0.02).quantile(0.95), 3)
        57.058
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q must be from 0 to 1, got {q}")
        return self.delay + q * self.period

    def standard_error(self, events: int) -> float:
        """P / √(12n): the standard error of the mean latency of n events over whole periods. Poisson only.

        >>> round(polling(1 / 353.678, 60, 0.02).standard_error(1707), 2)
        0.42
        """
        _positive("events", events, "events")
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
        _not_negative("duration", duration, "seconds")
        _not_negative("phase", phase, "seconds")
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

    @property
    def current_share(self) -> float:
        """F = e^(-λd)·(1 - e^(-λP))/(λP): the share of time in which nothing is missing. Poisson only.

        >>> round(polling(1 / 353.678, 60, 0.02).current_share, 3)
        0.92
        """
        x = self.rate * self.period
        return math.exp(-self.rate * self.delay) * -math.expm1(-x) / x

    @property
    def staleness(self) -> float:
        """d + P/2 - (1 - F)/λ: mean time for which something has been missing, 0 while current. Poisson only.

        Computed from terms that are all positive, so that nothing cancels when λP is tiny.

        >>> round(polling(1 / 353.678, 60, 0.02).staleness, 2)
        1.63
        """
        in_flight = self.rate * self.delay
        unseen = self.rate * self.period
        while_in_flight = _exp_rest(in_flight, 2) / self.rate - math.expm1(-in_flight) * self.period / 2
        return while_in_flight - math.exp(-in_flight) * _exp_rest(unseen, 3) / unseen / self.rate

    @property
    def age_of_information(self) -> float:
        """1/λ + mean latency: the mean age of the newest event that is held. Poisson only.

        >>> round(polling(1 / 353.678, 60, 0.02).age_of_information, 1)
        383.7
        """
        return 1 / self.rate + self.mean_latency


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
    _positive("mean", mean, "events a poll")
    _positive("limit", limit, "events a page")
    spread = 12 * math.sqrt(mean) + 40  # what lies beyond has a probability under 1e-30
    counts = range(max(limit + 1, math.floor(mean - spread)), math.ceil(mean + spread))
    follow_ups = ((n - 1) // limit * math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in counts)
    return 1 + math.fsum(follow_ups)


def crossover_interval(
    rate: float, delay: float, fixed: Literal["delay", "rate"] = "delay", requests_per_event: float = 1.0
) -> float:
    """The T at which polling sends as many requests as a webhook: λ(T + 2d) = 1 for one POST an event.

    A longer interval sends fewer requests than the webhook. 0 means that every interval does.
    Any stationary arrivals, one page a poll; thin payloads have 2 requests an event.

    >>> round(crossover_interval(rate=1 / 353.678, delay=0.02), 3)
    353.638
    """
    _positive("rate", rate, "events a second")
    _not_negative("delay", delay, "seconds")
    _positive("requests_per_event", requests_per_event, "requests")
    return max(0.0, 1 / (rate * requests_per_event) - _round_trip(delay, fixed))


def best_interval(rate: float, tau: float, delay: float = 0.0, fixed: Literal["delay", "rate"] = "delay") -> float:
    """The T with the least cost "polls + total latency / τ": the period √(2τ/λ), less 2d after a fixed delay.

    τ is the latency, in seconds, that is as bad as one more poll. Any stationary arrivals without phase lock,
    one page a poll. 0 means: ask again at once. Events every 50 s and τ = 100 s make it 100 s:

    >>> best_interval(rate=0.02, tau=100)
    100.0
    """
    _positive("rate", rate, "events a second")
    _positive("tau", tau, "seconds")
    _not_negative("delay", delay, "seconds")
    return max(0.0, math.sqrt(2 * tau / rate) - _round_trip(delay, fixed))


# Polling at unequal intervals (jittered, adaptive) ----------------------------------------------


def unequal_wait(periods: Sequence[float]) -> float:
    """E[P²] / 2E[P]: the mean wait until the next poll, before the delay back.

    Each period is chosen from the past alone, and the events are Poisson (or know nothing of the periods).
    Long periods catch more events: the mean wait of periods of 30 and 90 s is above the 30 s of two times 60.

    >>> unequal_wait([30, 90])
    37.5
    """
    _periods(periods)
    return math.fsum(p * p for p in periods) / (2 * math.fsum(periods))


def unequal_empty_share(rate: float, periods: Sequence[float]) -> float:
    """E[e^(-λP)] over the polls, under the conditions of `unequal_wait`. Poisson only.

    >>> round(unequal_empty_share(1 / 353.678, [30, 90]), 3)
    0.847
    """
    _positive("rate", rate, "events a second")
    _periods(periods)
    return math.fsum(math.exp(-rate * p) for p in periods) / len(periods)


# Webhook ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookTheory:
    """One POST an event, sent at once; `webhook` makes one."""

    rate: float
    delay: float

    def __post_init__(self) -> None:
        _positive("rate", self.rate, "events a second")
        _not_negative("delay", self.delay, "seconds")

    @property
    def mean_latency(self) -> float:
        """d, for each event: what was put in comes out."""
        return self.delay

    def quantile(self, q: float) -> float:
        """d, whatever the quantile."""
        return self.delay

    @property
    def requests_per_event(self) -> float:
        """1: see `attempts_per_event` for retries."""
        return 1.0

    def requests(self, duration: float) -> float:
        """λ·duration, the expected number; in a run it is the number of events. Any stationary arrivals."""
        _not_negative("duration", duration, "seconds")
        return self.rate * duration

    @property
    def empty_share(self) -> float:
        """0: a webhook comes only when there is something."""
        return 0.0

    @property
    def current_share(self) -> float:
        """F = e^(-λd): no event is on its way. Poisson only.

        >>> round(webhook(rate=20, delay=0.05).current_share, 3)
        0.368
        """
        return math.exp(-self.rate * self.delay)

    @property
    def staleness(self) -> float:
        """d - (1 - e^(-λd))/λ: the mean time for which something has been missing. Poisson only.

        >>> round(webhook(rate=20, delay=0.05).staleness, 4)
        0.0184
        """
        return _exp_rest(self.rate * self.delay, 2) / self.rate

    @property
    def age_of_information(self) -> float:
        """1/λ + d: the mean age of the newest event that is held. Poisson only.

        >>> round(webhook(1 / 353.678, 0.02).age_of_information, 1)
        353.7
        """
        return 1 / self.rate + self.mean_latency


def webhook(rate: float, delay: float) -> WebhookTheory:
    """POST each event as it happens, `delay` seconds one way.

    >>> webhook(rate=1 / 353.678, delay=0.02).mean_latency
    0.02
    """
    return WebhookTheory(rate, delay)


def attempts_per_event(loss: float) -> float:
    """1/(1 - p): POSTs an event when each fails with p, independently, and is retried until one arrives.

    >>> attempts_per_event(loss=0.2)
    1.25
    """
    if not 0 <= loss < 1:
        raise ValueError(f"loss must be >= 0 and < 1, got {loss}")
    return 1 / (1 - loss)


# Shared -----------------------------------------------------------------------------------------


def _round_trip(delay: float, fixed: str) -> float:
    if fixed not in ("delay", "rate"):
        raise ValueError(f"fixed must be 'delay' or 'rate', got {fixed!r}")
    return 2 * delay if fixed == "delay" else 0.0


def _exp_rest(x: float, order: int) -> float:
    """e^(-x) less the first `order` terms of its power series; by the rest of the series where x is small."""
    if x < 1:
        return math.fsum((-x) ** k / math.factorial(k) for k in range(order, order + 20))
    return math.exp(-x) - math.fsum((-x) ** k / math.factorial(k) for k in range(order))


def _positive(name: str, value: float, unit: str) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be > 0 {unit}, got {value}")


def _not_negative(name: str, value: float, unit: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be >= 0 {unit}, got {value}")


def _periods(periods: Sequence[float]) -> None:
    if len(periods) == 0:
        raise ValueError("periods must hold one period or more, got none")
    for period in periods:
        _positive("period", period, "seconds")
