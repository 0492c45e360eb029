"""From emit to handler through the outbox, and what reaches the disk."""

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
from flask import request

from benchmarks.endpoints import source_with_file
from benchmarks.line import Line, NotMeasured, turns
from labkit import signature
from labkit.approaches.webhook import register
from labkit.clock import RealClock, monotonic
from labkit.event import timestamp, to_json
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import serve
from labkit.sqlite import Synchronous

PAUSE = 0.005


class Bell:
    """A labkit receiver that notes when its view is entered for each message."""

    def __init__(self) -> None:
        receiver = Receiver([], Inbox())
        self.secrets = receiver.secrets
        self.entered: dict[str, float] = {}
        self.rung = threading.Condition()
        app = receiver_app(receiver, RealClock())
        app.before_request(self.note)
        self.server = serve(app)
        self.client = httpx.Client(trust_env=False)

    def note(self) -> None:
        with self.rung:
            self.entered[request.headers["webhook-id"]] = monotonic()
            self.rung.notify_all()

    def median(self, send: Callable[[str], object], messages: int) -> float:
        """Milliseconds from sending a message until the view is entered for it."""
        return 1000 * statistics.median(self.after(send) for _ in range(messages))

    def after(self, send: Callable[[str], object]) -> float:
        id = f"evt_{random.getrandbits(64)}"
        sent = monotonic()
        send(id)
        with self.rung:
            self.rung.wait_for(lambda: id in self.entered, timeout=10)
        threading.Event().wait(PAUSE)
        return self.entered[id] - sent

    def post(self, id: str) -> None:
        """What the source sends, without a source."""
        now = RealClock().epoch
        body = to_json({"id": id, "type": "tick.happened", "timestamp": timestamp(now), "data": {"number": 1}})
        headers = {"Content-Type": "application/json", **signature.headers(self.secrets[0], id, int(now), body)}
        self.client.post(f"{self.server.url}/hook", content=body, headers=headers)


def webhook(short: bool) -> Iterator[Line]:
    messages, rounds = (3, 1) if short else (20, 15)
    levels: tuple[Synchronous, ...] = ("NORMAL", "FULL")
    for synchronous in levels:
        with ExitStack() as stack:
            source, bell = source_with_file(stack, synchronous), Bell()
            server, _ = stack.enter_context(serve(source.app)), stack.enter_context(bell.server)
            register(httpx.Client(base_url=server.url, trust_env=False), f"{bell.server.url}/hook", bell.secrets)
            pairs = turns(
                lambda: bell.median(lambda id: source.emit("tick.happened", {}, id=id), messages),  # noqa: B023
                lambda: bell.median(bell.post, messages),  # noqa: B023  called at once
                rounds,
            )
        yield Line(f"from emit to handler, synchronous={synchronous}", "a POST to that handler", "ms", "less", pairs)


SYNCED = """
from labkit.source import EventSource
from labkit.source.store import open_database
source = EventSource(db=open_database({path!r}, {synchronous!r}))
for n in range({emits}):
    source.emit("a", {{"n": n}})
import os; os._exit(0)
"""
BARE = """
import sqlite3
db = sqlite3.connect({path!r}, isolation_level=None)
db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS a (n)")
for n in range({emits}):
    db.execute("INSERT INTO a VALUES (?)", (n,))
import os; os._exit(0)
"""


def syncs(short: bool) -> Iterator[Line]:
    emits = 5 if short else 100
    if shutil.which("strace") is None:
        raise NotMeasured("there is no strace")
    with tempfile.TemporaryDirectory() as folder:

        def syncs_of(program: str, synchronous: str = "") -> float:
            counts = []
            for number in (0, emits):  # what opening the database needs is taken off
                path, log = str(Path(folder) / f"{random.getrandbits(64)}.db"), Path(folder) / "log"
                python = [sys.executable, "-c", program.format(path=path, synchronous=synchronous, emits=number)]
                command = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-o", log, *python]
                subprocess.run(command, check=True)
                counts.append(log.read_text().count("sync("))
            return (counts[1] - counts[0]) / emits

        for synchronous in ("NORMAL", "FULL"):
            pairs = turns(lambda: syncs_of(SYNCED, synchronous), lambda: syncs_of(BARE), 1)  # noqa: B023
            what = f"syncs of the disk per emit, synchronous={synchronous}"
            yield Line(what, "per INSERT of SQLite, FULL", "syncs", "less", pairs)
