"""What happens to an exchange on its way: the scenario's faults, the same for all senders and on every clock."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock

import httpx

from labkit.clock import Clock
from labkit.event import Event
from labkit.faults import Fault
from labkit.ledger import Kind
from labkit.network.meter import Meter
from labkit.network.sent import SentExchange, Surroundings


class Conditions:
    """The scenario's faults. Equal seeds hit equal exchanges, in whatever order they are sent.

    `places` maps an event's id to its place in the order of occurrence, from 1.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0, places: Mapping[str, int] | None = None) -> None:
        self.faults, self.seed, self.places = tuple(faults), seed, places or {}
        self._lock = Lock()
        self._sent = Counter[tuple[str, ...]]()

    def sent(
        self, network: Surroundings, meter: Meter, request: httpx.Request, kind: Kind, event: str, sent_at: float
    ) -> SentExchange:
        """Describe an exchange that is being sent, and count it."""
        sender, host = meter.sender, meter.host
        parties = network.owners.get(sender, sender), network.owners.get(host, host)
        consumer = parties[1] if kind == "delivery" else parties[0]
        with self._lock:
            self._sent.update([(consumer, kind), (consumer, kind, event)])
            place, attempt = self._sent[consumer, kind], self._sent[consumer, kind, event]
        place = self.places.get(event, place)
        exchange = SentExchange(
            network, meter, request, kind, sender, host, parties, consumer, event, place, attempt, sent_at
        )
        self._set_legs(exchange)
        meter.round_trips = sum(
            fault.round_trips for number, fault in enumerate(self.faults) if fault.round_trips
            and fault.active(sent_at) and self.hits(number, exchange)
        )  # fmt: skip
        return exchange

    def carry(self, exchange: SentExchange, onward: Callable[[], httpx.Response]) -> httpx.Response:
        """Carry an exchange through all faults that hit it, the first one outermost."""
        for number in reversed(range(len(self.faults))):
            fault = self.faults[number]
            if fault.active(exchange.sent_at) and self.hits(number, exchange):
                onward = partial(fault.carry, exchange, onward)
        return onward()

    def hits(self, number: int, exchange: SentExchange) -> bool:
        """Whether a fault selects an exchange, and is drawn: by what it is about, not by its number in the ledger."""
        fault = self.faults[number]
        return fault.selects(exchange) and (fault.p == 1 or self._chance(number, exchange).random() < fault.p)

    def clock_ahead(self, at: float) -> float:
        """Seconds that the consumers' clocks are ahead of the source's."""
        return sum(fault.clock_ahead(at) for fault in self.faults)

    def commit_lag(self, event: Event) -> float:
        """Seconds from an event's occurrence until the source's store shows it."""
        return sum(
            fault.commit_lag for number, fault in enumerate(self.faults) if fault.commit_lag
            and fault.active(event.occurred_at) and (not fault.events or event.id in fault.events)
            and self.places[event.id] % fault.every == 0
            and random.Random(f"{self.seed}/{number}/{fault.name}/{event.id}").random() < fault.p
        )  # fmt: skip

    def _set_legs(self, exchange: SentExchange) -> None:
        """Give the exchange's meter the additional time of each message, one way, if a fault can delay it."""
        slow = [
            (fault, self._chance(number, exchange, "legs"))
            for number, fault in enumerate(self.faults)
            if type(fault).leg is not Fault.leg and self.hits(number, exchange)
        ]
        if slow:
            now = exchange.network.clock.now
            exchange.meter.leg = lambda: sum(fault.leg(chance) for fault, chance in slow if fault.active(now()))

    def _chance(self, number: int, exchange: SentExchange, *more: str) -> random.Random:
        """A fault's random numbers for an exchange: they depend on the seed and on what the exchange is about."""
        about = exchange.event or exchange.place
        fault = self.faults[number].name
        key = (self.seed, number, fault, exchange.consumer, exchange.kind, about, exchange.attempt, *more)
        return random.Random("/".join(map(str, key)))


class PartyClock:
    """A clock that may be ahead of the run's own, as the conditions say: what the party takes for the time of day."""

    def __init__(self, clock: Clock, conditions: Conditions) -> None:
        self._clock, self._conditions = clock, conditions

    @property
    def epoch(self) -> float:
        return self._clock.epoch + self._conditions.clock_ahead(self.now())

    def now(self) -> float:
        return self._clock.now()


def event_of(kind: Kind, headers: httpx.Headers, path: str) -> str:
    """The id of the event that an exchange is about: a delivery's `webhook-id`, or the one in the path; else ""."""
    if kind == "delivery":
        return str(headers.get("webhook-id", ""))
    if kind not in ("fetch", "action"):
        return ""
    _, first, *rest = path.split("/")
    return rest[0] if first == "events" and rest else ""
