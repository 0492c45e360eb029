"""When events happen, generated from a seed. Recorded events are in `labkit.trace`."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise

from labkit.checks import number, share, whole
from labkit.event import Event, timestamp

__all__ = ["EPOCH", "MOST_EVENTS", "WEEK", "Arrivals", "bursty", "daily", "poisson", "switching"]

HOUR = 3_600.0
DAY = 86_400.0
WEEK = 604_800.0
EPOCH = 1_767_225_600.0
"""The Unix time of t = 0 for generated arrivals: 2026-01-01T00:00:00Z."""
EARLIEST, LATEST = 86_400.0, 221_845_392_000.0
"""Unix times of 1970-01-02 and of the year 9000, between which a run must fit: webhooks are signed with a Unix time.
A run with an earlier epoch starts at the first; no run may end after the second."""
MOST_EVENTS = 2_000_000
TICK = "tick.happened"


@dataclass(frozen=True, repr=False)
class Arrivals:
    """The events of a run in order of time, with 0 <= occurred_at < `duration` seconds.

    >>> one = Arrivals("door", (Event("evt_1", "door.opened", 1.5, {}),), duration=60, epoch=EPOCH, params={})
    >>> one
    <Arrivals door: 1 event over 60 s from 2026-01-01T00:00:00.000Z>
    >>> one.rate * 3600
    60.0
    """

    name: str
    events: tuple[Event, ...]
    duration: float
    epoch: float
    params: Mapping[str, object]
    notes: tuple[str, ...] = ()
    rule: "Callable[..., Arrivals] | None" = field(default=None, compare=False)
    """The function that generated them from `params` and `duration`; None if they were recorded."""

    def __post_init__(self) -> None:
        number("duration", self.duration, "seconds", above=0)
        end = max(self.epoch, EARLIEST) + self.duration
        if end > LATEST:
            raise ValueError(f"a run must end before the year 9000, Unix time {LATEST:.0f}, got {end:.0f}")
        for earlier, later in pairwise(self.events):
            if later.occurred_at < earlier.occurred_at:
                got = f"{later.id} at {later.occurred_at} s after {earlier.id} at {earlier.occurred_at} s"
                raise ValueError(f"events must be in order of occurred_at, got {got}")
        for event in self.events[:1] + self.events[-1:]:
            if not 0 <= event.occurred_at < self.duration:
                got = f"{event.id} at {event.occurred_at} s"
                raise ValueError(f"events must have 0 <= occurred_at < {self.duration:g} s, got {got}")

    def __repr__(self) -> str:
        count = f"{len(self.events):,} event{'' if len(self.events) == 1 else 's'}"
        return f"<Arrivals {self.name}: {count} over {self.duration:,.6g} s from {timestamp(self.epoch)}>"

    def repeated(self, repeat: int) -> "Arrivals":
        """Generated arrivals drawn again, from a seed that is higher by `repeat`; recorded ones unchanged."""
        if self.rule is None:
            return self
        return self.rule(**{**self.params, "seed": int(str(self.params["seed"])) + repeat}, duration=self.duration)

    @property
    def rate(self) -> float:
        """Events per second."""
        return len(self.events) / self.duration


def poisson(per_hour: float = 10.0, duration: float = WEEK, seed: int = 0) -> Arrivals:
    """Independent events: exponential gaps with a mean of 3600 / per_hour seconds.

    A week at 10 per hour has 1,680 events on average, with a standard deviation of √1680 = 41.

    >>> poisson()
    <Arrivals poisson: 1,665 events over 604,800 s from 2026-01-01T00:00:00.000Z>
    """
    per_hour = number("per_hour", per_hour, above=0)
    return _made(poisson, lambda rng: _instants(rng, per_hour, 0.0, duration), duration, per_hour=per_hour, seed=seed)


def bursty(
    per_hour: float = 10.0, duration: float = WEEK, seed: int = 0, size: float = 10.0, spread: float = 1.0
) -> Arrivals:
    """Bursts at Poisson instants: one event, then more over the next `spread` seconds, `size` in all.

    The size is geometric with that mean; a spread of 0 makes ties. Over windows longer than `spread`, counts have
    2·size - 1 times the variance of a Poisson stream of the same rate: 19 times for bursts of 10.

    >>> bursty()
    <Arrivals bursty: 1,486 events over 604,800 s from 2026-01-01T00:00:00.000Z>
    """
    per_hour = number("per_hour", per_hour, above=0)
    size = number("size", size, "events", least=1)
    spread = number("spread", spread, "seconds", least=0)

    def instants(rng: random.Random) -> Iterator[float]:
        for start in _instants(rng, per_hour / size, 0.0, duration):
            yield start
            while rng.random() >= 1 / size:
                yield start + spread * rng.random()

    return _made(bursty, instants, duration, per_hour=per_hour, seed=seed, size=size, spread=spread)


def daily(per_hour: float = 10.0, duration: float = WEEK, seed: int = 0, swing: float = 0.8) -> Arrivals:
    """A Poisson stream whose rate follows the time of day: per_hour · (1 + swing · sin(2π t / day)).

    At 10 per hour and a swing of 0.8 the rate is 18 per hour at 06:00 UTC and 2 per hour at 18:00.
    Generated by thinning: instants at the peak rate, each kept with probability rate(t) / peak.

    >>> daily()
    <Arrivals daily: 1,632 events over 604,800 s from 2026-01-01T00:00:00.000Z>
    """
    per_hour = number("per_hour", per_hour, above=0)
    swing = share("swing", swing)

    def instants(rng: random.Random) -> Iterator[float]:
        for at in _instants(rng, per_hour * (1 + swing), 0.0, duration):
            if rng.random() * (1 + swing) < 1 + swing * math.sin(2 * math.pi * at / DAY):
                yield at

    return _made(daily, instants, duration, per_hour=per_hour, seed=seed, swing=swing)


def switching(quiet_per_hour: float = 1.0, busy_per_hour: float = 60.0,
              dwell: float | tuple[float, float] = 6 * HOUR, duration: float = WEEK,
              seed: int = 0) -> Arrivals:  # fmt: skip
    """A Poisson stream that is quiet and busy by turns, each for an exponential time with a mean of `dwell` seconds.

    A pair of dwells is (quiet, busy). The first state is drawn in proportion to them, so the mean rate holds from the
    start: (1 + 60) / 2 = 30.5 per hour with equal dwells.

    >>> switching()
    <Arrivals switching: 4,472 events over 604,800 s from 2026-01-01T00:00:00.000Z>
    """
    busy_per_hour = number("busy_per_hour", busy_per_hour, above=0)
    quiet_per_hour = number("quiet_per_hour", quiet_per_hour, least=0, most=busy_per_hour)
    duration = number("duration", duration, "seconds", above=0)
    pair = dwell if isinstance(dwell, tuple) else (dwell, dwell)
    if len(pair) != 2:
        raise ValueError(f"dwell must be a number of seconds or a pair (quiet, busy), got {dwell!r}")
    dwells = tuple(number("dwell", mean, "seconds", above=0) for mean in pair)
    number("mean dwell", sum(dwells) / 2, f"seconds in a run of {duration:g} seconds", least=duration / MOST_EVENTS)
    rates = (quiet_per_hour, busy_per_hour)

    def instants(rng: random.Random) -> Iterator[float]:
        busy = rng.random() * sum(dwells) >= dwells[0]
        start = 0.0
        while start < duration:
            end = min(start + rng.expovariate(1.0) * dwells[busy], duration)
            yield from _instants(rng, rates[busy], start, end)
            start, busy = end, not busy

    params = {"quiet_per_hour": quiet_per_hour, "busy_per_hour": busy_per_hour, "dwell": dwells, "seed": seed}
    return _made(switching, instants, duration, **params)


def _instants(rng: random.Random, per_hour: float, start: float, end: float) -> Iterator[float]:
    """The instants of a Poisson process between `start` and `end`."""
    at = start
    while per_hour > 0 and (at := at + rng.expovariate(1.0) * HOUR / per_hour) < end:
        yield at


def _made(
    rule: Callable[..., Arrivals], draw: Callable[[random.Random], Iterator[float]], duration: float, **params: object
) -> Arrivals:
    duration = number("duration", duration, "seconds", above=0)
    params["seed"] = seed = whole("seed", params["seed"], 0)
    found = list(islice(draw(random.Random(seed)), MOST_EVENTS + 1))
    if len(found) > MOST_EVENTS:
        given = ", ".join(f"{key}={value}" for key, value in params.items()) + f", duration={duration:g}"
        most = f"{rule.__name__} would make more than {MOST_EVENTS:,} events"
        raise ValueError(f"{most}; lower the rate or the duration, got {given}")
    kept = [at for at in sorted(round(at, 6) for at in found) if at < duration]
    events = tuple(Event(f"evt_{n:06}", TICK, at, {"number": n}) for n, at in enumerate(kept, start=1))
    return Arrivals(rule.__name__, events, duration, EPOCH, params, rule=rule)
