"""What the real lens costs, each as a ratio against a floor or a peer in the same run."""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import httpx
from flask import Flask, request

from labkit import signature
from labkit.approaches.webhook import register
from labkit.clock import RealClock, monotonic
from labkit.event import timestamp, to_json
from labkit.ledger import Ledger
from labkit.network.sockets import SocketNetwork
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.store import open_database

EVENTS, PAUSE = 200, 0.005


class Bell:
    """A labkit receiver that notes when its view is entered for each message."""

    def __init__(self) -> None:
        receiver = Receiver([], Inbox())
        self.secrets = receiver.secrets
        self.entered: dict[str, float] = {}
        self.rung = threading.Condition()
        self.app = receiver_app(receiver, RealClock())
        self.app.before_request(self.note)
        self.server = serve(self.app)

    def note(self) -> None:
        with self.rung:
            self.entered[request.headers["webhook-id"]] = monotonic()
            self.rung.notify_all()

    def wait(self, id: str) -> float:
        with self.rung:
            self.rung.wait_for(lambda: id in self.entered, timeout=10)
            return self.entered[id]


def bare_posts(bell: Bell) -> tuple[list[float], list[float]]:
    """Seconds from a plain httpx POST to the view's entry, and to its answer."""
    client, to_view, to_answer = httpx.Client(trust_env=False), [], []
    for number in range(EVENTS):
        id, now = f"bare_{number}", RealClock().epoch
        body = to_json({"id": id, "type": "tick.happened", "timestamp": timestamp(now), "data": {"number": number}})
        sent = monotonic()
        headers = signature.headers(bell.secrets[0], id, int(now), body)
        client.post(f"{bell.server.url}/hook", content=body, headers={"Content-Type": "application/json", **headers})
        to_answer.append(monotonic() - sent)
        to_view.append(bell.wait(id) - sent)
        threading.Event().wait(PAUSE)
    return to_view, to_answer


def webhooks(bell: Bell, source: EventSource) -> list[float]:
    """Seconds from emit to the same view's entry, by way of the outbox and the dispatcher."""
    taken = []
    for number in range(EVENTS):
        id = f"evt_{number}_{random.getrandbits(40)}"
        emitted = monotonic()
        source.emit("tick.happened", {"number": number}, id=id)
        taken.append(bell.wait(id) - emitted)
        threading.Event().wait(PAUSE)
    return taken


def emit_to_handler() -> None:
    for synchronous in ("NORMAL", "FULL"):
        with tempfile.TemporaryDirectory() as folder:
            bell, clock = Bell(), RealClock()
            db = open_database(str(Path(folder) / "bench.db"), synchronous)  # type: ignore[arg-type]
            source = EventSource(clock, SocketNetwork(clock, Ledger()), db=db)
            with serve(source.app) as server:
                register(httpx.Client(base_url=server.url, trust_env=False), f"{bell.server.url}/hook", bell.secrets)
                bare_posts(bell)
                to_view, to_answer = bare_posts(bell)
                taken = statistics.median(webhooks(bell, source))
            source.close()
            bell.server.stop()
        view, answer = statistics.median(to_view), statistics.median(to_answer)
        print(
            f"emit to handler, {synchronous:<6} median {taken * 1e3:.2f} ms; a bare POST {answer * 1e3:.2f} ms"
            f" (to the view {view * 1e3:.2f}); ratio {taken / answer:.2f}"
        )


def one_black_holed() -> None:
    """The latency of 99 endpoints beside one that takes requests and never answers, and beside one that answers."""
    medians = []
    for holed in (False, True):
        arrived: list[float] = []
        ended, subscribed = threading.Event(), threading.Event()
        app = Flask("endpoints")

        @app.post("/<name>")
        def hook(name: str, arrived: list[float] = arrived, ended=ended, subscribed=subscribed, holed=holed):
            arrived.append(monotonic())
            if name == "last" and subscribed.is_set():
                arrived.pop()
                if holed:
                    ended.wait()
            return {"challenge": request.get_json()["data"].get("challenge")}

        with tempfile.TemporaryDirectory() as folder, serve(app) as endpoints:
            clock, taken = RealClock(), list[float]()
            network, db = SocketNetwork(clock, Ledger()), open_database(str(Path(folder) / "bench.db"))
            source = EventSource(clock, network, db=db)
            with serve(source.app) as server:
                client = httpx.Client(base_url=server.url, trust_env=False, timeout=60)
                for name in (*range(99), "last"):
                    register(client, f"{endpoints.url}/{name}", [])
                subscribed.set()
                for number in range(10):
                    arrived.clear()
                    emitted = monotonic()
                    source.emit("tick.happened", {"number": number})
                    while len(arrived) < 99 and monotonic() < emitted + 30:
                        threading.Event().wait(0.01)
                    taken += [at - emitted for at in arrived]
                ended.set()
            source.close()
        medians.append(statistics.median(taken))
    without, beside = (median * 1e3 for median in medians)
    print(
        f"1 of 100 endpoints never answers: the others' median {beside:.0f} ms; if it answers {without:.0f} ms;"
        f" ratio {beside / without:.2f}"
    )


def syncs() -> None:
    """fdatasync calls per 100 emits, counted by strace where there is one."""
    if shutil.which("strace") is None:
        print("fdatasync calls per 100 emits: not counted, there is no strace on this machine")
        return
    for synchronous in ("NORMAL", "FULL"):
        with tempfile.TemporaryDirectory() as folder:
            counts = []
            for emits in (0, 100):
                program = (
                    "from labkit.source import EventSource; from labkit.source.store import open_database\n"
                    f"s = EventSource(db=open_database({str(Path(folder) / f'{emits}.db')!r}, {synchronous!r}))\n"
                    f"for n in range({emits}): s.emit('a', {{'n': n}})\n"
                    "import os; os._exit(0)"
                )
                log = Path(folder) / "log"
                command = [
                    "strace",
                    "-f",
                    "-qq",
                    "-e",
                    "trace=fdatasync,fsync",
                    "-o",
                    str(log),
                    sys.executable,
                    "-c",
                    program,
                ]
                subprocess.run(command, check=True, env=os.environ)
                counts.append(log.read_text().count("sync("))
        print(f"fdatasync calls per 100 emits, {synchronous:<6} {counts[1] - counts[0]}")


if __name__ == "__main__":
    emit_to_handler()
    one_black_holed()
    syncs()
