"""The one place where exchanges are counted: a transport around a carrier, which records each in the ledger."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol
from wsgiref.types import WSGIApplication

import httpx
from greenlet import GreenletExit

from labkit.clock import Clock
from labkit.ledger import Kind, Ledger
from labkit.network.conditions import Conditions, PartyClock, event_of
from labkit.network.meter import Meter
from labkit.network.sent import SentExchange

TIMEOUT = 30.0
"""Seconds that a client waits for an answer; Standard Webhooks advises 15 to 30 s."""
KEEP_ALIVE = 5.0
"""Seconds for which an idle connection may be reused: httpx's default."""

CLIENT_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "keep-alive", "User-Agent": "labkit"}
"""No compression, and a fixed user agent, so that bytes do not depend on the packages that are installed."""


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep nothing."""


class Client(httpx.Client):
    """The httpx client of every part of labkit. No cookies: looking for them takes an eighth of an exchange's time.

    A request that repeats the last one, as a poller's usually does, is a copy: to build it anew takes another eighth.
    """

    cookies = _NoCookies()  # type: ignore[assignment, override, unused-ignore]
    _last: tuple[tuple[object, ...], httpx.Request] = (), httpx.Request("GET", "")

    def build_request(self, method: str, url: httpx.URL | str, **more: Any) -> httpx.Request:
        headers, timeout = httpx.Headers(more.pop("headers", None)), more.pop("timeout", httpx.USE_CLIENT_DEFAULT)
        timeout = self.timeout if timeout is httpx.USE_CLIENT_DEFAULT else httpx.Timeout(timeout)
        if any(value is not None for value in more.values()):  # a body, for example
            return super().build_request(method, url, headers=headers, timeout=timeout, **more)
        parts = method, url, headers.raw, self.headers.raw, self.base_url, self.params
        last, built = self._last
        if parts != last:
            built = super().build_request(method, url, headers=headers)
            self._last = parts, built
        request = httpx.Request.__new__(httpx.Request)  # `built` itself is never given away, so nothing changes it
        timeouts = {"timeout": timeout.as_dict()}
        vars(request).update(vars(built), headers=httpx.Headers(built.headers), extensions=timeouts)
        return request


class Carrier(Protocol):
    """Carries the requests of one client, and counts their bytes and connections in a meter."""

    def handle_request(self, request: httpx.Request, meter: Meter) -> httpx.Response:
        """Send a request and return its response, with the stream not yet read. Raises httpx.TransportError."""

    def close(self) -> None:
        """Close the connections."""


class Network(ABC):
    """The network as source and consumers see it. A subclass says how requests are carried.

    Every exchange is recorded in the `ledger`, and `conditions` apply the faults.
    """

    delay = 0.0
    """Seconds one way."""

    def __init__(self, clock: Clock, ledger: Ledger, conditions: Conditions | None = None) -> None:
        self.clock, self.ledger, self.conditions = clock, ledger, conditions or Conditions()
        self.owners: dict[str, str] = {}
        """The party that owns each host."""
        self.open: dict[int, SentExchange] = {}
        """Exchanges in flight, for faults that cut them."""
        self.closed = False
        for number, fault in enumerate(self.conditions.faults):
            if fault.cuts:
                clock.spawn(self._cut, number)

    @abstractmethod
    def host(self, name: str, app: WSGIApplication, owner: str = "") -> str:
        """Put an app on the network under a name; returns its URL. `owner` is the party that it belongs to."""

    @abstractmethod
    def carrier(self) -> Carrier:
        """A carrier for one client."""

    @abstractmethod
    def name_of(self, url: httpx.URL) -> str:
        """The name of a URL's host."""

    def address(self, host: str, port: int) -> str:
        """The address of a host; the host itself if it has none. Raises OSError with the reason if it is forbidden."""
        return host

    def party_clock(self) -> PartyClock:
        """A consumer's own clock, which may be wrong."""
        return PartyClock(self.clock, self.conditions)

    @abstractmethod
    def close(self) -> None:
        """Cut what is in flight, and free every port."""

    def client(self, sender: str, kind: Kind, base_url: str = "", timeout: float = TIMEOUT) -> Client:
        """A client of `sender`, whose exchanges are recorded under `kind`. `timeout`, in seconds, is for each read."""
        transport = self.transport(sender, kind)
        return Client(transport=transport, base_url=base_url, headers=CLIENT_HEADERS, timeout=timeout, trust_env=False)

    def transport(self, sender: str, kind: Kind, deadline: float | None = None) -> "Transport":
        """The same without a client around it. `deadline`, if given, is in seconds for each whole exchange."""
        return Transport(self, self.carrier(), sender, kind, deadline)

    def _cut(self, fault: int) -> None:
        """Cut what is in flight each time that a fault's window begins."""
        for start in self.conditions.faults[fault].starts():
            self.clock.sleep_until(start)
            for exchange in list(self.open.values()):
                if self.conditions.hits(fault, exchange):
                    exchange.meter.cut()


class Transport(httpx.BaseTransport):
    """Opens and closes the ledger's row of each exchange of one client."""

    def __init__(self, network: Network, carrier: Carrier, sender: str, kind: Kind, deadline: float | None) -> None:
        self.network, self.carrier, self.sender, self.kind, self.deadline = network, carrier, sender, kind, deadline

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        network, carrier, path = self.network, self.carrier, request.url.path
        host, sent_at = network.name_of(request.url), network.clock.now()
        event = event_of(self.kind, request.headers, path)
        number = network.ledger.open(self.kind, self.sender, host, request.method, path, sent_at, event)
        meter = Meter(number, self.sender, host, None if self.deadline is None else sent_at + self.deadline)
        try:
            if network.conditions.faults:
                exchange = network.conditions.sent(network, meter, request, self.kind, event, sent_at)
                network.open[number] = exchange
                response = network.conditions.carry(exchange, lambda: carrier.handle_request(request, meter))
            else:
                response = carrier.handle_request(request, meter)
        except BaseException as error:
            self.end(meter, 0, error)
            raise _unless_cut(meter, error) from error
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Stream(self, meter, response.status_code, response.stream)
        response.extensions |= {"labkit.exchange": number, "labkit.reject": partial(network.ledger.reject, number)}
        return response

    def end(self, meter: Meter, status: int, error: BaseException | None = None) -> None:
        """Record an exchange's end. One that the end of the run cuts stays unanswered; its bytes so far count."""
        network, ledger = self.network, self.network.ledger
        network.open.pop(meter.exchange, None)
        ledger.count(meter.exchange, meter.bytes_out, meter.bytes_in, meter.connection, meter.request)
        over = network.closed and (error is not None or status == 101)
        if not over and not isinstance(error, GreenletExit):
            name = "" if error is None else type(_unless_cut(meter, error)).__name__
            ledger.close(meter.exchange, network.clock.now(), status, name)

    def close(self) -> None:
        self.carrier.close()


class _Stream(httpx.SyncByteStream):
    """An answer's body; its exchange ends when it ends or is closed."""

    def __init__(self, transport: Transport, meter: Meter, status: int, chunks: httpx.SyncByteStream) -> None:
        self._transport, self._meter, self._status, self._chunks = transport, meter, status, chunks
        self._error: BaseException | None = None
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except (httpx.HTTPError, GreenletExit) as error:
            self._error = error
            raise _unless_cut(self._meter, error) from error

    def close(self) -> None:
        if self._open:
            self._open = False
            self._chunks.close()
            self._transport.end(self._meter, self._status, self._error)


def _unless_cut(meter: Meter, error: BaseException) -> BaseException:
    """The error of an exchange; a cut connection is always a ReadError, whatever the carrier raised."""
    is_cut = meter.is_cut and isinstance(error, httpx.TransportError)
    return httpx.ReadError("the connection was cut by an outage") if is_cut else error


def remaining(clock: Clock, until: float | None, timeout: float | None) -> float | None:
    """Seconds left of a read's timeout or of an exchange's deadline, whichever is less; None if neither is set."""
    if until is None:
        return timeout
    left = until - clock.now()
    return max(0.0, left if timeout is None else min(left, timeout))
