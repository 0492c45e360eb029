"""Batched: be told of several events in one request."""

from dataclasses import dataclass
from typing import ClassVar

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.parameters import between, seconds, whole
from labkit.approaches.webhook import receiver, register
from labkit.receiver.inbox import Inbox


@dataclass(frozen=True)
class Batched(Approach):
    """Be called once for up to `count` events, the first of which waits `max_wait` seconds at the most.

    By age alone, 1/(1 + λA) requests an event and a wait of A(1 + λA/2)/(1 + λA): near A, not A/2, while events are
    rare. With 10 events an age, a batch of 10 does not beat polling at that interval in requests, and one of 12 does.
    """

    name: ClassVar[str] = "batched"
    style: ClassVar[Style] = Style("#8DA0CB", "P", "/.")
    in_order: ClassVar[bool] = False
    count: int = 100
    max_wait: float = seconds(60.0)

    def __post_init__(self) -> None:
        between("max_wait", self.max_wait, 0, 86_400)
        whole("count", self.count, 2, 1000, "events")

    def subscribe(self, consumer: Consumer) -> None:
        """As a webhook does, and ask for batches."""
        secrets: list[str] = []
        url = consumer.host(receiver(secrets, consumer.receive, consumer.clock, Inbox()))
        batch = {"count": self.count, "seconds": self.max_wait}
        register(consumer.client("setup"), f"{url}/hook", secrets, batch=batch)
