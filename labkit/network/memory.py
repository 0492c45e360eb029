"""A network in memory: hosts by name, HTTP carried to their WSGI apps, with a delay each way."""

import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import chain, count
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

import httpx

from labkit.clock import NANO, VirtualClock, nanoseconds
from labkit.ledger import Ledger
from labkit.network.conditions import Conditions
from labkit.network.exchange import KEEP_ALIVE, Network, remaining
from labkit.network.http1 import answer_head, header_environ
from labkit.network.meter import Meter


class MemoryNetwork(Network):
    """Hosts by name, all `delay` seconds from each other.

    One exchange takes 2 × delay plus the time of the host's app: 40 ms with 20 ms each way.
    """

    clock: VirtualClock

    def __init__(
        self, clock: VirtualClock, ledger: Ledger, delay: float = 0.020, conditions: Conditions | None = None
    ) -> None:
        super().__init__(clock, ledger, conditions)
        self.delay = delay
        self.hosts: dict[str, WSGIApplication] = {}
        self.connections = count()

    def host(self, name: str, app: WSGIApplication, owner: str = "") -> str:
        self.hosts[name], self.owners[name] = app, owner or name
        return f"http://{name}"

    def carrier(self) -> "MemoryCarrier":
        return MemoryCarrier(self)

    def name_of(self, url: httpx.URL) -> str:
        return url.host

    def close(self) -> None:
        """Nothing to free: the tasks end with their clock."""


class MemoryCarrier:
    """Carries one client's requests. The host's side is a separate task, which goes on if the client gives up."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self._idle: dict[str, list[tuple[int, int, int]]] = {}  # (connection, requests so far, since when)

    def handle_request(self, request: httpx.Request, meter: Meter) -> httpx.Response:
        network, host = self.network, meter.host
        environ, meter.bytes_out = _environ(request, request.read(), meter)
        meter.connection, meter.request = self._connect(host)
        app = network.hosts.get(host)
        if app is None:
            known = ", ".join(sorted(network.hosts)) or "none"
            raise httpx.ConnectError(f"no host is named {host!r}; there are: {known}", request=request)
        pipe = Pipe(network.clock, network.delay, meter.leg)
        meter.on_cut = pipe.cut
        on_the_way = network.delay + meter.leg()
        for _ in range(2 * meter.round_trips if meter.request == 1 else 0):
            on_the_way += network.delay + meter.leg()
        network.clock.spawn(_serve, app, environ, pipe, meter, after=on_the_way)
        answer = _Answer(self, request, meter, pipe)
        return httpx.Response(answer.status, headers=answer.headers, stream=answer)

    def _connect(self, host: str) -> tuple[int, int]:
        """The connection for a request to `host`, reused if recently idle, and the request's number on it."""
        idle = self._idle.get(host, [])
        while idle:
            connection, requests, since = idle.pop()
            if self.network.clock.nanoseconds - since <= KEEP_ALIVE * NANO:
                return connection, requests + 1
        return next(self.network.connections), 1

    def keep(self, meter: Meter) -> None:
        """Keep the connection of a completed exchange for the next one."""
        self._idle.setdefault(meter.host, []).append((meter.connection, meter.request, self.network.clock.nanoseconds))

    def close(self) -> None:
        """Nothing to close."""


class _Answer(httpx.SyncByteStream):
    """The client's side of an answer: the head at once, the body as its chunks arrive."""

    def __init__(self, carrier: MemoryCarrier, request: httpx.Request, meter: Meter, pipe: "Pipe") -> None:
        self._carrier, self._request, self._meter, self._pipe = carrier, request, meter, pipe
        self._arriving = self._arrivals(request.extensions.get("timeout", {}).get("read"))
        status, self.headers = next(self._arriving)
        self.status = int(status[:3])

    def __iter__(self) -> Iterator[bytes]:
        yield from self._arriving
        self._carrier.keep(self._meter)

    def _arrivals(self, timeout: float | None) -> Iterator[Any]:
        """The head, and then each chunk, as it arrives."""
        meter, clock = self._meter, self._carrier.network.clock
        started = clock.now()
        while True:
            try:
                items = self._pipe.get(remaining(clock, meter.until, timeout))
            except TimeoutError:
                waited = timeout if meter.until is None else meter.until - started
                raise httpx.ReadTimeout(f"no data from {meter.host} for {waited:g} s", request=self._request) from None
            if meter.is_cut:
                raise httpx.ReadError("the connection was cut", request=self._request)
            for _, item, size in items:
                meter.bytes_in += size
                if item is None:
                    return
                yield item

    def close(self) -> None:
        self._pipe.closed = True


class Pipe:
    """One way from a host to a client: what is put in comes out `delay` + `leg()` seconds later, in order."""

    def __init__(self, clock: VirtualClock, delay: float, leg: Callable[[], float] = lambda: 0.0) -> None:
        self.clock, self.delay, self._leg, self._last = clock, delay, leg, clock.nanoseconds
        self.closed = False
        """Whether the reader has left, or the connection is cut."""
        self._items: list[tuple[int, object, int]] = []
        self._more = clock.condition()

    def put(self, item: object, size: int) -> None:
        """Send an item; `size` is its bytes on the wire, and None ends the answer."""
        due = self._last = max(self._last, self.clock.nanoseconds + nanoseconds(self.delay + self._leg()))
        self._items.append((due, item, size))
        if len(self._items) == 1:
            self._more.notify_all(after=(due - self.clock.nanoseconds) / NANO)

    def get(self, timeout: float | None) -> list[tuple[int, object, int]]:
        """What has arrived, as (due, item, size); empty only if cut. Raises TimeoutError after `timeout` seconds."""
        clock = self.clock
        if not self._items:
            if not self._more.wait(timeout):
                raise TimeoutError
        elif (ahead := (self._items[0][0] - clock.nanoseconds) / NANO) > 0:
            cut = self._more.wait(ahead if timeout is None else min(ahead, timeout))
            if timeout is not None and timeout <= ahead and not cut:
                raise TimeoutError
        here = sum(due <= clock.nanoseconds for due, _, _ in self._items)
        items, self._items = self._items[:here], self._items[here:]
        return items

    def cut(self) -> None:
        """Let nothing more through, and wake the reader."""
        self.closed = True
        self._more.notify_all()


def _serve(app: WSGIApplication, environ: dict[str, Any], pipe: Pipe, meter: Meter) -> None:
    """The host's side of one exchange: WSGI (PEP 3333), framed as an HTTP/1.1 server does."""
    head: list[Any] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        head[:] = status, headers
        return _no_write

    if meter.is_cut:  # before the request arrived
        return
    body: Iterable[bytes] = app(environ, start_response)
    try:
        chunks = filter(None, body)
        first, clock = next(chunks, None), pipe.clock
        status, headers = head
        sent, size, chunked = answer_head(status, headers, clock.epoch + clock.now(), environ["REQUEST_METHOD"])
        pipe.put((status, sent), size)
        for chunk in chain([first], chunks) if first else ():
            pipe.put(chunk, len(chunk) + (len(f"{len(chunk):x}") + 4 if chunked else 0))
            if pipe.closed:
                break
        else:
            pipe.put(None, len("0\r\n\r\n") if chunked else 0)
    finally:
        if hasattr(body, "close"):
            body.close()


def _no_write(data: bytes) -> object:
    raise RuntimeError("WSGI's write() is not supported: return the body from the app")


def _environ(request: httpx.Request, body: bytes, meter: Meter) -> tuple[dict[str, Any], int]:
    """A request as a WSGI environ (PEP 3333), and its size in bytes as HTTP/1.1 writes it (RFC 9112, 2.1)."""
    url = request.url
    target = url.raw_path
    path, _, query = target.partition(b"?")
    headers, size = header_environ(tuple(request.headers.raw))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("ascii"),
        "SERVER_NAME": meter.host,
        "SERVER_PORT": str(url.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": meter.sender,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "labkit.exchange": meter.exchange,
        **headers,
    }
    return environ, size + len(request.method) + len(target) + len("  HTTP/1.1\r\n\r\n") + len(body)
