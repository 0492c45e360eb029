"""Events, and what the model lens says of approaches on them. What it has computed once, it keeps."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labkit.approaches import Approach
from labkit.arrivals import Arrivals
from labkit.faults import Outage
from labkit.lenses import ModelLens
from labkit.load import busiest_window
from labkit.policies import RetryProfile
from labkit.scenario import Scenario

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from labkit.lenses.model.history import History


@dataclass(frozen=True, eq=False)
class Measured:
    """One consumer's run of an approach: its history, and the sums of it."""

    history: "History"
    duration: float

    @cached_property
    def row(self) -> dict[str, object]:
        history = self.history
        return history.totals().row(history.given.approach, "model")

    @property
    def requests(self) -> int:
        return self.history.sent.requests

    @property
    def bytes(self) -> int:
        return self.history.sent.bytes_out + self.history.sent.bytes_in

    @property
    def lost(self) -> int:
        import numpy as np

        return int(np.isnan(self.history.latency).sum())

    @property
    def longest(self) -> float:
        """The longest latency of what was received, in seconds."""
        import numpy as np

        return float(np.nanmax(self.history.latency, initial=0.0))

    @property
    def mean(self) -> float | None:
        import numpy as np

        latency = self.history.latency
        return float(latency[~np.isnan(latency)].mean()) if not np.isnan(latency).all() else None

    def within(self, deadline: float) -> float:
        """The share of all events that were received so soon; what is lost was not."""
        return float((self.history.latency <= deadline + 1e-9).mean())


class Log:
    """Arrivals, and the runs of approaches on them by the model lens, each of one consumer."""

    def __init__(self, arrivals: Arrivals, delay: float, retries: RetryProfile, like: "Log | None" = None) -> None:
        """`like` has the same events at other distances, and so documents of the same length."""
        if not arrivals.events:
            raise ValueError(f"{arrivals.name}: has no event to advise on")
        self.arrivals, self.delay, self.retries = arrivals, delay, retries
        self._lens, self._like = ModelLens(), like
        self._runs: dict[tuple[Approach, float], Measured] = {}

    def run(self, approach: Approach, outage: float = 0.0) -> Measured:
        """The run, with the receiver down for so long where most events are. Raises ValueError if the lens refuses."""
        from labkit.lenses.model.history import Given

        key = approach, outage
        if key not in self._runs:
            faults = (Outage(start=self.busiest(outage), duration=outage),) if outage else ()
            scenario = Scenario(self.arrivals, self.delay, retries=self.retries, faults=faults)
            given = Given(scenario, approach, self._documents)  # the same for each run, and slow to write
            self._runs[key] = Measured(self._lens.history(given), self.arrivals.duration)
        return self._runs[key]

    @cached_property
    def _documents(self) -> list[bytes]:
        from labkit.approaches import Webhook
        from labkit.lenses.model.history import Given

        return self._like._documents if self._like else Given(Scenario(self.arrivals), Webhook()).documents

    def busiest(self, seconds: float) -> float:
        """When the half-open window of so many seconds begins that has most events; it begins with one."""
        return float(self.occurred[busiest_window(self.occurred, seconds)[0]])

    @cached_property
    def occurred(self) -> "NDArray[np.float64]":
        """When each event occurs, in seconds."""
        import numpy as np

        return np.array([event.occurred_at for event in self.arrivals.events])
