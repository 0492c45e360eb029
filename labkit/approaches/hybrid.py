"""Hybrid: be told, and ask now and then whether anything was missed."""

from dataclasses import dataclass
from typing import ClassVar

from labkit.approaches.consumer import Consumer
from labkit.approaches.parameters import LONGEST, SHORTEST, between, seconds
from labkit.approaches.polling import Polling
from labkit.approaches.webhook import Webhook


@dataclass(frozen=True)
class Hybrid:
    """A webhook, and a poll by cursor every `sweep` seconds that repairs what the webhook lost.

    The sweep finds everything again, so each event is a duplicate before deduplication. How many it *repaired* is the
    alarm: `Result.repaired()`.
    """

    name: ClassVar[str] = "hybrid"
    sweep: float = seconds(3600.0)

    def __post_init__(self) -> None:
        between("sweep", self.sweep, SHORTEST, LONGEST)

    def subscribe(self, consumer: Consumer) -> None:
        """As a webhook does."""
        Webhook().subscribe(consumer)

    def run(self, consumer: Consumer) -> None:
        """Sweep until ended, first after one interval."""
        Polling(interval=self.sweep, first_at=self.sweep, limit=1000).run(consumer)
