"""The real lens: loopback sockets, the source in a process of its own, the machine's clock."""

import math
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
from labkit.lenses.lifecycle import is_settled, subscribe_all
from labkit.lenses.source_server import SourceConfig, SourceReport
from labkit.network.sockets import SocketNetwork
from labkit.result import Result
from labkit.scenario import Scenario
from labkit.source.database import Synchronous

LONGEST = 600.0
"""Seconds that a real run may take; a longer scenario wants `speed`, or the virtual lens."""
LEAD, READY = 1.2, 0.2
"""Seconds before t = 0 at which set-up starts, and at which it must be done."""
LONGEST_DRAIN = 120.0
STOP_SECONDS = 5.0
LAST_POLL_SECONDS = 0.5
"""For which a poll that is under way at the end is waited for, before it is cut."""


@dataclass(frozen=True)
class Machine:
    """What a real run says of the machine it ran on, in seconds."""

    clock_offset: float
    """The source's clock less the consumers', as an exchange of instants shows it."""
    clock_offset_error: float
    """Half the shortest round trip of that exchange: the offset is known so well."""
    emit_lag_mean: float
    emit_lag_max: float
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
            f" use --speed {math.ceil(scenario.duration / LONGEST)} or more, or a shorter --duration"
        )
    if scenario.nat:
        raise ValueError("nat is for the virtual lens: on one machine's loopback everybody can be called")
    if scenario.delay:
        raise ValueError(
            f"delay must be 0 in the real lens, which adds none to the machine's own, got {scenario.delay:g}"
        )
    ledger, own_cpu = Ledger(), sum(os.times()[:2])
    for event in scenario.arrivals.events:
        if approach.wants(event.type):
            ledger.happened(event.id, event.occurred_at)
    with TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True) as folder, SourceProcess(folder) as process:
        clock = RealClock(monotonic() + LEAD)
        network = SocketNetwork(clock, ledger)
        try:
            database = path or str(Path(folder) / "source.db")
            config = SourceConfig(
                clock.origin, clock.epoch, scenario.seed, scenario.retries, scenario.rate_limit, database, synchronous
            )
            url = process.ask("start", config)
            network.names[url.removeprefix("http://").partition("/")[0]] = "source"
            consumers, busy = subscribe_all(scenario, approach, clock, network, ledger, url)
            offset, error = clock_offset(clock.now, lambda: process.ask("now"))
            clock.run(until=-READY)
            if busy:
                raise RuntimeError(f"set-up of {approach} took over {LEAD - READY:g} s: the machine is too busy")
            process.ask("emit", scenario.arrivals.events)
            for consumer in consumers:
                clock.spawn(_from_zero, approach, consumer)
            clock.run(until=scenario.duration, done=process.ended)
            clock.run(
                until=scenario.duration + LONGEST_DRAIN, done=is_settled(ledger, lambda: int(process.ask("pending")))
            )
            clock.close(LAST_POLL_SECONDS)  # nobody asks any more, and what is then served is all that was asked
            network.close()
            report: SourceReport = process.ask("finish")
            served = network.requests_served() + report.requests_served
        finally:
            network.close()
            clock.close()
    ledger.merge(report.ledger, report.ports, network.names, -offset)
    emit_lags = report.emit_lags or [0.0]
    machine = Machine(
        clock_offset=offset,
        clock_offset_error=error,
        emit_lag_mean=sum(emit_lags) / len(emit_lags),
        emit_lag_max=max(emit_lags),
        source_cpu=report.cpu_seconds,
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
    duration = arrivals.duration / speed
    last = math.nextafter(duration, 0)  # the horizon is half-open, and rounding must not reach it
    events = tuple(
        replace(event, occurred_at=min(last, round(event.occurred_at / speed, 9))) for event in arrivals.events
    )
    waits = tuple(wait / speed for wait in scenario.retries.waits)
    times = {
        field.name: getattr(approach, field.name) / speed
        for field in fields(approach)
        if field.metadata.get("unit") == "s"
    }
    arrivals = replace(arrivals, events=events, duration=duration, params={**arrivals.params, "speed": speed})
    rate_limit = scenario.rate_limit
    if (rate_limit.poll_interval / speed) % 1:
        raise ValueError(
            f"poll_interval / speed must be whole seconds, which is what X-Poll-Interval can say,"
            f" got {rate_limit.poll_interval:g} / {speed:g}"
        )
    rate_limit = replace(rate_limit, seconds=rate_limit.seconds / speed, poll_interval=rate_limit.poll_interval / speed)
    scenario = replace(
        scenario, arrivals=arrivals, retries=replace(scenario.retries, waits=waits), rate_limit=rate_limit
    )
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

    def __init__(self, folder: str) -> None:
        self._folder = folder
        """Which it removes if this process has died."""

    def __enter__(self) -> Self:
        self._errors = TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labkit.lenses.source_server", str(os.getpid()), self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # so that Ctrl-C is for us alone
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        try:
            self._answer()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, name: str, *arguments: Any) -> Any:
        """Send a command and return its answer; raises what the command raised there."""
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(OSError):  # it has ended: _answer says so
            pickle.dump((name, arguments), stdin)
            stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        process = self._process
        assert process.stdout is not None
        try:
            answer = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
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
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._errors.close()
