"""Polling by cursor: when each event is received, and what the polls weigh."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labkit.approaches import Aimd, Approach, HalveDouble, LongPolling, Polling
from labkit.clock import nanoseconds
from labkit.lenses.model import sizes
from labkit.lenses.model.find import find
from labkit.lenses.model.history import Given, History, Instants, Sent, digits
from labkit.lenses.model.pages import Held, Pages, Pushed, Timing
from labkit.lenses.model.timing import Adaptive, FixedDelay, FixedRate, check_rate
from labkit.network import TIMEOUT


@dataclass(frozen=True)
class PageSizes:
    """What a poll and its answer weigh, apart from the events."""

    first: int
    """Bytes of a request without a cursor."""
    later: int
    tagged: int
    """Bytes of a conditional request, without its ETag."""
    answer: int
    unchanged: int
    body: int
    """Bytes of an empty page's body."""
    tag: int
    """Bytes of an ETag without the digits of its two places."""


def page_sizes(approach: Approach, seconds: float) -> PageSizes:
    """Taken from the recorded polls of so many seconds: one that finds an event, and empty ones."""
    hit, fresh, *later = [each for each in sizes.exchanges(approach, seconds) if each.kind == "poll"]
    tag = hit.answer.varying["ETag"]
    return PageSizes(
        first=hit.request.fixed,
        later=hit.request.fixed + fresh.cursor,
        tagged=fresh.request.fixed + fresh.cursor,
        answer=fresh.answer.fixed,
        unchanged=[fresh, *later][-1].answer.fixed,
        body=fresh.answer.body,
        tag=len(tag) - sum(map(str.isdigit, tag)) + 1,  # "0-1-0": two places, and whether there are more
    )


def schedule(given: Given) -> History:
    """`Polling`, whose polls are due by a fixed rule."""
    approach = given.approach
    assert isinstance(approach, Polling)
    return History(given, *polled(given, approach, timing_of(approach)), setup=0)


def adaptive(given: Given) -> History:
    """`Aimd` and `HalveDouble`: the requests of polling, poll by poll."""
    approach = given.approach
    assert isinstance(approach, Aimd | HalveDouble)
    return History(given, *polled(given, Polling(), Adaptive(approach)), setup=0)


def long_polling(given: Given) -> History:
    """`LongPolling`, of one poller at a time per consumer."""
    approach = given.approach
    assert isinstance(approach, LongPolling)
    timing, wait = FixedDelay(0, nanoseconds(approach.pause)), float(approach.written_wait)
    held = Held(nanoseconds(wait), nanoseconds(approach.reconnect_pause), follow=False)
    outages = given.outages("poll", approach.wait + TIMEOUT)
    found = find(given, given.occurred.tolist(), timing, approach.limit, outages, held)
    size = page_sizes(approach, 3 * (approach.wait + approach.pause) + 1e-6)
    sent = weigh(given, size, found, np.arange(len(given.events)))
    return History(given, found.received, sent, setup=0)


def timing_of(approach: Polling) -> Timing:
    """When the polls of an approach are due."""
    if approach.fixed == "rate":
        return FixedRate(approach)
    return FixedDelay(nanoseconds(approach.initial_delay), nanoseconds(approach.interval))


def polled(given: Given, approach: Polling, timing: Timing) -> tuple[Instants, Sent]:
    """When each wanted event is received by polls, and what they are."""
    pages, listed = pages_of(given, approach, timing)
    wanted = given.wanted[listed][: len(pages.of)]
    news = np.add.reduceat(wanted, pages.start) if len(pages.start) else np.zeros(0, dtype=np.int64)
    return pages.received[wanted], weigh(given, sizes_of(approach), pages, listed, news == 0, approach.conditional)


def pages_of(
    given: Given, approach: Polling, timing: Timing, pushed: Pushed | None = None
) -> tuple[Pages, NDArray[np.int64]]:
    """The pages, and the places in the source's order, from 0, of the events that its list shows this poller."""
    shown = given.wanted if approach.filtered == "source" else np.ones(len(given.events), dtype=bool)
    listed = np.flatnonzero(shown)
    visible = given.occurred[listed].tolist()
    outages = given.outages("poll")
    if pushed is None:  # the run is settled once the last event that is wanted has been found
        last = int(np.flatnonzero(given.wanted).max(initial=-1))
        pushed = Pushed(int(shown[: last + 1].sum()), 0)
    return find(given, visible, timing, approach.limit, outages, pushed=pushed), listed


def sizes_of(approach: Polling) -> PageSizes:
    """The sizes of an approach's polls, whenever they are due."""
    return page_sizes(replace(approach, interval=1.0, fixed="delay", initial_delay=0.0, jitter=0.0), 4.0)


def weigh(
    given: Given,
    size: PageSizes,
    pages: Pages,
    listed: NDArray[np.int64],
    barren: NDArray[np.bool_] | Literal[False] = False,
    conditional: bool = False,
) -> Sent:
    """Requests, empty ones and bytes. A page is `barren` if none of its events is new to the consumer."""
    counted = pages.sent < given.horizon
    sums = np.concatenate([[0], np.cumsum(given.lengths[listed])])
    place = np.concatenate([[0], listed + 1])  # of the last event found, in the source's order, from 1
    before, after = digits(place[pages.start]), digits(place[pages.stop])
    events = pages.stop - pages.start
    body = size.body + sums[pages.stop] - sums[pages.start] + events - 1 - pages.more  # "true" is shorter than "false"
    tags = size.tag + before + after
    answers = size.answer + body + digits(body) + tags
    at = digits(place[np.concatenate([[0], pages.stop])])  # of the cursor of each run of empty polls
    same = size.tag + 2 * at
    fresh = size.answer + size.body + digits([size.body]) + same
    out = np.full(len(events), size.later)
    idle_out, idle_in = size.later * pages.empty, fresh * pages.empty
    if conditional:
        some = pages.empty > 0
        last = np.concatenate([[0], tags])  # the ETag that the poller holds when a run of empty polls begins
        held = np.where(some[:-1], same[:-1], last[:-1])
        out = size.tagged + held
        idle_out = some * (size.tagged + last) + np.maximum(pages.empty - 1, 0) * (size.tagged + same)
        idle_in = some * fresh + np.maximum(pages.empty - 1, 0) * (size.unchanged + same)
    bytes_out = int(idle_out.sum() + out[counted].sum())
    if pages.empty.any() or counted.any():  # the first request has no cursor, and no ETag
        first_tagged = size.tagged - size.later if conditional else 0
        bytes_out -= size.later - size.first + first_tagged
    gap, since = pages.cut.T
    cut_out = np.full(len(gap), size.later)
    if conditional:
        cut_out = size.tagged + np.where(since, same[gap], last[gap])
    cut_out[(gap == 0) & (since == 0)] = size.first  # no poll has been answered before
    bytes_in = int(idle_in.sum() + answers[counted].sum())
    return pages.summed(given.horizon, bytes_out + int(cut_out.sum()), bytes_in, barren)


def check(given: Given) -> None:
    """Refuse jitter, a fixed rate whose polls cannot be numbered exactly, and a drain that may end early."""
    approach = given.approach
    assert isinstance(approach, Polling)
    if approach.jitter:
        load = f"FanOut(consumers, interval, jitter={approach.jitter:g}) has the load and the latencies"
        raise ValueError(f"jitter needs a draw per poll, got {approach.jitter:g} ({load}): use the virtual lens")
    if approach.fixed == "rate":
        held = TIMEOUT if given.scenario.faults else 0.0
        check_rate(approach, given.scenario.delay, given.scenario.duration, held)
    if approach.filtered == "client" and approach.types:
        pages, _ = pages_of(given, approach, timing_of(approach))
        if (pages.more & (pages.sent >= given.horizon)).any():
            rule = "the model lens needs one page per poll after the horizon with filtered='client'"
            raise ValueError(f"{rule}, got a limit of {approach.limit}: use the virtual lens")
