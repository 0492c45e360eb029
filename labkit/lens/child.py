"""The source in a process of its own: started by `labkit.lens.real`, told in pickles what to do, gone with it."""

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
from labkit.lens.rest import emit_all
from labkit.network.sockets import SocketNetwork
from labkit.scenario import Limits, RetryProfile
from labkit.source import EventSource
from labkit.source.database import Database, Synchronous


@dataclass(frozen=True)
class Setting:
    """What the source's process is told at its start."""

    origin: float
    epoch: float
    seed: int
    retries: RetryProfile
    limits: Limits
    path: str
    synchronous: Synchronous


@dataclass(frozen=True)
class Account:
    """What the source's process says at its end."""

    ledger: Ledger
    ports: list[int]
    slips: list[float]
    """For each event, how many seconds after its moment it was in the store."""
    cpu_seconds: float
    requests_served: int


class Child:
    """One source, and the commands that its parent may send: (name, arguments)."""

    def __init__(self, setting: Setting) -> None:
        self.clock = RealClock(setting.origin, setting.epoch)
        self.ledger = Ledger()
        self.network = SocketNetwork(self.clock, self.ledger)
        self.source = EventSource(
            self.clock,
            self.network,
            random.Random(setting.seed),
            db=Database(setting.path, setting.synchronous),
            retries=setting.retries,
            limits=setting.limits,
        )
        self.url = self.network.host("source", self.source.app)
        self.slips: list[float] = []
        self._events: tuple[Event, ...] = ()

    def now(self) -> float:
        return self.clock.now()

    def emit(self, events: tuple[Event, ...]) -> None:
        """Start the emitter."""
        self._events = events

        def stored(event: Event) -> None:
            self.slips.append(self.clock.now() - event.occurred_at)

        self.clock.spawn(emit_all, self.source, events, None, stored)

    def pending(self) -> int:
        """Deliveries that are due now or later, and events that are still to come; raises what a task raised."""
        self.clock.run(done=lambda: True)
        return len(self._events) - len(self.slips) + self.source.outbox.counts()["pending"]

    def finish(self) -> Account:
        self.source.close()
        served, times = self.network.requests_served(), os.times()
        return Account(self.ledger, self.network.ports, self.slips, times.user + times.system, served)


def main(parent: int, folder: str) -> None:
    """Answer each command on standard input with a pickle on standard output, until either ends.

    The first answer, None, is unasked: it says that all is imported.
    """
    commands, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed by mistake goes to standard error, and not between the pickles
    if os.name == "posix":
        Thread(target=_watch, args=(parent, folder), daemon=True).start()
    child: Child | None = None
    answer: Any = None
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            pickle.dump(answer, answers)
            answers.flush()
            name, arguments = pickle.load(commands)
            try:
                if child is None:
                    child = Child(*arguments)
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
    from labkit.lens import child as module  # under its own name, so that its records can be unpickled by it

    module.main(int(sys.argv[1]), sys.argv[2])
