"""Latencies for the search, from the instants alone: exact as long as no page and no batch is full.

The lens has the last word: `options` checks with it what the search has found.
"""

from bisect import bisect_right
from typing import TYPE_CHECKING

from labkit.advice.measured import Log

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def polled(log: Log, interval: float, relayed: bool = False) -> "NDArray[np.float64]":
    """Polls are sent at multiples of interval + round trip, and see what has reached their host one delay later."""
    import numpy as np

    period, reaches = interval + 2 * log.delay, log.occurred + (log.delay if relayed else 0.0)
    polls = np.ceil(np.maximum(reaches - log.delay, 0.0) / period)
    return polls * period + 2 * log.delay - log.occurred


def batched(log: Log, wait: float) -> "NDArray[np.float64]":
    """A batch is sent `wait` after its first event."""
    import numpy as np

    starts = firsts(log, wait)
    lengths = np.diff(starts, append=len(log.occurred))
    return np.repeat(log.occurred[starts], lengths) + wait + log.delay - log.occurred


def firsts(log: Log, wait: float) -> list[int]:
    """The place of each batch's first event."""
    found, place = list[int](), 0
    while place < len(log.instants):
        found.append(place)
        place = bisect_right(log.instants, log.instants[place] + wait)
    return found
