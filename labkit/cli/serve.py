"""`labkit serve`: a source or a receiver on a real port, for hands-on work with curl."""

import os
import random
import re
import secrets
import signal
import sqlite3
import stat
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import click

from labkit.cli.credentials import given_lines, given_token, token_file_option
from labkit.cli.output import check_target, print_json_line
from labkit.cli.rate_limit import poll_interval_option, rate_limit_of, rate_limit_option
from labkit.cli.record import Recorder
from labkit.cli.retries import retention_option, retries_of, retries_option
from labkit.clock import RealClock
from labkit.ledger import Ledger
from labkit.network.egress import Egress
from labkit.network.sockets import SocketNetwork
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import RequestLimits, address_of, serve
from labkit.signature import SCHEMES, STANDARD, new_secret
from labkit.source import EventSource
from labkit.source.store import open_database

CLOSE_SECONDS = 4.0
"""How long shutdown waits for requests under way. What is committed is on disk already."""

port_option = click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: a free one]")


@click.group("serve")
def serve_group() -> None:
    """Serve an event source or a webhook receiver, on 127.0.0.1 by default.

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
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Listen on this address; 0.0.0.0 is all. Other machines need a token: yours, or a new one, which is printed.",
)
@token_file_option
@click.option("--allow-host", metavar="NAME", multiple=True, help="A name under which other machines call it.")
@click.option("--allow-public", is_flag=True, help="Deliver to addresses of the public internet too.")
@click.option("--allow", metavar="HOST", multiple=True, help="Deliver to this name or IPv4 address too.")
def serve_source(
    port: int,
    db: str,
    rate_limit: str,
    poll_interval: float,
    retries: str | None,
    retention: float | None,
    host: str,
    token_file: str | None,
    allow_host: tuple[str, ...],
    allow_public: bool,
    allow: tuple[str, ...],
) -> None:
    """An event source: POST /events, GET /events, POST /subscriptions.

    It delivers to loopback addresses, and to others only if they are allowed. Loopback is closed too if other machines
    may call it.
    """
    limits, clock = rate_limit_of(rate_limit, poll_interval), RealClock()
    others = not address_of(host).is_loopback  # other machines may call it, but not this one's loopback
    called, token = _called(allow_host), given_token(token_file)  # refused before the database is created
    egress = Egress(allow_public, tuple(name.lower() for name in allow), loopback=not others)
    network = SocketNetwork(clock, Ledger(), egress=egress)
    source = EventSource(
        clock, network, db=open_database(db), retries=retries_of(retries), rate_limit=limits, retention=retention
    )
    first_line = {"db": db, "pid": os.getpid()}
    if others and not token:
        first_line["token"] = token = secrets.token_urlsafe(24)
    server = serve(source.app, port, host=host, token=token, limits=called)
    _until_ended({"url": server.url, **first_line}, server.stop, source.close)


@serve_group.command("receiver")
@port_option
@click.option(
    "--scheme", type=click.Choice(list(SCHEMES)), default=STANDARD.name, help="Whose signatures.", show_default=True
)
@click.option(
    "--secret-file",
    metavar="FILE",
    help="The sender's signing secret; while it rotates its key, one per line. "
    "Without it: the environment's LABKIT_SECRET, or a new secret, which is printed.",
)
@click.option("--db", metavar="FILE", default=":memory:", help="Keep received events in a SQLite file.")
@click.option("--record", metavar="FILE", help="Append each event to a log, a CSV file.")
@click.option("--time-pointer", metavar="/NAME", help="Where an event's data has its instant. [default: its timestamp]")
@click.option("--allow-host", metavar="NAME", multiple=True, help="A tunnel's host name, under which it is called.")
def serve_receiver(
    port: int,
    scheme: str,
    secret_file: str | None,
    db: str,
    record: str | None,
    time_pointer: str | None,
    allow_host: tuple[str, ...],
) -> None:
    """A webhook receiver, POST /hook: it verifies, deduplicates and prints each event as a line of JSON.

    With --scheme github, stripe or slack it takes these senders' calls, which reach it through a tunnel. There is no
    option for the secret itself: every user of a machine can see command lines.
    """
    if time_pointer is not None and record is None:
        raise click.UsageError("--time-pointer is for --record FILE: give that too")
    check_target("--record", record)
    by, clock, ready = SCHEMES[scheme], RealClock(), Event()
    given = given_lines("--secret-file", secret_file, "LABKIT_SECRET")
    for secret in given:
        by.check(secret)
    if not given and by is not STANDARD:
        raise click.UsageError(f"--scheme {scheme}: give the sender's secret by --secret-file FILE or LABKIT_SECRET")
    called = _called(allow_host)
    recorder = Recorder(record, time_pointer, clock) if record else None
    inbox = Inbox(db)

    def print_event(event: dict[str, Any]) -> None:
        ready.wait()  # no event is printed before the first line
        print_json_line(event)

    def keep_event(event: dict[str, Any], sql: sqlite3.Connection) -> None:
        if recorder:
            recorder.record(event)

    keys = given or [new_secret(random.SystemRandom())]
    receiver = Receiver(keys, inbox, on_arrival=print_event, on_event=keep_event, scheme=by, unsigned=by.unsigned)
    server = serve(receiver_app(receiver, clock), port, limits=called)
    if by.unsigned:
        click.echo(f"{scheme} does not sign {', '.join(by.unsigned)}: a recorded call can be sent again.", err=True)
    first_line = {"url": server.url, "hook": f"{server.url}/hook", "pid": os.getpid()}
    if not given:
        first_line["secret"] = keys[0]
    _until_ended(first_line, server.stop, inbox.close, ready=ready)


def _called(allow_host: tuple[str, ...]) -> RequestLimits:
    """The limits of a server that may be called under these names too."""
    for name in allow_host:
        if not re.fullmatch(r"(?!.{254})[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name.lower()):
            raise click.UsageError(f"--allow-host must be a host name such as abc.example.com, got {name!r}")
    return RequestLimits(hosts=tuple(name.lower() for name in allow_host))


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
