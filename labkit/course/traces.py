"""The traces of a contest, drawn from a seed. Each is used once, so a strategy cannot know what comes."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from labkit import arrivals, trace
from labkit.arrivals import WEEK
from labkit.checks import whole
from labkit.clock import NANO

TAUS = (60.0, 600.0, 6000.0)
"""What a poll costs, in seconds of latency of one event."""
JITTER = 10.0
"""The most mean gaps by which an earthquake is moved, either way. Knowing the week, its shift and its scale would still
help at 3, which is the distance of polls at the largest τ. At 10 it is worse than a fixed interval."""


@dataclass(frozen=True)
class ContestTrace:
    """Events in order of time, in whole nanoseconds from t = 0 to the horizon, and τ, what a poll costs, in seconds.

    >>> ContestTrace.of("door", tau=60, horizon=3600, events=[1.5, 20]).events
    (1500000000, 20000000000)
    """

    name: str
    tau: float
    horizon: int
    events: tuple[int, ...]

    @classmethod
    def of(cls, name: str, tau: float, horizon: float, events: Sequence[float]) -> "ContestTrace":
        """From seconds."""
        return cls(name, tau, round(horizon * NANO), tuple(sorted(round(at * NANO) for at in events)))

    @property
    def rate(self) -> float:
        """Events per second."""
        return len(self.events) / self.horizon * NANO


def traces(seed: int = 0) -> list[ContestTrace]:
    """Five kinds of trace for each τ. Each of the 15 is a draw of its own, so none says anything about another.

    Generated traces last a week, with 4 to 40 events per hour. The earthquakes are shifted (cyclically), shortened to
    between half a week and a week, and each is moved by up to ten mean gaps, about an hour. What is left of the
    recorded week is its slow rise and fall, and no instant that could be remembered.

    >>> [(trace.name, len(trace.events)) for trace in traces(seed=0)[:2]]
    [('poisson', 6156), ('bursty', 3660)]
    """
    seed = whole("seed", seed, 0)
    kinds = {"poisson": _poisson, "bursty": _bursty, "daily": _daily, "switching": _switching, "earthquakes": _quakes}
    drawn = []
    for tau in TAUS:
        for name, draw in kinds.items():
            events, horizon = draw(random.Random(f"{seed}/{name}/{tau:g}"))
            drawn.append(ContestTrace.of(name, tau, horizon, events))
    return drawn


def _between(chance: random.Random, least: float, most: float) -> float:
    """A log-uniform number, rounded so that it is equal on every machine."""
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
    quiet, busy = 2 * rate / 61, 120 * rate / 61  # half of the time each, a ratio of 60, and this mean rate
    return _instants(arrivals.switching(quiet, busy, dwell, seed=chance.getrandbits(32)))


def _quakes(chance: random.Random) -> _Drawn:
    week = trace.earthquakes()
    shift, scale, reach = chance.random() * WEEK, chance.uniform(0.5, 1), JITTER / week.rate
    moved = ((event.occurred_at + shift + chance.uniform(-reach, reach)) % WEEK for event in week.events)
    return [at * scale for at in moved], WEEK * scale
