"""The virtual lens: one process, simulated time, HTTP carried in memory. Equal arguments give equal rows."""

from contextlib import closing

from labkit.approaches import Approach
from labkit.arrivals import EARLIEST
from labkit.clock import VirtualClock
from labkit.event import Event
from labkit.ledger import Ledger
from labkit.lenses.base import check_approach
from labkit.lenses.lifecycle import conditions_of, drain, drain_limit, emit_all, make_source, subscribe_all
from labkit.network.memory import MemoryNetwork
from labkit.result import Result
from labkit.scenario import Scenario

LEAD = 90.0
"""Seconds of set-up before t = 0, plus some round trips: longer than any timeout."""


class VirtualLens:
    """A week in seconds: the real code under a clock that jumps to the next thing due."""

    name = "virtual"
    delay = Scenario.delay
    parallel = True

    def check(self, scenario: Scenario, approach: Approach) -> None:
        check_approach(self, scenario, approach)

    def run(self, scenario: Scenario, approach: Approach) -> Result:
        """Run in simulated time: set-up before t = 0, events up to the horizon, then on until the run is settled."""
        ledger = Ledger()
        clock = VirtualClock(start=-LEAD - 20 * scenario.delay, epoch=max(scenario.arrivals.epoch, EARLIEST))
        network = MemoryNetwork(clock, ledger, scenario.delay, conditions_of(scenario))
        source = make_source(scenario, clock, network)
        source.app.config["PROPAGATE_EXCEPTIONS"] = True  # a bug in a view comes out of the run
        with closing(source.db), clock:
            url = network.host("source", source.app)
            consumers, busy = subscribe_all(scenario, approach, clock, network, ledger, url)
            clock.run(until=0)
            if busy:
                raise RuntimeError(f"set-up of {approach.label} was not done by t = 0")

            events, stored = scenario.arrivals.events, list[Event]()
            clock.spawn(emit_all, source, events, stored.append, network.conditions.commit_lag, urgent=True)
            for consumer in consumers:
                clock.spawn(approach.run, consumer)
            clock.run(until=scenario.duration)
            limit = drain_limit(scenario, approach)

            def pending() -> int:
                return len(events) - len(stored) + source.outbox.counts()["pending"]

            drain(scenario, approach, clock, ledger, pending, limit)
        return Result(scenario, approach, self.name, ledger.frames(scenario.duration))
