"""What messages weigh: one short run of the virtual lens is recorded, and what varies is taken out of its messages."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache

import httpx

from labkit.approaches import Approach, Consumer
from labkit.arrivals import EPOCH, Arrivals
from labkit.clock import VirtualClock
from labkit.event import Event, document, timestamp
from labkit.ledger import Ledger
from labkit.lenses.lifecycle import emit_all, make_source, subscribe_all
from labkit.network.memory import MemoryCarrier, MemoryNetwork
from labkit.network.meter import Meter
from labkit.scenario import Scenario
from labkit.source import EventSource

VARYING = ("webhook-id", "webhook-timestamp", "If-None-Match", "Content-Length", "ETag")
"""Headers whose values differ from exchange to exchange."""
PROBE = Event("evt_1", "probe", 0.0, {})
PROBE_BYTES = len(document(PROBE.id, PROBE.type, timestamp(EPOCH), PROBE.data))
LEAD = 10.0


@dataclass(frozen=True)
class Message:
    """A request or an answer: its bytes without the body and the values of VARYING, those values, and the body."""

    fixed: int
    varying: dict[str, str]
    body: int
    """Bytes of the body."""


@dataclass(frozen=True)
class Recorded:
    """One exchange of the short run."""

    kind: str
    host: str
    path: str
    status: int
    cursor: int
    """Characters of the request's cursor, which are not in `request.fixed`."""
    request: Message
    answer: Message


class _Recorder(MemoryNetwork):
    """A network that keeps the requests and the heads of the answers."""

    def __init__(self, clock: VirtualClock, ledger: Ledger) -> None:
        super().__init__(clock, ledger, 0.0)
        self.messages: dict[int, tuple[httpx.Request, httpx.Response]] = {}

    def carrier(self) -> "_RecordingCarrier":
        return _RecordingCarrier(self)


class _RecordingCarrier(MemoryCarrier):
    network: _Recorder

    def handle_request(self, request: httpx.Request, meter: Meter) -> httpx.Response:
        answer = super().handle_request(request, meter)
        self.network.messages[meter.exchange] = request, answer
        return answer


@lru_cache(64)
def exchanges(approach: Approach, seconds: float) -> tuple[Recorded, ...]:
    """The exchanges of a run of `seconds` with one event at its start, whose type is the approach's first."""
    event = Event(PROBE.id, (approach.types or (PROBE.type,))[0], 0.0, {})
    scenario = Scenario(Arrivals("probe", (event,), seconds, EPOCH, {}), delay=0.0)
    with _set_up(scenario, approach) as (clock, network, source, consumers):
        clock.spawn(emit_all, source, (event,), lambda event: None, lambda event: 0.0, urgent=True)
        for consumer in consumers:
            clock.spawn(approach.run, consumer)
        clock.run(until=seconds)
    return tuple(_recorded(network.ledger, network))  # with the bytes so far of what the end has cut


@lru_cache(64)
def jitter_key(approach: Approach, seed: int) -> tuple[str, str]:
    """What a source's jitter depends on, besides event and attempt: its seed, and the id of the only subscription."""
    scenario = Scenario(Arrivals("probe", (), 1.0, EPOCH, {}), delay=0.0, seed=seed)
    with _set_up(scenario, approach) as (_, _, source, _):
        return source.dispatcher.seed, source.store.subscriptions()[0].id


@contextmanager
def _set_up(
    scenario: Scenario, approach: Approach
) -> Iterator[tuple[VirtualClock, _Recorder, EventSource, list[Consumer]]]:
    """A run at t = 0, when its set-up is done."""
    ledger, clock = Ledger(), VirtualClock(start=-LEAD, epoch=EPOCH)
    network = _Recorder(clock, ledger)
    source = make_source(scenario, clock, network)
    with closing(source.db), clock:
        consumers, _ = subscribe_all(scenario, approach, clock, network, ledger, network.host("source", source.app))
        clock.run(until=0)
        yield clock, network, source, consumers


def _recorded(ledger: Ledger, network: _Recorder) -> Iterator[Recorded]:
    for number, (request, answer) in sorted(network.messages.items()):
        cursor = len(request.url.params.get("after", ""))
        yield Recorded(
            ledger.kind[number], ledger.host[number], ledger.path[number], ledger.status[number],
            cursor,
            _message(ledger.bytes_out[number] - cursor, request.headers, len(request.read())),
            _message(ledger.bytes_in[number], answer.headers, int(answer.headers.get("Content-Length", 0))),
        )  # fmt: skip


def _message(size: int, headers: httpx.Headers, body: int) -> Message:
    varying = {name: headers[name] for name in VARYING if name in headers}
    return Message(size - body - sum(map(len, varying.values())), varying, body)
