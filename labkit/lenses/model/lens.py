"""The model lens: exact arithmetic for what follows a schedule. What it cannot compute, it refuses."""

from typing import TYPE_CHECKING

from labkit.approaches import Approach
from labkit.clock import NANO
from labkit.result import Result
from labkit.scenario import Scenario

if TYPE_CHECKING:
    from labkit.lenses.model.history import Given, History

YEAR = 31_557_600.0
"""Seconds."""


class ModelLens:
    """No HTTP and no clock: NumPy arithmetic, exact to the nanosecond and the byte.

    Its cost is per event, attempt and outage, so a week that is polled every 10 s takes no longer than one polled every
    300 s. It knows outages by window, and every retry profile, as long as no endpoint is switched off and no
    delivery waits for another one. Its results have their row alone.
    """

    name = "model"
    delay = Scenario.delay
    parallel = False

    def check(self, scenario: Scenario, approach: Approach) -> None:
        """Refuse what it has no arithmetic for."""
        from labkit.lenses.model.history import Given  # NumPy is imported by those who use it

        _check(Given(scenario, approach))

    def run(self, scenario: Scenario, approach: Approach) -> Result:
        """Compute when each event is received, and what is sent up to the horizon."""
        from labkit.lenses.model.history import Given

        history = self.history(Given(scenario, approach))
        return Result(scenario, approach, self.name, None, totals=history.totals(), sent_at=history.sent_at())

    def history(self, given: "Given") -> "History":
        """One consumer's run, with an instant for each event; `run` has its sums. Refuses what `check` refuses."""
        from labkit.lenses.model.schedules import SCHEDULES

        _check(given)
        found = SCHEDULES[type(given.approach)].history(given)
        given.computed.clear()  # the attempts have much memory, and are not needed any more
        return found


def _check(given: "Given") -> None:
    from labkit.lenses.model.outages import NEVER, check_faults
    from labkit.lenses.model.schedules import SCHEDULES

    scenario, approach, remedy = given.scenario, given.approach, "use the virtual lens"
    if type(approach) not in SCHEDULES:
        known = ", ".join(each.name for each in SCHEDULES)
        raise ValueError(f"the model lens has {known}, and no {approach.name}: use the {approach.lenses[0]} lens")
    if scenario.duration * NANO >= NEVER:
        raise ValueError(
            f"the model lens computes up to 146 years, got {scenario.duration / YEAR:,.0f} years: {remedy}"
        )
    check_faults(scenario.faults, scenario.duration)
    limit = scenario.rate_limit
    if limit.requests or limit.poll_interval:
        got = f"{limit.requests:,} requests per {limit.seconds:g} s and a poll interval of {limit.poll_interval:g} s"
        raise ValueError(f"the model lens has no rate limits, got {got}, where 0 is none: {remedy}")
    if scenario.retention is not None:
        raise ValueError(f"the model lens keeps all events, got a retention of {scenario.retention:g} s: {remedy}")
    SCHEDULES[type(approach)].check(given)
