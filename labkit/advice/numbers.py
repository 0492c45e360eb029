"""The numbers of a need, and the values to which a search may move each: about 1% apart."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from labkit.advice.events import Events
from labkit.advice.grid import at, below
from labkit.advice.need import Need

Value = Callable[[int], float]
"""A number after a number of steps, from 1 on."""
Question = tuple[Need, Events]
SHARES = 200
"""Steps from a share of 0 to 1."""


@dataclass(frozen=True)
class Number:
    """One number of a question, where it can move, and the question with another value in its place."""

    name: str
    now: float
    up: Value | None
    down: Value | None
    changed: Callable[[float], Question]


def numbers(need: Need, events: Events) -> Iterator[Number]:
    """Those that the need has: a rate of reads, an outage or a price only if there is one."""

    def of(name: str, value: float, changed: Callable[[float], Need]) -> Number:
        return Number(name, value, upwards(value), downwards(value), lambda new: (changed(new), events))

    rate, slower = events.per_hour, downwards(events.per_hour)
    yield Number(
        "events_per_hour", rate, upwards(rate), lambda steps: max(slower(steps), events.slowest),
        lambda new: (need, events.at(new)),
    )  # fmt: skip
    yield of("deadline", need.deadline, lambda new: replace(need, deadline=new))
    yield shared(need.share, lambda new: (replace(need, share=new), events))
    if need.reads:
        yield of("reads", need.reads, lambda new: replace(need, reads=new))
    if need.outage:
        yield of("outage", need.outage, lambda new: replace(need, outage=new))
        yield counted("may_lose", need.may_lose, 0, lambda new: (replace(need, may_lose=new), events))
    if need.rate_limit.requests:
        limit = need.rate_limit
        yield counted(
            "rate_limit", limit.requests, 1,
            lambda new: (replace(need, rate_limit=replace(limit, requests=new)), events),
        )  # fmt: skip
    if need.price_per_million:
        yield of("price_per_million", need.price_per_million, lambda new: replace(need, price_per_million=new))
    if need.price_per_gb:
        yield of("price_per_gb", need.price_per_gb, lambda new: replace(need, price_per_gb=new))


def upwards(start: float) -> Value:
    """
    >>> [upwards(59.8)(steps) for steps in (1, 2)]
    [60.1, 60.7]
    """
    place = below(start)
    return lambda steps: at(place + steps)


def downwards(start: float) -> Value:
    place = below(start) + (at(below(start)) < start)
    return lambda steps: at(place - steps)


def shared(now: float, changed: Callable[[float], Question]) -> Number:
    """The share that must be in time, in steps of half a percent, up to 1 and down to one half.

    >>> number = shared(0.949, lambda new: None)
    >>> [number.up(steps) for steps in (1, 2, 99)], [number.down(steps) for steps in (1, 2, 99)]
    ([0.95, 0.955, 1.0], [0.945, 0.94, 0.5])
    """
    place = now * SHARES
    above, under = math.floor(place + 1e-9), math.ceil(place - 1e-9)

    def up(steps: int) -> float:
        return min(above + steps, SHARES) / SHARES

    def down(steps: int) -> float:
        return max(under - steps, SHARES // 2) / SHARES

    return Number("share", now, up if now < 1 else None, down if now > 0.5 else None, changed)


def counted(name: str, now: int, least: int, changed: Callable[[int], Question]) -> Number:
    """A number that is whole: one more or less each step, and above 100 about 1%.

    >>> number = counted("may_lose", 99, 0, lambda new: None)
    >>> [number.up(steps) for steps in (1, 2, 3)], number.down(99), number.down(100)
    ([100, 101, 102], 0, 0)
    """

    def up(steps: int) -> float:
        plain = max(0, min(steps, 100 - now))
        return now + steps if plain == steps else round(at(below(max(now, 100)) + steps - plain))

    def down(steps: int) -> float:
        plain = steps - (above := max(0, below(now) - below(100)) if now > 100 else 0)
        return max(least, min(now, 100) - plain) if plain > 0 else round(at(below(now) - min(steps, above)))

    return Number(name, now, up, down if now > least else None, lambda new: changed(int(new)))
