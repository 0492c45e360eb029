"""1,000 open streams on one source: how late the slowest has an event, and what each weighs; beside nginx's nchan."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from labkit.clock import monotonic

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from nginx_nchan import MISSING, Nchan, available  # type: ignore[import-not-found]
from open_streams import OpenStreams, allow_files  # type: ignore[import-not-found]

STREAMS, EVENTS, PAUSE = 1000, 20, 0.1
EVENT = {"type": "tick.happened", "data": {"number": 1}}


def resident(pid: int) -> int:
    """KiB of a process that are in memory."""
    return int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True).stdout)


class Measured:
    """A source with its streams open, and how long each event took from its POST to the slowest of them."""

    def __init__(self, name: str, port: int, pid: int, post: Callable[[], object]) -> None:
        self.name, self._post = name, post
        self._post()  # whatever is made once is made now
        before = resident(pid)
        self._streams = OpenStreams(port, "/stream", STREAMS)
        self._streams.wait(b"data:", 1)
        self.memory = (resident(pid) - before) / STREAMS
        self.latencies: list[float] = []
        self._busy: list[float] = []

    def tell(self) -> None:
        sent, worked = monotonic(), time.process_time()
        self._post()
        self.latencies.append(max(self._streams.wait(b"data:", len(self.latencies) + 2)) - sent)
        self._busy.append(time.process_time() - worked)

    @property
    def median(self) -> float:
        return statistics.median(self.latencies)

    def __str__(self) -> str:
        return (
            f"{STREAMS} streams, {self.name}: the slowest has an event after {self.median * 1e3:.0f} ms (median of"
            f" {len(self.latencies)} events; worst {max(self.latencies) * 1e3:.0f}; the load generator was busy for"
            f" {statistics.median(self._busy) * 1e3:.0f}), {self.memory:.1f} KiB a stream"
        )


@contextmanager
def ours() -> Iterator[Measured]:
    environ = {name: value for name, value in os.environ.items() if name != "JUPYTERHUB_USER"}
    command = [sys.executable, "-m", "labkit", "serve", "source"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as source:
        assert source.stdin and source.stdout
        url = json.loads(source.stdout.readline())["url"]
        with httpx.Client(base_url=url, trust_env=False) as client:
            port = int(url.rpartition(":")[2])
            yield Measured("labkit", port, source.pid, lambda: client.post("/events", json=EVENT).raise_for_status())
        source.stdin.close()


@contextmanager
def nchan() -> Iterator[Measured]:
    message = json.dumps({"id": "evt_" + 24 * "0", "timestamp": "2026-01-01T00:00:00.000000Z", **EVENT}).encode()
    with Nchan() as server:
        yield Measured("nchan", server.port, server.workers[0], lambda: server.post("stream", message))


def main() -> None:
    """Turn by turn, so that whatever else the machine does befalls both."""
    allow_files(2 * STREAMS)
    with ExitStack() as stack:
        sources = [stack.enter_context(source()) for source in ((ours, nchan) if available() else (ours,))]
        for _ in range(EVENTS):
            for source in sources:
                threading.Event().wait(PAUSE)
                source.tell()
        for source in sources:
            print(source)
        if len(sources) == 2:
            first, second = sources
            print(f"ratio: {first.median / second.median:.1f} in time, {first.memory / second.memory:.1f} in memory")
        else:
            print(f"nothing to hold it against: {MISSING}")


if __name__ == "__main__":
    main()
