"""How many requests a consumer has in its busiest window."""

import math
from typing import TYPE_CHECKING

from labkit.approaches import Batched, LongPolling
from labkit.clock import NANO
from labkit.load import busiest_window

if TYPE_CHECKING:
    from labkit.lenses.model.history import History, Instants


def peak(history: "History", seconds: float, pushes: bool = True) -> int:
    """The most requests in a half-open window of `seconds`: its own polls, and deliveries if `pushes`.

    A poller sends one per period of interval and round trip, and one more per further page: 2 per minute at 30 s and 20
    ms each way, if no page is full. A retry is not counted, since nothing breaks.
    """
    import numpy as np

    approach, window, trip = history.given.approach, round(seconds * NANO), 2 * history.given.delay
    answers = np.unique(history.received)
    count = 0
    if math.isfinite(approach.idle_interval):
        period = round(approach.idle_interval * NANO) + trip
        if isinstance(approach, LongPolling):  # the next poll follows each answer, and each wait that ends empty
            starts, ends = [0, *answers.tolist()], [*answers.tolist(), history.given.horizon]
            polls = [np.arange(start, end, period) for start, end in zip(starts, ends, strict=True) if start < end]
            count = most(np.concatenate(polls), window)
        else:
            count = -(-window // period) + most(answers[1:][np.diff(answers) == trip], window)
    if pushes and approach.called:
        count += most(answers if isinstance(approach, Batched) else np.sort(history.given.occurred), window)
    return count


def most(instants: "Instants", window: int) -> int:
    """The most of these instants, in order, in a half-open window."""
    return busiest_window(instants, window)[1] if len(instants) else 0
