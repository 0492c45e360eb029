"""Hybrid: a webhook, and an occasional poll for what it missed."""

from dataclasses import dataclass
from typing import ClassVar

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.parameters import idle_seconds
from labkit.approaches.polling import Polling
from labkit.approaches.webhook import Webhook
from labkit.wire import LARGEST_PAGE


@dataclass(frozen=True)
class Hybrid(Approach):
    """A webhook, and a poll by cursor every `reconcile_interval` seconds that recovers what the webhook lost.

    The poll returns every event again, so each is a duplicate before deduplication. The number of recovered events
    is the alarm: `Result.recovered()`.
    """

    name: ClassVar[str] = "hybrid"
    phrase: ClassVar[str] = "webhook + poll every {reconcile_interval}"
    style: ClassVar[Style] = Style("#CC79A7", "X", "\\.")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    in_order: ClassVar[bool] = False
    reconcile_interval: float = idle_seconds(3600.0)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Hybrid(rate, delay, self.reconcile_interval)

    def subscribe(self, consumer: Consumer) -> None:
        """Subscribe as `Webhook` does."""
        Webhook().subscribe(consumer)

    def run(self, consumer: Consumer) -> None:
        """Reconcile until the run ends, the first time after one interval."""
        interval = self.reconcile_interval
        Polling(interval=interval, initial_delay=interval, limit=LARGEST_PAGE).run(consumer)
