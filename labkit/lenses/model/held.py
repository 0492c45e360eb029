"""Answers that the source holds back until there is an event: long polling, and a stream."""

import numpy as np

from labkit.approaches import LongPolling, Polling, Stream
from labkit.clock import nanoseconds
from labkit.lenses.model import sizes
from labkit.lenses.model.history import Given, History, Sent
from labkit.lenses.model.pages import Held, find
from labkit.lenses.model.polling import page_sizes, weigh
from labkit.lenses.model.pushed import lengths
from labkit.lenses.model.timing import FixedDelay
from labkit.network import TIMEOUT
from labkit.wire import HEARTBEAT, PAGE


def long_polling(given: Given) -> History:
    """`LongPolling`, of one poller at a time per consumer."""
    approach = given.approach
    assert isinstance(approach, LongPolling)
    timing, wait = FixedDelay(0, nanoseconds(approach.pause)), float(approach.written_wait)
    held = Held(nanoseconds(wait), nanoseconds(approach.reconnect_pause), follow=False)
    outages = given.outages("poll", approach.wait + TIMEOUT)
    found = find(given.occurred.tolist(), timing, given.delay, approach.limit, given.horizon, outages, held)
    size = page_sizes(approach, 3 * (approach.wait + approach.pause) + 1e-6)
    sent = weigh(given, size, found, np.arange(len(given.events)), barren=found.sent < 0)
    return History(given, np.repeat(found.answered, found.stop - found.start), sent, setup=0)


def stream(given: Given) -> History:
    """`Stream`: one answer, which is held to the end. What is written at one instant is one chunk."""
    occurred, delay = given.occurred, given.delay
    written = np.maximum(occurred, delay)
    received = written + delay
    last = int(max(2 * delay, received.max(initial=0)))
    (opened,) = (each for each in sizes.exchanges(Stream(), 1.0) if each.kind == "poll")
    head = len("id: \ndata: \n\n") + next(each.cursor for each in sizes.exchanges(Polling(1.0), 4.0) if each.cursor)
    into = opened.answer.fixed - _chunk(head + sizes.PROBE_BYTES)

    beat, quiet_since, silences, first = nanoseconds(HEARTBEAT), delay, 0, 0
    bodies = head + lengths(given.documents)
    while first < len(written):
        at = int(written[first])
        silences += (at - quiet_since) // beat
        stop = min(int(np.searchsorted(written, at, side="right")), first + PAGE)
        into += _chunk(int(bodies[first:stop].sum()))
        quiet_since, first = at, stop
    end = max(given.horizon - 1, last) - delay  # what is written until then arrives before the run is settled
    silences += max(0, end - quiet_since) // beat
    sent = Sent(
        requests=1,
        empty=int(not len(occurred)),
        bytes_out=opened.request.fixed,
        bytes_in=into + silences * _chunk(len(": still here\n\n")),
        connections=1,
        held=given.horizon,
    )
    return History(given, received, sent, setup=0)


def check(given: Given) -> None:
    """Refuse outages."""
    for fault in given.scenario.faults:
        remedy = "use the virtual lens"
        raise ValueError(f"the model lens has no faults for {given.approach.name}, got {fault.name}: {remedy}")


def _chunk(size: int) -> int:
    """Bytes of a chunk of an answer (RFC 9112, 7.1)."""
    return size + len(f"{size:x}\r\n\r\n")
