"""Rules to be held against, written as a student writes one: what has been seen, in; seconds to the next poll, out."""

import math
from collections.abc import Callable, Sequence

from labkit.course.strategy_process import Poll
from labkit.course.traces import Trace


def fixed(trace: Trace) -> Callable[[Sequence[Poll], float], float]:
    """The fixed interval √(2τ/λ), best where events come one by one. It is told the trace's own rate: you are not.

    >>> fixed(Trace.of("door", tau=60, horizon=3600, events=range(0, 3600, 120)))([], 60)
    120.0
    """
    interval = math.sqrt(2 * trace.tau / trace.rate)
    return lambda history, tau: interval


def aimd(history: Sequence[Poll], tau: float) -> float:
    """τ longer after a poll that found nothing, half as long after one that found something; never under 1 s.

    It settles near √(2τ/λ) (`labkit.Aimd` with add = τ) without being told λ.
    """
    last = history[-1].at - history[-2].at if len(history) > 1 else tau
    return max(last / 2, 1.0) if history[-1].occurred else last + tau


def halve_double(history: Sequence[Poll], tau: float) -> float:
    """Twice as long after nothing, half as long after something, from 1 s to an hour; τ is not asked about."""
    last = history[-1].at - history[-2].at if len(history) > 1 else 60.0
    return min(max(last / 2 if history[-1].occurred else last * 2, 1.0), 3600.0)
