"""Events, and the runs of approaches on them by the model lens, each computed once."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labkit.approaches import Approach, Webhook
from labkit.arrivals import Arrivals
from labkit.clock import NANO
from labkit.faults import Outage
from labkit.lenses import ModelLens
from labkit.load import busiest_window
from labkit.policies import RetryProfile
from labkit.scenario import Scenario
from labkit.totals import latency_figures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from labkit.lenses.model.history import History


@dataclass(frozen=True, eq=False)
class Measured:
    """One consumer's run of an approach: its history, and those of a row's figures that an advice needs."""

    history: "History"

    @cached_property
    def latency(self) -> dict[str, float | None]:
        """The figures of a row, of what was received."""
        import pandas as pd

        return latency_figures(pd.Series(self.history.latency).dropna())

    @property
    def lost(self) -> int:
        return int((self.history.latency != self.history.latency).sum())

    @property
    def requests(self) -> int:
        return self.history.sent.requests

    @property
    def bytes(self) -> int:
        return self.history.sent.bytes_out + self.history.sent.bytes_in

    @property
    def connection_seconds(self) -> float:
        return self.history.sent.held / NANO

    def within(self, deadline: float) -> float:
        """The share of all events that were received within the deadline; a lost event was not."""
        return share_within(self.history.latency, deadline)


def share_within(latency: "NDArray[np.float64]", deadline: float) -> float:
    """The share of latencies up to a deadline; NaN, that of a lost event, is beyond any.

    One that is longer by up to 1 µs still counts: it is a difference of two instants, exact to 30 ns in a log of years.
    """
    return float((latency <= deadline + 1e-6).mean())


class Log:
    """Arrivals, and the runs of approaches on them by the model lens, each of one consumer."""

    def __init__(self, arrivals: Arrivals, delay: float, retries: RetryProfile, like: "Log | None" = None) -> None:
        """`like` has the same events with other gaps, and so documents of the same length."""
        if not arrivals.events:
            raise ValueError(f"{arrivals.name}: has no event to advise on")
        self.arrivals, self.delay, self.retries = arrivals, delay, retries
        self._lens, self._like = ModelLens(), like
        self._runs: dict[tuple[Approach, float], Measured] = {}

    def run(self, approach: Approach, outage: float = 0.0) -> Measured:
        """The run, with the receiver down for `outage` s where most events are. Refuses what the lens refuses."""
        from labkit.lenses.model.history import Given

        key = approach, outage
        if key not in self._runs:
            faults = (Outage(start=self.busiest(outage), duration=outage),) if outage else ()
            scenario = Scenario(self.arrivals, self.delay, retries=self.retries, faults=faults)
            given = Given(scenario, approach, self._documents)  # the same for each run, and slow to write
            self._runs[key] = Measured(self._lens.history(given))
        return self._runs[key]

    @cached_property
    def _documents(self) -> list[bytes]:
        from labkit.lenses.model.history import Given

        return self._like._documents if self._like else Given(Scenario(self.arrivals), Webhook()).documents

    def busiest(self, seconds: float) -> float:
        """When the half-open window of `seconds` with most events begins: it begins with an event."""
        return float(self.occurred[busiest_window(self.occurred, seconds)[0]])

    @cached_property
    def occurred(self) -> "NDArray[np.float64]":
        """When each event occurs, in seconds."""
        import numpy as np

        return np.array(self.instants)

    @cached_property
    def instants(self) -> list[float]:
        """The same as numbers of Python, which are quicker one by one."""
        return [event.occurred_at for event in self.arrivals.events]
