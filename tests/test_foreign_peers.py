"""Other people's servers and clients: our clients at nginx with nchan; curl and npm's eventsource at our source.

What they are installed with stands in `.ci/run` and the Makefile.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue

import httpx
import nginx_nchan
import pytest
from attacked import labkit_serve

from labkit.approaches import Consumer, LongPolling, Stream
from labkit.clock import RealClock, monotonic
from labkit.ledger import Ledger
from labkit.network.sockets import SocketNetwork

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
PATIENCE = 15.0
TOKEN = {"Authorization": "token t"}
pause = threading.Event().wait
needs_nchan = pytest.mark.skipif(not nginx_nchan.available(), reason=nginx_nchan.MISSING)
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing: apt-get install curl")
needs_eventsource = pytest.mark.skipif(
    not shutil.which("node") or not (HERE / "node_modules" / "eventsource").exists(),
    reason="npm's eventsource is missing: apt-get install nodejs npm; npm install --prefix tests",
)


# our clients, their source --------------------------------------------------------------------------


@contextmanager
def consuming(approach, url):
    """An approach at work on a source, as the real lens runs it; its clock and its ledger."""
    clock, ledger = RealClock(), Ledger()
    network = SocketNetwork(clock, ledger)
    ledger.add_consumer("me")
    with clock:
        try:
            clock.spawn(approach.run, Consumer("me", url, clock, network, ledger))
            yield clock, ledger
        finally:
            network.close()


def happen(nchan, clock, ledger, numbers):
    for number in numbers:
        document = {"id": f"evt_{number}", "type": "tick.happened", "timestamp": "2026-01-01T00:00:00Z", "data": {}}
        ledger.happened(document["id"], clock.now())
        nchan.publish(document)


def all_received(clock, ledger):
    clock.run(until=clock.now() + PATIENCE, done=ledger.complete)
    return ledger.complete()


def assert_once_and_in_order(ledger, count):
    receipts = ledger.receipts()
    assert receipts.event_id.tolist() == [f"evt_{number}" for number in range(count)]
    assert receipts.copies.tolist() == [1] * count
    assert receipts.received_at.is_monotonic_increasing


@needs_nchan
@pytest.mark.parametrize("approach", [Stream(), LongPolling(wait=25)], ids=lambda approach: approach.name)
def test_our_client_resumes_at_nchan_when_its_time_is_over(approach):
    """After a second of silence nchan ends a stream, and answers a long poll 408; two events come while we are away."""
    with nginx_nchan.Nchan(timeout=1) as nchan, consuming(approach, nchan.url) as (clock, ledger):
        happen(nchan, clock, ledger, range(3))
        assert all_received(clock, ledger)
        clock.run(until=clock.now() + 1.5)  # sent away by now, and not back yet
        happen(nchan, clock, ledger, range(3, 5))
        assert all_received(clock, ledger)
        happen(nchan, clock, ledger, range(5, 8))
        assert all_received(clock, ledger)
    rows = ledger.exchanges(0.0)
    assert_once_and_in_order(ledger, 8)
    if isinstance(approach, Stream):
        assert len(rows) >= 2  # the last one may still be open
        assert rows.status[0] == 200
    else:
        assert rows.status.tolist().count(408) >= 1
        assert rows.status.tolist().count(200) == 8


@needs_nchan
@pytest.mark.parametrize("approach", [Stream(), LongPolling(wait=25)], ids=lambda approach: approach.name)
def test_our_client_resumes_at_nchan_after_a_reload(approach):
    """Its new worker has forgotten the channel: what happens from then on comes, and nothing comes twice."""
    with nginx_nchan.Nchan() as nchan, consuming(approach, nchan.url) as (clock, ledger):
        happen(nchan, clock, ledger, range(3))
        assert all_received(clock, ledger)
        before = len(ledger.status)
        nchan.reload()
        clock.run(until=clock.now() + 1.1)  # nchan counts anew, and its ids only rise from second to second
        happen(nchan, clock, ledger, range(3, 6))
        assert all_received(clock, ledger)
        assert len(ledger.status) > before
    assert_once_and_in_order(ledger, 6)


# our source, their clients --------------------------------------------------------------------------


class Served:
    """`labkit serve source` on a database file: it can be ended, and started again on the same port."""

    def __init__(self, folder):
        self._file, self.port = folder / "source.db", 0
        self.start()

    def start(self):
        environ = {name: value for name, value in os.environ.items() if name != "JUPYTERHUB_USER"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labkit", "serve", "source", "--port", str(self.port), "--db", str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            text=True,
        )
        self.url = json.loads(self._process.stdout.readline())["url"]
        self.port = int(self.url.rpartition(":")[2])

    def end(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def kill(self):
        self._process.kill()
        self.end()

    def emit(self, numbers):
        """Returns the events as they are on the wire."""
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            answers = [client.post("/events", json={"type": "tick.happened", "data": {"n": n}}) for n in numbers]
        return [answer.raise_for_status().text for answer in answers]


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path)
    yield served
    served.end()


class Reading:
    """A foreign client's process, and the lines that it writes."""

    def __init__(self, *command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    def lines(self, count, start="", patience=PATIENCE):
        """The next `count` lines that start so; fewer if they do not come."""
        found, until = [], monotonic() + patience
        while len(found) < count:
            try:
                line = self._lines.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                break
            if line.startswith(start):
                found.append(line.removeprefix(start))
        return found

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process.stdin.close()
        self._process.stdout.close()


def curl(*arguments):
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "10", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_curl
def test_curl_polls_by_cursor_also_after_a_restart(served):
    """Each page begins where the one before ended, and the last one is empty."""
    emitted, cursor, got = served.emit(range(5)), "", []

    def poll():
        nonlocal cursor
        while True:
            page = json.loads(curl(f"{served.url}/events?limit=2&after={cursor}"))
            got.extend(page["events"])
            cursor = page["next"]
            if not page["has_more"]:
                return page

    assert len(poll()["events"]) == 1
    served.kill()
    served.start()
    emitted += served.emit(range(5, 8))
    poll()
    assert poll()["events"] == []
    assert got == [json.loads(text) for text in emitted]


@needs_curl
def test_curls_etags_fetch_a_feed_only_when_it_has_changed(served, tmp_path):
    tag, emitted = tmp_path / "etag", served.emit(range(3))

    def fetch():
        return curl(
            "--etag-compare", tag, "--etag-save", tag, "--write-out", "%{http_code}", f"{served.url}/feed?last=10"
        )

    def full(events):
        return '{"events":[' + ",".join(reversed(events)) + "]}200"

    assert fetch() == full(emitted)
    assert [fetch(), fetch()] == ["304", "304"]
    emitted += served.emit([3])
    assert [fetch(), fetch()] == [full(emitted), "304"]


@needs_curl
def test_curl_follows_a_stream_and_resumes_it_by_its_last_id(served):
    command = ["curl", "--silent", "--no-buffer", "--noproxy", "*", f"{served.url}/stream"]
    emitted = served.emit(range(2))
    with Reading(*command) as client:
        seen = client.lines(6)
        emitted += served.emit([2])
        seen += client.lines(3)
    assert [line.partition(": ")[0] for line in seen] == ["retry", "", "id", "data", "", "id", "data", "", "id"]
    ids = [line.removeprefix("id: ") for line in seen if line.startswith("id: ")]
    emitted += served.emit(range(3, 5))
    for place, last in enumerate(ids, start=1):
        with Reading(*command, "--header", f"Last-Event-ID: {last}") as client:
            assert client.lines(len(emitted) - place, "data: ") == emitted[place:]
            emitted += served.emit([len(emitted)])
            assert client.lines(2, "data: ", patience=0.5) == emitted[-1:]


@needs_eventsource
def test_npms_eventsource_misses_and_doubles_nothing_over_restarts(served):
    """The source ends, in order and killed, and comes back on its port and its file with more events."""
    with Reading("node", str(HERE / "eventsource_client.mjs"), f"{served.url}/stream") as client:
        emitted = served.emit(range(4))
        told = client.lines(4)
        for number, end in enumerate((served.end, served.kill), start=1):
            end()
            served.start()
            emitted += served.emit(range(4 * number, 4 * number + 2))  # before it is back, as a rule
            told += client.lines(2)
            emitted += served.emit(range(4 * number + 2, 4 * number + 4))
            told += client.lines(2)
        told += client.lines(1, patience=1.5)  # nothing is doubled later
    told = [json.loads(line) for line in told]
    assert [message["data"] for message in told] == emitted
    assert len({message["lastEventId"] for message in told}) == len(emitted) == 12


# our source, behind their proxy -----------------------------------------------------------------


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    """The address of a Jupyter server with jupyter-server-proxy, up to the port that it is to call."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = (f"--port={port}", "--ServerApp.token=t", f"--ServerApp.root_dir={tmp_path}", "--allow-root")
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        address = f"http://localhost:{port}"
        try:
            for _ in range(600):
                with suppress(httpx.TransportError):
                    if httpx.get(f"{address}/api/status", headers=TOKEN, trust_env=False).status_code == 200:
                        break
                pause(0.1)
            yield f"{address}/proxy"
        finally:
            process.terminate()


def test_jupyter_server_proxy_reaches_a_source_that_allows_the_name_of_its_server(jupyter: str) -> None:
    """It passes the browser's Host on, here localhost and Jupyter's own port."""
    with labkit_serve("source") as closed, labkit_serve("source", "--allow-host", "localhost") as opened:
        answers = [
            httpx.get(f"{jupyter}/{each.target('/').port}/healthz", headers=TOKEN, trust_env=False, timeout=30)
            for each in (closed, opened)
        ]
    assert [answer.status_code for answer in answers] == [400, 200]
    assert answers[1].json() == {"status": "ok"}
