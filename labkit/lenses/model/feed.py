"""Feeds and relays: polls without a cursor of the source's, at a fixed delay."""

import numpy as np

from labkit.approaches import ConditionalFeed, Feed, Relay
from labkit.clock import nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.find import find
from labkit.lenses.model.history import Given, History, digits
from labkit.lenses.model.outages import NEVER, Windows
from labkit.lenses.model.pages import Pages
from labkit.lenses.model.timing import FixedDelay

UNLIMITED = 2**62


def feed(given: Given) -> History:
    """`Feed`, conditional or not: each answer holds the newest events, whether they are new or not."""
    approach = given.approach
    assert isinstance(approach, Feed)
    pages = _pages(given, given.occurred.tolist(), approach.interval, given.outages("poll"))
    places = np.arange(len(given.events))
    lost = places < (pages.stop - approach.last)[pages.of]

    first, *_, last = sizes.exchanges(type(approach)(1.0, last=approach.last), 4.0)
    counted = pages.sent < given.horizon
    found = np.concatenate([[0], pages.stop])  # how many events the list has had, before each page and at the end
    sums = np.concatenate([[0], np.cumsum(given.lengths)])
    shown = np.minimum(found, approach.last)
    empty = first.answer.body - sizes.PROBE_BYTES
    body = empty + sums[found] - sums[found - shown] + np.maximum(shown - 1, 0)
    etag = first.answer.varying["ETag"]
    tag = len(etag) - len(etag.strip('"').partition("-")[2]) + digits(found)
    whole = first.answer.fixed + body + digits(body) + tag
    requests = int(pages.empty.sum()) + int(counted.sum())
    out = requests * first.request.fixed
    into = int((pages.empty * whole).sum() + whole[1:][counted].sum())
    gap, since = pages.cut.T
    cut_out = np.full(len(gap), first.request.fixed)
    if isinstance(approach, ConditionalFeed):
        cut_out = np.where(gap + since > 0, last.request.fixed + tag[gap], cut_out)
        # every answer but the first of each list is 304, and every request but the first has the ETag of the last 200
        begins = int(pages.empty[0] > 0)  # an empty list is answered in full, once
        repeats = pages.empty.copy()
        repeats[0] -= begins
        same = last.answer.fixed + tag
        into = begins * int(whole[0]) + int((repeats * same).sum() + whole[1:][counted].sum())
        asked = last.request.fixed
        later = int((repeats * (asked + tag)).sum())
        held = (asked + tag[:-1])[counted]
        out = bool(requests) * first.request.fixed + later + int(held[1 - begins :].sum())
    out += int(cut_out.sum())
    sent = pages.summed(given.horizon, out, into)
    return History(given, pages.received[given.wanted], sent, setup=0, lost=lost)


def relay(given: Given) -> History:
    """`Relay`: a delivery per event, and polls of the host that keeps each copy.

    A poll that is sent in the nanosecond in which a delivery is sent reaches the relay before it.
    """
    approach = given.approach
    assert isinstance(approach, Relay)
    recorded, made = sizes.exchanges(Relay(0.25), pushed.RUN), pushed.attempts(given, 2 * given.delay)
    arrived = made.there(given.delay)
    kept, copy_of = made.sent[arrived] + given.delay, made.of[arrived]
    outages = given.outages("poll", host="consumer-1")  # which owns its relay
    visible, over = (kept + 1).tolist(), max(given.horizon, int(made.ended.max(initial=0)))
    pages = _pages(given, visible, approach.interval, outages)
    of = pages.of  # the page that holds each copy
    received, news = np.full(len(given.events), NEVER), made.first(arrived)[arrived]
    received[copy_of[news]] = pages.answered[of[news]]
    lost = received == NEVER
    if lost.any():  # then a poll must find that there is nothing more: it would bring one more event
        _pages(given, [*visible, over], approach.interval, outages)
    settled = pages.settled(given.horizon, made.ended, received)  # all of them if an event is lost: polls go on
    copies = int(settled[of].sum()) - int((~lost).sum())

    bodies = pushed.full(given)
    sent = pushed.weigh(given, recorded, made, pushed.ids(given), bodies)
    poll = next(each for each in recorded if each.kind == "poll")
    counted = pages.sent < given.horizon
    found = np.concatenate([[0], pages.stop])
    sums = np.concatenate([[0], np.cumsum(bodies[copy_of])])
    body = poll.answer.body + sums[pages.stop] - sums[pages.start] + pages.stop - pages.start - 1
    out = poll.request.fixed + digits(found)
    cut = pages.cut[:, 0]
    barren = np.bincount(of[news], minlength=len(pages.sent)) == 0
    bytes_out = int((pages.empty * out).sum() + out[:-1][counted].sum() + out[cut].sum())
    bytes_in = int(pages.empty.sum()) * pushed.whole(poll.answer)
    bytes_in += int((poll.answer.fixed + body + digits(body))[counted].sum())
    polls = pages.summed(given.horizon, bytes_out, bytes_in, barren)
    polls.named = polls.requests - pages.failed  # which have no connection
    return History(given, received, sent + polls, pushed.setup_of(recorded), lost, copies)


def _pages(given: Given, visible: list[int], interval: float, outages: Windows) -> Pages:
    timing = FixedDelay(0, nanoseconds(interval))
    return find(given, visible, timing, UNLIMITED, outages)
