"""Batched: the source sends several events in one delivery."""

from dataclasses import dataclass
from typing import ClassVar

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.parameters import seconds, whole_number
from labkit.approaches.webhook import subscribe_receiver
from labkit.wire import LARGEST_BATCH, LONGEST_BATCH_WAIT


@dataclass(frozen=True)
class Batched(Approach):
    """Receive up to `count` events per delivery; the first of them waits at most A = `max_wait` seconds.

    If no batch fills up: 1/(1 + λA) requests per event, and a mean wait of A(1 + λA/2)/(1 + λA): near A, not A/2, for
    rare events. At λA = 10, batches of 10 need more requests than polling every A seconds, and batches of 12 fewer.
    """

    name: ClassVar[str] = "batched"
    phrase: ClassVar[str] = "batch of {count}"
    style: ClassVar[Style] = Style("#8DA0CB", "P", "/.")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    in_order: ClassVar[bool] = False
    count: int = whole_number(100, 2, LARGEST_BATCH, "events")
    max_wait: float = seconds(60.0, most=LONGEST_BATCH_WAIT)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Batched(rate, self.max_wait, delay, self.count)

    def subscribe(self, consumer: Consumer) -> None:
        """Subscribe as `Webhook` does, with batches."""
        subscribe_receiver(consumer, batch={"count": self.count, "seconds": self.max_wait})
