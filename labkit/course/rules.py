"""The rules that a strategy is compared with, written as a student would write one."""

import math
from collections.abc import Callable, Sequence

from labkit.course.strategy_process import Poll
from labkit.course.traces import ContestTrace


def fixed(trace: ContestTrace) -> Callable[[Sequence[Poll], float], float]:
    """The fixed interval √(2τ/λ), the best one on a Poisson stream. It knows the trace's rate λ; a strategy does not.

    >>> fixed(ContestTrace.of("door", tau=60, horizon=3600, events=range(0, 3600, 120)))([], 60)
    120.0
    """
    interval = math.sqrt(2 * trace.tau / trace.rate)
    return lambda history, tau: interval


def aimd(history: Sequence[Poll], tau: float) -> float:
    """Add τ to the delay after an empty poll, halve it after a hit, and keep it >= 1 s: `labkit.Aimd` with add = τ.

    It settles near √(2τ/λ) without knowing λ.
    """
    last = history[-1].at - history[-2].at if len(history) > 1 else tau
    return max(last / 2, 1.0) if history[-1].occurred else last + tau


def halve_double(history: Sequence[Poll], tau: float) -> float:
    """Double the delay after an empty poll and halve it after a hit, between 1 s and an hour, whatever τ is."""
    last = history[-1].at - history[-2].at if len(history) > 1 else 60.0
    return min(max(last / 2 if history[-1].occurred else last * 2, 1.0), 3600.0)
