"""Notices without data, each of which has the consumer read every event after its cursor."""

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from labkit.approaches import Doorbell, Polling
from labkit.clock import NANO, nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.attempts import Attempts
from labkit.lenses.model.history import Given, History, Sent, lengths
from labkit.lenses.model.outages import check_none
from labkit.lenses.model.pages import Line, Row, pages
from labkit.lenses.model.polling import sizes_of, weigh
from labkit.lenses.model.timing import FixedDelay
from labkit.source.dispatcher import message
from labkit.source.outbox import Delivery
from labkit.source.store import Subscription
from labkit.wire import LARGEST_PAGE


def doorbell(given: Given) -> History:
    """`Doorbell`: `check` refuses a poll at the time of another sync, so each poll is empty."""
    approach, trip = given.approach, 2 * given.delay
    assert isinstance(approach, Doorbell)
    rows, notices = _syncs(given)
    of_fetches, of_polls = Line(given.horizon), Line(given.horizon)
    for at, answered, *_ in rows:
        of_fetches.use(at, answered)
    polls = _polls(approach)
    if polls and (counted := polls.before(given.horizon, trip)):
        of_polls.use_often(polls.next, polls.after(counted - 1, trip), counted, trip)

    empty, done = [0], 0
    for row in [*rows, None]:
        until = given.horizon if row is None else min(row[0], given.horizon)
        earlier = polls.before(until, trip) if polls else 0
        empty[-1] += earlier - done
        done = earlier
        if row and row[2] < row[3]:
            empty.append(0)
        elif row and row[0] < given.horizon:
            empty[-1] += 1
    found = pages([row for row in rows if row[2] < row[3]], empty, of_fetches)
    read = weigh(given, sizes_of(Polling(limit=LARGEST_PAGE)), found, np.arange(len(given.events)))
    read += Sent(connections=of_polls.connections, held=of_polls.total())
    setup = pushed.setup_of(sizes.exchanges(Doorbell(0.0), pushed.RUN))
    return History(given, found.received, _weighed(given, notices) + read, setup)


def _syncs(given: Given) -> tuple[list[Row], NDArray[np.int64]]:
    """The pages that notices have read, empty ones too, and a row per notice: sent, answered, events up to then.

    A notice is sent when an event occurs, or as the last one is answered, if events have occurred meanwhile.
    """
    occurred, delay = given.occurred.tolist(), given.delay
    rows, notices = list[Row](), list[tuple[int, int, int]]()
    named = found = free_at = 0
    while named < len(occurred):
        sent = max(occurred[named], free_at)
        first, named = named, bisect_right(occurred, sent)
        at, more = sent + delay, True
        while more:
            shown = bisect_right(occurred, at + delay)
            stop = min(shown, found + LARGEST_PAGE)
            more = stop < shown
            rows.append((at, at + 2 * delay, found, stop, more))
            found, at = stop, at + 2 * delay
        free_at = at + delay
        notices.append((sent, free_at, first))
    return rows, np.array(notices, dtype=np.int64).reshape(-1, 3)


def _weighed(given: Given, notices: NDArray[np.int64]) -> Sent:
    """The notices, as deliveries."""
    bell = Subscription("sub", "", (), "active", "", payload="doorbell")
    epoch, written = nanoseconds(given.epoch), list[tuple[str, bytes]]()
    for at, _, first in notices.tolist():
        notice = Delivery(bell, 1, given.events[first].id, b"", 1, 1, 0)
        written.append(message((notice,), (epoch + at) / NANO))
    ids, bodies = (lengths(each[n] for each in written) for n in range(2))
    sent, ended, _ = notices.T
    made, recorded = Attempts.unbroken(sent, ended), sizes.exchanges(Doorbell(0.0), pushed.RUN)
    return pushed.weigh(given, recorded, made, ids, bodies)


def _polls(approach: Doorbell) -> FixedDelay | None:
    interval = nanoseconds(approach.reconcile_interval)
    return FixedDelay(interval, interval) if interval else None


def check(given: Given) -> None:
    """Refuse outages, notices that take too long, and a poll while a notice has the consumer read."""
    approach, trip = given.approach, 2 * given.delay
    assert isinstance(approach, Doorbell)
    check_none(given.scenario.faults, approach.name)
    rows, notices = _syncs(given)
    round_trips = int((notices[:, 1] - notices[:, 0]).max(initial=0)) // trip if trip else 0
    pushed.check_takes(given, round_trips)
    if polls := _polls(approach):
        for at, answered, *_ in rows:
            if polls.before(answered + 1, trip) > polls.before(at - trip, trip):
                raise ValueError(f"at {at / NANO:g} s a notice and a poll read at the same time: use the virtual lens")
