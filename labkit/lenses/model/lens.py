"""The model lens: exact arithmetic for what follows a schedule. What it cannot compute, it refuses."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.approaches import Approach, Batched, ConditionalFeed, Feed, Hybrid, Polling, Relay, Thin, Webhook
from labkit.lenses.model import combined, feed, polling, pushed
from labkit.lenses.model.history import Given, History
from labkit.result import Result
from labkit.scenario import Scenario


@dataclass(frozen=True)
class Schedule:
    """The arithmetic of one approach."""

    history: Callable[[Given], History]
    check: Callable[[Given], None]
    """Raises ValueError, with the remedy, for parameters that it cannot compute."""


SCHEDULES: dict[type[Approach], Schedule] = {
    Polling: Schedule(polling.schedule, polling.check),
    Webhook: Schedule(pushed.webhook, pushed.check),
    Thin: Schedule(pushed.thin, pushed.check),
    Feed: Schedule(feed.feed, feed.check),
    ConditionalFeed: Schedule(feed.feed, feed.check),
    Relay: Schedule(feed.relay, pushed.check),
    Batched: Schedule(combined.batched, combined.check_batched),
    Hybrid: Schedule(combined.hybrid, pushed.check),
}
"""What the lens can run. An approach of another class, a subclass too, is refused."""


class ModelLens:
    """No HTTP and no clock: NumPy arithmetic, exact to the nanosecond and the byte.

    Its cost is per event, so a week that is polled every 10 s takes no longer than one polled every 300 s. Its results
    have their row alone.
    """

    name = "model"
    delay = Scenario.delay
    parallel = False

    def check(self, scenario: Scenario, approach: Approach) -> None:
        """Refuse what it has no arithmetic for."""
        remedy = "use the virtual lens"
        if type(approach) not in SCHEDULES:
            known = ", ".join(each.name for each in SCHEDULES)
            raise ValueError(f"the model lens has {known}, and no {approach.name}: {remedy}")
        for fault in scenario.faults:
            raise ValueError(f"the model lens has no faults, got {fault.name}: {remedy}")
        if scenario.rate_limit.requests or scenario.rate_limit.poll_interval:
            raise ValueError(f"the model lens has no rate limits, got {scenario.rate_limit}: {remedy}")
        if scenario.retention is not None:
            raise ValueError(f"the model lens keeps all events, got a retention of {scenario.retention:g} s: {remedy}")
        SCHEDULES[type(approach)].check(Given(scenario, approach))

    def run(self, scenario: Scenario, approach: Approach) -> Result:
        """Compute when each event is received, and what is sent up to the horizon."""
        self.check(scenario, approach)
        history = SCHEDULES[type(approach)].history(Given(scenario, approach))
        return Result(scenario, approach, self.name, None, totals=history.totals())
