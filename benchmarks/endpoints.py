"""One source and many endpoints: how late each is, and how many deliveries per second there are."""

import itertools
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.line import Line, Pair, turns
from labkit.clock import RealClock, monotonic
from labkit.ledger import Ledger
from labkit.network.sockets import SocketNetwork
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.store import open_database
from labkit.sqlite import Synchronous

SENDERS = 32
"""Threads of the peer, each with a client of its own."""
LONGEST_WAIT = 120.0


class Endpoints:
    """Endpoints on so many hosts, and when each request arrived; /hole waits until all is closed."""

    def __init__(self, stack: ExitStack, hosts: int = 1) -> None:
        self.arrived: list[float] = []
        self._closed = threading.Event()
        self.hosts = [stack.enter_context(serve(self._app)).url for _ in range(hosts)]
        stack.callback(self._closed.set)

    def _app(self, environ, start_response):
        if environ["PATH_INFO"] == "/hole":
            self._closed.wait()
        else:
            self.arrived.append(monotonic())
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    def urls(self, count: int) -> list[str]:
        return [f"{self.hosts[number % len(self.hosts)]}/{number}" for number in range(count)]

    def latencies(self, send: Callable[[], object], count: int) -> list[float]:
        """Seconds from the start of `send()` until each of `count` requests had arrived."""
        self.arrived.clear()
        started = monotonic()
        send()
        wait_until(lambda: len(self.arrived) >= count)
        return [at - started for at in self.arrived]


def wait_until(condition: Callable[[], bool]) -> None:
    until = monotonic() + LONGEST_WAIT
    while not condition():
        if monotonic() > until:
            raise TimeoutError(f"not within {LONGEST_WAIT:g} s")
        threading.Event().wait(0.005)


def source_with_file(stack: ExitStack, synchronous: Synchronous) -> EventSource:
    folder, clock = stack.enter_context(tempfile.TemporaryDirectory()), RealClock()
    network = SocketNetwork(clock, Ledger())
    source = EventSource(clock, network, db=open_database(str(Path(folder) / "bench.db"), synchronous))
    stack.callback(source.close)
    return source


def source_for(urls: Sequence[str], stack: ExitStack, synchronous: Synchronous) -> EventSource:
    """A source with a file whose subscribers are these endpoints, verified."""
    source = source_with_file(stack, synchronous)
    for url in urls:
        subscription, _ = source.subscribe(url, [])
        source.verified(subscription)
    return source


def settle(source: EventSource, stuck: int = 0) -> None:
    """Wait until all deliveries are marked, but for those that never will be: the disk is then at rest."""
    wait_until(lambda: source.outbox.counts()["pending"] <= stuck)


def black_hole(short: bool) -> Iterator[Line]:
    count, rounds = (5, 2) if short else (100, 20)
    with ExitStack() as stack:
        endpoints = Endpoints(stack)
        urls = endpoints.urls(count)
        holed = source_for([*urls[1:], f"{endpoints.hosts[0]}/hole"], stack, "NORMAL")
        whole = source_for(urls, stack, "NORMAL")

        def median(source: EventSource, arrivals: int, stuck: int = 0) -> float:
            latencies = endpoints.latencies(lambda: source.emit("tick.happened", {}), arrivals)
            settle(source, stuck)
            return 1000 * statistics.median(latencies)

        rounds_so_far = itertools.count(1)
        pairs = turns(lambda: median(holed, count - 1, next(rounds_so_far)), lambda: median(whole, count), rounds + 1)
    what = f"median latency of {count - 1} endpoints beside one that never answers"
    yield Line(what, f"{count} endpoints that answer", "ms", "less", pairs[1:])


def deliveries(short: bool) -> Iterator[Line]:
    count, rounds = (5, 1) if short else (1000, 5)
    for hosts in (1, 2 if short else 100):
        what = f"deliveries to {count} endpoints on {hosts} host{'s'[: hosts - 1]}, synchronous=FULL"
        yield Line(what, f"{SENDERS} threads that post by httpx", "per s", "more", delivered(count, hosts, rounds))


def delivered(count: int, hosts: int, rounds: int) -> list[Pair]:
    """Requests per second, from the source and from the threads, that arrive at so many endpoints."""
    own = threading.local()
    with ExitStack() as stack:
        endpoints = Endpoints(stack, hosts)
        urls = endpoints.urls(count)
        source = source_for(urls, stack, "FULL")
        pool = stack.enter_context(ThreadPoolExecutor(SENDERS))
        body = source.emit("tick.happened", {})

        def post(url: str) -> None:
            if not hasattr(own, "client"):
                own.client = httpx.Client(trust_env=False)
            own.client.post(url, content=body, headers={"Content-Type": "application/json"})

        def rate(send: Callable[[], object]) -> float:
            settle(source)
            return count / max(endpoints.latencies(send, count))

        pairs = turns(
            lambda: rate(lambda: source.emit("tick.happened", {})),
            lambda: rate(lambda: pool.map(post, urls)),
            rounds + 1,
        )
    return pairs[1:]
