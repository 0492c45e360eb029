"""Batches, and a webhook with a poll beside it."""

import numpy as np

from labkit.approaches import Batched, Hybrid, Polling
from labkit.arrivals import EARLIEST
from labkit.clock import NANO, nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.attempts import check_in_flight, play
from labkit.lenses.model.history import Given, History
from labkit.lenses.model.outages import NEVER
from labkit.lenses.model.polling import pages_of, sizes_of, timing_of, weigh
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
    posts = play(at.tolist(), 2 * given.delay, given.outages("delivery"), given.scenario.retries, lambda *_: None)
    sums = pushed.weigh(given, recorded, posts, *weights, brought=posts.answered)
    received = np.repeat(at + given.delay, stop_of - first_of)
    return History(given, received, sums, pushed.setup_of(recorded))


def check_batched(given: Given) -> None:
    """Refuse batches that the limit on what is in flight, or on their bytes, would divide."""
    approach = given.approach
    assert isinstance(approach, Batched)
    if given.scenario.faults:
        raise ValueError("the model lens has no outages for batched: use the virtual lens")
    pushed.check_takes(given, 1)
    sent = [sent for sent, first, stop in groups(given) for _ in range(first, stop)]
    check_in_flight(given.occurred, np.array(sent, dtype=np.int64) + 2 * given.delay, given.scenario.retries)
    for _, first, stop in groups(given):
        if (size := sum(map(len, given.documents[first:stop]))) > BATCH_BYTES:
            raise ValueError(f"a batch has {size:,} bytes, and the most is {BATCH_BYTES:,}: use the virtual lens")


def hybrid(given: Given) -> History:
    """`Hybrid`: a delivery or a poll brings each event, whichever comes first; a poll if both come at one instant.

    The polls bring each event too, until the run is settled: as the last delivery ends, and no event is missing.
    """
    approach = given.approach
    assert isinstance(approach, Hybrid)
    recorded, made = sizes.exchanges(Hybrid(60.0), pushed.RUN), pushed.attempts(given, 2 * given.delay)
    arrived = made.there(given.delay)
    pushed_at, copies = pushed.receipts(given, made, arrived, given.delay)
    interval = approach.reconcile_interval
    poller = Polling(interval=interval, initial_delay=interval, limit=LARGEST_PAGE)
    pages, listed = pages_of(given, poller, timing_of(poller))
    of = np.repeat(np.arange(len(pages.sent)), pages.stop - pages.start)  # the page that holds each event
    received = np.minimum(pushed_at, pages.answered[of])
    polled = pages.answered[of] <= pushed_at
    barren = np.bincount(of, weights=polled, minlength=len(pages.sent)) == 0
    last = max(int(made.ended.max(initial=0)), int(received.max(initial=0)), pages.ended)
    settled = (pages.sent < given.horizon) | (pages.answered <= last)
    copies += int((pages.stop - pages.start)[settled].sum()) - int((pushed_at == NEVER).sum())
    brought = made.first(arrived) & ~polled[made.of]
    sent = pushed.weigh(given, recorded, made, pushed.ids(given), pushed.full(given), brought)
    sent += weigh(given, sizes_of(poller), pages, listed, barren)
    return History(given, received, sent, pushed.setup_of(recorded), copies=copies, polled=polled)
