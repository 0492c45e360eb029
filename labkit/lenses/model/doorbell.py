"""Notices without data, each of which has the consumer read every event after its cursor."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.approaches import Doorbell, Polling
from labkit.clock import NANO, nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.attempts import Attempts, Row, ends_with
from labkit.lenses.model.history import Given, History
from labkit.lenses.model.outages import NEVER
from labkit.lenses.model.pages import Line, Pages, Reader
from labkit.lenses.model.polling import sizes_of, weigh
from labkit.lenses.model.timing import FixedDelay
from labkit.source.outbox import Delivery
from labkit.source.store import Subscription
from labkit.wire import LARGEST_PAGE


@dataclass(frozen=True)
class Played:
    """A run: the attempts of notices, and what they and the polls have read."""

    made: Attempts
    pages: Pages
    polled: NDArray[np.bool_]
    """Whether a poll has read a page."""
    events: int
    """The deliveries that the attempts stand for; each counts once per attempt."""


def doorbell(given: Given) -> History:
    """`Doorbell`: notices and polls read by one cursor, so no event comes twice."""
    played, received = play(given), np.full(len(given.events), NEVER)
    pages, polled = played.pages, np.zeros(len(given.events), dtype=bool)
    received[: len(pages.of)], polled[: len(pages.of)] = pages.received, played.polled[pages.of]
    recorded = sizes.exchanges(Doorbell(0.0), pushed.RUN)
    read = weigh(given, sizes_of(Polling(limit=LARGEST_PAGE)), pages, np.arange(len(given.events)))
    notice = Delivery(Subscription("sub", "", (), "active", "", payload="doorbell"), 1, "", b"", 1, 1, 0)
    sent = pushed.weigh_written(given, recorded, played.made, [(notice,)] * len(played.made.sent))
    return History(given, received, sent + read, pushed.setup_of(recorded), received == NEVER, polled=polled)


def play(given: Given) -> Played:
    """A notice is sent as an event occurs, or as the last one has ended, if events have occurred meanwhile.

    One that fails is sent again after the profile's wait, or earlier with the next event, and stands for all that wait.
    """
    profile, delay, occurred = given.scenario.retries, given.delay, given.occurred.tolist()
    outages, reader = given.outages("delivery", profile.timeout), Reader(given, occurred, LARGEST_PAGE)
    polls, fetches, wait = _Polls(given), Line(given.horizon), pushed.waits(given)
    rows, by_notice = list[Row](), list[int]()
    waits_from = named = events = step = free_at = 0
    again = NEVER
    while (sent := max(min(again, occurred[named] if named < len(occurred) else NEVER), free_at)) < NEVER:
        if again == NEVER:
            waits_from = named
        if named < len(occurred) and occurred[named] <= sent:
            newest, step, named = given.events[named].id, 0, bisect_right(occurred, sent)
        step, events = step + 1, events + named - waits_from
        ended, carried, cut, answered = ends_with(outages, sent, 2 * delay)
        if carried and sent + delay < cut:
            polls.read(reader, sent - delay)
            first, found = len(reader.rows), reader.found
            read_at, _ = reader.read(sent + delay, cut, fetches)
            if found < len(occurred) or sent - delay < given.horizon:
                polls.check(sent + delay, read_at)
            by_notice += range(first, len(reader.rows))
            ended, answered = min(read_at + delay, cut), read_at + delay < cut
        rows.append((len(rows), sent, ended, carried, cut, answered))
        free_at, again = ended, NEVER
        if not answered:
            seconds = wait(newest, step)
            free_at += nanoseconds(profile.rest)
            again = NEVER if seconds is None else ended + nanoseconds(seconds)
    polls.read(reader)
    polled = np.ones(len(reader.rows), dtype=bool)
    polled[by_notice] = False
    return Played(Attempts.of_rows(rows), reader.pages(fetches, polls.line), polled, events)


class _Polls:
    """The polls beside the notices."""

    def __init__(self, given: Given) -> None:
        approach = given.approach
        assert isinstance(approach, Doorbell)
        interval, self.line, self._trip = nanoseconds(approach.reconcile_interval), Line(given.horizon), 2 * given.delay
        self.outages, self._timing = given.outages("poll"), FixedDelay(interval, interval) if interval else None
        self._busy = -1

    def read(self, reader: Reader, until: int | None = None) -> None:
        """Send those that are due before an instant, or all of them."""
        if self._timing:
            self._busy = reader.poll(self._timing, self.outages, self.line, until)

    def check(self, since: int, until: int) -> None:
        """Refuse a poll while the consumer reads because of a notice: both would move one cursor."""
        if self._timing and (self._busy >= since or since - self._trip <= self._timing.next <= until):
            raise ValueError(f"at {since / NANO:g} s a notice and a poll read at the same time: use the virtual lens")


def check(given: Given) -> None:
    """Refuse what `play` refuses, notices that take too long, and an endpoint that may be switched off."""
    pushed.check_kinds(given, "delivery", "fetch")
    played, trip = play(given), 2 * given.delay
    made = played.made
    takes = int((made.ended - made.sent)[made.carried].max(initial=0))
    pushed.check_takes(given, max(1, -(-takes // trip)) if trip else 0)
    pushed.check_events(given, made, played.events)
