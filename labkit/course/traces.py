"""The traces of a contest: drawn from a seed, and each played once, so that nobody can know what comes."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from labkit import arrivals, trace
from labkit.arrivals import WEEK
from labkit.clock import NANO

TAUS = (60.0, 600.0, 6000.0)
"""What a poll is worth, in seconds of lateness of one event."""
JITTER = 10.0
"""Mean gaps by which an earthquake is moved, at most, either way. Who knew the week, its shift and its scale would
still gain at 3, where polls at the largest τ are as far apart; at 10 they lose to a fixed interval."""


@dataclass(frozen=True)
class Trace:
    """Events in order of time, in whole nanoseconds from t = 0 and before the horizon; and τ, what a poll is worth.

    >>> Trace.of("door", tau=60, horizon=3600, events=[1.5, 20]).events
    (1500000000, 20000000000)
    """

    name: str
    tau: float
    horizon: int
    events: tuple[int, ...]

    @classmethod
    def of(cls, name: str, tau: float, horizon: float, events: Sequence[float]) -> "Trace":
        """The same from seconds."""
        return cls(name, tau, round(horizon * NANO), tuple(sorted(round(at * NANO) for at in events)))

    @property
    def rate(self) -> float:
        """Events per second."""
        return len(self.events) / self.horizon * NANO


def traces(seed: int = 0) -> list[Trace]:
    """Five kinds of trace for each τ: 15, every one another draw, so that one teaches nothing about the next.

    Made ones last a week, at 4 to 40 events an hour. The earthquakes are shifted (round the end of their week),
    shortened to between half a week and a whole one, and each is moved by up to ten mean gaps, about an hour: of the
    recorded week its slow rise and fall are left, and no instant that somebody could remember.

    >>> [(trace.name, len(trace.events)) for trace in traces(seed=0)[:2]]
    [('poisson', 6156), ('bursty', 3660)]
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed must be a whole number >= 0, got {seed!r}")
    kinds = {"poisson": _poisson, "bursty": _bursty, "daily": _daily, "switching": _switching, "earthquakes": _quakes}
    drawn = []
    for tau in TAUS:
        for name, draw in kinds.items():
            events, horizon = draw(random.Random(f"{seed}/{name}/{tau:g}"))
            drawn.append(Trace.of(name, tau, horizon, events))
    return drawn


def _between(chance: random.Random, least: float, most: float) -> float:
    """A number whose logarithm is uniform; rounded, so that it is the same on every machine."""
    return round(math.exp(chance.uniform(math.log(least), math.log(most))), 3)


_Drawn = tuple[list[float], float]
"""Instants, and the horizon, in seconds."""


def _instants(made: arrivals.Arrivals) -> _Drawn:
    return [event.occurred_at for event in made.events], made.duration


def _poisson(chance: random.Random) -> _Drawn:
    return _instants(arrivals.poisson(_between(chance, 4, 40), seed=chance.getrandbits(32)))


def _bursty(chance: random.Random) -> _Drawn:
    rate, size, spread = _between(chance, 4, 40), _between(chance, 4, 20), _between(chance, 300, 3600)
    return _instants(arrivals.bursty(rate, seed=chance.getrandbits(32), size=size, spread=spread))


def _daily(chance: random.Random) -> _Drawn:
    rate, swing = _between(chance, 4, 40), chance.uniform(0.5, 1)
    return _instants(arrivals.daily(rate, seed=chance.getrandbits(32), swing=swing))


def _switching(chance: random.Random) -> _Drawn:
    rate, dwell = _between(chance, 4, 40), _between(chance, 1, 12) * 3600
    quiet, busy = 2 * rate / 61, 120 * rate / 61  # equal times quiet and busy, 60 times as many events when busy
    return _instants(arrivals.switching(quiet, busy, dwell, seed=chance.getrandbits(32)))


def _quakes(chance: random.Random) -> _Drawn:
    week = trace.earthquakes()
    shift, scale, reach = chance.random() * WEEK, chance.uniform(0.5, 1), JITTER / week.rate
    moved = ((event.occurred_at + shift + chance.uniform(-reach, reach)) % WEEK for event in week.events)
    return [at * scale for at in moved], WEEK * scale
