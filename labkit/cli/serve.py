"""`labkit serve`: a source or a receiver on a real port, for hands-on work with curl."""

import os
import random
import signal
import stat
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import click

from labkit.cli.output import print_json_line
from labkit.cli.rate_limit import poll_interval_option, rate_limit_of, rate_limit_option
from labkit.cli.retries import retention_option, retries_of, retries_option
from labkit.clock import RealClock
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import serve
from labkit.signature import key, new_secret
from labkit.source import EventSource
from labkit.source.store import open_database

CLOSE_SECONDS = 4.0
"""How long shutdown waits for requests under way. What is committed is on disk already."""

port_option = click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: a free one]")


@click.group("serve")
def serve_group() -> None:
    """Serve an event source or a webhook receiver on 127.0.0.1.

    The first line on standard output is a JSON object with the server's `url`. It ends on Ctrl-C or SIGTERM and, if
    standard input is a pipe, when that closes.
    """


@serve_group.command("source")
@port_option
@click.option("--db", metavar="FILE", default=":memory:", help="Keep events and deliveries in a SQLite file.")
@rate_limit_option
@poll_interval_option
@retries_option
@retention_option
def serve_source(
    port: int, db: str, rate_limit: str, poll_interval: float, retries: str | None, retention: float | None
) -> None:
    """An event source: POST /events, GET /events, POST /subscriptions."""
    limits = rate_limit_of(rate_limit, poll_interval)
    source = EventSource(db=open_database(db), retries=retries_of(retries), rate_limit=limits, retention=retention)
    server = serve(source.app, port)
    _until_ended({"url": server.url, "db": db, "pid": os.getpid()}, server.stop, source.close)


@serve_group.command("receiver")
@port_option
@click.option("--secret", metavar="whsec_…", help="The source's signing secret. [default: a new one, printed]")
@click.option("--db", metavar="FILE", default=":memory:", help="Keep received events in a SQLite file.")
def serve_receiver(port: int, secret: str | None, db: str) -> None:
    """A webhook receiver, POST /hook: it verifies, deduplicates and prints each event as a line of JSON."""
    given = secret or new_secret(random.SystemRandom())
    key(given)
    inbox, ready = Inbox(db), Event()

    def print_event(event: dict[str, Any]) -> None:
        ready.wait()  # no event is printed before the first line
        print_json_line(event)

    server = serve(receiver_app(Receiver([given], inbox, on_arrival=print_event), RealClock()), port)
    first_line = {"url": server.url, "hook": f"{server.url}/hook", "secret": given, "pid": os.getpid()}
    _until_ended(first_line, server.stop, inbox.close, ready=ready)


def _until_ended(first_line: dict[str, Any], *closing: Callable[[], None], ready: Event | None = None) -> None:
    """Print the first line, set `ready`, wait for the end, and close one after the other, as long as time permits."""
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    print_json_line(first_line)
    if ready:
        ready.set()
    if _is_pipe():
        Thread(target=_read_to_the_end, args=(ended,), daemon=True).start()
    while not ended.wait(0.2):  # in short waits, so that Windows delivers signals
        pass
    shutdown = Thread(target=lambda: [close() for close in closing], daemon=True)
    shutdown.start()
    shutdown.join(CLOSE_SECONDS)


def _read_to_the_end(ended: Event) -> None:
    while os.read(sys.stdin.fileno(), 65_536):  # unbuffered: the interpreter needs the buffer's lock when it exits
        pass
    ended.set()


def _is_pipe() -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
