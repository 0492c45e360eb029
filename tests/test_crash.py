"""Real processes, killed: nothing acknowledged is lost, and no effect is had twice (P1, P2, P3, P6)."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import httpx
import pytest
from flask import Flask, Response, request

from labkit.clock import RealClock, monotonic
from labkit.crash import VARIABLE
from labkit.server import Server, serve

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL, which POSIX has")]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RETRIES = ",".join(["0.5"] * 240)
"""A source that delivers again every 0.5 s for two minutes: longer than any machine takes to start a receiver again."""
SERVE = ("-m", "labkit", "serve")
POLLER = Path(__file__).with_name("durable_poller.py")
CLOCK = RealClock()


class Process:
    """A Python program, as from a shell: `labkit serve …`. Its first line is read, and the others are collected."""

    def __init__(
        self,
        *arguments: object,
        crash_at: str = "",
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        program: tuple[object, ...] = SERVE,
    ) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in (VARIABLE, "JUPYTERHUB_USER")}
        if crash_at:
            environment[VARIABLE] = crash_at
        self.process = subprocess.Popen(
            [sys.executable, *map(str, (*program, *arguments))],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1].decode())
        self.role = str(arguments[0]) if program == SERVE else "poller"
        self.hello: dict[str, Any] = json.loads(line)
        self.url: str = self.hello["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.lines: list[dict[str, Any]] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def wait(self, seconds: float = 10) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def close(self) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()


class Town:
    """A source, a receiver and a poller, each on a file. Each can be killed and started again on its file and port."""

    def __init__(self, folder: Path) -> None:
        self.files = {role: folder / f"{role}.db" for role in ("source", "receiver", "poller")}
        self.processes: list[Process] = []
        self.running: dict[str, Process] = {}

    def start(self, role: str, crash_at: str = "") -> Process:
        file, port = self.files[role], self.running[role].port if role in self.running else 0
        if role == "poller":
            process = Process(self.running["source"].url, file, crash_at=crash_at, program=(POLLER,))
        else:
            secret = file.with_name("secret")
            secret.write_text(SECRET)
            secret.chmod(0o600)
            option = {"receiver": ("--secret-file", secret), "source": ("--retries", RETRIES)}[role]
            process = Process(role, "--port", port, "--db", file, *option, crash_at=crash_at)
        self.running[role] = process
        self.processes.append(process)
        return process

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.running["source"].url, trust_env=False, timeout=10)

    def subscribe(self) -> str:
        with self.http as http:
            url = f"{self.running['receiver'].url}/hook"
            made = http.post("/subscriptions", json={"url": url, "secret": SECRET}).json()
            assert http.post(f"/subscriptions/{made['id']}/verify").json()["status"] == "active"
            return str(made["id"])

    def emit(self) -> str:
        """The id of an event that was acknowledged; "" if the source died instead."""
        with self.http as http:
            try:
                answer = http.post("/events", json={"type": "a", "data": {}})
            except httpx.TransportError:
                return ""
        assert answer.status_code == 201
        return str(answer.json()["id"])

    def rows(self, role: str, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.files[role], timeout=10)) as db:
            return db.execute(sql).fetchall()

    def events(self) -> dict[str, bytes]:
        return dict(self.rows("source", "SELECT id, json FROM events ORDER BY seq"))

    def effects(self, role: str = "receiver") -> dict[str, bytes]:
        return dict(self.rows(role, "SELECT id, body FROM effects"))

    def count_effects(self, role: str) -> None:
        """From now on, an effect writes its event's id into a table that takes it twice."""
        with closing(sqlite3.connect(self.files[role], timeout=10)) as db:
            db.execute("CREATE TABLE had (id)")
            db.execute("CREATE TRIGGER effect AFTER INSERT ON effects BEGIN INSERT INTO had VALUES (new.id); END")

    def had(self, role: str) -> list[str]:
        """The event of each effect since `count_effects`, in the order in which they were had."""
        return [id for (id,) in self.rows(role, "SELECT id FROM had ORDER BY rowid")]

    def arrivals(self, role: str = "receiver") -> Counter[str]:
        """How often each event arrived, before deduplication."""
        return Counter(line["id"] for process in self.processes if process.role == role for line in process.lines)

    def pending(self) -> int:
        return int(self.rows("source", "SELECT count(*) FROM deliveries WHERE status = 'pending'")[0][0])

    def sound(self) -> bool:
        return all(self.rows(role, "PRAGMA integrity_check") == [("ok",)] for role in self.running)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    for process in made.processes:
        process.close()


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not come about"
        CLOCK.sleep(0.02)


# --- named moments


@pytest.mark.parametrize(
    ("point", "arrivals"), [("after the commit", 1), ("before the attempt", 1), ("before the mark", 2)]
)
def test_a_source_killed_at_a_named_moment_loses_nothing_that_it_acknowledged(
    town: Town, point: str, arrivals: int
) -> None:
    """Between commit and attempt it has sent nothing; between a 2xx and its mark it will deliver twice."""
    town.start("receiver")
    source = town.start("source", crash_at=point)
    town.subscribe()
    acknowledged = {town.emit()} - {""}
    assert source.wait() == -signal.SIGKILL
    assert point != "after the commit" or not acknowledged
    (event,) = town.events()
    assert acknowledged <= {event}
    assert (town.pending(), len(town.effects())) == (1, arrivals - 1)
    town.start("source")
    until(lambda: not town.pending())
    later = town.emit()
    until(lambda: not town.pending())
    assert town.effects() == town.events()
    assert list(town.events()) == [event, later]
    until(lambda: town.arrivals() == {event: arrivals, later: 1})
    assert town.sound()


@pytest.mark.parametrize(("point", "had"), [("before the commit", 0), ("after the commit", 1)])
def test_a_receiver_killed_at_a_named_moment_has_each_effect_once(town: Town, point: str, had: int) -> None:
    """Killed before its commit it has had no effect yet; after it, but before its answer, the retry is a duplicate."""
    receiver = town.start("receiver", crash_at=point)
    town.start("source")
    subscription = town.subscribe()
    event = town.emit()
    assert receiver.wait() == -signal.SIGKILL
    assert len(town.effects()) == had
    town.start("receiver")
    until(lambda: not town.pending())
    assert town.effects() == town.events()
    until(lambda: town.arrivals() == {event: 2})
    with town.http as http:
        attempts = http.get(f"/subscriptions/{subscription}/attempts").json()["attempts"]
    *failed, delivered = [(each["number"], each["status"]) for each in attempts]
    assert failed and failed == [(number, 0) for number in range(1, len(attempts))]  # while it was down: 0.5 s apart
    assert delivered == (len(attempts), 200)
    assert town.sound()


@pytest.mark.parametrize(("point", "had"), [("before the commit", 0), ("after the commit", 1)])
def test_a_poller_killed_before_it_stores_its_cursor_has_each_effect_once(town: Town, point: str, had: int) -> None:
    """Its cursor is still the old one, so it reads the page again; the first event of the page is a duplicate."""
    town.start("source")
    events = [town.emit() for _ in range(3)]
    assert town.start("poller", crash_at=point).wait() == -signal.SIGKILL
    assert list(town.effects("poller")) == events[:had]
    town.start("poller")
    until(lambda: len(town.effects("poller")) == 3)
    assert list(town.effects("poller")) == events
    until(lambda: town.arrivals("poller") == {events[0]: 2, events[1]: 1, events[2]: 1})
    assert town.sound()


def test_a_crash_point_that_nobody_asked_for_is_none(town: Town) -> None:
    town.start("receiver", crash_at="before the storm")
    town.start("source", crash_at="")
    town.subscribe()
    event = town.emit()
    until(lambda: not town.pending())
    until(lambda: town.arrivals() == {event: 1})


_DELIVERED_WHILE_STARTING = """
import json, os, threading, time, httpx
from labkit.cli import main
from labkit.cli import serve as module
from labkit.signature import headers

def serve_and_deliver(app, port, limits):
    running = real(app, port, limits=limits)
    body = json.dumps({"id": "evt_1", "type": "a", "timestamp": "", "data": {}}).encode()
    signed = headers(os.environ["LABKIT_SECRET"], "evt_1", int(time.time()), body)
    signed["Content-Type"] = "application/json"
    post = lambda: httpx.post(running.url + "/hook", content=body, headers=signed, trust_env=False)
    threading.Thread(target=post, daemon=True).start()
    time.sleep(0.5)
    return running

real, module.serve = module.serve, serve_and_deliver
main(["serve", "receiver"])
"""


def test_an_event_that_arrives_while_a_receiver_starts_is_printed_after_its_first_line() -> None:
    command, environment = [sys.executable, "-c", _DELIVERED_WHILE_STARTING], {**os.environ, "LABKIT_SECRET": SECRET}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin and process.stdout
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.stdin.close()
        assert process.wait(10) == 0
    assert (first.keys(), second["id"]) == ({"url", "hook", "pid"}, "evt_1")


# --- any moment


def killing(town: Town, rounds: int, seed: int) -> None:
    """Kill each party `rounds` times, in an order and at moments that the seed draws, while four clients post."""
    chance = random.Random(seed)
    print(f"seed {seed}: {rounds} SIGKILLs each of source, receiver and poller")
    for role in ("receiver", "source", "poller"):
        town.start(role)
    for role in ("receiver", "poller"):
        town.count_effects(role)
    town.subscribe()
    url = town.running["source"].url
    promises = town.files["source"].with_name("acknowledged.txt")
    stopping = Event()

    def post(worker: int) -> None:
        """Post events; each that is answered 201 is a line of the file: its key and its id."""
        number = 0
        with httpx.Client(base_url=url, trust_env=False, timeout=10) as http, promises.open("ab", buffering=0) as file:
            while not stopping.is_set():
                key = f"{worker}-{number}"
                with suppress(httpx.TransportError):
                    answer = http.post("/events", json={"type": "a", "data": {}}, headers={"Idempotency-Key": key})
                    if answer.status_code == 201:
                        file.write(f"{key} {answer.json()['id']}\n".encode())
                        number += 1
                CLOCK.sleep(0.01)

    threads = [Thread(target=post, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    order = ["source", "receiver", "poller"] * rounds
    chance.shuffle(order)
    try:
        for role in order:
            CLOCK.sleep(chance.uniform(0.02, 0.3))
            town.running[role].kill()
            town.start(role)
    finally:
        stopping.set()
        for thread in threads:
            thread.join(20)
    acknowledged = dict(line.split() for line in promises.read_text().splitlines())
    events = town.events()
    assert len(acknowledged) > 3 * rounds
    assert len(set(acknowledged.values())) == len(acknowledged)
    assert set(acknowledged.values()) <= events.keys()
    assert len(events) <= len(acknowledged) + 4  # at most one each that was under way: a key is one event
    until(lambda: not town.pending())
    until(lambda: len(town.effects("poller")) >= len(events))
    assert town.rows("source", "SELECT status, count(*) FROM deliveries GROUP BY 1") == [("delivered", len(events))]
    assert town.effects() == events == town.effects("poller")
    assert town.had("poller") == list(events)  # once each, in order, no gap
    assert sorted(town.had("receiver")) == sorted(events)
    until(lambda: town.arrivals().keys() == town.arrivals("poller").keys() == events.keys())
    assert town.sound()


def test_five_kills_of_each_party_at_random_moments_lose_nothing_and_have_each_effect_once(town: Town) -> None:
    killing(town, 5, seed=1)


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("LABKIT_SOAK"), reason="takes minutes: set LABKIT_SOAK, or `make soak`")
@pytest.mark.parametrize("seed", range(4))
def test_200_kills_of_each_party_at_random_moments_lose_nothing(town: Town, seed: int) -> None:
    """50 of each per seed."""
    killing(town, 50, seed)


# --- how it ends (P6)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(*arguments: object, **more: Any) -> Process:
        started.append(Process(*arguments, **more))
        return started[-1]

    yield begin
    for process in started:
        process.close()


def slow_receiver(seconds: float, got: list[str]) -> Server:
    app = Flask("slow")

    @app.post("/hook")
    def hook() -> Response:
        message = request.get_json()
        if message["type"] == "endpoint.verify":
            return Response(json.dumps(message["data"]))
        got.append(message["id"])
        CLOCK.sleep(seconds)
        return Response()

    return serve(app)


def test_sigterm_while_dispatching_ends_within_5_s_and_nothing_is_lost(tmp_path: Path, start: Any) -> None:
    """What was cut off is no attempt: the next process sends it at once, and not after the schedule's wait."""
    path, got = tmp_path / "source.db", []
    first = start("source", "--db", path)
    with slow_receiver(20, got) as slow, httpx.Client(base_url=first.url, trust_env=False, timeout=10) as http:
        made = http.post("/subscriptions", json={"url": f"{slow.url}/hook"}).json()
        http.post(f"/subscriptions/{made['id']}/verify").raise_for_status()
        emitted = [http.post("/events", json={"type": "a", "data": {}}).json()["id"] for _ in range(30)]
        until(lambda: len(got) == 30)
        began = monotonic()
        first.process.send_signal(signal.SIGTERM)
        assert first.wait(10) == 0
        assert monotonic() - began < 5
        port = slow.port
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT status, attempts, count(*) FROM deliveries GROUP BY 1, 2").fetchall() == [
            ("pending", 0, 30)
        ]
    again: list[str] = []
    app = Flask("quick")
    app.post("/hook")(lambda: again.append(request.headers["webhook-id"]) or "")
    with serve(app, port):
        start("source", "--db", path)
        until(lambda: len(again) == 30, 4)
        assert sorted(again) == sorted(emitted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role", ["source", "receiver"])
def test_the_first_line_is_a_json_object_with_the_url_and_a_signal_ends_it(start: Any, role: str, number: int) -> None:
    process = start(role)
    assert process.hello["pid"] == process.process.pid
    assert httpx.get(f"{process.url}/healthz", trust_env=False).status_code == (200 if role == "source" else 404)
    began = monotonic()
    process.process.send_signal(number)
    assert process.wait(5) == 0
    assert monotonic() - began < 5
    with socket.create_server(("127.0.0.1", process.port)):  # the port is free
        pass
    assert process.process.stderr.read() == b""


@pytest.mark.parametrize("role", ["source", "receiver"])
def test_it_ends_when_its_standard_input_closes_if_that_is_a_pipe(start: Any, role: str) -> None:
    process = start(role, stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.process.wait(0.5)
    process.process.stdin.close()
    assert process.wait(5) == 0


def test_it_goes_on_if_its_standard_input_is_empty_or_a_terminal(start: Any) -> None:
    parent, terminal = os.openpty()
    try:
        on_null, on_terminal = start("source", stdin=subprocess.DEVNULL), start("source", stdin=terminal)
        with pytest.raises(subprocess.TimeoutExpired):
            on_null.process.wait(1)
        for process in (on_null, on_terminal):
            assert httpx.get(f"{process.url}/healthz", trust_env=False).json() == {"status": "ok"}
    finally:
        os.close(parent)
        os.close(terminal)


def refused(*arguments: object) -> str:
    """What `labkit serve …` says when it will not start: one line, and exit status 2."""
    command = [sys.executable, "-m", "labkit", "serve", *map(str, arguments)]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (2, "", 1), said.stderr
    return said.stderr


@pytest.mark.parametrize("role", ["source", "receiver"])
def test_a_port_in_use_is_refused_in_one_line(role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is not available" in refused(role, "--port", port)


@pytest.mark.parametrize("secret", ["hunter2-hunter2", "whsec_hunter2", "whsec_aHVudGVyMg=="])
def test_a_secret_that_is_none_is_refused_in_one_line_and_not_repeated(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_SECRET", secret)
    said = refused("receiver")
    assert "secret must be whsec_ and the base64 of 24 to 64 bytes" in said
    assert secret not in said and "hunter2" not in said


@pytest.mark.parametrize("role", ["source", "receiver"])
def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path, role: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all\n" * 100)
    assert "notes.txt cannot be used as a database" in refused(role, "--db", path)
    assert str(tmp_path / "no") in refused(role, "--db", tmp_path / "no" / "x.db")
