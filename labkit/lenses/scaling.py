"""A scenario made faster: times are divided by `speed`, so λT stays. Where that is not possible, it is refused."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TypeVar

from labkit.approaches import Approach
from labkit.checks import number
from labkit.faults import Fault
from labkit.network import TIMEOUT
from labkit.policies import RateLimit, RetryProfile, SwitchOff
from labkit.scenario import Scenario

Record = TypeVar("Record", Approach, Fault, RateLimit, RetryProfile, SwitchOff)


def scaled(scenario: Scenario, approach: Approach, speed: float) -> tuple[Scenario, Approach]:
    """Divide times by `speed`: arrivals, intervals, faults' windows, the source's schedules and timeouts.

    So λT stays, and d/T does not. At speed 60, one hour of polling every 60 s is one minute of polling every second.
    Not divided: a client's timeout of 30 s, a stream's pause before it reconnects, headers in whole seconds. Raises
    ValueError where one of these would matter.
    """
    number("speed", speed, above=0)
    if speed == 1:
        return scenario, approach
    for field in fields(approach):
        if field.type in (float, "float") and not field.metadata.get("unit"):
            name, remedy = f"{approach.name}.{field.name}", "declare it with labkit.approaches.parameters.seconds"
            raise ValueError(f"{name} does not say whether it is a time, which speed {speed:g} would divide: {remedy}")
    if (scenario.rate_limit.poll_interval / speed) % 1:
        rule = "poll_interval / speed must be whole seconds, which is what X-Poll-Interval can say"
        raise ValueError(f"{rule}, got {scenario.rate_limit.poll_interval:g} / {speed:g}")
    for time in _undivided(scenario, approach):
        raise ValueError(f"{time}, which speed {speed:g} does not divide: use the virtual lens, or speed 1")
    arrivals = scenario.arrivals
    duration = arrivals.duration / speed
    last = math.nextafter(duration, 0)  # the horizon is half-open, and rounding must not reach it
    events = tuple(replace(each, occurred_at=min(last, round(each.occurred_at / speed, 9))) for each in arrivals.events)
    params = {**arrivals.params, "speed": speed}
    retries, waits = scenario.retries, tuple(wait / speed for wait in scenario.retries.waits)
    scenario = replace(
        scenario,
        arrivals=replace(arrivals, events=events, duration=duration, params=params, rule=None),
        retries=replace(_divided(retries, speed), waits=waits, off=_divided(retries.off, speed)),
        retention=scenario.retention and scenario.retention / speed,
        rate_limit=_divided(scenario.rate_limit, speed),
        faults=tuple(_divided(fault, speed) for fault in scenario.faults),
    )
    return scenario, _divided(approach, speed)


def _divided(record: Record, speed: float) -> Record:
    """A record with its fields in seconds divided by `speed`."""
    times = [field.name for field in fields(record) if field.metadata.get("unit") == "s"]
    return replace(record, **{name: getattr(record, name) / speed for name in times})


def _undivided(scenario: Scenario, approach: Approach) -> Iterator[str]:
    """The times that would matter in a scenario and that speed cannot divide."""
    if scenario.rate_limit.requests:
        yield "a rate limit's Retry-After is in whole seconds"
    for fault in scenario.faults:
        hits_clients = set(fault.kinds) != {"delivery"}
        if fault.whole_seconds:
            yield f"{fault.name}: Retry-After is in whole seconds"
        if fault.holds >= TIMEOUT and hits_clients:
            yield f"{fault.name}: a client waits {TIMEOUT:g} s for an answer"
        if fault.fails and approach.reconnect_pause and hits_clients:
            yield f"{fault.name}: after a failure {approach.name} pauses for {approach.reconnect_pause:g} s"
