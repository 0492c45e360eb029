"""What the model knows of one consumer: when each event was received, and what was sent up to the horizon."""

from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from functools import cached_property, wraps
from heapq import heappop, heappush
from itertools import count, repeat, takewhile
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.approaches import Approach
from labkit.arrivals import EARLIEST
from labkit.clock import NANO, nanoseconds
from labkit.event import Event, document, timestamp
from labkit.faults import SOURCE
from labkit.ledger import Kind
from labkit.lenses.lifecycle import drain_limit, unsettled
from labkit.lenses.model.outages import Windows, first_at
from labkit.network import TIMEOUT
from labkit.network.exchange import KEEP_ALIVE
from labkit.scenario import Scenario
from labkit.totals import Totals, currency, latency_figures
from labkit.waits import linear_quantiles

P = ParamSpec("P")
T = TypeVar("T")
Instants = NDArray[np.int64]
"""Whole nanoseconds after t = 0."""


@dataclass(frozen=True)
class Given:
    """A scenario and an approach, in whole nanoseconds."""

    scenario: Scenario
    approach: Approach
    written: list[bytes] | None = None
    """The documents, if they have been written already: they do not depend on the approach."""
    subscribed: NDArray[np.bool_] | None = None
    """Which events are sent to a subscription that has a lease; None: all that are wanted."""
    part_of: Approach | None = None
    """The approach that this one is a part of, if it is."""
    computed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What functions that are computed `once` have returned."""

    @cached_property
    def delay(self) -> int:
        return nanoseconds(self.scenario.delay)

    @cached_property
    def horizon(self) -> int:
        """The first nanosecond that is not before the horizon."""
        return first_at(self.scenario.duration)

    def check_not_late(self, at: int) -> None:
        """Raise RuntimeError, as the virtual lens does, if an instant is after the time in which a run is settled."""
        if at >= self.horizon and at >= self.horizon + self._drain:
            raise unsettled(self.scenario, self.part_of or self.approach, self._drain / NANO)

    @cached_property
    def _drain(self) -> int:
        return nanoseconds(drain_limit(self.scenario, self.part_of or self.approach))

    def outages(self, kind: Kind, timeout: float = TIMEOUT, host: str = SOURCE) -> Windows:
        """The outages of exchanges between a consumer and a host, whose sender waits `timeout` seconds."""
        return Windows(self.scenario.faults, kind, timeout, ("consumer-1", host))

    @property
    def events(self) -> tuple[Event, ...]:
        return self.scenario.arrivals.events

    @cached_property
    def occurred(self) -> Instants:
        """When each event of the list is stored."""
        return np.rint(self.occurred_at * NANO).astype(np.int64)

    @cached_property
    def occurred_at(self) -> NDArray[np.float64]:
        """When each event of the list occurs, in seconds."""
        return np.array([event.occurred_at for event in self.events], dtype=float)

    @property
    def epoch(self) -> float:
        """The Unix time of t = 0."""
        return max(self.scenario.arrivals.epoch, EARLIEST)

    @cached_property
    def documents(self) -> list[bytes]:
        """Each event as it stands on the wire."""
        if self.written is not None:
            return self.written
        times = [timestamp(self.epoch + each.occurred_at) for each in self.events]
        return [document(each.id, each.type, at, each.data) for each, at in zip(self.events, times, strict=True)]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each document."""
        return lengths(self.documents)

    @cached_property
    def wanted(self) -> NDArray[np.bool_]:
        """Which events of the list the consumer should receive."""
        if not self.approach.types:
            return np.ones(len(self.events), dtype=bool)
        return np.array([self.approach.wants(event.type) for event in self.events], dtype=bool)


def once(compute: Callable[Concatenate[Given, P], T]) -> Callable[Concatenate[Given, P], T]:
    """Compute a function once for each `Given`: a check and the run after it need the same attempts."""

    @wraps(compute)
    def kept(given: Given, /, *args: P.args, **named: P.kwargs) -> T:
        key = compute, args, *named.items()
        if key not in given.computed:
            given.computed[key] = compute(given, *args, **named)
        found: T = given.computed[key]
        return found

    return kept


@dataclass
class Sent:
    """Exchanges up to the horizon, summed."""

    requests: int = 0
    empty: int = 0
    errors: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    connections: int = 0
    held: int = 0
    """Nanoseconds for which connections were held."""
    named: int = 0
    """Of the requests, those whose Host is the consumer's name."""
    named_answers: int = 0
    """Of the answers, those that have the consumer's name in their body."""
    at: tuple[Instants, ...] = ()
    """When requests of the source, or to it, are sent. Polls are missing: there may be many, and FanOut counts them."""

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass
class History:
    """One consumer's run: the instant at which each wanted event was received, and what was sent."""

    given: Given
    received: Instants
    sent: Sent
    setup: int
    lost: NDArray[np.bool_] | None = None
    copies: int = 0
    """Copies beyond the first of each event."""
    polled: NDArray[np.bool_] | None = None
    """Of the events of a webhook with polls beside it: which a poll brought."""
    over: int = 0
    """When the last delivery has ended and the last event has been received: of a webhook and a hybrid alone."""
    latency: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        occurred = self.given.occurred_at[self.given.wanted]
        self.occurred_at = occurred
        self.received_at = self.received / NANO
        if self.lost is not None:
            self.received_at[self.lost] = np.nan
        self.latency = self.received_at - occurred

    def totals(self) -> Totals:
        """The sums that a row needs, over all consumers: each does the same at the same instants."""
        scenario, sent, consumers = self.given.scenario, self.sent, self.given.scenario.consumers
        held = self.latency[~np.isnan(self.latency)]
        received = np.where(np.isnan(self.received_at), np.inf, self.received_at)
        freshness, staleness = 1.0, 0.0
        if len(received):
            current, stale = currency(self.occurred_at.tolist(), received.tolist(), scenario.duration)
            freshness, staleness = (_mean(each / scenario.duration, consumers) for each in (current, stale))
        return Totals(
            events=consumers * len(received),
            received=consumers * len(held),
            pending=consumers * int((~(self.received_at < scenario.duration)).sum()),
            duplicates=consumers * self.copies,
            recovered=consumers * self.recovered(),
            requests=consumers * sent.requests,
            setup_requests=consumers * self.setup,
            empty_requests=consumers * sent.empty,
            error_requests=consumers * sent.errors,
            bytes_out=consumers * sent.bytes_out + sent.named * _longer_names(consumers),
            bytes_in=consumers * sent.bytes_in + sent.named_answers * _longer_names(consumers),
            latency=_latency_figures(held, consumers),
            freshness=round(freshness, 12),
            staleness=round(staleness, 9),
            connections=consumers * sent.connections,
            connection_seconds=round(consumers * sent.held / NANO, 6),
        )

    def sent_at(self) -> Instants | None:
        """When each request is sent; None if there are polls."""
        at = np.concatenate([np.zeros(0, dtype=np.int64), *self.sent.at])
        return at if len(at) == self.sent.requests else None

    def recovered(self, grace: float = 60.0) -> int:
        """As `Result.recovered`."""
        return 0 if self.polled is None else int((self.polled & (self.latency > grace)).sum())


MOST_COPIES = 1_000_000
"""Up to so many latencies are written out, and equal values summed; beyond, each counts once for every consumer."""


def _mean(value: float, consumers: int) -> float:
    """The mean of equal values, with the rounding of a sum, unless there are very many."""
    return sum(repeat(value, consumers)) / consumers if consumers <= MOST_COPIES else value


def _longer_names(consumers: int) -> int:
    """By how many characters the names of all consumers are longer than that of `consumer-1`."""
    powers = takewhile(lambda power: power <= consumers, (10**exponent for exponent in count(1)))
    return sum(consumers - power + 1 for power in powers)


def _latency_figures(held: NDArray[np.float64], consumers: int) -> dict[str, float | None]:
    """The figures of so many copies of the latencies: the quantiles of Result, which lie between two neighbours."""
    if len(held) * consumers <= MOST_COPIES:
        return latency_figures(pd.Series(np.tile(held, consumers)))
    ordered = np.sort(held)
    quantiles = linear_quantiles(len(held) * consumers, lambda place: float(ordered[place // consumers]))
    figures = {"mean": float(held.mean())} | quantiles | {"max": float(ordered[-1])}
    return {name: round(value, 9) for name, value in figures.items()}


def concurrent(sent: Instants, ended: Instants, kept: NDArray[np.bool_], horizon: int) -> tuple[int, int]:
    """How many connections exchanges to one host open, and for how many nanoseconds they hold them.

    `sent` is in order. An exchange takes the connection that became idle last, if that is at most 5 s ago, and it is
    `kept` after the answer, unless an outage has cut it. Of several sent at one instant, none takes the connection of
    another one.
    """
    spans: list[list[int]] = []
    busy: list[tuple[int, int, int]] = []
    idle: list[tuple[int, int]] = []
    last, order = -1, 0
    for at, end, keeps in zip(sent.tolist(), ended.tolist(), kept.tolist(), strict=True):
        while busy and busy[0][0] <= at and at > last:
            since, _, connection = heappop(busy)
            idle.append((since, connection))
        last = at
        while idle:
            since, connection = idle.pop()
            if at - since <= KEEP_ALIVE * NANO:
                break
        else:
            connection = len(spans)
            spans.append([at, at])
        spans[connection][1] = max(spans[connection][1], min(end, horizon))
        if keeps:
            heappush(busy, (end, order := order + 1, connection))
    return len(spans), sum(end - start for start, end in spans)


def lengths(texts: Iterable[Sized]) -> NDArray[np.int64]:
    return np.array([len(each) for each in texts], dtype=np.int64)


def digits(numbers: Iterable[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """How many digits each number has: 1 for 0."""
    powers = 10 ** np.arange(1, 19, dtype=np.int64)
    counted: NDArray[np.int64] = np.searchsorted(powers, np.asarray(numbers, dtype=np.int64), side="right") + 1
    return counted
