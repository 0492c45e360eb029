"""A stream: one answer that is held to the end, and resumed after an outage."""

import numpy as np
from numpy.typing import NDArray

from labkit.approaches import Polling, Stream
from labkit.clock import nanoseconds
from labkit.lenses.model import sizes
from labkit.lenses.model.history import Given, History, Instants, Sent
from labkit.lenses.model.pushed import full
from labkit.lenses.model.timing import FixedDelay
from labkit.source.listing import RETRY_MS
from labkit.wire import HEARTBEAT, PAGE

FIRST_RETRY = 3.0
"""Seconds before a client reconnects that has not received a `retry` from the source yet."""


def stream(given: Given) -> History:
    """`Stream`. What is written at one instant is one chunk, of at most a page of events."""
    occurred, delay = given.occurred, given.delay
    opened, failed, over = _requests(given)
    (recorded,) = (each for each in sizes.exchanges(Stream(), 1.0) if each.kind == "poll")
    cursor = next(each.cursor for each in sizes.exchanges(Polling(1.0), 4.0) if each.cursor)
    bodies = len("id: \ndata: \n\n") + cursor + full(given)
    head = recorded.answer.fixed - _chunk(len("id: \ndata: \n\n") + cursor + sizes.PROBE_BYTES)

    received = np.zeros(len(occurred), dtype=np.int64)
    sent = Sent(len(failed), errors=len(failed), at=(np.array(failed, dtype=np.int64),))
    for at, cut, first, stop in opened:
        written = np.maximum(occurred[first:stop], at + delay)
        received[first:stop] = written + delay
        if at >= given.horizon:
            continue
        end, is_cut = min(over, cut - 1), cut <= over
        sent += Sent(
            requests=1,
            empty=int(first == stop and not is_cut),
            errors=int(first == stop and is_cut),
            bytes_out=recorded.request.fixed + (len("Last-Event-ID: \r\n") + cursor if first else 0),
            connections=1,
            held=min(cut, given.horizon) - at,
            at=(np.array([at]),),
        )
        if at + 2 * delay <= end:
            sent.bytes_in += head + _written(written, bodies[first:stop], at + delay, end - delay)
    return History(given, received, sent, setup=0)


def _requests(given: Given) -> tuple[list[tuple[int, int, int, int]], list[int], int]:
    """Each request that is carried: when it is sent and cut, and which events it brings, from one up to another.

    Also when the requests are sent that fail up to the horizon, and the last instant of the run, when every event has
    been received and the last request before the horizon has been answered.
    """
    occurred, delay, outages = given.occurred, given.delay, given.outages("poll")
    opened = list[tuple[int, int, int, int]]()
    retry, at, found, failed, over = nanoseconds(FIRST_RETRY), 0, 0, list[int](), given.horizon - 1
    trip = 2 * delay
    while found < len(occurred) or at < given.horizon:
        given.check_not_late(at)
        cut, hold = outages.cut(at), outages.hold(at)
        if hold is not None:
            tries, until = FixedDelay(at, retry), outages.change(at)
            if counted := tries.before(min(until, given.horizon), hold):
                last = tries.after(counted - 1, hold)
                failed += range(at, last + 1, retry + hold)
                over = max(over, outages.end(last, trip))
            last = tries.after(tries.before(until, hold) - 1, hold)
            at = outages.end(last, trip) + retry
            continue
        stop = found
        if at + trip < cut:
            retry, stop = nanoseconds(RETRY_MS / 1000), int(np.searchsorted(occurred, cut - delay))
        if at < given.horizon:
            over = max(over, outages.end(at, trip))
        if found < stop:
            over = max(over, max(int(occurred[stop - 1]), at + delay) + delay)
        opened.append((at, cut, found, stop))
        found, at = stop, cut + retry
    return opened, failed, over


def _written(written: Instants, bodies: NDArray[np.int64], since: int, until: int) -> int:
    """Bytes of what one request is answered with, after its head: events, and a comment after each silence."""
    beat, silences, size, first = nanoseconds(HEARTBEAT), 0, 0, 0
    while first < len(written):
        at = int(written[first])
        silences += (at - since) // beat
        stop = min(int(np.searchsorted(written, at, side="right")), first + PAGE)
        size += _chunk(int(bodies[first:stop].sum()))
        since, first = at, stop
    silences += max(0, until - since) // beat
    return size + silences * _chunk(len(": still here\n\n"))


def _chunk(size: int) -> int:
    """Bytes of a chunk of an answer (RFC 9112, 7.1)."""
    return size + len(f"{size:x}\r\n\r\n")
