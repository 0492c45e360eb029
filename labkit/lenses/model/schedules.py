"""The arithmetic of each approach that the model lens can run."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.approaches import Approach, Batched, ConditionalFeed, Feed, Hybrid, Polling, Relay, Thin, Webhook
from labkit.lenses.model import combined, feed, polling, pushed
from labkit.lenses.model.history import Given, History


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
    Feed: Schedule(feed.feed, feed.check),
    ConditionalFeed: Schedule(feed.feed, feed.check),
    Relay: Schedule(feed.relay, pushed.check),
    Batched: Schedule(combined.batched, combined.check_batched),
    Hybrid: Schedule(combined.hybrid, pushed.check),
}
"""What the lens can run. An approach of another class, a subclass too, is refused."""
