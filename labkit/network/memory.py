"""A network in memory: hosts by name, HTTP carried to their WSGI apps, with a delay each way."""

import sys
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from functools import lru_cache
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import httpx
from greenlet import GreenletExit

from labkit.clock import NANO, VirtualClock, nanoseconds
from labkit.ledger import Kind, Ledger
from labkit.network import TIMEOUT, Client, remaining

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

KEEP_ALIVE = 5.0
"""Seconds for which an idle connection may be used again: httpx's own default."""


class MemoryNetwork:
    """Hosts by name, all `delay` seconds away from each other; what crosses is entered in the ledger.

    One exchange takes 2 x delay, and whatever time the host's app takes: with 20 ms each way, 40 ms.
    """

    def __init__(self, clock: VirtualClock, ledger: Ledger, delay: float = 0.020) -> None:
        self.clock, self.ledger, self.delay = clock, ledger, delay
        self.hosts: dict[str, WSGIApplication] = {}
        self.private: set[str] = set()
        """Hosts behind NAT: they may call, and whoever calls them gets no answer."""
        self.connections = count()

    def host(self, name: str, app: "WSGIApplication") -> str:
        self.hosts[name] = app
        return f"http://{name}"

    def client(
        self, sender: str, kind: Kind, base_url: str = "", timeout: float = TIMEOUT, deadline: float | None = None
    ) -> Client:
        return Client(MemoryTransport(self, sender, kind, deadline), base_url, timeout)

    def close(self) -> None:
        """Nothing to free: the tasks end with their clock."""


class MemoryTransport(httpx.BaseTransport):
    """Carries one client's requests. The host's side is a task of its own: a client that gives up leaves it running."""

    def __init__(self, network: MemoryNetwork, sender: str, kind: Kind, deadline: float | None = None) -> None:
        self.network, self.sender, self.kind, self.deadline = network, sender, kind, deadline
        self._idle: dict[str, list[tuple[int, int]]] = {}  # (connection, since when, in nanoseconds)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        network, clock, ledger, host = self.network, self.network.clock, self.network.ledger, request.url.host
        environ, size = _environ(request, request.read(), self.sender)
        exchange = environ["labkit.exchange"] = ledger.open(
            self.kind, self.sender, host, request.method, environ["PATH_INFO"], clock.now(), size, self._connect(host)
        )
        app = network.hosts.get(host)
        if app is None:
            ledger.close(exchange, clock.now(), 0, 0, "ConnectError")
            known = ", ".join(sorted(network.hosts)) or "none"
            raise httpx.ConnectError(f"no host is named {host!r}; there are: {known}", request=request)
        if host in network.private and host != self.sender:
            patience = request.extensions.get("timeout", {}).get("connect") or TIMEOUT
            clock.sleep(patience)
            ledger.close(exchange, clock.now(), 0, 0, "ConnectTimeout")
            raise httpx.ConnectTimeout(f"{host} may call, but cannot be called: it is behind NAT", request=request)
        pipe = Pipe(clock, network.delay)
        clock.spawn(_serve, app, environ, pipe, after=network.delay)
        answer = Answer(self, request, exchange, pipe)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=answer, extensions={"labkit.exchange": exchange}
        )

    def _connect(self, host: str) -> int:
        """The number of the connection that a request to `host` goes over: the last one idle, if it is not too old."""
        idle = self._idle.get(host, [])
        while idle:
            connection, since = idle.pop()
            if self.network.clock.nanoseconds - since <= KEEP_ALIVE * NANO:
                return connection
        return next(self.network.connections)

    def keep(self, host: str, exchange: int) -> None:
        """Keep the connection of an exchange that ended well, for the next one."""
        network = self.network
        self._idle.setdefault(host, []).append((network.ledger.connection[exchange], network.clock.nanoseconds))


class Answer(httpx.SyncByteStream):
    """The client's side of an answer: its head at once, its body as the chunks arrive."""

    def __init__(self, transport: MemoryTransport, request: httpx.Request, exchange: int, pipe: "Pipe") -> None:
        self._transport, self._request, self._exchange, self._pipe = transport, request, exchange, pipe
        self._timeout: float | None = request.extensions.get("timeout", {}).get("read")
        clock, deadline = transport.network.clock, transport.deadline
        self._until = None if deadline is None else clock.now() + deadline
        self._open = True
        self._size = self.status = 0
        self._here = self._arrivals()
        status, self.headers = next(self._here)
        self.status = int(status[:3])

    def __iter__(self) -> Iterator[bytes]:
        yield from self._here
        self._transport.keep(self._request.url.host, self._exchange)

    def _arrivals(self) -> Iterator[Any]:
        """The head, and then each chunk, when it is here."""
        while True:
            try:
                items = self._pipe.get(remaining(self._transport.network.clock, self._until, self._timeout))
            except TimeoutError:
                self._end("ReadTimeout")
                host = self._request.url.host
                patience = self._timeout if self._until is None else self._transport.deadline
                raise httpx.ReadTimeout(f"nothing came from {host} for {patience} s", request=self._request) from None
            except GreenletExit:  # the run is over: the exchange stays unanswered
                self._open = False
                self._transport.network.ledger.bytes_in[self._exchange] = self._size
                raise
            for _, item, size in items:
                self._size += size
                if item is None:
                    return
                yield item

    def close(self) -> None:
        self._end()

    def _end(self, error: str = "") -> None:
        if self._open:
            self._open, self._pipe.closed = False, True
            network = self._transport.network
            network.ledger.close(self._exchange, network.clock.now(), self.status, self._size, error)


class Pipe:
    """One way from a host to a client: what is put in comes out `delay` seconds later, in order."""

    def __init__(self, clock: VirtualClock, delay: float) -> None:
        self.clock, self.delay = clock, delay
        self.closed = False  # by the reader, who has gone
        self._items: list[tuple[int, object, int]] = []
        self._more = clock.condition()

    def put(self, item: object, size: int) -> None:
        """Send an item; `size` is its bytes on the wire, and None ends the answer."""
        self._items.append((self.clock.nanoseconds + nanoseconds(self.delay), item, size))
        if len(self._items) == 1:
            self._more.notify_all(after=self.delay)

    def get(self, timeout: float | None) -> list[tuple[int, object, int]]:
        """What is here, one item at least, as (due, item, size); TimeoutError if nothing comes in `timeout` seconds."""
        clock = self.clock
        if not self._items:
            if not self._more.wait(timeout):
                raise TimeoutError
        elif (ahead := (self._items[0][0] - clock.nanoseconds) / NANO) > 0:
            clock.sleep(ahead if timeout is None else min(ahead, timeout))
            if timeout is not None and timeout <= ahead:
                raise TimeoutError
        here = sum(due <= clock.nanoseconds for due, _, _ in self._items)
        items, self._items = self._items[:here], self._items[here:]
        return items


def _serve(app: "WSGIApplication", environ: dict[str, Any], pipe: Pipe) -> None:
    """The host's side of one exchange: WSGI (PEP 3333), framed as an HTTP/1.1 server would."""
    head: list[Any] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        head[:] = status, headers
        return _no_write

    chunked = False
    sent = False
    chunks: Iterable[bytes] = app(environ, start_response)
    try:
        for chunk in chunks:
            if not chunk:
                continue
            if not sent:
                chunked = _send_head(head, environ, pipe)
                sent = True
            pipe.put(chunk, len(chunk) + (len(f"{len(chunk):x}") + 4 if chunked else 0))
            if pipe.closed:
                break
        else:
            if not sent:
                chunked = _send_head(head, environ, pipe)
            pipe.put(None, len("0\r\n\r\n") if chunked else 0)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def _no_write(data: bytes) -> object:
    raise RuntimeError("this network does not carry WSGI's old write(): return the body from the app")


def _send_head(head: list[Any], environ: dict[str, Any], pipe: Pipe) -> bool:
    """Send the status and headers, with those that a server adds; True if the body is chunked (RFC 9112, 7.1)."""
    status, headers = head
    sent = [("Server", "labkit"), ("Date", _date(int(pipe.clock.epoch + pipe.clock.now()))), *headers]
    size, chunked = len("HTTP/1.1 \r\n\r\n") + len(status), True
    for name, value in sent:
        size += len(name) + len(value) + len(": \r\n")
        chunked = chunked and name.lower() != "content-length"
    if status[:3] in ("204", "304") or environ["REQUEST_METHOD"] == "HEAD":
        chunked = False
    if chunked:
        sent.append(("Transfer-Encoding", "chunked"))
        size += len("Transfer-Encoding: chunked\r\n")
    pipe.put((status, sent), size)
    return chunked


def _date(unix: int) -> str:
    """An instant as HTTP writes it (RFC 9110, 5.6.7)."""
    day, seconds = divmod(unix, 86_400)
    return f"{_day(day)}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} GMT"


@lru_cache(maxsize=16)
def _day(day: int) -> str:
    return formatdate(day * 86_400, usegmt=True)[: len("Wed, 31 Jan 2018 ")]


def _environ(request: httpx.Request, body: bytes, sender: str) -> tuple[dict[str, Any], int]:
    """A request as WSGI hands it to an app (PEP 3333), and its bytes as HTTP/1.1 writes it (RFC 9112, 2.1)."""
    url = request.url
    target = url.raw_path
    path, _, query = target.partition(b"?")
    headers, size = _header_environ(tuple(request.headers.raw))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("ascii"),
        "SERVER_NAME": url.host,
        "SERVER_PORT": str(url.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": sender,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
    }
    return environ, size + len(request.method) + len(target) + len("  HTTP/1.1\r\n\r\n") + len(body)


@lru_cache(maxsize=256)
def _header_environ(raw: tuple[tuple[bytes, bytes], ...]) -> tuple[dict[str, str], int]:
    """Headers as an environ has them, and their bytes; a poller's are the same each time."""
    environ: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("ascii").upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value.decode("latin-1")
    return environ, sum(len(name) + len(value) + len(": \r\n") for name, value in raw)
