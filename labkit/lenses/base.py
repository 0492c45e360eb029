"""What a lens is: a way to run an approach in a scenario."""

from typing import Protocol, runtime_checkable

from labkit.approaches import Approach
from labkit.result import Result
from labkit.scenario import Scenario

MOST_REQUESTS = 5_000_000
"""The most requests of one approach in one run: they take about half an hour, and 600 MB of rows."""


@runtime_checkable
class Lens(Protocol):
    """A way to run an approach in a scenario; its options are its attributes.

    `compare` takes an instance of any class that has these members.
    """

    name: str
    delay: float
    """Seconds each way, where the caller gives none."""
    parallel: bool
    """Whether runs may go in parallel, in several processes."""

    def check(self, scenario: Scenario, approach: Approach) -> None:
        """Raise ValueError, with the remedy, for what it cannot run, or what would never end."""

    def run(self, scenario: Scenario, approach: Approach) -> Result:
        """Run one approach. The Result is made of two frames, or of `Totals`, and names the lens."""


def check_approach(lens: Lens, scenario: Scenario, approach: Approach) -> None:
    """What every lens that sends requests refuses."""
    if lens.name not in approach.lenses:
        raise ValueError(f"{approach.name} is for the {' or '.join(approach.lenses)} lens, got {lens.name!r}")
    for fault in scenario.faults:
        if lens.name not in fault.lenses:
            able = " or ".join(fault.lenses)
            raise ValueError(
                f"{fault.name}: the {lens.name} lens cannot run it, since {fault.limits}: use the {able} lens"
            )
    requests = scenario.duration / approach.idle_interval
    if requests > MOST_REQUESTS:
        sent = f"{requests:,.0f} requests in {scenario.duration:g} s"
        remedy = "use a longer interval, or a shorter duration"
        raise ValueError(f"{approach.label} would send {sent}, and the limit is {MOST_REQUESTS:,}: {remedy}")
