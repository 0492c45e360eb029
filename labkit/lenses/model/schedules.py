"""The arithmetic of each approach that the model lens can run."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.approaches import (
    Aimd,
    Approach,
    Batched,
    ConditionalFeed,
    Feed,
    HalveDouble,
    Hybrid,
    LongPolling,
    Polling,
    Relay,
    Stream,
    Thin,
    Webhook,
)
from labkit.lenses.model import combined, feed, held, polling, pushed
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
    Thin: Schedule(pushed.thin, pushed.check),
    Feed: Schedule(feed.feed, nothing),
    ConditionalFeed: Schedule(feed.feed, nothing),
    Relay: Schedule(feed.relay, pushed.check),
    Batched: Schedule(combined.batched, combined.check_batched),
    Hybrid: Schedule(combined.hybrid, pushed.check),
    Aimd: Schedule(polling.adaptive, nothing),
    HalveDouble: Schedule(polling.adaptive, nothing),
    LongPolling: Schedule(held.long_polling, held.check_long_polling),
    Stream: Schedule(held.stream, held.check_stream),
}
"""What the lens can run. An approach of another class, a subclass too, is refused."""
