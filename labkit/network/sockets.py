"""A network of loopback sockets: the bytes are counted as they cross, below HTTP."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from itertools import count
from threading import Lock, local
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from labkit.clock import Clock
from labkit.ledger import Kind, Ledger
from labkit.network import TIMEOUT, Client, remaining
from labkit.server.serve import Server, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class SocketNetwork:
    """Hosts on ports of 127.0.0.1 that the system chooses; what crosses is entered in the ledger.

    No delay is added. Connections go to loopback addresses only, unless `anywhere`; what is checked is the address that
    is connected to, after the name was resolved.
    """

    def __init__(self, clock: Clock, ledger: Ledger, anywhere: bool = False) -> None:
        self.clock, self.ledger, self.anywhere = clock, ledger, anywhere
        self.names: dict[str, str] = {}
        """Whose port is whose: `{"127.0.0.1:41234": "source"}`; the ledger shows the name."""
        self.ports: list[int] = []
        """The local port of each connection, by its number: what its peer sees of it."""
        self._servers: list[Server] = []
        self._clients: list[Client] = []
        self._numbers = count()
        self._lock = Lock()
        self._streams: set[_Stream] = set()
        self.closed = False

    def host(self, name: str, app: "WSGIApplication") -> str:
        """Serve an app on a port of its own; returns its URL."""
        server = serve(app)
        self._servers.append(server)
        self.names[f"127.0.0.1:{server.port}"] = name
        return server.url

    def client(
        self, sender: str, kind: Kind, base_url: str = "", timeout: float = TIMEOUT, deadline: float | None = None
    ) -> Client:
        """A client of `sender`; see `Network.client`."""
        client = Client(SocketTransport(self, sender, kind, deadline), base_url, timeout)
        self._clients.append(client)
        return client

    def requests_served(self) -> int:
        """How many requests the servers here have seen: what the clients' ledgers are held against."""
        return sum(server.requests for server in self._servers)

    def close(self) -> None:
        """Stop the servers and cut every connection: whoever waits for an answer gets an error."""
        with self._lock:
            self.closed = True
            for stream in self._streams:
                stream.cut()
        for server in self._servers:
            server.stop()
        for client in self._clients:
            client.close()

    def connected(self, stream: "_Stream") -> int:
        with self._lock:
            if self.closed:
                stream.cut()
            self._streams.add(stream)
            self.ports.append(stream.port)
            return next(self._numbers)

    def gone(self, stream: "_Stream") -> None:
        with self._lock:
            self._streams.discard(stream)


class SocketTransport(httpx.BaseTransport):
    """Carries one client's requests over a pool of connections; each exchange's bytes are those that crossed for it."""

    def __init__(self, network: SocketNetwork, sender: str, kind: Kind, deadline: float | None) -> None:
        self.network, self.sender, self.kind, self.deadline = network, sender, kind, deadline
        self.current = local()  # the exchange that this thread is at
        self._pool = httpcore.ConnectionPool(max_connections=None, keepalive_expiry=5.0, network_backend=_Backend(self))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        network, clock = self.network, self.network.clock
        netloc = request.url.netloc.decode("ascii")
        host = network.names.get(netloc, netloc)
        sent_at = clock.now()
        exchange = network.ledger.open(self.kind, self.sender, host, request.method, request.url.path, sent_at, 0, -1)
        meter = Meter(exchange, None if self.deadline is None else sent_at + self.deadline)
        self.current.meter = meter
        try:
            with _as_httpx(request):
                if request.url.scheme == "https":
                    raise httpcore.UnsupportedProtocol(f"{netloc}: https is not spoken here, http is")
                answer = self._pool.handle_request(
                    httpcore.Request(
                        method=request.method,
                        url=httpcore.URL(
                            scheme=request.url.raw_scheme,
                            host=request.url.raw_host,
                            port=request.url.port,
                            target=request.url.raw_path,
                        ),
                        headers=request.headers.raw,
                        content=request.stream,
                        extensions=request.extensions,
                    )
                )
        except BaseException as error:
            self.enter(meter, 0, type(error).__name__)
            raise
        stream = _Answer(self, request, meter, answer)
        # identity was asked for: what comes packed stays packed, since a few bytes may unpack to any number
        headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-encoding"]
        extensions: dict[str, Any] = {"labkit.exchange": exchange}
        if answer.status == 101:  # what is spoken from here on is not HTTP (RFC 9110, 15.2.2)
            extensions["network_stream"] = answer.extensions["network_stream"]
        return httpx.Response(answer.status, headers=headers, stream=stream, extensions=extensions)

    def enter(self, meter: "Meter", status: int, error: str = "") -> None:
        """Enter an exchange's end in the ledger. One that is cut because the run is over stays unanswered."""
        network, exchange = self.network, meter.exchange
        network.ledger.bytes_out[exchange] = meter.bytes_out
        network.ledger.bytes_in[exchange] = meter.bytes_in
        network.ledger.connection[exchange] = meter.connection
        if not (network.closed and (error or status == 101)):
            network.ledger.close(exchange, network.clock.now(), status, meter.bytes_in, error)

    def close(self) -> None:
        self._pool.close()


class Meter:
    """What one exchange has sent and received so far, and by when it must have ended."""

    def __init__(self, exchange: int, until: float | None) -> None:
        self.exchange, self.until = exchange, until
        self.bytes_out = self.bytes_in = 0
        self.connection = -1


class _Answer(httpx.SyncByteStream):
    def __init__(
        self, transport: SocketTransport, request: httpx.Request, meter: Meter, answer: httpcore.Response
    ) -> None:
        self._transport, self._request, self._meter, self._answer = transport, request, meter, answer
        self._error, self._open = "", True

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._answer.stream, Iterable)
        self._transport.current.meter = self._meter
        try:
            with _as_httpx(self._request):
                for chunk in self._answer.stream:
                    yield chunk
                    self._transport.current.meter = self._meter
        except httpx.HTTPError as error:
            self._error = type(error).__name__
            raise

    def close(self) -> None:
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                self._answer.close()
            self._transport.enter(self._meter, self._answer.status, self._error)


class _Backend(httpcore.NetworkBackend):
    """Opens connections, to allowed addresses only."""

    def __init__(self, transport: SocketTransport) -> None:
        self._transport = transport

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        network, meter = self._transport.network, self._transport.current.meter
        try:
            address = resolve(host, port, network.anywhere)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        left = _left(network.clock, meter, timeout, httpcore.ConnectTimeout)
        stream = httpcore.SyncBackend().connect_tcp(address, port, left, local_address, socket_options)
        return _Stream(self._transport, stream)


class _Stream(httpcore.NetworkStream):
    """A connection whose bytes are counted for the exchange that its thread is at."""

    def __init__(self, transport: SocketTransport, stream: httpcore.NetworkStream) -> None:
        self._transport, self._stream, self._clock = transport, stream, transport.network.clock
        self._socket: socket.socket = stream.get_extra_info("socket")
        self.port: int = self._socket.getsockname()[1]
        self._number = transport.network.connected(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        meter: Meter = self._transport.current.meter
        data = self._stream.read(max_bytes, _left(self._clock, meter, timeout, httpcore.ReadTimeout))
        meter.bytes_in += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        meter: Meter = self._transport.current.meter
        meter.connection = self._number
        rest = memoryview(buffer)
        while rest:
            self._socket.settimeout(_left(self._clock, meter, timeout, httpcore.WriteTimeout))
            try:
                sent = self._socket.send(rest)
            except TimeoutError:
                raise httpcore.WriteTimeout("the peer took no more of the request in time") from None
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error
            meter.bytes_out += sent
            rest = rest[sent:]

    def close(self) -> None:
        self._transport.network.gone(self)
        self._stream.close()

    def cut(self) -> None:
        """End whatever waits on this connection, from another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(clock: Clock, meter: Meter, timeout: float | None, late: type[Exception]) -> float | None:
    """Seconds left for the next step of an exchange; raises `late` if there are none."""
    left = remaining(clock, meter.until, timeout)
    if left is not None and left <= 0:
        raise late("the exchange's deadline has passed")
    return left


def resolve(host: str, port: int, anywhere: bool = False) -> str:
    """The IPv4 address that a name stands for, if it may be called: loopback, unless `anywhere`.

    >>> resolve("localhost", 80)
    '127.0.0.1'

    Raises OSError that names host and address. What is read is the address, not the name: 0x7f.1 is 127.0.0.1 too.
    """
    if ":" in host:
        raise OSError(f"{host} is an IPv6 address, and the lab calls IPv4 ones")
    try:
        found = socket.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"{host} stands for no IPv4 address: {error}") from None
    address = str(found[0][4][0])
    if not anywhere and not ipaddress.ip_address(address).is_loopback:
        raise OSError(f"{host} is {address}, which is not loopback: the lab calls nobody else")
    return address


_HTTPCORE = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol)


@contextlib.contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """httpcore's exceptions as httpx's, which have the same names."""
    try:
        yield
    except _HTTPCORE as error:
        raise getattr(httpx, type(error).__name__)(str(error) or "the peer closed", request=request) from error
