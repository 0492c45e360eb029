"""`labkit poll` against a `labkit serve source` of its own, each a process as a user starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from labkit.cli import main
from labkit.server import serve

pytestmark = pytest.mark.slow
PATIENCE = 10.0
PAGE = Path(__file__).parent.parent / "docs" / "serve.md"
SHOWN = [json.loads(line) for line in re.findall(r'^{"(?:poll|id)".*', PAGE.read_text(encoding="utf-8"), re.MULTILINE)]


def start(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "labkit", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "JUPYTERHUB_USER"},
        text=True,
    )


def next_line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout
    document: dict[str, Any] = json.loads(process.stdout.readline())
    return document


class Source:
    """`labkit serve source` on a database file: it can be ended, and started again on the same port."""

    def __init__(self, file: Path, *options: object) -> None:
        self._file, self._options, self._port = file, options, 0
        self.start()

    def start(self) -> None:
        self._process = start("serve", "source", "--db", self._file, "--port", self._port, *self._options)
        self.url: str = next_line(self._process)["url"]
        self._port = int(self.url.rpartition(":")[2])

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)

    def emit(self, count: int = 1) -> list[dict[str, Any]]:
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            return [client.post("/events", json={"type": "a", "data": {"é": n}}).json() for n in range(count)]


@pytest.fixture(params=[()])
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Source]:
    """A source, with the options that a test is parametrized by."""
    source = Source(tmp_path / "source.db", *request.param)
    yield source
    source.end()


def polled(*arguments: object) -> list[dict[str, Any]]:
    """All lines that `labkit poll …` printed, once it has ended without an error."""
    process = start("poll", *arguments)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def sent_at(poll: dict[str, Any]) -> float:
    return datetime.fromisoformat(poll["at"]).timestamp()


def without_instants(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "at"} for line in lines]


def test_each_poll_and_each_event_is_a_line(source: Source) -> None:
    """The events as they are on the wire, each once: the second poll goes on from its cursor. See docs/serve.md."""
    events = source.emit(2)
    before = time.time()
    lines = polled(source.url, "--interval", 0.05, "--count", 2)
    assert [list(line) for line in SHOWN] == [list(lines[0])] * 3 + [list(events[0])] + [list(lines[0])]
    assert without_instants(lines) == [
        {"poll": 1, "status": 200, "error": None, "events": 2, "pause": 0.05},
        *events,
        {"poll": 2, "status": 200, "error": None, "events": 0, "pause": 0.05},
    ]
    assert before < sent_at(lines[0]) < sent_at(lines[-1]) - 0.04 < time.time()


def test_a_page_with_more_behind_it_is_followed_at_once(source: Source) -> None:
    source.emit(101)
    polls = [line for line in polled(source.url, "--count", 1) if "poll" in line]
    assert [(poll["events"], poll["pause"]) for poll in polls] == [(100, 0.0), (1, 10.0)]


@pytest.mark.parametrize(
    ("source", "statuses"), [(("--rate-limit", "1/2"), [200, 429, 200]), (("--poll-interval", "1"), [200, 200, 200])],
    indirect=["source"],
)  # fmt: skip
def test_the_pause_that_the_source_requests_is_kept(source: Source, statuses: list[int]) -> None:
    """By `Retry-After` of the 429, and by `X-Poll-Interval`; the interval is 10 ms."""
    polls = polled(source.url, "--interval", 0.01, "--count", 3)
    assert [poll["status"] for poll in polls] == statuses
    assert 0.9 < polls[1]["pause"] <= 2
    assert sent_at(polls[2]) - sent_at(polls[1]) > polls[1]["pause"] - 0.01


@pytest.mark.skipif(os.name == "nt", reason="SIGINT and SIGTERM to one process are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_source_that_is_down_is_polled_until_it_is_back_and_a_signal_ends_it(source: Source, number: int) -> None:
    client = start("poll", source.url, "--interval", "0.05")
    assert next_line(client)["status"] == 200
    source.end()
    while (line := next_line(client))["error"] != "ConnectError":  # a poll may be under way as the source ends
        assert line["status"] == 200 or line["error"] in ("ReadError", "RemoteProtocolError")
    assert without_instants([line])[0] | {"poll": 0} == {
        "poll": 0, "status": None, "error": "ConnectError", "events": 0, "pause": 0.05
    }  # fmt: skip
    source.start()
    (event,) = source.emit()
    while "poll" in (line := next_line(client)):
        pass
    assert line == event
    client.send_signal(number)
    _, err = client.communicate(timeout=PATIENCE)
    assert (client.returncode, err) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is reported differently")
def test_it_ends_quietly_when_nobody_reads_any_more(source: Source) -> None:
    """As in `labkit poll URL | head -1`."""
    client = start("poll", source.url, "--interval", "0.05")
    next_line(client)
    assert client.stdout and client.stderr
    client.stdout.close()
    client.wait(PATIENCE)
    assert client.stderr.read() == ""
    client.stderr.close()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("127.0.0.1:8000", "URL must be a source's, such as http://127.0.0.1:8000 (without /events), got '127.0.0.1:8"),
        ("http://127.0.0.1:8000/events", "got 'http://127.0.0.1:8000/events'"),
        ("http://127.0.0.1:8000/?limit=1", "got 'http://127.0.0.1:8000/?limit=1'"),
        ("https://127.0.0.1:8000", "got 'https://127.0.0.1:8000'"),
        ("http://", "got 'http://'"),
        ("http://127.0.0.1:port", "Invalid port: 'port'"),
        ("http://10.0.0.1:8000", "10.0.0.1 is 10.0.0.1, which is not loopback"),
    ],
)
def test_a_url_that_is_no_source_s_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], url: str, complaint: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["poll", url])
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("labkit: ") and complaint in err


@pytest.mark.parametrize("answer", [{"items": []}, [], "<html>"])
def test_a_server_that_gives_no_page_of_events_is_refused_in_one_line(answer: Any) -> None:
    app = Flask("no source")
    app.add_url_rule("/events", view_func=lambda: answer)
    with serve(app) as server:
        process = start("poll", server.url)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert err == f"labkit: {server.url}: GET /events gave no page of events; is this a source?\n"
