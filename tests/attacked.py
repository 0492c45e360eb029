"""A source and a receiver, as processes that a user starts, with the state that the table of bad inputs refers to."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
from bad_inputs import GOOD, KEYED, SECRET, Target, signed, status
from flask import Flask, redirect
from raw_http import connect, read_to_end

from labkit.clock import RealClock
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.store import Store, open_database

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Serving:
    """A process of `labkit serve`: its first line, and the lines that it has written after it."""

    hello: Mapping[str, Any]
    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def target(self, path: str, **names: str) -> Target:
        port = int(self.hello["url"].rpartition(":")[2])
        return Target(port, {"host": f"127.0.0.1:{port}", "port": str(port), "path": path, **names})


@dataclass(frozen=True)
class Attacked:
    """A server under attack: where it is reached, its process, its database, and who called a redirect's target."""

    target: Target
    serving: Serving
    file: Path
    inner: list[str] = field(default_factory=list)

    def state(self) -> tuple[list[str], int]:
        """All that is stored but the receiver's quarantine, and how many messages are in that."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as db:
            lines = list(db.iterdump())
        aside = [line for line in lines if line.startswith('INSERT INTO "quarantine"')]
        return [line for line in lines if line not in aside], len(aside)


@contextmanager
def labkit_serve(*arguments: str, **environment: str) -> Iterator[Serving]:
    """`labkit serve …`, until the block ends: then its standard input is closed."""
    kept = {name: value for name, value in os.environ.items() if not re.match("JUPYTERHUB_USER|LABKIT_", name)}
    command, pipe = [sys.executable, "-m", "labkit", "serve", *arguments], subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=kept | environment
    ) as process:
        assert process.stdin and process.stdout
        serving = Serving(json.loads(process.stdout.readline()), process)
        reader = Thread(target=serving.printed.extend, args=(process.stdout,))
        reader.start()
        try:
            yield serving
        finally:
            process.stdin.close()
            process.wait(20)
            reader.join()


@contextmanager
def attacked_source(folder: Path) -> Iterator[Attacked]:
    """A source that keeps events for a day, and has an older one; its subscriptions are pending, some redirect."""
    file, inner = folder / "source.db", list[str]()
    app = Flask("endpoint")
    app.add_url_rule("/<int:code>", "redirected", lambda code: redirect("/inner", code), methods=["POST"])
    app.add_url_rule("/inner", "inner", lambda: inner.append("called") or "", methods=["GET", "POST"])
    with closing(EventSource(RealClock(epoch=1_600_000_000), db=open_database(str(file)))) as earlier:
        earlier.emit("door.opened", {"long": "ago"}, id="evt_old")
        names = {"expired": earlier.store.cursor(0), "end": earlier.store.cursor(10**6)}
    names["foreign"] = Store(b"of another run..").cursor(1)
    with serve(app) as endpoint, labkit_serve("source", "--db", str(file), "--retention", "86400") as serving:
        with httpx.Client(base_url=serving.hello["url"], trust_env=False, timeout=30) as client:

            def made(path: str, body: bytes, **headers: str) -> str:
                return str(client.post(path, content=body, headers=JSON | headers).raise_for_status().json()["id"])

            names["keyed"] = made("/events", KEYED, **{"Idempotency-Key": "known"})
            urls = {"same": "http://127.0.0.1:9/"} | {
                f"redirected {code}": f"{endpoint.url}/{code}" for code in (301, 302, 307)
            }
            names |= {name: made("/subscriptions", json.dumps({"url": url}).encode()) for name, url in urls.items()}
            names["oldest"] = client.get("/events").json()["oldest"]
            names["tag"] = client.get("/events", params={"after": names["end"]}).headers["ETag"]
        yield Attacked(serving.target("/events", **names), serving, file, inner)


@contextmanager
def attacked_receiver(folder: Path) -> Iterator[Attacked]:
    """A receiver that has received the event GOOD."""
    file, secret = folder / "receiver.db", folder / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    with labkit_serve("receiver", "--db", str(file), "--secret-file", str(secret)) as serving:
        attacked = Attacked(serving.target("/hook"), serving, file)
        with connect(attacked.target.port) as connection:
            connection.sendall(signed(GOOD)(attacked.target))
            assert status(read_to_end(connection)) == 200
        yield attacked
