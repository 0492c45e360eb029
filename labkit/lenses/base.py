"""What a lens is: a way to run an approach in a scenario."""

from typing import Protocol

from labkit.approaches import Approach
from labkit.result import Result
from labkit.scenario import Scenario

MOST_REQUESTS = 5_000_000
"""Requests of one approach in one run: about half an hour of work, and 600 MB of rows."""


class Lens(Protocol):
    """A way to run an approach in a scenario; its options are its own attributes.

    Adding one is a class with these members, an instance of which is given to `compare`.
    """

    name: str
    delay: float
    """Seconds each way in a scenario that does not say it."""
    parallel: bool
    """Whether several runs may go side by side, in processes of their own."""

    def check(self, scenario: Scenario, approach: Approach) -> None:
        """Raise ValueError, with the remedy, for what it cannot run, or what would never end."""

    def run(self, scenario: Scenario, approach: Approach) -> Result:
        """Run one approach. Its Result is made of two frames, and names the lens."""


def check_approach(lens: Lens, scenario: Scenario, approach: Approach) -> None:
    """What every lens that sends requests refuses."""
    if lens.name not in approach.lenses:
        raise ValueError(f"{approach.name} is for the {' or '.join(approach.lenses)} lens, got {lens.name!r}")
    requests = scenario.duration / approach.idle_interval
    if requests > MOST_REQUESTS:
        raise ValueError(
            f"{approach.label} would send {requests:,.0f} requests in {scenario.duration:g} s, and {MOST_REQUESTS:,} is"
            " the most: use a longer interval, or a shorter duration"
        )
