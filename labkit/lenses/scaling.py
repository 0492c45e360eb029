"""A scenario made faster: times are divided by `speed`, so λT stays. Where that is not possible, it is refused."""

import math
from dataclasses import fields, replace
from typing import TypeVar

from labkit.approaches import Approach
from labkit.checks import number
from labkit.faults import Fault
from labkit.network import TIMEOUT
from labkit.policies import RateLimit
from labkit.scenario import Scenario

Record = TypeVar("Record", Approach, Fault, RateLimit)


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
            raise ValueError(
                f"{approach.name}.{field.name} does not say whether it is a time, which speed {speed:g} would divide:"
                " declare it with labkit.approaches.parameters.seconds"
            )
    _check(scenario, approach, speed)
    arrivals = scenario.arrivals
    duration = arrivals.duration / speed
    last = math.nextafter(duration, 0)  # the horizon is half-open, and rounding must not reach it
    events = tuple(
        replace(event, occurred_at=min(last, round(event.occurred_at / speed, 9))) for event in arrivals.events
    )
    retries = scenario.retries
    scenario = replace(
        scenario,
        arrivals=replace(
            arrivals, events=events, duration=duration, params={**arrivals.params, "speed": speed}, rule=None
        ),
        retries=replace(
            retries,
            waits=tuple(wait / speed for wait in retries.waits),
            timeout=retries.timeout / speed,
            longest_retry_after=retries.longest_retry_after / speed,
        ),
        rate_limit=_divided(scenario.rate_limit, speed),
        faults=tuple(_divided(fault, speed) for fault in scenario.faults),
    )
    return scenario, _divided(approach, speed)


def _divided(record: Record, speed: float) -> Record:
    """A record with its fields in seconds divided by `speed`."""
    times = {
        field.name: getattr(record, field.name) / speed for field in fields(record) if field.metadata.get("unit") == "s"
    }
    return replace(record, **times)


def _check(scenario: Scenario, approach: Approach, speed: float) -> None:
    """Refuse a scenario in which a time that cannot be divided would matter."""
    limit, remedy = scenario.rate_limit, "use the virtual lens, or speed 1"
    if (limit.poll_interval / speed) % 1:
        raise ValueError(
            f"poll_interval / speed must be whole seconds, which is what X-Poll-Interval can say,"
            f" got {limit.poll_interval:g} / {speed:g}"
        )
    if limit.requests:
        raise ValueError(
            f"a rate limit's Retry-After is in whole seconds, which speed {speed:g} does not divide: {remedy}"
        )
    for fault in scenario.faults:
        if fault.whole_seconds:
            raise ValueError(
                f"{fault.name}: Retry-After is in whole seconds, which speed {speed:g} does not divide: {remedy}"
            )
        if fault.holds >= TIMEOUT and set(fault.kinds) != {"delivery"}:
            raise ValueError(
                f"{fault.name}: a client waits {TIMEOUT:g} s for an answer, which speed {speed:g} does not divide:"
                f" {remedy}, or limit it to deliveries (its kinds)"
            )
        if fault.fails and approach.reconnect_pause and set(fault.kinds) != {"delivery"}:
            raise ValueError(
                f"{fault.name}: after a failure {approach.name} pauses for {approach.reconnect_pause:g} s, which speed"
                f" {speed:g} does not divide: {remedy}"
            )
