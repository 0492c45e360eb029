"""Which poll finds which events, by a cursor. The cost is per page with events and per outage, not per poll."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labkit.lenses.model.history import Given, Instants, Sent
from labkit.lenses.model.outages import NEVER, Windows
from labkit.lenses.model.timing import IDLE


class Timing(Protocol):
    """When polls are due. What it says of several polls holds as long as none of them finds an event."""

    @property
    def next(self) -> int:
        """The instant of the next poll."""

    def before(self, instant: int, takes: int, /) -> int:
        """How many polls are sent before an instant, if each takes so many nanoseconds."""

    def after(self, polls: int, takes: int, /) -> int:
        """The instant of the next poll after so many."""

    def answered(self, polls: int, takes: int, at: int, found: bool, /) -> None:
        """Go on after so many polls, the last of which ended at `at`, and may have found an event."""


@dataclass(frozen=True)
class Pages:
    """The pages with events, in the order sent, and the number of empty polls before each and after the last one.

    A page holds the events from `start` up to `stop` of those that the list shows.
    """

    sent: Instants
    answered: Instants
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    more: NDArray[np.bool_]
    """Whether there are more events, so that the next page is requested at once."""
    empty: NDArray[np.int64]
    """One more than pages: empty polls before each page, and after the last one; up to the horizon."""
    connections: int
    held: int
    failed: int
    """Polls without a connection, up to the horizon."""
    cut: NDArray[np.int64]
    """A row per poll that was cut, up to the horizon: pages before it, and whether there were empty polls since."""
    ended: int
    """When the last poll before the horizon was answered, or failed."""

    @cached_property
    def of(self) -> NDArray[np.int64]:
        """For each event of the list that has been found: the number of the page that holds it, from 0."""
        return np.repeat(np.arange(len(self.sent)), self.stop - self.start)

    @cached_property
    def received(self) -> Instants:
        """For each event of the list that has been found: when its page was answered."""
        return self.answered[self.of]

    def over(self, deliveries: Instants, received: Instants) -> int:
        """When the last delivery has ended, every event has been received, and the last poll counted is answered."""
        return max(int(deliveries.max(initial=0)), int(received.max(initial=0)), self.ended)

    def settled(self, horizon: int, deliveries: Instants, received: Instants) -> NDArray[np.bool_]:
        """Which pages are requested before the run is settled."""
        last = self.over(deliveries, received)
        return (self.sent < horizon) | (self.answered <= last)

    def summed(
        self, horizon: int, bytes_out: int, bytes_in: int, barren: NDArray[np.bool_] | Literal[False] = False
    ) -> Sent:
        """All polls up to the horizon. A page is `barren` if none of its events is new to the consumer."""
        counted, empty, failed = self.sent < horizon, int(self.empty.sum()), self.failed + len(self.cut)
        return Sent(
            requests=empty + int(counted.sum()) + failed,
            empty=empty + int((counted & barren).sum()),
            errors=failed,
            bytes_out=bytes_out,
            bytes_in=bytes_in,
            connections=self.connections,
            held=self.held,
        )


class Line:
    """A poller's connections up to the horizon: one at a time, which is reused if it was idle for at most 5 s."""

    def __init__(self, horizon: int) -> None:
        self.horizon, self.connections, self.held = horizon, 0, 0
        self._opened = self._end = 0
        self._idle_since = -NEVER

    def use(self, at: int, end: int, kept: bool = True) -> None:
        """A poll from one instant to another one."""
        if at >= self.horizon:
            return
        if at - self._idle_since > IDLE:
            self.connections, self.held, self._opened = self.connections + 1, self.total(), at
        self._end = min(end, self.horizon)
        self._idle_since = end if kept else -NEVER

    def use_often(self, first: int, last: int, polls: int, trip: int) -> None:
        """So many polls at about equal distances."""
        self.use(first, first + trip)
        if polls > 1:
            if (last - first) // (polls - 1) - trip > IDLE:  # each has a connection of its own
                self.connections += polls - 2
                self.held += (polls - 2) * trip
            else:
                self._idle_since = last
            self.use(last, last + trip)

    def total(self) -> int:
        """Nanoseconds for which connections have been held."""
        return self.held + self._end - self._opened


Row = tuple[int, int, int, int, bool]
"""A page: sent, answered, start, stop, more."""


@dataclass(frozen=True)
class Held:
    """How the polls of a Reader differ from those of plain polling: in nanoseconds."""

    wait: int = 0
    """For how long the source holds an empty answer back. An event at the instant of its end comes too late."""
    recover: int = 0
    """The pause after a failure."""
    follow: bool = True
    """Whether the next page is requested at once, if there are more events."""


PLAIN = Held()
"""A poll that is answered at once."""


@dataclass(frozen=True)
class Pushed:
    """What deliveries bring beside the polls, which go on until the run is settled."""

    missing: int
    """Up to which place in the list an event is missing that no delivery brings."""
    ended: int
    """When the last delivery has ended."""


class Reader:
    """Reads a list by its cursor, page by page, until all events have been found and the horizon has been reached."""

    def __init__(
        self, given: Given, visible: list[int], limit: int, held: Held = PLAIN, pushed: Pushed | None = None
    ) -> None:
        self.given, self.visible, self.limit, self.held = given, visible, limit, held
        self.delay, self.horizon = given.delay, given.horizon
        self.rows: list[Row] = []
        self.found = 0
        self._pushed = pushed or Pushed(len(visible), 0)
        self._empty, self._cut, self._idle = [0], list[tuple[int, bool]](), 2 * given.delay + held.wait
        self._failed = self._ended = 0

    def poll(self, timing: Timing, outages: Windows, line: Line, until: int | None = None) -> int:
        """Send the polls that are due before an instant. Returns when the last one that found an event has ended."""
        busy, idle, visible, held = -1, self._idle, self.visible, self.held
        while timing.next < self.horizon or self.found < self._pushed.missing or self._may_be_read(timing.next):
            at, found = timing.next, self.found
            if until is not None and at >= until:
                break
            self.given.check_not_late(at)
            cut, hold = outages.cut(at), outages.hold(at)
            if hold is not None:
                takes, stop = hold + held.recover, outages.change(at)
            else:
                waits_from = self.horizon
                if found < len(visible):
                    waits_from = visible[found] - self.delay - held.wait + bool(held.wait)
                takes, stop = idle, min(cut - idle, waits_from)
            if polls := timing.before(stop if until is None else min(stop, until), takes):
                last = timing.after(polls - 1, takes)
                if counted := min(polls, timing.before(self.horizon, takes)):
                    last_counted = timing.after(counted - 1, takes)
                    self._ended = outages.end(last_counted, idle)
                    if hold is None:
                        self._empty[-1] += counted
                        line.use_often(at, last_counted, counted, idle)
                    else:
                        self._failed += counted
                recover = 0 if hold is None else held.recover
                timing.answered(polls, takes, outages.end(last, idle) + recover, False)
                continue
            busy, is_cut = self.read(at, cut, line)
            timing.answered(1, idle, busy + held.recover if is_cut else busy, self.found > found)
        return busy

    def _may_be_read(self, at: int) -> bool:
        """Whether a poll may find an event before the run is settled by deliveries."""
        return self.found < len(self.visible) and at <= max(
            self._pushed.ended, self._ended, self.rows[-1][1] if self.rows else 0
        )

    def read(self, at: int, cut: int, line: Line) -> tuple[int, bool]:
        """Request pages from an instant on, until there are no more events. Returns the end, and whether it was cut."""
        visible, more = self.visible, True
        while more:
            answered = at + self._idle
            if self.found < len(visible):  # it is answered at once, or held back until there is an event
                answered = min(answered, max(at + self.delay, visible[self.found]) + self.delay)
            if answered >= cut:
                if at < self.horizon:
                    self._cut.append((len(self.rows), self._empty[-1] > 0))
                    self._ended = cut
                line.use(at, cut, kept=False)
                return cut, True
            shown = bisect_right(visible, answered - self.delay)
            stop = min(shown, self.found + self.limit)
            more = stop < shown
            if self.found < stop:
                self.rows.append((at, answered, self.found, stop, more))
                self._empty.append(0)
            elif at < self.horizon:
                self._empty[-1] += 1
            line.use(at, answered)
            self._ended = answered if at < self.horizon else self._ended
            self.found, at, more = stop, answered, more and self.held.follow
        return at, False

    def pages(self, *lines: Line) -> Pages:
        """What has been read, on these connections."""
        sent, answered, start, stop, more = np.array(self.rows, dtype=np.int64).reshape(-1, 5).T
        return Pages(
            sent,
            answered,
            start,
            stop,
            more.astype(bool),
            empty=np.array(self._empty, dtype=np.int64),
            connections=sum(each.connections for each in lines),
            held=sum(each.total() for each in lines),
            failed=self._failed,
            cut=np.array(self._cut, dtype=np.int64).reshape(-1, 2),
            ended=self._ended,
        )
