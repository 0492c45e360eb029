"""The source in a process of its own: started by `labkit.lenses.real`, told in pickles what to do, gone with it."""

import os
import pickle
import random
import shutil
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from labkit.clock import RealClock, Stopped
from labkit.event import Event
from labkit.ledger import Ledger
from labkit.lenses.lifecycle import conditions_of, emit_all
from labkit.network.sockets import SocketNetwork
from labkit.scenario import Scenario
from labkit.source import EventSource
from labkit.source.store import open_database
from labkit.sqlite import Synchronous


@dataclass(frozen=True)
class SourceConfig:
    """What the source's process is told at its start."""

    origin: float
    epoch: float
    scenario: Scenario
    path: str
    synchronous: Synchronous


@dataclass(frozen=True)
class SourceReport:
    """What the source's process says at its end."""

    ledger: Ledger
    ports: list[int]
    emit_lags: list[float]
    """For each event, how many seconds after its moment it was in the store."""
    cpu_seconds: float
    requests_served: int


class SourceServer:
    """One source, and the commands that its parent may send: (name, arguments)."""

    def __init__(self, config: SourceConfig) -> None:
        self.clock = RealClock(config.origin, config.epoch)
        self.ledger = Ledger()
        scenario = config.scenario
        self.network = SocketNetwork(self.clock, self.ledger, conditions_of(scenario))
        self.source = EventSource(
            self.clock,
            self.network,
            random.Random(scenario.seed),
            db=open_database(config.path, config.synchronous),
            retries=scenario.retries,
            rate_limit=scenario.rate_limit,
        )
        self.url = self.network.host("source", self.source.app)
        self.emit_lags: list[float] = []
        self._events = scenario.arrivals.events

    def now(self) -> float:
        return self.clock.now()

    def name(self, address: str, name: str, owner: str) -> None:
        """Hear who is at an address."""
        self.network.name(address, name, owner)

    def emit(self) -> None:
        """Start the emitter."""

        def stored(event: Event) -> None:
            self.emit_lags.append(self.clock.now() - event.occurred_at)

        self.clock.spawn(emit_all, self.source, self._events, None, stored)

    def pending(self) -> int:
        """Deliveries that are due now or later, and events that are still to come; raises what a task raised."""
        self.clock.run(done=lambda: True)
        return len(self._events) - len(self.emit_lags) + self.source.outbox.counts()["pending"]

    def finish(self) -> SourceReport:
        self.source.close()
        served, times = self.network.requests_served(), os.times()
        return SourceReport(self.ledger, self.network.ports, self.emit_lags, times.user + times.system, served)


def main(parent: int, folder: str) -> None:
    """Answer each command on standard input with a pickle on standard output, until either ends.

    The first answer, None, is unasked: it says that all is imported.
    """
    commands, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed by mistake goes to standard error, and not between the pickles
    if os.name == "posix":
        Thread(target=_watch, args=(parent, folder), daemon=True).start()
    child: SourceServer | None = None
    answer: Any = None
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            pickle.dump(answer, answers)
            answers.flush()
            name, arguments = pickle.load(commands)
            try:
                if child is None:
                    child = SourceServer(*arguments)
                    answer = child.url
                else:
                    answer = getattr(child, name)(*arguments)
            except Exception as error:
                error.add_note(f"In the source's process:\n{traceback.format_exc()}")
                answer = error
    _end(folder)


def _watch(parent: int, folder: str) -> None:
    """End with the parent, also when somebody it forked holds the other end of our standard input."""
    clock = RealClock()
    with suppress(Stopped):
        while os.getppid() == parent:
            clock.sleep(0.2)
    _end(folder)


def _end(folder: str) -> None:
    """The parent has gone: nobody is left to be told, or to clear up, and no thread is waited for."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    from labkit.lenses import source_server as module  # under its own name, so that its records can be unpickled by it

    module.main(int(sys.argv[1]), sys.argv[2])
