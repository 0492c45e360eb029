"""What one approach did in one scenario: the ledger's rows, and the figures computed from them."""

import heapq
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.ledger import Ledger

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from labkit.approaches import Approach
    from labkit.lenses.real import Machine
    from labkit.scenario import Scenario

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, repr=False)
class Result:
    """One approach's run. `exchanges` and `receipts` are the rows (columns: `Ledger.exchanges`, `Ledger.receipts`).

    The run's own exchanges were sent from t = 0 and before the horizon; `received` and the latencies also count what
    the drain after it brought, so that no latency is cut short.
    """

    scenario: "Scenario"
    approach: "Approach"
    lens: str
    ledger: Ledger
    machine: "Machine | None" = None
    """What the machine did, where the lens is real."""

    def __repr__(self) -> str:
        row = self.row()
        return f"<Result {self.label}: {row['requests']:,} requests, {row['received']:,} of {row['events']:,} events>"

    @property
    def label(self) -> str:
        return self.approach.label

    @cached_property
    def exchanges(self) -> "pd.DataFrame":
        return self.ledger.exchanges(self.scenario.duration)

    @cached_property
    def receipts(self) -> "pd.DataFrame":
        return self.ledger.receipts()

    @property
    def counted(self) -> "pd.DataFrame":
        """The run's own exchanges: set-up and drain left out."""
        return self.exchanges[(self.exchanges.kind != "setup") & ~self.exchanges.drain]

    def row(self) -> dict[str, Any]:
        """This result as a row of the table: plain values, null where there is none."""
        requests, receipts = self.counted, self.receipts
        events, held = len(self.ledger.event_id) * self.scenario.consumers, receipts.latency.dropna()
        empty = int((requests.outcome == "empty").sum())
        latency = (
            {"mean": held.mean()} | {name: held.quantile(q) for name, q in QUANTILES.items()} | {"max": held.max()}
        )
        freshness, staleness = self._currency()
        return {
            "approach": self.approach.name,
            "params": asdict(self.approach),
            "lens": self.lens,
            "events": events,
            "received": len(held),
            "pending": int((~(receipts.received_at < self.scenario.duration)).sum()),
            "lost": events - len(held),
            "duplicates": int((receipts.copies - 1).clip(lower=0).sum()),
            "recovered": self.recovered(),
            "requests": len(requests),
            "setup_requests": int((self.exchanges.kind == "setup").sum()),
            "empty_requests": empty,
            "empty_share": empty / len(requests) if len(requests) else None,
            "error_requests": int(requests.outcome.isin(["error", "throttled"]).sum()),
            "requests_per_event": len(requests) / events if events else None,
            "bytes_out": int(requests.bytes_out.sum()),
            "bytes_in": int(requests.bytes_in.sum()),
            "latency": {name: round(float(value), 9) if len(held) else None for name, value in latency.items()},
            "freshness": freshness,
            "staleness": {"mean": staleness},
            "connections": int(requests.connection.nunique()),
            "connection_seconds": self._connection_seconds(requests),
        }

    def recovered(self, grace: float = 60.0) -> int:
        """How many events a sweep brought that were more than `grace` seconds late: what a webhook had lost.

        Without the grace, every sweep would repair what was on its way just then. 0 where nobody is told.
        """
        if not ((self.exchanges.kind == "delivery") & (self.exchanges.host == self.exchanges.consumer)).any():
            return 0
        kinds = self.exchanges.kind.reindex(self.receipts.exchange)
        return int(((kinds.to_numpy() == "poll") & (self.receipts.latency > grace)).sum())

    def little(self) -> tuple[int, int]:
        """Little's law: the total latency, and the area between the two staircases, each in nanoseconds.

        The area is summed instant by instant, the latency event by event; once at rest the two are equal to the last
        digit.
        """
        import numpy as np

        held = self.receipts.dropna(subset="received_at")
        occurred, received = _nanoseconds(held.occurred_at), _nanoseconds(held.received_at)
        instants = np.concatenate([occurred, received])
        steps = np.concatenate([np.ones(len(occurred), dtype=np.int64), -np.ones(len(received), dtype=np.int64)])
        order = np.argsort(instants, kind="stable")
        missing = np.cumsum(steps[order])[:-1]
        return int((received - occurred).sum()), int((missing * np.diff(instants[order])).sum())

    def _currency(self) -> tuple[float, float]:
        """The share of time in which nothing is missing, and the mean of for how long something has been."""
        duration, shares, staleness = self.scenario.duration, [], []
        for _, receipts in self.receipts.groupby("consumer", sort=False):
            current, stale = _currency(
                receipts.occurred_at.tolist(), receipts.received_at.fillna(float("inf")).tolist(), duration
            )
            shares.append(current / duration)
            staleness.append(stale / duration)
        if not shares:
            return 1.0, 0.0  # no event: nothing was ever missing
        return round(sum(shares) / len(shares), 12), round(sum(staleness) / len(staleness), 9)

    def _connection_seconds(self, requests: "pd.DataFrame") -> float:
        closed = requests.answered_at.clip(upper=self.scenario.duration)
        closed = closed.fillna(self.scenario.duration)  # a stream is held to the end
        held = (
            requests.assign(closed=closed)
            .groupby("connection")
            .agg(opened=("sent_at", "min"), closed=("closed", "max"))
        )
        return round(float((held.closed - held.opened).sum()), 6)


def _currency(occurred: list[float], received: list[float], duration: float) -> tuple[float, float]:
    """Seconds up to `duration` in which nothing is missing, and the integral of for how long something has been.

    Events come in order of occurrence. While some are missing, staleness is the age of the oldest of these.

    >>> _currency([10.0, 20.0], [30.0, 40.0], 100.0)  # missing from 10 to 40; from 30 on since 20
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


def _nanoseconds(instants: "pd.Series[float]") -> "NDArray[np.int64]":
    import numpy as np

    whole: NDArray[np.int64] = np.rint(instants.to_numpy() * 1e9).astype(np.int64)
    return whole
