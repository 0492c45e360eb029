"""One exchange as faults see it, and what they can do to it: `labkit.faults.Exchange`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, Protocol

import httpx

from labkit.clock import Clock
from labkit.event import from_json
from labkit.faults import Rewrite
from labkit.ledger import Kind
from labkit.network.http1 import answer_head, head_size, request_size
from labkit.network.meter import Meter
from labkit.wire import BATCH


class Surroundings(Protocol):
    """What conditions need to know of the network."""

    clock: Clock
    delay: float
    owners: dict[str, str]


@dataclass(slots=True)
class SentExchange:
    """The methods that are documented in `labkit.faults.Exchange`."""

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

    @property
    def events(self) -> tuple[str, ...]:
        message = from_json(self.request.read()) if self.kind == "delivery" else None
        if isinstance(message, dict) and message["type"] == BATCH:
            return tuple(event["id"] for event in message["data"]["events"])
        return (self.event,)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> httpx.Response:
        clock, delay = self.network.clock, self.network.delay
        self.meter.bytes_out = request_size(self.request)
        self.wait(2 * delay + self.meter.leg() + self.meter.leg())
        given = [*headers.items(), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        line = f"{status} {httpx.codes.get_reason_phrase(status)}"
        sent, size, _ = answer_head(line, given, clock.epoch + clock.now(), self.request.method)
        self.meter.bytes_in = size + len(body)
        return httpx.Response(status, headers=sent, stream=httpx.ByteStream(body))

    def discard(self, answer: httpx.Response) -> None:
        answer.close()
        self.meter.bytes_in = 0

    def rewrite(self, answer: httpx.Response, body: Rewrite) -> httpx.Response:
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = _Rewritten(self.meter, answer.stream, body)
        return answer

    def drip(self, answer: httpx.Response, seconds: float) -> httpx.Response:
        clock, meter, head = self.network.clock, self.meter, head_size(answer)
        began, arrived = clock.now(), 0
        meter.bytes_in -= head
        try:
            while arrived < head:
                self._wait_for_byte(began + (arrived + 1) * seconds)
                arrived += 1
        except httpx.HTTPError:
            answer.close()
            meter.bytes_in = arrived
            raise
        meter.bytes_in += head

        def slowly(chunks: Iterator[bytes]) -> Iterator[bytes]:
            due = clock.now()
            for chunk in chunks:
                due = max(due, clock.now())
                for byte in chunk:
                    due += seconds
                    self._wait_for_byte(due)
                    yield bytes([byte])

        return self.rewrite(answer, slowly)

    def time_out(self, error: type[httpx.TimeoutException], reason: str) -> NoReturn:
        end = self._times_out_at("connect" if error is httpx.ConnectTimeout else "read", self.sent_at)
        if end == math.inf:
            raise RuntimeError(f"a client without a timeout would wait forever, since {reason}: give it a timeout")
        if error is not httpx.ConnectTimeout:  # there was a connection, and the request was sent
            self.meter.bytes_out = self.meter.bytes_out or request_size(self.request)
        self._wait_until(end)
        raise error(reason, request=self.request)

    def wait(self, seconds: float) -> None:
        due = self.network.clock.now() + seconds
        if self._times_out_at("read", self.sent_at) <= due:
            self.time_out(httpx.ReadTimeout, f"the answer is held back for {seconds:g} s")
        self._wait_until(due)

    def _times_out_at(self, phase: str, since: float) -> float:
        """The instant at which a sender gives up that has waited `since` an instant; infinite if it never does."""
        timeout = self.request.extensions.get("timeout", {}).get(phase)
        ends = (self.meter.until, None if timeout is None else since + timeout)
        return min((end for end in ends if end is not None), default=math.inf)

    def _wait_for_byte(self, due: float) -> None:
        """Wait for the next byte of an answer whose reader has the last one."""
        end = self._times_out_at("read", self.network.clock.now())
        self._wait_until(min(due, end))
        if end <= due:
            raise httpx.ReadTimeout("the answer came byte by byte, and not in time", request=self.request)

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


class _Rewritten(httpx.SyncByteStream):
    """A body that a fault changes; the meter counts what comes out of it."""

    def __init__(self, meter: Meter, chunks: httpx.SyncByteStream, body: Rewrite) -> None:
        self._meter, self._chunks, self._body = meter, chunks, body

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body(self._uncounted()):
            self._meter.bytes_in += len(piece)
            yield piece

    def _uncounted(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._meter.bytes_in -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._chunks.close()
