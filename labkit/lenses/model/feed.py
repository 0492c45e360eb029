"""Feeds and relays: polls without a cursor of the source's, at a fixed delay."""

import numpy as np

from labkit.approaches import ConditionalFeed, Feed, Relay
from labkit.clock import nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.history import Given, History, Sent, digits
from labkit.lenses.model.polling import Pages, find
from labkit.lenses.model.timing import FixedDelay

UNLIMITED = 2**62


def feed(given: Given) -> History:
    """`Feed`, conditional or not: each answer holds the newest events, whether they are new or not."""
    approach = given.approach
    assert isinstance(approach, Feed)
    pages = _pages(given, given.occurred.tolist(), approach.interval)
    places = np.arange(len(given.events))
    lost = places < np.repeat(pages.stop - approach.last, pages.stop - pages.start)
    received = np.repeat(pages.sent + 2 * given.delay, pages.stop - pages.start)

    first, *_, last = sizes.exchanges(type(approach)(1.0, last=approach.last), 4.0)
    counted = pages.sent < given.horizon
    found = np.concatenate([[0], pages.stop])  # how many events the list has had, before each page and at the end
    sums = np.concatenate([[0], np.cumsum(pushed.lengths(given.documents))])
    shown = np.minimum(found, approach.last)
    empty = first.answer.body - sizes.PROBE_BYTES
    body = empty + sums[found] - sums[found - shown] + np.maximum(shown - 1, 0)
    etag = first.answer.varying["ETag"]
    tag = len(etag) - len(etag.strip('"').partition("-")[2]) + digits(found)
    whole = first.answer.fixed + body + digits(body) + tag
    requests = int(pages.empty.sum()) + int(counted.sum())
    out = requests * first.request.fixed
    into = int((pages.empty * whole).sum() + whole[1:][counted].sum())
    if isinstance(approach, ConditionalFeed):
        # every answer but the first of each list is 304, and every request but the first has the ETag of the last 200
        repeats = pages.empty.copy()
        if len(repeats):
            repeats[0] = max(0, repeats[0] - 1)
        same = last.answer.fixed + tag
        begins = int(pages.empty[0] > 0)  # an empty list is answered in full, once
        into = begins * int(whole[0]) + int((repeats * same).sum() + whole[1:][counted].sum())
        asked = last.request.fixed
        later = int((repeats * (asked + tag)).sum())
        held = (asked + tag[:-1])[counted]
        if begins:
            out = first.request.fixed + later + int(held.sum())
        else:
            out = later + int(held[1:].sum()) + (first.request.fixed if requests else 0)
    sent = Sent(requests, int(pages.empty.sum()), out, into, pages.connections, pages.held)
    return History(given, received[given.wanted], sent, setup=0, lost=lost)


def relay(given: Given) -> History:
    """`Relay`: a delivery per event, and polls of the host that keeps them.

    A poll that is sent in the nanosecond in which an event occurs reaches the relay before the delivery.
    """
    approach = given.approach
    assert isinstance(approach, Relay)
    recorded = sizes.exchanges(Relay(0.25), pushed.RUN)
    kept = given.occurred + given.delay
    pages = _pages(given, (kept + 1).tolist(), approach.interval)
    received = np.repeat(pages.sent + 2 * given.delay, pages.stop - pages.start)
    bodies = pushed.lengths(given.documents)
    made = pushed.delivered(given, recorded, given.occurred, pushed.ids(given), bodies, 2 * given.delay)
    made.empty = made.requests  # the event comes with a poll

    poll = next(each for each in recorded if each.kind == "poll")
    counted = pages.sent < given.horizon
    found = np.concatenate([[0], pages.stop])
    sums = np.concatenate([[0], np.cumsum(bodies)])
    body = poll.answer.body + sums[pages.stop] - sums[pages.start] + pages.stop - pages.start - 1
    out = poll.request.fixed + digits(found)
    empty = pushed.whole(poll.answer)
    requests = int(pages.empty.sum()) + int(counted.sum())
    polls = Sent(
        requests=requests,
        empty=int(pages.empty.sum()),
        bytes_out=int((pages.empty * out).sum() + out[:-1][counted].sum()),
        bytes_in=int(pages.empty.sum()) * empty + int((poll.answer.fixed + body + digits(body))[counted].sum()),
        connections=pages.connections,
        held=pages.held,
        named=requests,
    )
    return History(given, received, made + polls, pushed.setup_of(recorded))


def _pages(given: Given, visible: list[int], interval: float) -> Pages:
    timing = FixedDelay(0, nanoseconds(interval), 2 * given.delay)
    return find(visible, timing, given.delay, UNLIMITED, given.horizon)


def check(given: Given) -> None:
    """Nothing to refuse: a feed's parameters are all fixed."""
