"""The real lens: loopback sockets, the source in a separate process, the machine's clock."""

import math
import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from labkit.approaches import Approach, Consumer
from labkit.clock import RealClock, monotonic
from labkit.ledger import Ledger
from labkit.lenses.base import check_approach
from labkit.lenses.lifecycle import conditions_of, drain, subscribe_all
from labkit.lenses.scaling import scaled
from labkit.lenses.source_server import SourceConfig, SourceReport
from labkit.network.sockets import SocketNetwork
from labkit.process import ChildProcess
from labkit.result import Machine, Result
from labkit.scenario import Scenario
from labkit.sqlite import Synchronous

LONGEST = 600.0
"""The most seconds of a real run; a longer scenario needs `speed`, or the virtual lens."""
LEAD, READY = 1.2, 0.2
"""Seconds before t = 0 at which set-up starts, and at which it must be done."""
SETUP = LEAD - READY
LONGEST_DRAIN = 120.0
STOP_SECONDS = 5.0
LAST_POLL_SECONDS = 0.5
"""How long a poll in flight at the end of a run may still take, before it is cut."""


class RealLens:
    """The machine's own clock, and loopback sockets; the source in a separate process.

    A run takes the scenario's duration divided by `speed`, and a little more; its results are in the seconds that
    passed. `synchronous` is SQLite's setting for the source's database, which is kept if it has a `path`.
    """

    name = "real"
    delay = 0.0
    parallel = False

    def __init__(self, speed: float = 1.0, synchronous: Synchronous = "FULL", path: str | None = None) -> None:
        self.speed, self.synchronous, self.path = speed, synchronous, path

    def check(self, scenario: Scenario, approach: Approach) -> None:
        """Refuse what takes too long, and what a loopback network or `speed` cannot show."""
        self._checked(scenario, approach)

    def _checked(self, scenario: Scenario, approach: Approach) -> tuple[Scenario, Approach]:
        """The scenario and the approach as they run: their times are divided by `speed`."""
        check_approach(self, scenario, approach)
        scenario, approach = scaled(scenario, approach, self.speed)
        if scenario.duration > LONGEST:
            speed = math.ceil(scenario.duration * self.speed / LONGEST)
            remedy = f"use speed {speed} or more (--speed {speed}), or a shorter duration"
            raise ValueError(f"a real run of {scenario.duration:,g} s would take longer than {LONGEST:g} s: {remedy}")
        if scenario.delay:
            raise ValueError(
                f"delay must be 0 in the real lens, which adds none to the machine's own, got {scenario.delay:g}"
            )
        for fault in scenario.faults:
            wait = min(fault.holds, scenario.retries.timeout)
            if fault.start < 0 and wait > SETUP:
                limit = f"set-up would wait up to {wait:g} s, and the real lens allows {SETUP:g} s"
                remedy = "use the virtual lens, or a scenario whose source has a timeout of 0.5 s"
                raise ValueError(f"{fault.name}: {limit}: {remedy}")
        lag = sum(fault.commit_lag for fault in scenario.faults)
        if lag > LONGEST_DRAIN:
            limit = f"may be committed {lag:g} s late, and a real run waits {LONGEST_DRAIN:g} s after the horizon"
            remedy = f"use speed {math.ceil(lag * self.speed / LONGEST_DRAIN)} or more, or the virtual lens"
            raise ValueError(f"an event {limit}: {remedy}")
        late = _last_retry(scenario) - scenario.duration
        if late > LONGEST_DRAIN and approach.called:
            speed = math.ceil(late * self.speed / LONGEST_DRAIN)
            limit = f"a retry may be due {late:,.0f} s after the horizon, and a real run waits {LONGEST_DRAIN:g} s"
            remedy = f"use speed {speed} or more (--speed {speed}), or the virtual lens"
            raise ValueError(f"after the faults, {limit}: {remedy}")
        return scenario, approach

    def run(self, scenario: Scenario, approach: Approach) -> Result:
        scenario, approach = self._checked(scenario, approach)
        ledger, own_cpu = Ledger(), sum(os.times()[:2])
        with (
            TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True) as folder,
            SourceProcess(folder) as process,
        ):
            clock = RealClock(monotonic() + LEAD)
            network = SocketNetwork(clock, ledger, conditions_of(scenario), announce=partial(process.ask, "name"))
            try:
                database = self.path or str(Path(folder) / "source.db")
                config = SourceConfig(clock.origin, clock.epoch, scenario, database, self.synchronous)
                url = process.ask("start", config)
                network.name(url.removeprefix("http://").partition("/")[0], "source")
                consumers, busy = subscribe_all(scenario, approach, clock, network, ledger, url)
                offset, error = clock_offset(clock.now, lambda: process.ask("now"))
                clock.run(until=-READY)
                if busy:
                    raise RuntimeError(f"set-up of {approach.label} took over {SETUP:g} s: the machine is too busy")
                process.ask("emit")
                for consumer in consumers:
                    clock.spawn(_from_zero, approach, consumer)
                clock.run(until=scenario.duration, done=process.ended)
                drain(scenario, approach, clock, ledger, lambda: int(process.ask("pending")), LONGEST_DRAIN)
                clock.close(LAST_POLL_SECONDS)  # after the last poll, the servers have seen all that was sent
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
        return Result(scenario, approach, self.name, ledger.frames(scenario.duration), machine)


def _last_retry(scenario: Scenario) -> float:
    """The latest instant at which the source may retry what the faults that end have hit; 0 if they hit nothing."""
    timeout, last = scenario.retries.timeout, 0.0
    faults = [each for each in scenario.faults if each.fails or each.holds >= timeout]
    faults = [each for each in faults if math.isfinite(each.duration) and (not each.kinds or "delivery" in each.kinds)]
    lag = sum(fault.commit_lag for fault in scenario.faults)
    for event in scenario.arrivals.events:
        due = event.occurred_at + lag
        for attempt, wait in enumerate(scenario.retries.waits, start=1):
            hit = [each for each in faults if each.active(due) and attempt in (each.attempts or (attempt,))]
            if not hit:
                break
            due += min(hit[0].holds, timeout) + wait * (1 + scenario.retries.jitter)
        last = max(last, due)
    return last


def _from_zero(approach: Approach, consumer: Consumer) -> None:
    consumer.clock.sleep_until(0)
    approach.run(consumer)


def clock_offset(ours: Callable[[], float], theirs: Callable[[], float], times: int = 20) -> tuple[float, float]:
    """Their clock minus ours, and the error of that, from the shortest of some round trips (Cristian, 1989).

    If their clock says 5.3 between our 5.0 and 5.2, theirs is 0.2 ahead, give or take 0.1.
    """
    trips = []
    for _ in range(times):
        before, remote, after = ours(), theirs(), ours()
        trips.append((after - before, remote - (before + after) / 2))
    shortest, offset = min(trips)
    return offset, shortest / 2


class SourceProcess(ChildProcess):
    """The source's process. It ends with the `with` block, or when this process dies."""

    def __init__(self, folder: str) -> None:
        """`folder` is removed if this process dies."""
        self.folder = folder
        arguments = ["-m", "labkit.lenses.source_server", str(os.getpid()), folder]
        super().__init__(arguments, pickle, "the source's process", STOP_SECONDS)

    def __enter__(self) -> Self:
        try:
            self.ask("ready")  # it has imported everything, so set-up does not wait for that
        except BaseException:
            self.close()
            raise
        return self

    def ask(self, name: str, /, *arguments: Any) -> Any:
        """Send a command and return its answer. Raises what the command raised there."""
        answer = super().ask((name, arguments))
        if isinstance(answer, Exception):
            raise answer
        return answer
