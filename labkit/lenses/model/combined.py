"""Batches, and a webhook with a poll beside it."""

import numpy as np

from labkit.approaches import Batched, Hybrid, Polling
from labkit.arrivals import EARLIEST
from labkit.clock import NANO, nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.history import Given, History
from labkit.lenses.model.polling import pages_of, timing_of, weigh
from labkit.source.dispatcher import message
from labkit.source.outbox import BATCH_BYTES, Delivery
from labkit.source.store import Subscription
from labkit.wire import LARGEST_PAGE


def groups(given: Given) -> list[tuple[int, int, int]]:
    """The batches as (sent, first event, one after the last): sent when full, or when the first has waited."""
    approach = given.approach
    assert isinstance(approach, Batched)
    occurred, wait, made, first = given.occurred, nanoseconds(approach.max_wait), [], 0
    while first < len(occurred):
        due = int(occurred[first]) + wait
        stop = min(int(np.searchsorted(occurred, due, side="right")), first + approach.count)
        sent = int(occurred[stop - 1]) if stop - first == approach.count else due
        made.append((sent, first, stop))
        first = stop
    return made


def batched(given: Given) -> History:
    """`Batched`: each batch is one delivery, and its events are received together."""
    approach = given.approach
    assert isinstance(approach, Batched)
    recorded = sizes.exchanges(Batched(approach.count, 0.0), pushed.RUN)
    made, epoch = groups(given), nanoseconds(max(given.scenario.arrivals.epoch, EARLIEST))
    to = Subscription("sub", "", (), "active", "", batch_count=approach.count)
    ids, bodies = [], []
    for sent, first, stop in made:
        waiting = range(first, stop)
        group = tuple(Delivery(to, n, given.events[n].id, given.documents[n], 1, 1, 0) for n in waiting)
        id, body = message(group, (epoch + sent) / NANO)
        ids.append(len(id))
        bodies.append(len(body))
    at, first_of, stop_of = (np.array([group[n] for group in made], dtype=np.int64) for n in range(3))
    weights = np.array(ids, dtype=np.int64), np.array(bodies, dtype=np.int64)
    sums = pushed.delivered(given, recorded, at, *weights, 2 * given.delay)
    received = np.repeat(at + given.delay, stop_of - first_of)
    return History(given, received, sums, pushed.setup_of(recorded))


def check_batched(given: Given) -> None:
    """Refuse batches that the limit on what is in flight, or on their bytes, would divide."""
    approach = given.approach
    assert isinstance(approach, Batched)
    pushed.check_times(given, nanoseconds(approach.max_wait) + 2 * given.delay, 1)
    for _, first, stop in groups(given):
        if (size := sum(map(len, given.documents[first:stop]))) > BATCH_BYTES:
            raise ValueError(f"a batch has {size:,} bytes, and the most is {BATCH_BYTES:,}: use the virtual lens")


def hybrid(given: Given) -> History:
    """`Hybrid`: a delivery brings each event, unless a poll reaches the source in the event's own nanosecond.

    The poll's answer then arrives first. Polls up to the horizon bring a second copy of each event.
    """
    approach = given.approach
    assert isinstance(approach, Hybrid)
    recorded = sizes.exchanges(Hybrid(60.0), pushed.RUN)
    sent, bodies = given.occurred, pushed.lengths(given.documents)
    made = pushed.delivered(given, recorded, sent, pushed.ids(given), bodies, 2 * given.delay)
    interval = approach.reconcile_interval
    poller = Polling(interval=interval, initial_delay=interval, limit=LARGEST_PAGE)
    pages, listed = pages_of(given, poller, timing_of(given, poller))
    of = np.repeat(np.arange(len(pages.sent)), pages.stop - pages.start)  # the page that holds each event
    polled_first = pages.sent[of] + given.delay == sent
    barren = np.bincount(of, weights=polled_first, minlength=len(pages.sent)) == 0
    made.empty += int(polled_first.sum())
    polls = weigh(given, poller, pages, listed, barren)
    copies = int((pages.stop - pages.start)[pages.sent < given.horizon].sum())
    return History(given, sent + given.delay, made + polls, pushed.setup_of(recorded), copies=copies)
