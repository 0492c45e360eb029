"""A network that is slower: a delay that is drawn for each message, and what a new connection costs."""

import math
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Literal

from labkit.checks import number, whole
from labkit.faults.fault import Fault

LIMITS = "it adds no delay to the machine's own"


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """Each message takes longer on its way, there and back, by a random time of this `law` and `mean`.

    constant: the mean. uniform: from 0 to 2 × mean. exponential. lognormal: `sigma` is that of the logarithm; the
    median is mean × exp(-sigma²/2). It is added to the scenario's own delay, which may be 0. On one connection nothing
    overtakes: a chunk of a stream is as late as the one before it, or later. Two deliveries can overtake each other. In
    the table: the latency, by its mean and above all its p95 and p99. Exponential with a mean of 0.1 s: a webhook is
    0.02 + 0.1 = 0.12 s late on average, and 0.02 + 0.1 × ln 20 = 0.32 s at the 95th percentile.
    """

    name: ClassVar[str] = "delay"
    lenses: ClassVar[tuple[str, ...]] = ("virtual",)
    limits: ClassVar[str] = LIMITS
    law: Literal["constant", "uniform", "exponential", "lognormal"] = "exponential"
    mean: float = field(default=0.1, metadata={"unit": "s"})
    sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("mean", self.mean, "seconds each way", above=0)
        number("sigma", self.sigma, "of the logarithm", above=0)

    def leg(self, chance: Random) -> float:
        if self.law == "constant":
            return self.mean
        if self.law == "uniform":
            return chance.uniform(0, 2 * self.mean)
        if self.law == "exponential":
            return chance.expovariate(1 / self.mean)
        return chance.lognormvariate(math.log(self.mean) - self.sigma**2 / 2, self.sigma)


@dataclass(frozen=True, kw_only=True)
class Handshake(Fault):
    """A new connection costs round trips before its first request: 1 for TCP, 2 with TLS 1.3, 3 with TLS 1.2.

    An idle connection is used again within 5 s, and then costs none. In the table: the latency, where `connections` is
    near `requests`. A webhook for rare events with `trips=2` and 20 ms each way is 2 × 0.04 + 0.02 = 0.10 s late
    instead of 0.02 s.
    """

    name: ClassVar[str] = "handshake"
    lenses: ClassVar[tuple[str, ...]] = ("virtual",)
    limits: ClassVar[str] = LIMITS
    trips: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("trips", self.trips, 1, 10, "round trips")

    @property
    def round_trips(self) -> int:
        return self.trips
