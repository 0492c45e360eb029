"""The approaches for a need, each with the cheapest settings that meet it, and what it falls short of."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from labkit import theory
from labkit.advice.grid import largest
from labkit.advice.measured import Log, Measured, share_within
from labkit.advice.need import Need
from labkit.advice.peak import peak
from labkit.advice.walk import batched, firsts, polled
from labkit.approaches import Approach, Batched, Hybrid, LongPolling, OnDemand, Polling, Relay, Stream, Webhook
from labkit.waits import QUANTILES
from labkit.wire import LARGEST_BATCH, LONGEST_BATCH_WAIT, LONGEST_WAIT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOUR, MONTH, MINUTE = 3_600.0, 720.0, 60.0
"""Seconds per hour, hours per month of 30 days, seconds per minute."""
LEAST_TIME = 0.001
COUNTS = (LARGEST_BATCH, 300, 100, 30, 10)
"""Events per batch to try."""
UNKNOWN = "not computed"
"""How the reason begins if the lens refuses an approach."""
FEWEST_INTERVALS = 10
"""At least this many intervals or waits must fit into the log: with fewer, the number of requests is chance."""


@dataclass(frozen=True)
class Option:
    """An approach with its settings, what to expect of it, and what it falls short of: "" if it meets the need.

    `expected` has the figures of all consumers; it is empty for an approach that was not computed.
    """

    approach: Approach
    expected: Mapping[str, Any]
    short: str = ""

    def objective(self, priced: bool) -> tuple[float, float]:
        """What is minimized: money if there are prices, otherwise requests per hour; then the mean latency."""
        first = self.expected["cost_per_month" if priced else "requests_per_hour"]
        return round(first, 9), round(self.expected["latency"]["mean"], 9)

    def record(self) -> dict[str, Any]:
        return {"approach": self.approach.name, "params": asdict(self.approach)}


def options(need: Need, log: Log) -> list[Option]:
    """Each approach that could be used, in the order of SETTINGS."""
    return [option_of(kind, need, log) for kind in SETTINGS if _asked(kind, need)]


def good(found: Sequence[Option], need: Need) -> list[Option]:
    """The options that meet the need, the best one first."""
    return sorted((option for option in found if not option.short), key=lambda option: option.objective(need.priced))


def best(need: Need, log: Log) -> Option | None:
    """The best option alone: first those that may cost least, and no option that must cost more than one that is found.

    An outage takes long to compute, so only options that would be the best are given one.
    """
    sound, found = replace(need, outage=0.0, may_lose=0), None
    for least, kind in sorted(((_least(kind, need, log), kind) for kind in SETTINGS if _asked(kind, need)), key=_first):
        if found and least > found.objective(need.priced)[0] + 1e-6:
            break
        option = option_of(kind, sound if kind is not Hybrid else need, log)
        if option.short or (found and option.objective(need.priced) >= found.objective(need.priced)):
            continue
        if not need.outage or not (option := option_of(kind, need, log)).short:
            found = option
    return found


def _first(pair: tuple[float, type[Approach]]) -> float:
    return pair[0]


def _least(kind: type[Approach], need: Need, log: Log) -> float:
    """What an approach costs at least, without a run: as if no page and no batch were full, and bytes were free."""
    requests, hours = 0.0, log.arrivals.duration / HOUR
    if kind in (Webhook, Hybrid):
        requests = len(log.occurred) / hours
    elif kind is Batched and (wait := _guess(partial(batched, log), need, *_waits(need, log))):
        requests = (len(firsts(log, wait)) - 1) / hours  # the last may be sent after the end
    elif kind in (Polling, Relay) and (
        interval := _guess(partial(polled, log, relayed=kind is Relay), need, *_intervals(need, log))
    ):
        requests = HOUR / (interval + 2 * need.delay)
    paid = _paid(need, requests, 0.0)
    return paid["cost_per_month" if need.priced else "requests_per_hour"] or 0.0


def _asked(kind: type[Approach], need: Need) -> bool:
    """Whether an approach is of use: on demand if there are reads, hybrid if outages, a relay if nothing can call."""
    uses = {OnDemand: need.reads > 0, Hybrid: need.outage > 0, Relay: need.unreachable}
    return uses.get(kind, True)


def option_of(kind: type[Approach], need: Need, log: Log) -> Option:
    """The cheapest setting of one approach, and what it falls short of."""
    if kind.name in need.without:
        return Option(kind(), {}, "the source does not offer it")
    if need.unreachable and kind in (Webhook, Hybrid, Batched):
        return Option(kind(), {}, "nothing can call the consumer")
    if not need.hold and kind in (LongPolling, Stream):
        return Option(kind(), {}, "it holds a connection open")
    try:
        approach = SETTINGS[kind](need, log)
        if approach is None:
            return Option(kind(), {}, f"no setting is soon enough for a deadline of {need.deadline:g} s")
        return judged(approach, need, log)
    except ValueError as error:
        return Option(kind(), {}, f"{UNKNOWN}: {str(error).removesuffix(': use the virtual lens')}")


def judged(approach: Approach, need: Need, log: Log) -> Option:
    """An approach with its expected figures, held against the need. Raises ValueError if the lens refuses it."""
    expected = looked_up(approach, need, log) if isinstance(approach, OnDemand) else measured(approach, need, log)
    return Option(approach, expected, _short(approach, expected, need))


def _short(approach: Approach, expected: Mapping[str, Any], need: Need) -> str:
    """The first requirement that is not met."""
    if not isinstance(approach, OnDemand) and expected["within_deadline"] < need.share:
        return f"too late: {expected['within_deadline']:.1%} of the events within {need.deadline:g} s"
    if throttled(expected, need):
        most, limit = expected["most_in_rate_limit"], need.rate_limit
        return f"{most:,} requests in {limit.seconds:g} s, and the source allows {limit.requests:,}"
    if need.outage and (lost := expected["outage"]["lost"]) > need.may_lose:
        return f"{lost:,} events are lost in an outage of {need.outage:g} s, and {need.may_lose:,} may be"
    return ""


def throttled(expected: Mapping[str, Any], need: Need) -> bool:
    """Whether the source's rate limit would refuse requests of an approach; of one that was not computed, False."""
    return bool(0 < need.rate_limit.requests < expected.get("most_in_rate_limit", 0))


def measured(approach: Approach, need: Need, log: Log) -> dict[str, Any]:
    """The expected figures of an approach that the model lens runs."""
    run, hours = log.run(approach), log.arrivals.duration / HOUR
    broken = log.run(approach, need.outage) if need.outage else None
    return {
        **_paid(need, run.requests / hours, run.bytes / hours),
        "latency": run.latency,
        "within_deadline": run.within(need.deadline),
        "connections": need.consumers * run.connection_seconds / log.arrivals.duration,
        "busiest_minute": need.consumers * peak(run.history, MINUTE),
        "most_in_rate_limit": _limited(approach, run, need),
        "outage": broken and _outage(broken, need, log),
    }


def _limited(approach: Approach, run: Measured, need: Need) -> int:
    """A consumer's own requests in the busiest window of the rate limit."""
    if isinstance(approach, Relay) or math.isinf(approach.idle_interval):  # polls another host, or is only called
        return 1 if isinstance(approach, Stream) else 0
    return peak(run.history, need.rate_limit.seconds, pushes=False)


def _outage(broken: Measured, need: Need, log: Log) -> dict[str, Any]:
    """What an outage does to one consumer: it starts where most events are."""
    start, latency = log.busiest(need.outage), broken.latency
    return {"start": start, "lost": broken.lost, "latest": latency["max"], "mean_latency": latency["mean"]}


def looked_up(approach: OnDemand, need: Need, log: Log) -> dict[str, Any]:
    """The expected figures of reading on demand, by its closed form. Its bytes are those of polling as often."""
    form = theory.OnDemand(log.arrivals.rate, approach.interval, log.delay)
    per_hour, polls = form.requests(HOUR), log.run(Polling(interval=approach.interval))
    latency = {"mean": form.mean_latency} | {name: form.quantile(q) for name, q in QUANTILES.items()}
    window = need.rate_limit.seconds
    return {
        **_paid(need, per_hour, per_hour * polls.bytes / max(polls.requests, 1)),
        "latency": latency | {"max": None},
        "within_deadline": None,
        "connections": need.consumers * per_hour / HOUR * 2 * log.delay,
        "busiest_minute": math.ceil(need.consumers * per_hour * MINUTE / HOUR),
        "most_in_rate_limit": math.ceil(per_hour * window / HOUR),
        "outage": {"start": 0.0, "lost": 0, "latest": None, "mean_latency": None} if need.outage else None,
    }


def _paid(need: Need, requests: float, bytes: float) -> dict[str, Any]:
    """Requests and bytes per hour of all consumers, and what they cost in a month of 30 days."""
    requests, bytes = need.consumers * requests, need.consumers * bytes
    cost = requests * (need.price_per_million or 0.0) / 1e6 + bytes * (need.price_per_gb or 0.0) / 1e9
    return {
        "requests_per_hour": requests,
        "bytes_per_hour": bytes,
        "cost_per_month": cost * MONTH if need.priced else None,
    }


def _guess(latency: "Callable[[float], NDArray[np.float64]]", need: Need, sure: float, most: float) -> float | None:
    """The longest time for which enough events are in time, by `latency`."""
    return largest(sure, lambda time: share_within(latency(time), need.deadline) >= need.share, LEAST_TIME, most)


def _soon(
    make: Callable[[float], Approach], latency: "Callable[[float], NDArray[np.float64]]", need: Need, log: Log,
    sure: float, most: float,
) -> Approach | None:  # fmt: skip
    """The approach with the longest time for which enough events are in time, by `latency` and by the lens."""

    def confirmed(seconds: float) -> bool:
        return log.run(make(seconds)).within(need.deadline) >= need.share

    guess = _guess(latency, need, sure, most)
    found = guess and largest(guess, confirmed, LEAST_TIME, guess)
    return make(found) if found else None


def _polled(make: type[Polling | Relay], need: Need, log: Log) -> Approach | None:
    """Polls, of the source or of a relay."""
    latency = partial(polled, log, relayed=make is Relay)
    return _soon(lambda time: make(interval=time), latency, need, log, *_intervals(need, log))


def _intervals(need: Need, log: Log) -> tuple[float, float]:
    """An interval that is surely soon enough, and the longest to try."""
    return need.deadline - 3 * need.delay, max(log.arrivals.duration / FEWEST_INTERVALS, LEAST_TIME)


def _waits(need: Need, log: Log) -> tuple[float, float]:
    """A wait of a batch that is surely soon enough, and the longest to try."""
    most = min(log.arrivals.duration / FEWEST_INTERVALS, LONGEST_BATCH_WAIT)
    return need.deadline - need.delay, max(most, LEAST_TIME)


def _batched(need: Need, log: Log) -> Approach | None:
    """The largest of the counts for which the bytes of each batch fit into one delivery."""

    def tried(count: int) -> Approach | None:
        return _soon(partial(Batched, count), partial(batched, log), need, log, *_waits(need, log))

    *larger, least = COUNTS
    for count in larger:
        with suppress(ValueError):
            return tried(count)
    return tried(least)


def _on_demand(need: Need, log: Log) -> Approach | None:
    return OnDemand(interval=HOUR / need.reads)


def _hybrid(need: Need, log: Log) -> Approach | None:
    return Hybrid(reconcile_interval=need.outage)


Find = Callable[[Need, Log], Approach | None]
SETTINGS: dict[type[Approach], Find] = {
    OnDemand: _on_demand,
    Polling: partial(_polled, Polling),
    Webhook: lambda need, log: Webhook(),
    Hybrid: _hybrid,
    Batched: _batched,
    LongPolling: lambda need, log: LongPolling(wait=LONGEST_WAIT),
    Stream: lambda need, log: Stream(),
    Relay: partial(_polled, Relay),
}
"""How to find the settings of each approach: the longest time that meets the deadline; None if no setting does."""
