"""The real lens: loopback sockets, the source in a process of its own, the machine's clock."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from types import TracebackType
from typing import Any, Self

from labkit.approaches import Approach, Consumer
from labkit.clock import RealClock, monotonic
from labkit.ledger import Ledger
from labkit.lens.child import Account, Setting
from labkit.lens.rest import at_rest, subscribe_all, wants
from labkit.network.sockets import SocketNetwork
from labkit.result import Result
from labkit.scenario import Scenario
from labkit.source.database import Synchronous

LONGEST = 600.0
"""Seconds that a real run may take; a longer scenario wants `speed`, or the virtual lens."""
LEAD, READY = 1.3, 0.3
"""Seconds before t = 0 at which set-up starts, and at which it must be done."""
LONGEST_DRAIN = 120.0
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Machine:
    """What a real run says of the machine it ran on, in seconds."""

    clock_offset: float
    """The source's clock less the consumers', as an exchange of instants shows it."""
    clock_offset_error: float
    """Half the shortest round trip of that exchange: the offset is known so well."""
    emitter_slip_mean: float
    emitter_slip_max: float
    """How long after its moment an event was in the store; it counts in the latencies."""
    source_cpu: float
    consumer_cpu: float
    requests_served: int
    """What the servers of both processes saw, set-up and drain included."""


def run_real(
    scenario: Scenario, approach: Approach, *, synchronous: Synchronous = "FULL", path: str | None = None
) -> Result:
    """Run one approach on the machine's own clock and sockets. It takes the scenario's duration, and a little more."""
    if scenario.duration > LONGEST:
        raise ValueError(
            f"a real run of {scenario.duration:g} s would take longer than {LONGEST:g} s:"
            f" use --speed {scenario.duration / LONGEST:.3g} or more, or a shorter --duration"
        )
    if scenario.nat:
        raise ValueError("nat is for the virtual lens: on one machine's loopback everybody can be called")
    ledger, own_cpu = Ledger(), sum(os.times()[:2])
    for event in scenario.arrivals.events:
        if wants(approach, event):
            ledger.happened(event.id, event.occurred_at)
    with TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True) as folder, SourceProcess() as process:
        clock = RealClock(monotonic() + LEAD)
        network = SocketNetwork(clock, ledger)
        try:
            database = path or str(Path(folder) / "source.db")
            setting = Setting(clock.origin, clock.epoch, scenario.seed, scenario.retries, database, synchronous)
            url = process.ask("start", setting)
            network.names[url.removeprefix("http://").partition("/")[0]] = "source"
            consumers = subscribe_all(scenario, approach, clock, network, ledger, url)
            offset, error = clock_offset(clock.now, lambda: process.ask("now"))
            clock.run(until=-READY)
            if ledger.in_flight:
                raise RuntimeError(f"set-up of {approach} took over {LEAD - READY:g} s: the machine is too busy")
            process.ask("emit", scenario.arrivals.events)
            for consumer in consumers:
                clock.spawn(_from_zero, approach, consumer)
            clock.run(until=scenario.duration)
            clock.run(
                until=scenario.duration + LONGEST_DRAIN, done=at_rest(ledger, lambda: int(process.ask("pending")))
            )
            account: Account = process.ask("finish")
            served = network.requests_served() + account.requests_served
        finally:
            network.close()
            clock.close()
    ledger.merge(account.ledger, account.ports, network.names, -offset)
    slips = account.slips or [0.0]
    machine = Machine(
        clock_offset=offset,
        clock_offset_error=error,
        emitter_slip_mean=sum(slips) / len(slips),
        emitter_slip_max=max(slips),
        source_cpu=account.cpu_seconds,
        consumer_cpu=sum(os.times()[:2]) - own_cpu,
        requests_served=served,
    )
    return Result(scenario, approach, "real", ledger, machine)


def _from_zero(approach: Approach, consumer: Consumer) -> None:
    consumer.clock.sleep_until(0)
    approach.run(consumer)


def faster(scenario: Scenario, approach: Approach, speed: float) -> tuple[Scenario, Approach]:
    """The same with every time divided by `speed`: arrivals, intervals, schedules. So λT stays, and d/T does not.

    An hour of 60 s polling at speed 60 is a minute of polling every second.
    """
    if not 0 < speed < float("inf"):
        raise ValueError(f"speed must be > 0, got {speed}")
    arrivals = scenario.arrivals
    events = tuple(replace(event, occurred_at=round(event.occurred_at / speed, 9)) for event in arrivals.events)
    duration = arrivals.duration / speed
    events = tuple(event for event in events if event.occurred_at < duration)
    waits = tuple(wait / speed for wait in scenario.retries.waits)
    times = {
        field.name: getattr(approach, field.name) / speed
        for field in fields(approach)
        if field.metadata.get("unit") == "s"
    }
    arrivals = replace(arrivals, events=events, duration=duration, params={**arrivals.params, "speed": speed})
    scenario = replace(scenario, arrivals=arrivals, retries=replace(scenario.retries, waits=waits))
    return scenario, replace(approach, **times)


def clock_offset(ours: Callable[[], float], theirs: Callable[[], float], times: int = 20) -> tuple[float, float]:
    """Their clock less ours, and how well that is known: from the shortest of some round trips (Cristian, 1989).

    If their clock says 5.3 between our 5.0 and 5.2, theirs is 0.2 ahead, give or take 0.1.
    """
    trips = []
    for _ in range(times):
        asked, said, told = ours(), theirs(), ours()
        trips.append((told - asked, said - (asked + told) / 2))
    shortest, offset = min(trips)
    return offset, shortest / 2


class SourceProcess:
    """The source's process. Nothing of it is left after the `with` block, or once this process has died."""

    def __enter__(self) -> Self:
        self._errors = TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labkit.lens.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        return self

    def ask(self, name: str, *arguments: Any) -> Any:
        """Send a command and return its answer; raises what the command raised there."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((name, arguments), process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError):
            self._errors.seek(0)
            said = self._errors.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"the source's process ended with status {process.wait(STOP_SECONDS)}\n{said}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._errors.close()
