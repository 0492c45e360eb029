"""One source and many endpoints: how late each is, and how many deliveries per second there are."""

import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.line import Line, turns
from labkit.clock import RealClock, monotonic
from labkit.ledger import Ledger
from labkit.network.sockets import SocketNetwork
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.store import open_database

SENDERS = 32


class Endpoints:
    """Endpoints /0, /1, … on one server, and when each request arrived; /hole waits until all is closed."""

    def __init__(self, stack: ExitStack) -> None:
        self.arrived: list[float] = []
        self._closed = threading.Event()
        self.url = stack.enter_context(serve(self._app)).url
        stack.callback(self._closed.set)

    def _app(self, environ, start_response):
        if environ["PATH_INFO"] == "/hole":
            self._closed.wait()
        else:
            self.arrived.append(monotonic())
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    def latencies(self, send: Callable[[], object], count: int) -> list[float]:
        """Seconds from the start of `send()` until each of `count` requests had arrived."""
        self.arrived.clear()
        started = monotonic()
        send()
        while len(self.arrived) < count and monotonic() < started + 60:
            threading.Event().wait(0.01)
        return [at - started for at in self.arrived[:count]]


def source_for(endpoints: Endpoints, names: Sequence[str], stack: ExitStack) -> EventSource:
    """A source with a file, synchronous=FULL, whose subscribers are these endpoints, verified."""
    folder, clock = stack.enter_context(tempfile.TemporaryDirectory()), RealClock()
    network = SocketNetwork(clock, Ledger())
    source = EventSource(clock, network, db=open_database(str(Path(folder) / "bench.db")))
    stack.callback(source.close)
    for name in names:
        subscription, _ = source.subscribe(f"{endpoints.url}/{name}", [])
        source.verified(subscription)
    return source


def black_hole(short: bool) -> Iterator[Line]:
    count, rounds = (10, 2) if short else (100, 20)
    others = [str(number) for number in range(count - 1)]
    with ExitStack() as stack:
        endpoints = Endpoints(stack)
        holed, whole = (source_for(endpoints, [*others, last], stack) for last in ("hole", "last"))

        def median(source: EventSource, arrivals: int) -> float:
            return 1000 * statistics.median(endpoints.latencies(lambda: source.emit("tick.happened", {}), arrivals))

        median(holed, count - 1), median(whole, count)
        pairs = turns(lambda: median(holed, count - 1), lambda: median(whole, count), rounds)
    what = f"median latency of {count - 1} endpoints beside one that never answers"
    yield Line(what, f"{count} endpoints that answer", "ms", "less", pairs)


def deliveries(short: bool) -> Iterator[Line]:
    count, rounds = (20, 1) if short else (1000, 5)
    names, own = [str(number) for number in range(count)], threading.local()
    with ExitStack() as stack:
        endpoints = Endpoints(stack)
        source = source_for(endpoints, names, stack)
        body = source.emit("warm.up", {})
        pool = stack.enter_context(ThreadPoolExecutor(SENDERS))

        def post(name: str) -> None:
            if not hasattr(own, "client"):
                own.client = httpx.Client(trust_env=False)
            own.client.post(f"{endpoints.url}/{name}", content=body, headers={"Content-Type": "application/json"})

        def rate(send: Callable[[], object]) -> float:
            return count / max(endpoints.latencies(send, count))

        endpoints.latencies(lambda: None, count)  # the first event's
        pairs = turns(
            lambda: rate(lambda: source.emit("tick.happened", {})), lambda: rate(lambda: pool.map(post, names)), rounds
        )
    yield Line(f"deliveries to {count} endpoints", f"{SENDERS} threads of httpx clients", "per s", "more", pairs)
