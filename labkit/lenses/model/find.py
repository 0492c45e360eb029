"""Which polls find which events: by a Reader, or all at once, in arrays, if their period is constant."""

import numpy as np

from labkit.lenses.model.history import Given
from labkit.lenses.model.outages import Windows
from labkit.lenses.model.pages import PLAIN, Held, Line, Pages, Pushed, Reader, Timing
from labkit.lenses.model.timing import FixedDelay


def find(
    given: Given,
    visible: list[int],
    timing: Timing,
    limit: int,
    outages: Windows,
    held: Held = PLAIN,
    pushed: Pushed | None = None,
) -> Pages:
    """The pages of one poller."""
    plain = held is PLAIN and not outages
    if plain and isinstance(timing, FixedDelay) and (pages := _at_once(given, visible, timing, limit)):
        return pages
    reader, line = Reader(given, visible, limit, held, pushed), Line(given.horizon)
    reader.poll(timing, outages, line)
    return reader.pages(line)


def _at_once(given: Given, visible: list[int], timing: FixedDelay, limit: int) -> Pages | None:
    """The pages of polls, each of which takes one round trip. None if one finds more events than a page holds.

    With polls at 0.0, 10.04, 20.08, … s and a delay of 0.02 s, an event at 12 s is found by the third, number 2: the
    least number n with 10.04 n + 0.02 ≥ 12.
    """
    trip, horizon = 2 * given.delay, given.horizon
    period = timing.pause + trip
    seen_from = np.array(visible, dtype=np.int64) - given.delay
    numbers, start = np.unique(np.maximum(0, -((timing.next - seen_from) // period)), return_index=True)
    stop = np.append(start[1:], len(visible)) if len(start) else start
    if (stop - start > limit).any():
        return None
    sent = timing.next + numbers * period
    given.check_not_late(int(sent.max(initial=0)))
    polls, line, ended = timing.before(horizon, trip), Line(horizon), 0
    if polls:
        last = timing.after(polls - 1, trip)
        line.use_often(timing.next, last, polls, trip)
        ended = last + trip
    after = np.concatenate([[0], numbers + 1])
    empty = np.maximum(0, np.minimum(np.append(numbers, polls), polls) - after)
    never = np.zeros((0, 2), dtype=np.int64)
    more = np.zeros(len(sent), dtype=bool)
    return Pages(
        sent, sent + trip, start, stop, more, empty, line.connections, line.total(), failed=0, cut=never, ended=ended
    )
