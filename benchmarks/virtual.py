"""Speed and memory of the virtual lens, and how long a command takes to start."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx

from benchmarks.line import Line, cpu_seconds, seconds, traced, turns
from labkit import Polling, Scenario, poisson
from labkit.clock import VirtualClock
from labkit.faults import Delay, Fault, Outage
from labkit.ledger import Ledger
from labkit.lenses import VirtualLens
from labkit.network.memory import MemoryNetwork
from labkit.source import EventSource


def exchanges(short: bool) -> Iterator[Line]:
    polls, rounds = (200, 2) if short else (4000, 5)

    def bare_loop() -> None:
        """An httpx client on its own WSGI transport: no clock, no network, no ledger."""
        clock = VirtualClock()
        source = EventSource(clock, MemoryNetwork(clock, Ledger()), random.Random(0))
        client, cursor = httpx.Client(transport=httpx.WSGITransport(source.app)), ""
        for _ in range(polls):
            answer = client.get(f"http://source/events?limit=100&after={cursor}").raise_for_status()
            cursor = answer.json()["next"]

    def rate(work: Callable[[], object]) -> float:
        return polls / cpu_seconds(work)

    bare_loop(), quiet_run(200)
    peer = "an httpx client on its WSGI transport, same view"
    for what, faults in (
        ("", ()),
        (" with an outage", (Outage(start=3600, duration=600),)),
        (" with a random delay of each message", (Delay(),)),
    ):
        pairs = turns(lambda: rate(lambda: quiet_run(polls, *faults)), lambda: rate(bare_loop), rounds)  # noqa: B023
        yield Line(f"polls of the virtual lens{what}", peer, "per CPU-second", "more", pairs)


def quiet_run(polls: int, *faults: Fault) -> object:
    """A run of so many polls, hardly one of which finds an event."""
    quiet = Scenario(poisson(per_hour=0.001, duration=polls * 60.04), faults=faults)
    return VirtualLens().run(quiet, Polling(interval=60))


def memory(short: bool) -> Iterator[Line]:
    polls = 500 if short else 6000

    def ledger() -> Ledger:
        filled = Ledger()
        for number in range(polls):
            filled.close(filled.open("poll", "consumer-1", "source", "GET", "/events", number), number + 0.04, 200)
        return filled

    quiet_run(10)
    pairs = turns(lambda: traced(lambda: quiet_run(polls))[0] / polls, lambda: traced(ledger)[0] / polls, 1)
    yield Line("memory of a finished run, per exchange", "the ledger's columns alone", "bytes", "less", pairs)


def start(short: bool) -> Iterator[Line]:
    rounds = 1 if short else 9
    for what, command, peer in (
        ("from labkit import compare", ["-c", "from labkit import compare"], "import flask, httpx"),
        ("labkit --help", ["-m", "labkit", "--help"], "import click"),
    ):
        pairs = turns(lambda: python(*command), lambda: python("-c", peer), rounds)  # noqa: B023  called at once
        yield Line(f"a process that runs `{what}`", f"one that runs `{peer}`", "ms", "less", pairs)


def python(*arguments: str) -> float:
    """Milliseconds of a new process, from its start to its end."""
    command = [sys.executable, *arguments]
    return 1000 * seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
