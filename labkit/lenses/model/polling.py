"""Polling by cursor: which poll finds which events, and what the polls before it weigh."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.approaches import Polling
from labkit.clock import nanoseconds
from labkit.lenses.model import sizes
from labkit.lenses.model.history import Given, History, Instants, Sent, digits
from labkit.lenses.model.timing import IDLE, FixedDelay, FixedRate, check_rate


@dataclass(frozen=True)
class Pages:
    """The pages with events, in the order sent, and how many empty polls come before each, the last of them at the end.

    A page holds the events from `start` up to `stop` of those that the list shows.
    """

    sent: Instants
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    more: NDArray[np.bool_]
    """Whether there are more events, so that the next page is requested at once."""
    empty: NDArray[np.int64]
    """One more than pages: empty polls before each page, and after the last one; up to the horizon."""
    connections: int
    held: int


def find(visible: list[int], timing: FixedDelay | FixedRate, delay: int, limit: int, horizon: int) -> Pages:
    """Poll until all events have been found. The cost is per page with events."""
    rows: list[tuple[int, int, int, bool]] = []
    empty: list[int] = []
    found, connections, held, idle = 0, 0, 0, IDLE + 1
    opened = end = 0

    def empties(polls: int) -> None:
        nonlocal connections, held, idle, opened, end
        counted = min(polls, timing.before(horizon))
        empty.append(counted)
        if not counted:
            return
        first, last = timing.skip(0), timing.skip(counted - 1)
        timing.skip(1 - counted)
        if idle > IDLE:
            connections, held, opened = connections + 1, held + end - opened, first
        end = min(last + 2 * delay, horizon)
        if timing.idle > IDLE and counted > 1:  # each has a connection of its own
            connections += counted - 1
            held += min(first + 2 * delay, horizon) - opened + (counted - 2) * 2 * delay
            opened = last
        idle = timing.idle

    while found < len(visible):
        polls = timing.before(visible[found] - delay)
        empties(polls)
        at, more = timing.skip(polls), True
        if idle > IDLE and at < horizon:
            connections, held, opened = connections + 1, held + end - opened, at
        while more:
            shown = bisect_right(visible, at + delay)
            stop = min(shown, found + limit)
            more = stop < shown
            rows.append((at, found, stop, more))
            if at < horizon:
                end = min(at + 2 * delay, horizon)
            if len(rows) > len(empty):
                empty.append(0)
            found, at = stop, at + 2 * delay
        idle = timing.answered(at)
    empties(timing.before(horizon))
    held += end - opened
    sent, start, stop_, more_ = (np.array([row[place] for row in rows], dtype=np.int64) for place in range(4))
    return Pages(sent, start, stop_, more_.astype(bool), np.array(empty, dtype=np.int64), connections, held)


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


def page_sizes(path: str, limit: int, types: tuple[str, ...], filtered: str, conditional: bool) -> PageSizes:
    """Taken from five recorded polls of the same path: one that finds an event, and empty ones."""
    made = Polling(1.0, limit=limit, types=types, filtered=filtered, conditional=conditional)  # type: ignore[arg-type]
    assert made.path() == path
    hit, fresh, *later = [each for each in sizes.exchanges(made, 4.0) if each.kind == "poll"]
    tag = hit.answer.varying["ETag"]
    return PageSizes(
        first=hit.request.fixed,
        later=hit.request.fixed + fresh.cursor,
        tagged=fresh.request.fixed + fresh.cursor,
        answer=fresh.answer.fixed,
        unchanged=later[-1].answer.fixed,
        body=fresh.answer.body,
        tag=len(tag) - sum(map(str.isdigit, tag)) + 1,  # "0-1-0": two places, and whether there are more
    )


def schedule(given: Given) -> History:
    """`Polling`, whose polls are due by a fixed rule."""
    approach = given.approach
    assert isinstance(approach, Polling)
    return History(given, *polled(given, approach, timing_of(given, approach)), setup=0)


def timing_of(given: Given, approach: Polling) -> FixedDelay | FixedRate:
    """When the polls of an approach are due."""
    trip = 2 * given.delay
    if approach.fixed == "rate":
        return FixedRate(approach, trip)
    return FixedDelay(nanoseconds(approach.initial_delay), nanoseconds(approach.interval), trip)


def polled(given: Given, approach: Polling, timing: FixedDelay | FixedRate) -> tuple[Instants, Sent]:
    """When each wanted event is received by polls, and what they are."""
    pages, listed = pages_of(given, approach, timing)
    received = np.repeat(pages.sent + 2 * given.delay, pages.stop - pages.start)
    wanted = given.wanted[listed]
    news = np.add.reduceat(wanted, pages.start) if len(pages.start) else np.zeros(0, dtype=np.int64)
    return received[wanted], weigh(given, approach, pages, listed, news == 0)


def pages_of(given: Given, approach: Polling, timing: FixedDelay | FixedRate) -> tuple[Pages, NDArray[np.int64]]:
    """The pages, and the places in the source's order, from 0, of the events that its list shows this poller."""
    shown = given.wanted if approach.filtered == "source" else np.ones(len(given.events), dtype=bool)
    listed = np.flatnonzero(shown)
    visible = given.occurred[listed].tolist()
    return find(visible, timing, given.delay, approach.limit, given.horizon), listed


def weigh(given: Given, approach: Polling, pages: Pages, listed: NDArray[np.int64], barren: NDArray[np.bool_]) -> Sent:
    """Requests, empty ones and bytes. A page is `barren` if none of its events is new to the consumer."""
    size = page_sizes(approach.path(), approach.limit, approach.types, approach.filtered, approach.conditional)
    counted = pages.sent < given.horizon
    documents = np.array([len(given.documents[place]) for place in listed], dtype=np.int64)
    sums = np.concatenate([[0], np.cumsum(documents)])
    place = np.concatenate([[0], listed + 1])  # of the last event found, in the source's order, from 1
    before, after = digits(place[pages.start]), digits(place[pages.stop])
    events = pages.stop - pages.start
    body = size.body + sums[pages.stop] - sums[pages.start] + events - 1 - pages.more  # "true" is shorter than "false"
    tags = size.tag + before + after
    answers = size.answer + body + digits(body) + tags
    at = digits(place[np.concatenate([[0], pages.stop])])  # of the cursor of each run of empty polls
    same = size.tag + 2 * at
    fresh = size.answer + size.body + digits([size.body]) + same
    polls = int(pages.empty.sum()) + int(counted.sum())
    out = np.full(len(events), size.later)
    idle_out, idle_in = size.later * pages.empty, fresh * pages.empty
    if approach.conditional:
        some = pages.empty > 0
        last = np.concatenate([[0], tags])  # the ETag that the poller holds when a run of empty polls begins
        held = np.where(some[:-1], same[:-1], last[:-1])
        out = size.tagged + held
        idle_out = some * (size.tagged + last) + np.maximum(pages.empty - 1, 0) * (size.tagged + same)
        idle_in = some * fresh + np.maximum(pages.empty - 1, 0) * (size.unchanged + same)
    bytes_out = int(idle_out.sum() + out[counted].sum())
    if polls:  # the first request has no cursor, and no ETag
        first_tagged = size.tagged - size.later if approach.conditional else 0
        bytes_out -= size.later - size.first + first_tagged
    return Sent(
        requests=polls,
        empty=int(pages.empty.sum()) + int((barren & counted).sum()),
        bytes_out=bytes_out,
        bytes_in=int(idle_in.sum() + answers[counted].sum()),
        connections=pages.connections,
        held=pages.held,
    )


def check(given: Given) -> None:
    """Refuse what needs a draw per poll, a rate that is not numbered exactly, and a drain that may end early."""
    approach = given.approach
    assert isinstance(approach, Polling)
    if approach.jitter:
        raise ValueError(f"jitter needs a draw per poll, got {approach.jitter:g}: use the virtual lens")
    if approach.fixed == "rate":
        check_rate(approach, given.scenario.delay, given.scenario.duration)
    if approach.filtered == "client" and approach.types:
        pages, _ = pages_of(given, approach, timing_of(given, approach))
        if (pages.more & (pages.sent >= given.horizon)).any():
            rule = "the model lens needs one page per poll after the horizon with filtered='client'"
            raise ValueError(f"{rule}, got a limit of {approach.limit}: use the virtual lens")
