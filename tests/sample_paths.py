"""What each approach does with given events, step by step, in plain arithmetic that knows nothing of labkit.

The tests of theory take means over these sample paths, and compare the virtual lens's receipts with them one by one.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from scipy import stats

CHECKS = 400
ALPHA = 1 - (1 - 0.001) ** (1 / CHECKS)
"""Of one check, so that all of them together fail once in a thousand (Šidák)."""
SEEDS = range(40)


@dataclass(frozen=True)
class SamplePath:
    """When each event occurred and was received (NaN: never), when each request was sent, and whether it was empty."""

    occurred: np.ndarray
    received: np.ndarray
    sent: np.ndarray
    empty: np.ndarray
    horizon: float

    @property
    def latency(self):
        return self.received - self.occurred

    def figures(self):
        """The figures of a Result's row, by the same names: up to the horizon, with the latencies of all receipts."""
        counted = self.sent < self.horizon
        freshness, staleness = currency(self.occurred, self.received, self.horizon)
        return {
            "mean_latency": np.nanmean(self.latency),
            "requests_per_event": counted.sum() / len(self.occurred),
            "empty_share": self.empty[counted].mean() if counted.any() else 0.0,
            "freshness": freshness,
            "staleness": staleness,
        }


def sample_path(occurred, received, sent, empty, horizon):
    arrays = (np.asarray(values, dtype=kind) for values, kind in ((occurred, float), (received, float), (sent, float)))
    return SamplePath(*arrays, np.asarray(empty, dtype=bool), horizon)


def poisson_arrivals(seed, rate, horizon):
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, horizon, rng.poisson(rate * horizon)))


def currency(occurred, received, horizon):
    """Share of time in which nothing is missing, and mean age of the oldest missing event.

    An event is the oldest from when it occurs, or all before it have come, until it comes itself.
    """
    received = np.where(np.isnan(received), np.inf, received)
    earlier = np.maximum.accumulate(np.concatenate([[0.0], received]))[:-1]
    start = np.minimum(np.maximum(occurred, earlier), horizon)
    end = np.maximum(start, np.minimum(received, horizon))
    age = ((end - occurred) ** 2 - (start - occurred) ** 2) / 2
    return 1 - (end - start).sum() / horizon, age.sum() / horizon


def agrees(expected, samples, finest=0.01):
    """Whether a mean over seeds is the expected one, by its standard error, which must be under 1% of it or 0.1."""
    samples = np.asarray(samples, dtype=float)
    error = samples.std(ddof=1) / math.sqrt(len(samples))
    assert error <= finest * max(abs(expected), 0.1), f"standard error {error:g} of {expected:g}: too few events"
    bound = stats.t.isf(ALPHA / 2, len(samples) - 1)  # 5.5 for 40 seeds
    return abs(samples.mean() - expected) <= bound * error + 1e-9 * abs(expected)


def disagreements(closed, paths, names=("mean_latency", "requests_per_event", "empty_share", "freshness", "staleness")):
    """The figures in which the closed form is not the mean over the paths."""
    rows = [each.figures() for each in paths]
    found = {name: (getattr(closed, name), [row[name] for row in rows]) for name in names}
    return {name: (wanted, np.mean(got)) for name, (wanted, got) in found.items() if not agrees(wanted, got)}


def wrong_quantiles(closed, paths, shares=(0.1, 0.3, 0.5, 0.8, 0.95)):
    """The q whose quantile is wrong: less than a share q of the latencies must lie below it, and more up to it.

    Where many latencies are equal to the quantile the two shares are far apart; elsewhere they are the same.
    """
    wrong = {}
    for q in shares:
        at = closed.quantile(q)
        below = [(each.latency < at - 1e-9).mean() for each in paths]
        up_to = [(each.latency <= at + 1e-9).mean() for each in paths]
        right = np.mean(below) < q < np.mean(up_to) or agrees(q, below) or agrees(q, up_to)
        if not right:
            wrong[q] = (at, np.mean(below), np.mean(up_to))
    return wrong


# polling ----------------------------------------------------------------------------------------


def polling(occurred, horizon, delay, pause, first=0.0, newest=math.inf):
    """Poll at `first`, and `pause(found)` after each answer, until all events have been found.

    Of the new events in an answer only the `newest` are received.
    """
    occurred = list(occurred)
    received, sent, found, seen, at = [math.nan] * len(occurred), [], [], 0, first
    while at < horizon or seen < len(occurred):
        now = bisect_right(occurred, at + delay)
        for number in range(max(seen, now - newest) if newest < math.inf else seen, now):
            received[number] = at + 2 * delay
        sent.append(at)
        found.append(now - seen)
        at, seen = at + 2 * delay + pause(now - seen), now
    return sample_path(occurred, received, sent, [new == 0 for new in found], horizon)


def looks(chance, every, ttl=0.0):
    """Pauses between polls, for looks at exponential gaps that a cache answers for `ttl` seconds after a poll."""

    def pause(found=0):
        waited = chance.expovariate(1) * every
        while waited < ttl:
            waited += chance.expovariate(1) * every
        return waited

    return pause


def adapting(start, adapt, shortest, longest):
    """Pauses that are what `adapt` makes of the last one, between two clamps."""
    interval = start

    def pause(found):
        nonlocal interval
        interval = min(max(adapt(interval, found > 0), shortest), longest)
        return interval

    return pause


def long_polling(occurred, horizon, delay, wait, pause):
    occurred = list(occurred)
    received, sent, empty, seen, at = [], [], [], 0, 0.0
    while at < horizon or seen < len(occurred):
        asked = at + delay
        now = bisect_right(occurred, asked)
        answered = asked
        if now == seen:
            answered = min(asked + wait, occurred[seen] if seen < len(occurred) else math.inf)
            now = bisect_right(occurred, answered)
        received += [answered + delay] * (now - seen)
        sent.append(at)
        empty.append(now == seen)
        at, seen = answered + delay + pause, now
    return sample_path(occurred, received, sent, empty, horizon)


# pushing ----------------------------------------------------------------------------------------


def batched(occurred, horizon, delay, age, count):
    received, sent, begun = [], [], 0
    occurred = list(occurred)
    while begun < len(occurred):
        due = occurred[begun] + age
        last = min(bisect_right(occurred, due), begun + count)
        leaves = occurred[last - 1] if last - begun == count else due
        received += [leaves + delay] * (last - begun)
        sent.append(leaves)
        begun = last
    return sample_path(occurred, received, sent, [False] * len(sent), horizon)


def doorbell(occurred, horizon, delay):
    """A notice at once, or when the one before has been answered; each is answered after a sync from the cursor."""
    occurred = list(occurred)
    received, sent, empty, told, seen, free = [], [], [], 0, 0, 0.0
    while told < len(occurred):
        at = max(occurred[told], free)
        told, now = bisect_right(occurred, at), bisect_right(occurred, at + 2 * delay)
        received += [at + 3 * delay] * (now - seen)
        sent += [at, at + delay]
        empty += [True, now == seen]
        seen, free = now, at + 4 * delay
    return sample_path(occurred, received, sent, empty, horizon)


def leased(occurred, horizon, delay, ttl, before, forgets, granted=0.0, reconcile=0.0):
    """Deliveries until the lease ends that was renewed last; then nothing, or polls, which go on all the time."""
    occurred = np.asarray(occurred)
    ends, sent = granted + ttl, []
    while ends - before < horizon and not forgets():
        sent.append(max(0.0, ends - before))
        ends = sent[-1] + delay + ttl
    told = occurred < ends
    received = np.where(told, occurred + delay, math.nan)
    sent, empty = [*sent, *occurred[told]], [False] * (len(sent) + told.sum())
    if reconcile:
        period = reconcile + 2 * delay
        first_after = np.maximum(0, np.ceil((occurred[~told] - reconcile - delay) / period))
        received[~told] = reconcile + first_after * period + 2 * delay
        made = max(0, math.ceil((horizon - reconcile) / period))
        sent += [reconcile + number * period for number in range(made)]
        empty += [number not in first_after for number in range(made)]
    return sample_path(occurred, received, sent, empty, horizon)


def relay(occurred, horizon, delay, interval):
    polled = polling(np.asarray(occurred) + delay, horizon, delay, lambda found: interval)
    sent, empty = np.append(polled.sent, occurred), np.append(polled.empty, [True] * len(occurred))
    return sample_path(occurred, polled.received, sent, empty, horizon)


def fake_stream(occurred, horizon, delay, every):
    """The request reaches the source after a delay; from then on the source polls its own store."""
    looked = delay + every * np.maximum(1, np.ceil((np.asarray(occurred) - delay) / every))
    return sample_path(occurred, looked + delay, [0.0], [False], horizon)


def hybrid(occurred, horizon, delay, reconcile, retries, lost):
    """An attempt at once, then `retries` seconds after the event until one is not `lost(event, attempt)`; and polls.

    A poll that recovers nothing is empty, and so is an attempt that arrives after a poll that found its event.
    """
    period = reconcile + 2 * delay
    received, sent, empty, repairs = [], [], [], set()
    for number, at in enumerate(occurred):
        place = max(0, math.ceil((at - reconcile - delay) / period))
        polled = reconcile + place * period + 2 * delay
        delivered = math.inf
        for attempt, after in enumerate((0.0, *retries)):
            sent.append(at + after)
            if not lost(number, attempt):
                delivered = at + after + delay
            empty.append(polled < delivered < math.inf)
            if delivered < math.inf:
                break
        received.append(min(delivered, polled))
        if polled < delivered:
            repairs.add(place)
    made = max(0, math.ceil((horizon - reconcile) / period))
    sent += [reconcile + number * period for number in range(made)]
    empty += [number not in repairs for number in range(made)]
    return sample_path(occurred, received, sent, empty, horizon)
