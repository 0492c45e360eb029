"""The source in a separate process, which `labkit.lenses.real` starts and controls by messages."""

import os
import pickle
import shutil
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from typing import Any

from labkit.clock import RealClock
from labkit.event import Event
from labkit.ledger import Ledger
from labkit.lenses.lifecycle import conditions_of, emit_all, make_source
from labkit.network.sockets import SocketNetwork
from labkit.process import answer_parent
from labkit.scenario import Scenario
from labkit.source.store import open_database
from labkit.sqlite import Synchronous


@dataclass(frozen=True)
class SourceConfig:
    """What the source's process needs to start."""

    origin: float
    epoch: float
    scenario: Scenario
    path: str
    synchronous: Synchronous


@dataclass(frozen=True)
class SourceReport:
    """What the source's process measured, sent at its end."""

    ledger: Ledger
    ports: list[int]
    emit_lags: list[float]
    """For each event, the seconds from its occurrence until it was in the store."""
    cpu_seconds: float
    requests_served: int


class SourceServer:
    """One source, and the commands that its parent may send: (name, arguments)."""

    def __init__(self, config: SourceConfig) -> None:
        self.clock = RealClock(config.origin, config.epoch)
        self.ledger = Ledger()
        scenario = config.scenario
        self.network = SocketNetwork(self.clock, self.ledger, conditions_of(scenario))
        self.source = make_source(scenario, self.clock, self.network, open_database(config.path, config.synchronous))
        self.url = self.network.host("source", self.source.app)
        self.emit_lags: list[float] = []
        self._events = scenario.arrivals.events
        self.now, self.name = self.clock.now, self.network.name

    def emit(self) -> None:
        """Start the emitter."""

        def stored(event: Event) -> None:
            self.emit_lags.append(self.clock.now() - event.occurred_at)

        self.clock.spawn(emit_all, self.source, self._events, stored, self.network.conditions.commit_lag)

    def pending(self) -> int:
        """Number of pending deliveries and of events still to come. Raises what a task raised."""
        self.clock.run(done=lambda: True)
        return len(self._events) - len(self.emit_lags) + self.source.outbox.counts()["pending"]

    def finish(self) -> SourceReport:
        self.source.close()
        served, times = self.network.requests_served(), os.times()
        return SourceReport(self.ledger, self.network.ports, self.emit_lags, times.user + times.system, served)


def main(parent: int, folder: str) -> None:
    """Answer the parent's commands until it ends, then remove `folder`."""
    server: SourceServer | None = None

    def answer(command: tuple[str, tuple[Any, ...]]) -> Any:
        nonlocal server
        name, arguments = command
        try:
            if name == "ready":
                return None
            if name == "start":
                server = SourceServer(*arguments)
                return server.url
            return getattr(server, name)(*arguments)
        except Exception as error:
            error.add_note(f"In the source's process:\n{traceback.format_exc()}")
            return error

    answer_parent(answer, pickle, parent, partial(shutil.rmtree, folder, ignore_errors=True))


if __name__ == "__main__":
    from labkit.lenses import source_server as module  # under its own name, so that its records can be unpickled by it

    module.main(int(sys.argv[1]), sys.argv[2])
