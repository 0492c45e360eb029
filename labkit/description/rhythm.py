"""The rhythm of a log: its rate by hour of the day and day of the week, and whether it repeats."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOUR = 3_600_000_000
QUARTER = HOUR // 4
"""In microseconds. Clocks change at whole quarters of an hour."""
MONDAY = 72
"""Hours from Monday, 0:00 to the first instant of Unix time, a Thursday's."""
SHIFTS, CHANCE = 499, 0.01
"""A rhythm repeats if, of this many random shifts, at most this share shows one as strong."""
FEWEST = {24: 3, 7: 4}
"""The whole days, and the whole weeks, that it takes to tell a rhythm from chance."""
LONGEST = 876_000
"""100 years, in hours. A longer log has a wrong instant, so no rhythm is computed."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """Events per hour of time, by hour of the week in 7 rows from Monday, by hour of the day, and by day of the week.

    NaN where the log covers less than half of one such hour or day, and at all hours of a log of dates. `daily` and
    `weekly` say whether the rhythm repeats, or are None if the log is too short to tell.
    """

    week: "NDArray[np.float64]"
    hours: "NDArray[np.float64]"
    weekdays: "NDArray[np.float64]"
    daily: bool | None
    weekly: bool | None


def local(at: "NDArray[np.int64]", zone: tzinfo) -> "NDArray[np.int64]":
    """What the zone's clocks show at these instants (in order), in microseconds."""
    import numpy as np

    if zone is UTC:
        return at
    quarter = at // QUARTER
    starts = np.flatnonzero(np.diff(quarter, prepend=quarter[0] - 1))
    shifts = [_offset(int(each), zone) for each in quarter[starts]]
    return at + np.repeat(np.array(shifts, dtype=np.int64), np.diff(starts, append=len(at)))


def rhythm(clock: "NDArray[np.int64]", dates: bool = False) -> Rhythm | None:
    """The rhythm of events at these times of the zone's clocks (in order), or on these `dates`.

    None for a log of less than a day, or of more than 100 years.

    A rate is the number of events / the time of that hour that the log covers: two events in three Mondays from 9:00 to
    10:00 are 0.67 per hour.
    """
    import numpy as np

    first, last = int(clock[0]), int(clock[-1])
    hours: NDArray[np.int64] = clock // HOUR
    if last - first < 24 * HOUR or hours[-1] - hours[0] > LONGEST:
        return None
    week = np.bincount((hours + MONDAY) % 168, minlength=168).reshape(7, 24)
    time = _time(first, last).reshape(7, 24)
    start = -(-first // (24 * HOUR)) * 24
    days = (last // HOUR - start) // 24
    whole = hours[np.searchsorted(hours, start) : np.searchsorted(hours, start + 24 * days)] - start
    counts = np.bincount(whole, minlength=24 * days).reshape(days, 24)
    by_week = counts.sum(axis=1)[: days // 7 * 7].reshape(-1, 7)
    known = np.nan if dates else 1.0
    return Rhythm(
        known * _rate(week, time, 0.5), known * _rate(week.sum(axis=0), time.sum(axis=0), 0.5),
        _rate(week.sum(axis=1), time.sum(axis=1), 12), None if dates else _repeats(counts), _repeats(by_week),
    )  # fmt: skip


def _offset(quarter: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(quarter * QUARTER / 1e6, zone).utcoffset()
    return round(offset.total_seconds() * 1e6) if offset else 0


def _time(first: int, last: int) -> "NDArray[np.float64]":
    """Hours of time from `first` to `last` in each hour of the week."""
    import numpy as np

    weeks, rest = divmod(last - first, 168 * HOUR)
    edges = np.arange(first // HOUR, (first + rest) // HOUR + 2) * HOUR
    parts = np.diff(np.clip(edges, first, first + rest)) / HOUR
    time = np.bincount((edges[:-1] // HOUR + MONDAY) % 168, weights=parts, minlength=168)
    return np.asarray(weeks + time, dtype=float)


def _rate(counts: "NDArray[np.int64]", time: "NDArray[np.float64]", least: float) -> "NDArray[np.float64]":
    import numpy as np

    return np.where(time >= least, counts / np.maximum(time, least), np.nan)


def _repeats(counts: "NDArray[np.int64]") -> bool | None:
    """Whether the sum of the rows varies more than it would with each row rotated by a random number of places.

    Bursts are no rhythm, and neither are busy hours that differ from day to day.
    """
    import numpy as np

    rows, width = counts.shape
    if rows < FEWEST[width]:
        return None
    rng, places, every = random.Random(0), np.arange(width), np.arange(rows)[:, None]
    found = counts.sum(axis=0).var()
    as_strong = 0
    for _ in range(SHIFTS):
        shifts = np.array(rng.choices(range(width), k=rows))[:, None]
        as_strong += bool(counts[every, (places + shifts) % width].sum(axis=0).var() >= found)
    return bool((1 + as_strong) / (1 + SHIFTS) <= CHANCE)
