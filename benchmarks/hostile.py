"""The latency of a well-behaved client while 8 others send bad inputs, beside its latency when it is alone."""

import multiprocessing
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from typing import Any

from attacked import attacked_receiver, attacked_source
from bad_inputs import ROWS, Raw, Row, Target, post, signed

from benchmarks.line import Line, seconds, turns

ATTACKERS = 8


def attack(to: str, target: Target, begun: Event, ended: Event) -> None:
    """Send the rows in random order, by so many threads, until it is ended. Stalls are left out: they cost nothing."""
    rows = [row for row in ROWS if row.to == to and not row.stalls]

    def send(own: random.Random) -> None:
        while not ended.is_set():
            own.choice(rows).answer(target)
            begun.set()

    for number in range(ATTACKERS):
        Thread(target=send, args=(random.Random(number),)).start()


@contextmanager
def attacking(to: str, target: Target) -> Iterator[None]:
    """The attackers are a process of their own, so that they do not slow the client itself down."""
    spawn = multiprocessing.get_context("spawn")
    begun, ended = spawn.Event(), spawn.Event()
    process = spawn.Process(target=attack, args=(to, target, begun, ended))
    process.start()
    begun.wait(60)
    try:
        yield
    finally:
        ended.set()
        process.join()


def hostile(short: bool) -> Iterator[Line]:
    post_event = post("/events", {"type": "a", "data": {}})
    yield beside_attackers("S", attacked_source, post_event, "an event that is posted to a source", short)
    yield beside_attackers("R", attacked_receiver, signed(), "a webhook to a receiver", short)


def beside_attackers(to: str, started: Callable[[Path], Any], raw: Raw, what: str, short: bool) -> Line:
    requests, rounds = (5, 1) if short else (100, 7)
    row = Row(to, what, 0, raw)
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as attacked:

        def alone() -> float:
            return 1000 * statistics.median(seconds(lambda: row.answer(attacked.target)) for _ in range(requests))

        def amid() -> float:
            with attacking(to, attacked.target):
                return alone()

        pairs = turns(amid, alone, rounds)
    return Line(f"median latency of {what}, while {ATTACKERS} clients send bad inputs", "alone", "ms", "less", pairs)
