"""A webhook with a poll beside it."""

import numpy as np

from labkit.approaches import Hybrid, Polling
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.history import Given, History
from labkit.lenses.model.outages import NEVER
from labkit.lenses.model.pages import Pushed
from labkit.lenses.model.polling import pages_of, sizes_of, timing_of, weigh
from labkit.wire import LARGEST_PAGE


def hybrid(given: Given) -> History:
    """`Hybrid`: a delivery or a poll brings each event, whichever comes first; a poll if both come at one instant.

    The polls bring each event too, until the run is settled: as the last delivery ends, and no event is missing.
    """
    approach = given.approach
    assert isinstance(approach, Hybrid)
    recorded, made = sizes.exchanges(Hybrid(60.0), pushed.RUN), pushed.attempts(given, 2 * given.delay)
    arrived = made.there(given.delay)
    pushed_at, copies = pushed.receipts(given, made, arrived, given.delay)
    interval = approach.reconcile_interval
    poller = Polling(interval=interval, initial_delay=interval, limit=LARGEST_PAGE)
    missing, ended = np.flatnonzero(pushed_at == NEVER), int(made.ended.max(initial=0))
    pages, listed = pages_of(given, poller, timing_of(poller), Pushed(int(missing.max(initial=-1)) + 1, ended))
    found = len(pages.of)
    read_at = np.append(pages.received, np.full(len(pushed_at) - found, NEVER))
    received, polled = np.minimum(pushed_at, read_at), read_at <= pushed_at
    barren = np.bincount(pages.of, weights=polled[:found], minlength=len(pages.sent)) == 0
    copies += int(pages.settled(given.horizon, made.ended, received)[pages.of].sum()) - int((pushed_at == NEVER).sum())
    brought = made.first(arrived) & ~polled[made.of]
    sent = pushed.weigh(given, recorded, made, pushed.ids(given), pushed.full(given), brought)
    sent += weigh(given, sizes_of(poller), pages, listed, barren)
    over, setup = pages.over(made.ended, received), pushed.setup_of(recorded)
    polled &= len(made.of) > 0  # without a delivery the polls recover nothing
    return History(given, received, sent, setup, copies=copies, polled=polled, over=over)
