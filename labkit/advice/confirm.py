"""The model's figures of the finalists, held against the virtual lens on a slice of the events."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from labkit import theory
from labkit.advice.measured import Log
from labkit.advice.need import Need
from labkit.approaches import Approach, OnDemand
from labkit.arrivals import Arrivals
from labkit.faults import Outage
from labkit.lenses import Lens, ModelLens, VirtualLens
from labkit.scenario import Scenario

MOST_EVENTS, MOST_POLLS = 1_000, 2_000
"""Of a slice."""
HOUR = 3_600.0
TOLERANCE = 1e-6
"""Relative, of seconds that are means: both lenses round them to the nanosecond."""


class DisagreementError(RuntimeError):
    """Two lenses, or a lens and a closed form, give different figures: a bug in labkit."""


def confirm(approach: Approach, need: Need, log: Log, lens: Lens | None = None) -> int:
    """Run an approach by the virtual lens around the busiest hour; return how many events that has.

    It is 0 if the model lens cannot compute that hour by itself, with as much of the outage as fits into half of it.
    Raises DisagreementError if its row is not the model's. Reading on demand comes at random: its requests must be
    within five standard errors of the closed form.
    """
    events = part(log, approach)
    faults = (Outage(duration=min(need.outage, events.duration / 2)),) if need.outage else ()
    scenario = Scenario(events, log.delay, retries=log.retries, faults=faults)
    try:
        model = {} if isinstance(approach, OnDemand) else ModelLens().run(scenario, approach).row()
    except ValueError:
        return 0
    row = (lens or VirtualLens()).run(scenario, approach).row()
    if isinstance(approach, OnDemand):
        if not faults:  # which the closed form does not know
            form = theory.OnDemand(events.rate, approach.interval, log.delay)
            expected = form.requests(events.duration)
            if abs(row["requests"] - expected) > 5 * math.sqrt(expected) + 1:
                _disagree(approach, "requests", expected, row["requests"])
        return len(events.events)
    for name, value in _flat(model).items():
        if not _equal(value, found := _flat(row)[name]):
            _disagree(approach, name, value, found)
    return len(events.events)


def part(log: Log, approach: Approach) -> Arrivals:
    """The events of the busiest hour, or of ten intervals if these are longer, but not of too many."""
    window = max(HOUR, 10 * approach.idle_interval) if math.isfinite(approach.idle_interval) else HOUR
    window = min(window, MOST_POLLS * approach.idle_interval, log.arrivals.duration)
    start = log.busiest(window)
    within = [event for event in log.arrivals.events if start <= event.occurred_at < start + window][:MOST_EVENTS]
    moved = tuple(replace(event, occurred_at=round(event.occurred_at - start, 6)) for event in within)
    if len(within) == MOST_EVENTS:
        window = moved[-1].occurred_at + 1.0
    return replace(log.arrivals, events=moved, duration=window, epoch=log.arrivals.epoch + start, rule=None)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without what differs by nature."""
    flat = {name: value for name, value in row.items() if name not in ("lens", "params", "latency", "staleness")}
    return flat | {f"latency {name}": value for name, value in row["latency"].items()}


def _equal(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == other


def _disagree(approach: Approach, name: str, expected: object, found: object) -> None:
    raise DisagreementError(
        f"the lenses disagree on {approach.label}: {name} must be {expected}, and the virtual lens has {found}."
        " This is a bug in labkit: please report it, with the command and the log"
    )
