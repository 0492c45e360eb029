"""Many open streams on one source: how late the slowest has an event, and what each weighs; beside nginx's nchan."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from nginx_nchan import MISSING, Nchan, available
from open_streams import OpenStreams, allow_files

from benchmarks.line import Line, NotMeasured, turns
from labkit.clock import monotonic

PAUSE = 0.1
EVENT = {"type": "tick.happened", "data": {"number": 1}}


class Measured:
    """A source with its streams open."""

    def __init__(self, port: int, pid: int, post: Callable[[], object], streams: int) -> None:
        self._post, self._posted = post, 1
        self._post()  # whatever is made once is made now
        before = resident(pid)
        self._streams = OpenStreams(port, "/stream", streams)
        self._streams.wait(b"data:", 1)
        self.memory = (resident(pid) - before) / streams

    def latency(self) -> float:
        """Milliseconds from an event's POST until the slowest stream has it."""
        threading.Event().wait(PAUSE)
        sent = monotonic()
        self._post()
        self._posted += 1
        return 1000 * (max(self._streams.wait(b"data:", self._posted)) - sent)


def resident(pid: int) -> int:
    """KiB of a process that are in memory."""
    return int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True).stdout)


@contextmanager
def ours(streams: int) -> Iterator[Measured]:
    environ = {name: value for name, value in os.environ.items() if name != "JUPYTERHUB_USER"}
    command = [sys.executable, "-m", "labkit", "serve", "source"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as source:
        assert source.stdin and source.stdout
        url = json.loads(source.stdout.readline())["url"]
        with httpx.Client(base_url=url, trust_env=False) as client:
            port = int(url.rpartition(":")[2])
            yield Measured(port, source.pid, lambda: client.post("/events", json=EVENT).raise_for_status(), streams)
        source.stdin.close()


@contextmanager
def nchan(streams: int) -> Iterator[Measured]:
    message = json.dumps({"id": "evt_" + 24 * "0", "timestamp": "2026-01-01T00:00:00.000000Z", **EVENT}).encode()
    with Nchan() as server:
        yield Measured(server.port, server.workers[0], lambda: server.post("stream", message), streams)


def streams(short: bool) -> Iterator[Line]:
    if not available():
        raise NotMeasured(MISSING)
    count, events = (20, 2) if short else (1000, 20)
    allow_files(2 * count)
    with ours(count) as labkit, nchan(count) as peer:
        pairs = turns(labkit.latency, peer.latency, events)
        yield Line(f"the slowest of {count} open streams", "nginx with nchan", "ms", "less", pairs)
        weights = [(labkit.memory, peer.memory)]
        yield Line(f"memory of each of {count} open streams", "nginx with nchan", "KiB", "less", weights)
