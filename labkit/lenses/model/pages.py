"""Which poll finds which events, by a cursor. The cost is per page with events and per outage, not per poll."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labkit.lenses.model.history import Instants, Sent
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

    @property
    def of(self) -> NDArray[np.int64]:
        """For each event of the list: the number of the page that holds it, from 0."""
        return np.repeat(np.arange(len(self.sent)), self.stop - self.start)

    @property
    def received(self) -> Instants:
        """For each event of the list: when its page was answered."""
        return self.answered[self.of]

    def settled(self, horizon: int, deliveries: Instants, received: Instants) -> NDArray[np.bool_]:
        """Which pages are requested before the run is settled.

        That is up to the horizon, and then until the last delivery has ended, and every event has been received.
        """
        last = max(int(deliveries.max(initial=0)), int(received.max(initial=0)), self.ended)
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
    """How the polls of `find` differ from those of plain polling: in nanoseconds."""

    wait: int = 0
    """For how long the source holds an empty answer back. An event at the instant of its end comes too late."""
    recover: int = 0
    """The pause after a failure."""
    follow: bool = True
    """Whether the next page is requested at once, if there are more events."""


def find(
    visible: list[int], timing: Timing, delay: int, limit: int, horizon: int, outages: Windows, held: Held = Held()
) -> Pages:
    """Poll until all events have been found and the horizon has been reached."""
    rows: list[Row] = []
    empty, cut_polls, line, idle = [0], list[tuple[int, bool]](), Line(horizon), 2 * delay + held.wait
    found = failed = ended = 0
    while found < len(visible) or timing.next < horizon:
        at = timing.next
        cut, hold = outages.cut(at), outages.hold(at)
        if hold is not None:
            takes, until = hold + held.recover, outages.change(at)
        else:
            waits_from = visible[found] - delay - held.wait + bool(held.wait) if found < len(visible) else horizon
            takes, until = idle, min(cut - idle, waits_from)
        if polls := timing.before(until, takes):
            last = timing.after(polls - 1, takes)
            if counted := min(polls, timing.before(horizon, takes)):
                last_counted = timing.after(counted - 1, takes)
                ended = outages.end(last_counted, idle)
                if hold is None:
                    empty[-1] += counted
                    line.use_often(at, last_counted, counted, idle)
                else:
                    failed += counted
            recover = 0 if hold is None else held.recover
            timing.answered(polls, takes, outages.end(last, idle) + recover, False)
            continue
        again, before = True, found
        while again and (answered := _answered(visible, found, at, delay, idle)) < cut:
            shown = bisect_right(visible, answered - delay)
            stop = min(shown, found + limit)
            more = stop < shown
            again = more and held.follow
            rows.append((at, answered, found, stop, more))
            empty.append(0)
            line.use(at, answered)
            ended = answered if at < horizon else ended
            found, at = stop, answered
        if again and at < horizon:
            cut_polls.append((len(rows), empty[-1] > 0))
            line.use(at, cut, kept=False)
            ended = cut
        timing.answered(1, idle, cut + held.recover if again else at, found > before)
    return pages(rows, empty, line, cut_polls, failed, ended)


def _answered(visible: list[int], found: int, at: int, delay: int, idle: int) -> int:
    """When a poll is answered: there is an event as it arrives, or it is held back until there is one."""
    return max(at + delay, visible[found]) + delay if found < len(visible) else at + idle


def pages(
    rows: list[Row], empty: list[int], line: Line, cut: Sequence[tuple[int, bool]] = (), failed: int = 0, ended: int = 0
) -> Pages:
    """The pages, of rows."""
    sent, answered, start, stop, more = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    gaps, cuts = np.array(empty, dtype=np.int64), np.array(cut, dtype=np.int64).reshape(-1, 2)
    return Pages(
        sent, answered, start, stop, more.astype(bool), gaps, line.connections, line.total(), failed, cuts, ended
    )
