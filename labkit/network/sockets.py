"""A network of loopback sockets: bytes are counted as they cross the socket, below HTTP."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from threading import Lock, local
from typing import Any
from wsgiref.types import WSGIApplication

import httpcore
import httpx

from labkit.clock import Clock
from labkit.ledger import Ledger
from labkit.network.conditions import Conditions
from labkit.network.connections import Connections
from labkit.network.egress import LOOKUP_SECONDS, Egress, ForbiddenError
from labkit.network.exchange import Network, remaining
from labkit.network.meter import Meter
from labkit.server import Server, serve

LOOPBACK = Egress()


class SocketNetwork(Network):
    """Hosts on ports of 127.0.0.1 that the system chooses. No delay is added.

    `egress` says which addresses may be called, loopback ones by default; each connection is checked.
    `announce` is called with the address, name and owner of each host that is added.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        conditions: Conditions | None = None,
        *,
        egress: Egress = LOOPBACK,
        announce: Callable[[str, str, str], object] | None = None,
    ) -> None:
        super().__init__(clock, ledger, conditions)
        self.egress, self._announce = egress, announce
        self.names: dict[str, str] = {}
        """The host's name at each address, for the ledger: `{"127.0.0.1:41234": "source"}`."""
        self.ports: list[int] = []
        """The local port of each connection, by its number; the peer sees it too."""
        self._servers: list[Server] = []
        self._carriers: list[SocketCarrier] = []
        self._numbers = count()
        self._lock = Lock()
        self._streams: set[_Connection] = set()

    def host(self, name: str, app: WSGIApplication, owner: str = "") -> str:
        """Serve an app on a port of its own; returns its URL."""
        server = serve(app)
        self._servers.append(server)
        self.name(f"127.0.0.1:{server.port}", name, owner)
        if self._announce:
            self._announce(f"127.0.0.1:{server.port}", name, owner)
        return server.url

    def name(self, address: str, name: str, owner: str = "") -> None:
        """Set the name and the owner of the host at an address."""
        self.names[address] = name
        self.owners[name] = owner or name

    def carrier(self) -> "SocketCarrier":
        carrier = SocketCarrier(self)
        self._carriers.append(carrier)
        return carrier

    def name_of(self, url: httpx.URL) -> str:
        netloc = url.netloc.decode("ascii")
        return self.names.get(netloc, netloc)

    def address(self, host: str, port: int) -> str:
        try:
            return self.egress.resolve(host, port)
        except ForbiddenError:
            raise
        except OSError:
            return host  # it has no address now: it is checked again when it is called

    def requests_served(self) -> int:
        """How many requests the servers here have seen, to be compared with the clients' ledgers."""
        return sum(server.requests for server in self._servers)

    def close(self) -> None:
        """Stop the servers and cut every connection: an exchange in flight ends with an error."""
        with self._lock:
            self.closed = True
            for stream in self._streams:
                stream.cut()
        for server in self._servers:
            server.stop()
        for carrier in self._carriers:
            carrier.close()

    def connected(self, stream: "_Connection") -> int:
        with self._lock:
            if self.closed:
                stream.cut()
            self._streams.add(stream)
            self.ports.append(stream.port)
            return next(self._numbers)

    def gone(self, stream: "_Connection") -> None:
        with self._lock:
            self._streams.discard(stream)


class SocketCarrier:
    """Carries one client's requests, and counts the bytes that cross for each exchange."""

    def __init__(self, network: SocketNetwork) -> None:
        self.network = network
        self.current = local()
        """`current.meter` is the meter of this thread's exchange."""
        self.connections = Connections(_Backend(self))

    def handle_request(self, request: httpx.Request, meter: Meter) -> httpx.Response:
        self.current.meter = meter
        with _as_httpx(request):
            to = request.url
            url = httpcore.URL(scheme=to.raw_scheme, host=to.raw_host, port=to.port, target=to.raw_path)
            headers, connection = request.headers.raw, self.connections.take(url.origin)
            sent = httpcore.Request(request.method, url, headers=headers, content=request.stream)
            sent.extensions = request.extensions
            answer = connection.handle_request(sent)
        # a compressed answer, which was not requested, stays compressed: a few bytes may expand to any number
        headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-encoding"]
        # after a 101 the connection is no longer HTTP (RFC 9110, 15.2.2)
        switched = {"network_stream": answer.extensions["network_stream"]} if answer.status == 101 else {}
        stream = _Answer(self, request, meter, answer, url.origin, connection)
        return httpx.Response(answer.status, headers=headers, stream=stream, extensions=switched)

    def close(self) -> None:
        self.connections.close()


@dataclass(eq=False)
class _Answer(httpx.SyncByteStream):
    carrier: SocketCarrier
    request: httpx.Request
    meter: Meter
    answer: httpcore.Response
    origin: httpcore.Origin
    connection: httpcore.HTTPConnection

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self.answer.stream, Iterable)
        self.carrier.current.meter = self.meter
        with _as_httpx(self.request):
            for chunk in self.answer.stream:
                yield chunk
                self.carrier.current.meter = self.meter

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.answer.close()
        self.carrier.connections.keep(self.origin, self.connection)


class _Backend(httpcore.NetworkBackend):
    """Opens connections, to allowed addresses only."""

    def __init__(self, carrier: SocketCarrier) -> None:
        self._carrier = carrier

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *more: Any, **options: Any
    ) -> httpcore.NetworkStream:
        network, meter = self._carrier.network, self._carrier.current.meter
        left = _left(network.clock, meter, timeout, httpcore.ConnectTimeout)
        try:
            address = network.egress.resolve(host, port, LOOKUP_SECONDS if left is None else min(left, LOOKUP_SECONDS))
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        left = _left(network.clock, meter, timeout, httpcore.ConnectTimeout)
        stream = httpcore.SyncBackend().connect_tcp(address, port, left, *more, **options)
        return _Connection(self._carrier, stream)


class _Connection(httpcore.NetworkStream):
    """A connection whose bytes are counted for its thread's exchange."""

    def __init__(self, carrier: SocketCarrier, stream: httpcore.NetworkStream) -> None:
        self._carrier, self._stream, self._clock = carrier, stream, carrier.network.clock
        self._socket: socket.socket = stream.get_extra_info("socket")
        self.port: int = self._socket.getsockname()[1]
        self._number = carrier.network.connected(self)
        self._requests = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        meter: Meter = self._carrier.current.meter
        data = self._stream.read(max_bytes, _left(self._clock, meter, timeout, httpcore.ReadTimeout))
        meter.bytes_in += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        meter: Meter = self._carrier.current.meter
        if meter.connection != self._number:  # the first bytes of a request
            self._requests += 1
            meter.connection, meter.request, meter.on_cut = self._number, self._requests, self.cut
        rest = memoryview(buffer)
        while rest:
            left = _left(self._clock, meter, timeout, httpcore.WriteTimeout)
            try:
                self._socket.settimeout(left)  # an OSError too, if another thread has closed the socket
                sent = self._socket.send(rest)
            except TimeoutError:
                raise httpcore.WriteTimeout("the peer did not read the request in time") from None
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error
            meter.bytes_out += sent
            rest = rest[sent:]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on in TLS, with the certificate verified for the name that the URL has. Bytes are counted above TLS."""
        try:
            left = _left(self._clock, self._carrier.current.meter, timeout, httpcore.ConnectTimeout)
            self._stream = self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:  # nobody else closes it: httpcore has not returned it yet
            self.close()
            raise
        self._socket = self._stream.get_extra_info("socket")
        return self

    def close(self) -> None:
        self._carrier.network.gone(self)
        self._stream.close()

    def cut(self) -> None:
        """Shut the connection down from another thread: reads and writes on it end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(clock: Clock, meter: Meter, timeout: float | None, late: type[Exception]) -> float | None:
    """Seconds left for the next step of an exchange. Raises `late` if there are none."""
    left = remaining(clock, meter.until, timeout)
    if left is not None and left <= 0:
        raise late("the exchange's deadline has passed")
    return left


_HTTPCORE = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol)


@contextlib.contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's exceptions as httpx's, which have the same names."""
    try:
        yield
    except _HTTPCORE as error:
        raise getattr(httpx, type(error).__name__)(str(error) or "the peer closed", request=request) from error
