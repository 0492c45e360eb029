"""A network in memory: hosts by name, HTTP carried to their WSGI apps, with a delay each way."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import httpx
from greenlet import GreenletExit

from labkit.clock import Clock
from labkit.ledger import Kind, Ledger
from labkit.network import CLIENT_HEADERS, TIMEOUT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

KEEP_ALIVE = 5.0
"""Seconds for which an idle connection may be used again: httpx's own default."""


class MemoryNetwork:
    """Hosts by name, all `delay` seconds away from each other; what crosses is entered in the ledger.

    One exchange takes 2 x delay, and whatever time the host's app takes: with 20 ms each way, 40 ms.
    """

    def __init__(self, clock: Clock, ledger: Ledger, delay: float = 0.020) -> None:
        self.clock, self.ledger, self.delay = clock, ledger, delay
        self.hosts: dict[str, WSGIApplication] = {}
        self.connections = count()

    def host(self, name: str, app: "WSGIApplication") -> str:
        self.hosts[name] = app
        return f"http://{name}"

    def client(self, sender: str, kind: Kind, base_url: str = "", timeout: float = TIMEOUT) -> httpx.Client:
        """An httpx client of `sender`, whose exchanges are entered under `kind`. `timeout` is for each read, as in httpx."""
        transport = MemoryTransport(self, sender, kind)
        return httpx.Client(transport=transport, base_url=base_url, headers=CLIENT_HEADERS, timeout=timeout)


class MemoryTransport(httpx.BaseTransport):
    """Carries one client's requests. The host's side runs in a task of its own: a client that gives up leaves it running."""

    def __init__(self, network: MemoryNetwork, sender: str, kind: Kind) -> None:
        self.network, self.sender, self.kind = network, sender, kind
        self._idle: dict[str, list[tuple[int, float]]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        network, clock, ledger, host = self.network, self.network.clock, self.network.ledger, request.url.host
        body = request.read()
        exchange = ledger.open(
            self.kind, self.sender, host, request.method, request.url.path, clock.now(),
            _request_size(request, body), self._connect(host),
        )  # fmt: skip
        app = network.hosts.get(host)
        if app is None:
            ledger.close(exchange, clock.now(), 0, 0, "ConnectError")
            known = ", ".join(sorted(network.hosts)) or "none"
            raise httpx.ConnectError(f"no host is named {host!r}; there are: {known}", request=request)
        pipe = Pipe(clock, network.delay)
        clock.spawn(_serve, app, _environ(request, body, self.sender, exchange), pipe)
        answer = Answer(self, request, exchange, pipe)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=answer, extensions={"labkit.exchange": exchange}
        )

    def _connect(self, host: str) -> int:
        """The number of the connection that a request to `host` goes over: the last one idle, if it is not too old."""
        idle = self._idle.get(host, [])
        while idle:
            connection, since = idle.pop()
            if self.network.clock.now() - since <= KEEP_ALIVE:
                return connection
        return next(self.network.connections)

    def keep(self, host: str, exchange: int) -> None:
        """Keep the connection of an exchange that ended well, for the next one."""
        network = self.network
        self._idle.setdefault(host, []).append((network.ledger.connection[exchange], network.clock.now()))


class Answer(httpx.SyncByteStream):
    """The client's side of an answer: its head at once, its body as the chunks arrive."""

    def __init__(self, transport: MemoryTransport, request: httpx.Request, exchange: int, pipe: "Pipe") -> None:
        self._transport, self._request, self._exchange, self._pipe = transport, request, exchange, pipe
        self._timeout: float | None = request.extensions.get("timeout", {}).get("read")
        self.status, self._size = 0, 0
        self._open = True
        status, self.headers = self._next()
        self.status = int(status.split(" ", 1)[0])

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._next()) is not None:
            yield chunk
        self._transport.keep(self._request.url.host, self._exchange)

    def _next(self) -> Any:
        try:
            item, size = self._pipe.get(self._timeout)
        except TimeoutError:
            self._end("ReadTimeout")
            raise httpx.ReadTimeout(
                f"nothing came from {self._request.url.host} for {self._timeout} s", request=self._request
            ) from None
        except GreenletExit:  # the run is over: the exchange stays unanswered
            self._open = False
            raise
        self._size += size
        return item

    def close(self) -> None:
        self._end()

    def _end(self, error: str = "") -> None:
        if self._open:
            self._open, self._pipe.closed = False, True
            network = self._transport.network
            network.ledger.close(self._exchange, network.clock.now(), self.status, self._size, error)


class Pipe:
    """One way from a host to a client: what is put in comes out `delay` seconds later, in order."""

    def __init__(self, clock: Clock, delay: float) -> None:
        self.clock, self.delay = clock, delay
        self.closed = False  # by the reader, who has gone
        self._items: deque[tuple[float, object, int]] = deque()
        self._more = clock.condition()

    def put(self, item: object, size: int) -> None:
        self._items.append((self.clock.now() + self.delay, item, size))
        self._more.notify_all()

    def get(self, timeout: float | None) -> tuple[object, int]:
        """The next item and its bytes on the wire; TimeoutError if none is here within `timeout` seconds."""
        clock = self.clock
        deadline = None if timeout is None else clock.now() + timeout
        while True:
            due = self._items[0][0] if self._items else None
            if due is not None and (deadline is None or due < deadline):
                if due > clock.now():
                    clock.sleep_until(due)
                _, item, size = self._items.popleft()
                return item, size
            remaining = None if deadline is None else deadline - clock.now()
            if remaining is not None and remaining <= 0:
                raise TimeoutError
            self._more.wait(remaining)


def _serve(app: "WSGIApplication", environ: dict[str, Any], pipe: Pipe) -> None:
    """The host's side of one exchange: WSGI (PEP 3333), framed as an HTTP/1.1 server would."""
    pipe.clock.sleep(pipe.delay)
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
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
    unix = pipe.clock.epoch + pipe.clock.now()
    headers = [("Server", "labkit"), ("Date", formatdate(unix, usegmt=True)), *headers]
    code = int(status[:3])
    bodiless = environ["REQUEST_METHOD"] == "HEAD" or code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    chunked = not bodiless and not any(name.lower() == "content-length" for name, _ in headers)
    if chunked:
        headers.append(("Transfer-Encoding", "chunked"))
    size = len("HTTP/1.1 \r\n\r\n") + len(status) + sum(len(name) + len(value) + 4 for name, value in headers)
    pipe.put((status, headers), size)
    return chunked


def _request_size(request: httpx.Request, body: bytes) -> int:
    """Bytes of a request as HTTP/1.1 writes it (RFC 9112, 2.1)."""
    line = len(request.method) + len(request.url.raw_path) + len("  HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in request.headers.raw) + 2 + len(body)


def _environ(request: httpx.Request, body: bytes, sender: str, exchange: int) -> dict[str, Any]:
    url = request.url
    path, _, query = url.raw_path.partition(b"?")
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
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "labkit.exchange": exchange,
    }
    for name, value in request.headers.raw:
        key = name.decode("ascii").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = value.decode("latin-1")
    return environ
