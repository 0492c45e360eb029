"""What one approach did in one scenario: two frames, and the figures computed from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.approaches import Approach
from labkit.faults import SOURCE
from labkit.ledger import OUTCOMES
from labkit.load import Costs, per_interval
from labkit.scenario import Scenario
from labkit.totals import Totals, currency, latency_figures

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

EXCHANGES = ("consumer", "kind", "host", "outcome", "sent_at", "answered_at", "drain")
RECEIPTS = ("event_id", "consumer", "occurred_at", "received_at", "latency", "exchange", "copies")


@dataclass(frozen=True)
class Machine:
    """What a real run reports of its machine, in seconds."""

    clock_offset: float
    """The source's clock minus the consumers', as measured."""
    clock_offset_error: float
    """The error of that: half the shortest round trip of the measurement."""
    emit_lag_mean: float
    emit_lag_max: float
    """The time from an event's occurrence until it was in the store; latencies include it."""
    source_cpu: float
    consumer_cpu: float
    requests_served: int
    """Requests that the servers of both processes saw, set-up and drain included."""


FAN_OUT = "FanOut(consumers, interval).load(duration)"
"""What computes a load if a result has its row alone."""


@dataclass(frozen=True, repr=False)
class Result:
    """One approach's run under a lens. `exchanges` and `receipts` are the rows (columns: `labkit.ledger.Ledger`).

    Requests and bytes count from t = 0 up to the horizon; `received` and the latencies also count what arrives in the
    drain after it, so that no latency is cut short. A lens may leave out the columns that it does not count:
    bytes_out, bytes_in, connection. A result from a worker may have its row alone, and that of a lens that only counts
    has its totals.
    """

    scenario: Scenario
    approach: Approach
    lens: str
    frames: "tuple[pd.DataFrame, pd.DataFrame] | None"
    """The exchanges and the receipts."""
    machine: Machine | None = None
    """Reported by the real lens."""
    figures: Mapping[str, Any] | None = None
    """The row, if it has been computed already."""
    totals: Totals | None = None
    """What the row says, from a lens that counts without a row of each exchange."""
    sent_at: "NDArray[np.int64] | None" = None
    """From such a lens: when each request of one consumer is sent, in nanoseconds. None if there are polls."""

    def __post_init__(self) -> None:
        if self.frames is None:
            return
        exchanges, receipts = self.frames
        for name, frame, columns in (("exchanges", exchanges, EXCHANGES), ("receipts", receipts, RECEIPTS)):
            if missing := [column for column in columns if column not in frame]:
                raise ValueError(f"{name} must have the columns {', '.join(columns)}; missing: {', '.join(missing)}")
        if unknown := set(exchanges.outcome) - set(OUTCOMES):
            raise ValueError(f"each outcome must be one of {', '.join(OUTCOMES)}, got {sorted(unknown)}")
        if not receipts.groupby("consumer").occurred_at.is_monotonic_increasing.all():
            raise ValueError("receipts must be in the order in which their events occurred, for each consumer")

    def __repr__(self) -> str:
        row = self.row()
        return f"<Result {self.label}: {row['requests']:,} requests, {row['received']:,} of {row['events']:,} events>"

    @property
    def label(self) -> str:
        """The approach with each parameter that differs from its default: `polling interval=10`."""
        return self.approach.label

    @property
    def exchanges(self) -> "pd.DataFrame":
        return self._frames()[0]

    @property
    def receipts(self) -> "pd.DataFrame":
        return self._frames()[1]

    def _frames(self, at_scale: str = "use the virtual lens") -> "tuple[pd.DataFrame, pd.DataFrame]":
        if self.frames is None:
            remedy = at_scale if self.totals else "its exchanges and receipts come with frames=True"
            raise ValueError(f"{self.label} has its row alone: {remedy}")
        return self.frames

    @property
    def counted(self) -> "pd.DataFrame":
        """The exchanges that count: without set-up and drain."""
        return self.exchanges[(self.exchanges.kind != "setup") & ~self.exchanges.drain]

    def row(self) -> dict[str, Any]:
        """This result as a row of the table: plain values, None where there is none. Computed once."""
        return {name: dict(value) if isinstance(value, dict) else value for name, value in self._row.items()}

    @cached_property
    def _row(self) -> Mapping[str, Any]:
        if self.figures is not None:
            return self.figures
        return (self.totals or self._totals()).row(self.approach, self.lens)

    def _totals(self) -> Totals:
        requests, receipts = self.counted, self.receipts
        held, (freshness, staleness) = receipts.latency.dropna(), self._currency()
        return Totals(
            events=len(receipts),
            received=len(held),
            pending=int((~(receipts.received_at < self.scenario.duration)).sum()),
            duplicates=int((receipts.copies - 1).clip(lower=0).sum()),
            recovered=self.recovered(),
            requests=len(requests),
            setup_requests=int((self.exchanges.kind == "setup").sum()),
            empty_requests=int((requests.outcome == "empty").sum()),
            error_requests=int(requests.outcome.isin(["error", "throttled"]).sum()),
            bytes_out=int(requests.bytes_out.sum()) if "bytes_out" in requests else None,
            bytes_in=int(requests.bytes_in.sum()) if "bytes_in" in requests else None,
            latency=latency_figures(held),
            freshness=freshness,
            staleness=staleness,
            connections=int(_connected(requests).connection.nunique()) if "connection" in requests else None,
            connection_seconds=self._connection_seconds(requests) if "connection" in requests else None,
        )

    def recovered(self, grace: float = 60.0) -> int:
        """How many events a poll brought more than `grace` seconds late, before any delivery did.

        Without the grace, a poll would also recover what was in flight at that moment. 0 without a webhook, and for a
        relay, from which a poll brings each event.
        """
        called = self.exchanges.host.isin(self.receipts.consumer.unique())
        if not ((self.exchanges.kind == "delivery") & called).any():
            return 0
        kinds = self.exchanges.kind.reindex(self.receipts.exchange)
        return int(((kinds.to_numpy() == "poll") & (self.receipts.latency > grace)).sum())

    def little(self) -> tuple[int, int]:
        """Little's law: the total latency, and the area between the two staircases, each in nanoseconds.

        The area is summed instant by instant, the latency event by event; once nothing is pending they are equal to
        the last digit.
        """
        import numpy as np

        held = self.receipts.dropna(subset="received_at")
        occurred, received = (_nanoseconds(each.to_numpy()) for each in (held.occurred_at, held.received_at))
        instants = np.concatenate([occurred, received])
        steps = np.concatenate([np.ones(len(occurred), dtype=np.int64), -np.ones(len(received), dtype=np.int64)])
        order = np.argsort(instants, kind="stable")
        missing = np.cumsum(steps[order])[:-1]
        return int((received - occurred).sum()), int((missing * np.diff(instants[order])).sum())

    def load(self, seconds: float = 1.0) -> "pd.Series[int]":
        """The requests that the source is sent, or sends, in each interval of `seconds`, up to the horizon.

        The index has the start of each interval. `load().max()` is the peak, `load().mean()` the mean, per second. One
        consumer that polls every 59.96 s, 20 ms each way: 1 in the first second of each minute, and 59 times 0. A
        refused call counts; a poll of a relay does not, because the source has no part in it.
        """
        if self.sent_at is not None:  # each consumer does the same at the same instants
            return self.scenario.consumers * per_interval(self.sent_at, self.scenario.duration, seconds)
        self._frames(f"for pollers, use {FAN_OUT}; for others, the virtual lens")
        counted = self.counted
        of_source = (counted.kind == "delivery") | (counted.host == SOURCE)
        sent = counted.sent_at[of_source].to_numpy(dtype=float)
        return per_interval(_nanoseconds(sent), self.scenario.duration, seconds)

    def costs(self, figures: Costs, peak: float | None = None) -> dict[str, float]:
        """What the run takes of the source's machines, by figures that the user gives: see `Costs.of`.

        `peak` is in requests per second; by default that of `load()`, for which a result needs its exchanges.
        """
        if peak is None and self.sent_at is None:
            self._frames(f"give the peak; for pollers, it is {FAN_OUT}.max()")
        peak = float(self.load().max()) if peak is None else peak
        return figures.of(self.row(), self.scenario.duration, peak)

    def _currency(self) -> tuple[float, float]:
        """Freshness, the share of time in which no event is missing, and the mean staleness in seconds."""
        duration, shares, staleness = self.scenario.duration, [], []
        for _, receipts in self.receipts.groupby("consumer", sort=False):
            received = receipts.received_at.fillna(float("inf"))
            current, stale = currency(receipts.occurred_at.tolist(), received.tolist(), duration)
            shares.append(current / duration)
            staleness.append(stale / duration)
        if not shares:
            return 1.0, 0.0  # no event: nothing was ever missing
        return round(sum(shares) / len(shares), 12), round(sum(staleness) / len(staleness), 9)

    def _connection_seconds(self, requests: "pd.DataFrame") -> float:
        requests = _connected(requests)
        closed = requests.answered_at.clip(upper=self.scenario.duration)
        closed = closed.fillna(self.scenario.duration)  # a stream is held to the end
        opened, closed = requests.groupby("connection").sent_at.min(), closed.groupby(requests.connection).max()
        return round(float((closed - opened).sum()), 6)


def _connected(requests: "pd.DataFrame") -> "pd.DataFrame":
    """Those that had a connection: one that is refused, or times out before, has none (-1)."""
    return requests[requests.connection >= 0]


def _nanoseconds(instants: "NDArray[np.float64]") -> "NDArray[np.int64]":
    import numpy as np

    whole: NDArray[np.int64] = np.rint(instants * 1e9).astype(np.int64)
    return whole
