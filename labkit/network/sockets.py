"""A network of loopback sockets: bytes are counted as they cross the socket, below HTTP."""

import contextlib
import socket
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from threading import Lock
from typing import Any
from wsgiref.types import WSGIApplication

import httpcore
import httpx

from labkit.clock import Clock, monotonic
from labkit.ledger import Ledger
from labkit.network.conditions import Conditions
from labkit.network.egress import LOOKUP_SECONDS, Egress, ForbiddenError
from labkit.network.exchange import KEEP_ALIVE, Network, remaining
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
        announce: Callable[[str, str, str], object] = lambda *_: None,
    ) -> None:
        super().__init__(clock, ledger, conditions)
        self.egress, self._announce = egress, announce
        self.names: dict[str, str] = {}
        """The host's name at each address, for the ledger: `{"127.0.0.1:41234": "source"}`."""
        self.ports: list[int] = []
        """The local port of each connection, by its number; the peer sees it too."""
        self._servers: list[Server] = []
        self._carriers: list[SocketCarrier] = []
        self._lock = Lock()
        self._streams: set[_Connection] = set()

    def host(self, name: str, app: WSGIApplication, owner: str = "") -> str:
        """Serve an app on a port of its own; returns its URL."""
        server = serve(app)
        self._servers.append(server)
        self.name(f"127.0.0.1:{server.port}", name, owner)
        self._announce(f"127.0.0.1:{server.port}", name, owner)
        return server.url

    def name(self, address: str, name: str, owner: str = "") -> None:
        """Set the name and the owner of the host at an address."""
        self.names[address], self.owners[name] = name, owner or name

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
            return len(self.ports) - 1

    def gone(self, stream: "_Connection") -> None:
        with self._lock:
            self._streams.discard(stream)


class SocketCarrier:
    """Carries one client's requests. It keeps idle connections for 5 s, and uses the one that became idle last again.

    They are kept by origin. A pool of httpcore looks at all its connections for every request: 1,000 deliveries at once
    to one host took twice as long as to 100 hosts.
    """

    def __init__(self, network: SocketNetwork) -> None:
        self._network = network
        self._idle = defaultdict[str, list[_Connection]](list)
        self._looked_at, self._lock, self._closed = monotonic(), Lock(), False

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whose certificates are accepted: certifi's list, or the file that SSL_CERT_FILE names."""
        return httpx.create_ssl_context()

    def handle_request(self, request: httpx.Request, meter: Meter) -> httpx.Response:
        with _as_httpx(request):
            to = request.url
            url = httpcore.URL(scheme=to.raw_scheme, host=to.raw_host, port=to.port, target=to.raw_path)
            headers, connection = request.headers.raw, self._take(url.origin)
            connection.meter = meter
            sent = httpcore.Request(request.method, url, headers=headers, content=request.stream)
            sent.extensions = request.extensions
            answer = connection.http.handle_request(sent)
        # a compressed answer, which was not requested, stays compressed: a few bytes may expand to any number
        headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-encoding"]
        # after a 101 the connection is no longer HTTP (RFC 9110, 15.2.2)
        switched = {"network_stream": answer.extensions["network_stream"]} if answer.status == 101 else {}
        stream = _Answer(self, request, answer, connection)
        return httpx.Response(answer.status, headers=headers, stream=stream, extensions=switched)

    def _take(self, origin: httpcore.Origin) -> "_Connection":
        """A connection to this origin, idle or new, for one exchange. Once per KEEP_ALIVE, the expired ones close."""
        with self._lock:
            if monotonic() > self._looked_at + KEEP_ALIVE:
                self._looked_at = monotonic()
                for idle in self._idle.values():
                    for connection in [each for each in idle if each.http.has_expired()]:
                        idle.remove(connection)
                        connection.http.close()
        while True:
            with self._lock:
                idle, trust = self._idle[str(origin)], self._trust if origin.scheme == b"https" else None
                connection = idle.pop() if idle else _Connection(self._network, origin, trust)
            if not connection.http.has_expired():  # outside the lock: it asks the system whether the peer has closed it
                return connection
            connection.http.close()

    def keep(self, connection: "_Connection") -> None:
        """Keep the connection of a completed exchange for the next one, if it is still open."""
        with self._lock:
            if connection.http.is_idle() and not self._closed:
                self._idle[connection.origin].append(connection)
            else:
                connection.http.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in chain(*self._idle.values()):
                connection.http.close()


@dataclass(eq=False)
class _Answer(httpx.SyncByteStream):
    carrier: SocketCarrier
    request: httpx.Request
    answer: httpcore.Response
    connection: "_Connection"

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self.answer.stream, Iterable)
        with _as_httpx(self.request):
            yield from self.answer.stream

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.answer.close()
        self.carrier.keep(self.connection)


class _Connection(httpcore.NetworkBackend, httpcore.NetworkStream):
    """One connection: `http` opens it, to an allowed address, and speaks HTTP on it.

    Its bytes are counted for the exchange that has it.
    """

    meter: Meter
    """That exchange's."""

    def __init__(self, network: SocketNetwork, origin: httpcore.Origin, trust: ssl.SSLContext | None) -> None:
        self._network, self.origin, self._requests, self._head = network, str(origin), 0, b""
        self.http = httpcore.HTTPConnection(origin, trust, keepalive_expiry=KEEP_ALIVE, network_backend=self)

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *more: Any, **options: Any
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        within = LOOKUP_SECONDS if left is None else min(left, LOOKUP_SECONDS)
        try:
            address = self._network.egress.resolve(host, port, within)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        left = self._left(timeout, httpcore.ConnectTimeout)
        self._stream = httpcore.SyncBackend().connect_tcp(address, port, left, *more, **options)
        self._socket: socket.socket = self._stream.get_extra_info("socket")
        self.port: int = self._socket.getsockname()[1]
        self._number = self._network.connected(self)
        return self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))
        self.meter.bytes_in += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        meter = self.meter
        if meter.connection != self._number:
            # a request's head: it leaves with the body, or with the end of the request, which httpcore writes as b""
            self._requests += 1
            meter.connection, meter.request, meter.on_cut = self._number, self._requests, self.cut
            self._head = buffer
            return
        rest, self._head = memoryview(self._head + buffer), b""
        while rest:
            left = self._left(timeout, httpcore.WriteTimeout)
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
            left = self._left(timeout, httpcore.ConnectTimeout)
            self._stream = self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:  # nobody else closes it: httpcore has not returned it yet
            self.close()
            raise
        self._socket = self._stream.get_extra_info("socket")
        return self

    def close(self) -> None:
        self._network.gone(self)
        self._stream.close()

    def cut(self) -> None:
        """Shut the connection down from another thread: reads and writes on it end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None, late: type[Exception]) -> float | None:
        """Seconds left for the next step of the exchange. Raises `late` if there are none."""
        left = remaining(self._network.clock, self.meter.until, timeout)
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
