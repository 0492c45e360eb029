"""What both lenses do alike: enter the consumers, emit the events, and tell when a run is at rest."""

from collections.abc import Callable, Iterable

from labkit.approaches import Approach, Consumer
from labkit.clock import Clock
from labkit.event import Event, timestamp
from labkit.ledger import Ledger
from labkit.network import Network
from labkit.scenario import Scenario
from labkit.source import EventSource


def subscribe_all(
    scenario: Scenario, approach: Approach, clock: Clock, network: Network, ledger: Ledger, source_url: str
) -> tuple[list[Consumer], set[str]]:
    """The scenario's consumers, whose set-up has been started, and the names of those who are still at it."""
    names = [f"consumer-{number}" for number in range(1, scenario.consumers + 1)]
    consumers = [Consumer(name, source_url, clock, network, ledger) for name in names]
    busy = set(names)

    def subscribe(consumer: Consumer) -> None:
        approach.subscribe(consumer)
        busy.remove(consumer.name)

    for consumer in consumers:
        ledger.add_consumer(consumer.name)
        clock.spawn(subscribe, consumer)
    return consumers, busy


def emit_all(
    source: EventSource,
    events: Iterable[Event],
    happened: Callable[[Event], object] | None = None,
    stored: Callable[[Event], object] | None = None,
) -> None:
    """The emitter: each event enters the source's store at its moment, with no exchange and no delay."""
    clock = source.clock
    for event in events:
        clock.sleep_until(event.occurred_at)
        if happened:
            happened(event)
        source.emit(event.type, event.data, event.id, timestamp(clock.epoch + event.occurred_at))
        if stored:
            stored(event)


def is_settled(ledger: Ledger, pending: Callable[[], int]) -> Callable[[], bool]:
    """What it is to be at rest, told at the horizon.

    The exchanges sent before it are answered, nothing is pending, and each consumer holds every event, or has polled
    since and found nothing, or does not poll: whatever it still lacks then is lost.
    """
    horizon = seen = len(ledger.status)
    satisfied: set[str] = set()

    def resting() -> bool:
        nonlocal seen
        if pending():  # what comes of it may stay at a relay until somebody polls
            seen = len(ledger.status)
            return False
        # in one step, since other threads open and close them
        if min(ledger.in_flight - ledger.open_ended, default=horizon) < horizon:
            return False
        while seen < len(ledger.status) and seen not in ledger.in_flight - ledger.open_ended:
            found_nothing = ledger.status[seen] in (200, 304) and not ledger.new_events[seen]
            if ledger.kind[seen] == "poll" and found_nothing:
                satisfied.add(ledger.sender[seen])
            seen += 1
        return ledger.complete() or satisfied >= ledger.pollers

    return resting
