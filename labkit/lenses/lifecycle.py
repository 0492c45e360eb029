"""What the lenses that send requests share: subscribe consumers, emit events, detect when a run is settled."""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import fields

import httpx

from labkit.approaches import Approach, Consumer
from labkit.arrivals import WEEK
from labkit.clock import Clock
from labkit.event import Event, timestamp
from labkit.ledger import Ledger
from labkit.network import Network
from labkit.network.conditions import Conditions
from labkit.scenario import Scenario
from labkit.source import EventSource
from labkit.sqlite import Database
from labkit.wire import HEARTBEAT


def conditions_of(scenario: Scenario) -> Conditions:
    """The scenario's faults, as a network applies them."""
    places = {event.id: place for place, event in enumerate(scenario.arrivals.events, start=1)}
    return Conditions(scenario.faults, scenario.seed, places if scenario.faults else {})


def make_source(scenario: Scenario, clock: Clock, network: Network, db: Database | None = None) -> EventSource:
    """A scenario's source, with its seed, its retries, its rate limit and its retention."""
    rng, retries, limit = random.Random(scenario.seed), scenario.retries, scenario.rate_limit
    return EventSource(clock, network, rng, db=db, retries=retries, rate_limit=limit, retention=scenario.retention)


def subscribe_all(
    scenario: Scenario, approach: Approach, clock: Clock, network: Network, ledger: Ledger, source_url: str
) -> tuple[list[Consumer], set[str]]:
    """The scenario's consumers, whose set-up has been started, and the names of those that have not finished it.

    The ledger is given the events that the consumers should receive.
    """
    for event in scenario.arrivals.events:
        if approach.wants(event.type):
            ledger.happened(event.id, event.occurred_at)
    names = [f"consumer-{number}" for number in range(1, scenario.consumers + 1)]
    consumers = [Consumer(name, source_url, clock, network, ledger) for name in names]
    busy = set(names)

    def subscribe(consumer: Consumer) -> None:
        try:
            approach.subscribe(consumer)
        except httpx.HTTPError as error:
            raise RuntimeError(f"set-up failed: {type(error).__name__}: {error}") from error
        busy.remove(consumer.name)

    for consumer in consumers:
        ledger.add_consumer(consumer.name)
        clock.spawn(subscribe, consumer)
    return consumers, busy


def emit_all(
    source: EventSource, events: Iterable[Event], stored: Callable[[Event], object], lag: Callable[[Event], float]
) -> None:
    """The emitter: puts each event into the source's store when it occurs, without an exchange or a delay.

    An event with a `lag` is stored that many seconds after it occurred.
    """
    clock = source.clock

    def store(event: Event) -> None:
        source.emit(event.type, event.data, event.id, timestamp(clock.epoch + event.occurred_at))
        stored(event)

    for event in events:
        clock.sleep_until(event.occurred_at)
        if seconds := lag(event):
            clock.spawn(store, event, after=seconds, urgent=True)
        else:
            store(event)


def drain_limit(scenario: Scenario, approach: Approach) -> float:
    """Seconds after the horizon by which a run is settled, if it ever is.

    By then the source's retries have ended (Standard Webhooks': after 75 h 35 min 5 s, or later by `Retry-After`), the
    faults that end are over, the slowest poller has polled many times, and a week has passed.
    """
    faults = [fault.end - scenario.duration for fault in scenario.faults if math.isfinite(fault.end)]
    faults.append(sum(fault.commit_lag for fault in scenario.faults))
    times = [getattr(approach, each.name) for each in fields(approach) if each.metadata.get("unit") == "s"]
    return max([0.0, *faults]) + scenario.retries.longest_span + 50 * max(times, default=0.0) + WEEK


def drain(
    scenario: Scenario, approach: Approach, clock: Clock, ledger: Ledger, pending: Callable[[], int], seconds: float
) -> None:
    """Run on from the horizon until the run is settled.

    Raises RuntimeError if it is not within `seconds`: what is pending then is not called lost.
    """
    settled = is_settled(ledger, clock, pending)
    clock.run(until=scenario.duration + seconds, done=settled)
    if not settled():
        raise unsettled(scenario, approach, seconds)


def unsettled(scenario: Scenario, approach: Approach, seconds: float) -> RuntimeError:
    """The error of a run that was not settled so long after the horizon."""
    faults = ", ".join(fault.name for fault in scenario.faults if not math.isfinite(fault.duration))
    remedy = f"give {faults} a duration" if faults else "use a shorter interval, or shorter waits"
    late = f"{approach.label} was not settled {seconds:,.0f} s after the horizon"
    return RuntimeError(f"{late}, and pending events cannot be called lost: {remedy}")


def is_settled(ledger: Ledger, clock: Clock, pending: Callable[[], int]) -> Callable[[], bool]:
    """A function that says whether a run is settled; to be made at the horizon.

    Settled: the exchanges sent before the horizon are answered, nothing is pending, and each consumer holds every
    event, or has polled since and found nothing, or has an open stream that has brought nothing for two heartbeats, or
    does not poll. What it lacks then is lost.
    """
    horizon = seen = len(ledger.status)
    satisfied: set[str] = set()
    received, quiet_since = ledger.received, clock.now()

    def settled() -> bool:
        nonlocal seen, received, quiet_since
        if pending():  # a delivered event may stay at a relay until the next poll
            seen = len(ledger.status)
            return False
        # in one step, since other threads open and close them
        if min(ledger.in_flight - ledger.open_ended, default=horizon) < horizon:
            return False
        while seen < len(ledger.status) and seen not in ledger.in_flight - ledger.open_ended:
            answered = ledger.status[seen] in (200, 304) and not ledger.error[seen]
            if ledger.kind[seen] == "poll" and answered and not ledger.new_events[seen]:
                satisfied.add(ledger.sender[seen])
            seen += 1
        if received != ledger.received:
            received, quiet_since = ledger.received, clock.now()
        quiet = clock.now() - quiet_since > 2 * HEARTBEAT
        streaming = {ledger.sender[each] for each in ledger.open_ended & ledger.in_flight} if quiet else set()
        return ledger.complete() or satisfied | streaming >= ledger.pollers

    return settled
