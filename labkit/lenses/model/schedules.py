"""The arithmetic of each approach that the model lens can run."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.approaches import (
    Aimd,
    Approach,
    Batched,
    ConditionalFeed,
    Doorbell,
    Feed,
    HalveDouble,
    Hybrid,
    Leased,
    LongPolling,
    Polling,
    Relay,
    Stream,
    Thin,
    Webhook,
)
from labkit.lenses.model import batched, combined, doorbell, feed, leased, polling, pushed, stream
from labkit.lenses.model.history import Given, History


def nothing(given: Given) -> None:
    """Refuse nothing: all parameters are fixed."""


@dataclass(frozen=True)
class Schedule:
    """The arithmetic of one approach."""

    history: Callable[[Given], History]
    check: Callable[[Given], None]
    """Raises ValueError, with the remedy, for parameters that it cannot compute."""


SCHEDULES: dict[type[Approach], Schedule] = {
    Polling: Schedule(polling.schedule, polling.check),
    Webhook: Schedule(pushed.webhook, pushed.check),
    Thin: Schedule(pushed.thin, pushed.check_thin),
    Feed: Schedule(feed.feed, nothing),
    ConditionalFeed: Schedule(feed.feed, nothing),
    Relay: Schedule(feed.relay, pushed.check),
    Batched: Schedule(batched.batched, batched.check),
    Hybrid: Schedule(combined.hybrid, pushed.check),
    Aimd: Schedule(polling.adaptive, nothing),
    HalveDouble: Schedule(polling.adaptive, nothing),
    LongPolling: Schedule(polling.long_polling, nothing),
    Stream: Schedule(stream.stream, nothing),
    Doorbell: Schedule(doorbell.doorbell, doorbell.check),
    Leased: Schedule(leased.leased, leased.check),
}
"""What the lens can run. An approach of another class, a subclass too, is refused."""
