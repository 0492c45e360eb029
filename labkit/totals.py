"""What a row says of a run, summed: from the frames of a Result, or by a lens that makes no row of each exchange."""

import heapq
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labkit.approaches import Approach
from labkit.waits import QUANTILES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Totals:
    """The sums and the latencies of a run; `Result` says what is counted."""

    events: int
    received: int
    pending: int
    duplicates: int
    recovered: int
    requests: int
    setup_requests: int
    empty_requests: int
    error_requests: int
    bytes_out: int | None
    bytes_in: int | None
    latency: Mapping[str, float | None]
    """Mean, quantiles and maximum, in seconds; None if nothing was received."""
    freshness: float
    staleness: float
    connections: int | None
    connection_seconds: float | None

    def row(self, approach: Approach, lens: str) -> dict[str, Any]:
        """The row of a table."""
        return {
            "approach": approach.name,
            "params": asdict(approach),
            "lens": lens,
            "events": self.events,
            "received": self.received,
            "pending": self.pending,
            "lost": self.events - self.received,
            "duplicates": self.duplicates,
            "recovered": self.recovered,
            "requests": self.requests,
            "setup_requests": self.setup_requests,
            "empty_requests": self.empty_requests,
            "empty_share": self.empty_requests / self.requests if self.requests else None,
            "error_requests": self.error_requests,
            "requests_per_event": self.requests / self.events if self.events else None,
            "bytes_out": self.bytes_out,
            "bytes_in": self.bytes_in,
            "latency": dict(self.latency),
            "freshness": self.freshness,
            "staleness": {"mean": self.staleness},
            "connections": self.connections,
            "connection_seconds": self.connection_seconds,
        }


def latency_figures(held: "pd.Series[float]") -> dict[str, float | None]:
    """Mean, quantiles and maximum of the latencies of what was received, to the nanosecond."""
    figures: dict[str, Any] = {
        "mean": held.mean(),
        **dict(zip(QUANTILES, held.quantile([*QUANTILES.values()]), strict=True)),
        "max": held.max(),
    }
    return {name: round(float(value), 9) if len(held) else None for name, value in figures.items()}


def currency(occurred: list[float], received: list[float], duration: float) -> tuple[float, float]:
    """Seconds up to `duration` in which no event is missing, and the integral of staleness over time.

    Events are in order of occurrence. Staleness is the age of the oldest missing event, 0 if none is missing.

    >>> currency([10.0, 20.0], [30.0, 40.0], 100.0)  # missing from 10 to 40; from 30 on since 20
    (70.0, 350.0)
    """
    missing: list[tuple[float, float]] = []  # (occurred, received), the oldest first
    current = stale = now = 0.0
    upcoming = [*zip(occurred, received, strict=True), (duration, duration)]
    for occurs, comes in upcoming:
        occurs = min(occurs, duration)
        while now < occurs:
            while missing and missing[0][1] <= now:
                heapq.heappop(missing)
            if not missing:
                current += occurs - now
                now = occurs
                break
            since, until = missing[0]
            until = min(until, occurs)
            stale += ((until - since) ** 2 - (now - since) ** 2) / 2
            now = until
        heapq.heappush(missing, (occurs, comes))
    return current, stale
