"""What happens to an exchange on its way: the scenario's faults, the same for all senders and on every clock."""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import NoReturn, Protocol

import httpx

from labkit.clock import Clock
from labkit.faults import Fault
from labkit.ledger import Kind
from labkit.network.http1 import answer_head, request_size
from labkit.network.meter import Meter


class Surroundings(Protocol):
    """What conditions need to know of the network."""

    clock: Clock
    delay: float
    owners: dict[str, str]


@dataclass(slots=True)
class SentExchange:
    """One exchange as faults see it: `labkit.faults.Exchange`."""

    network: Surroundings
    meter: Meter
    request: httpx.Request
    kind: Kind
    sender: str
    host: str
    parties: tuple[str, str]
    consumer: str
    event: str
    place: int
    attempt: int
    sent_at: float

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> httpx.Response:
        clock = self.network.clock
        self.meter.bytes_out = request_size(self.request)
        self.wait(2 * self.network.delay)
        given = [*headers.items(), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        line = f"{status} {httpx.codes.get_reason_phrase(status)}"
        sent, size, _ = answer_head(line, given, clock.epoch + clock.now(), self.request.method)
        self.meter.bytes_in = size + len(body)
        return httpx.Response(status, headers=sent, stream=httpx.ByteStream(body))

    def discard(self, answer: httpx.Response) -> None:
        answer.close()
        self.meter.bytes_in = 0

    def time_out(self, error: type[httpx.TimeoutException], reason: str) -> NoReturn:
        end = self._times_out_at("connect" if error is httpx.ConnectTimeout else "read")
        if end == math.inf:
            raise RuntimeError(f"a client without a timeout would wait forever, since {reason}: give it a timeout")
        self._wait_until(end)
        raise error(reason, request=self.request)

    def wait(self, seconds: float) -> None:
        due = self.network.clock.now() + seconds
        if self._times_out_at("read") <= due:
            self.time_out(httpx.ReadTimeout, f"the answer is held back for {seconds:g} s")
        self._wait_until(due)

    def _times_out_at(self, phase: str) -> float:
        """The instant at which the sender gives up; infinite if it never does."""
        timeout = self.request.extensions["timeout"][phase]
        ends = (self.meter.until, None if timeout is None else self.sent_at + timeout)
        return min((end for end in ends if end is not None), default=math.inf)

    def _wait_until(self, instant: float) -> None:
        """Wait for an instant. Raises ReadError as soon as an outage cuts the exchange."""
        clock, meter = self.network.clock, self.meter
        over, of_carrier = clock.condition(), meter.on_cut

        def on_cut() -> None:
            if of_carrier:
                of_carrier()
            with over:
                over.notify_all()

        meter.on_cut = on_cut
        with over:
            if not meter.is_cut:
                over.wait(max(0.0, instant - clock.now()))
        meter.on_cut = of_carrier
        if meter.is_cut:
            raise httpx.ReadError("the connection was cut", request=self.request)


class Conditions:
    """The scenario's faults. Equal seeds hit equal exchanges, in whatever order they are sent.

    `places` maps an event's id to its place in the order of occurrence, from 1.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0, places: Mapping[str, int] | None = None) -> None:
        self.faults, self.seed, self.places = tuple(faults), seed, places or {}
        self._lock = Lock()
        self._sent = Counter[tuple[str, ...]]()

    def sent(
        self,
        network: Surroundings,
        meter: Meter,
        request: httpx.Request,
        kind: Kind,
        host: str,
        event: str,
        sent_at: float,
    ) -> SentExchange:
        """Describe an exchange that is being sent, and count it."""
        sender = meter.sender
        parties = network.owners.get(sender, sender), network.owners.get(host, host)
        consumer = parties[1] if kind == "delivery" else parties[0]
        with self._lock:
            self._sent.update([(consumer, kind), (consumer, kind, event)])
            place, attempt = self._sent[consumer, kind], self._sent[consumer, kind, event]
        place = self.places.get(event, place)
        return SentExchange(
            network, meter, request, kind, sender, host, parties, consumer, event, place, attempt, sent_at
        )

    def carry(self, exchange: SentExchange, onward: Callable[[], httpx.Response]) -> httpx.Response:
        """Carry an exchange through all faults that hit it, the first one outermost."""
        for number in reversed(range(len(self.faults))):
            fault = self.faults[number]
            if fault.start <= exchange.sent_at < fault.end and self.hits(number, exchange):
                onward = partial(fault.carry, exchange, onward)
        return onward()

    def hits(self, number: int, exchange: SentExchange) -> bool:
        """Whether a fault selects an exchange, and is drawn: by what it is about, not by its number in the ledger."""
        fault = self.faults[number]
        if fault.p == 1 or not fault.selects(exchange):
            return fault.selects(exchange)
        about = exchange.event or exchange.place
        key = (self.seed, number, fault.name, exchange.consumer, exchange.kind, about, exchange.attempt)
        return random.Random("/".join(map(str, key))).random() < fault.p


def event_of(kind: Kind, request: httpx.Request) -> str:
    """The id of the event that an exchange is about: a delivery's `webhook-id`, or the one in the path; else ""."""
    if kind == "delivery":
        return str(request.headers.get("webhook-id", ""))
    _, first, *rest = request.url.path.split("/")
    return rest[0] if kind in ("fetch", "action") and first == "events" and rest else ""
