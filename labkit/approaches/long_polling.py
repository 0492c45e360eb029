"""Long polling: ask, and let the source keep the question until it has an answer (RFC 6202, 2)."""

from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import take
from labkit.approaches.parameters import idle_seconds, whole_number
from labkit.network import TIMEOUT
from labkit.wire import LARGEST_PAGE, LONGEST_WAIT, PAGE


@dataclass(frozen=True)
class LongPolling(Approach):
    """Ask for what is new; the source answers when there is something, or after `wait` seconds, and is asked again.

    Holds a connection for each consumer. With rare events an event is a delay late, as by webhook; one that falls into
    the blind window between an answer and the next question, up to three.
    """

    name: ClassVar[str] = "long_polling"
    style: ClassVar[Style] = Style("#009E73", "^", "++")
    reconnect_pause: ClassVar[float] = 1.0
    wait: float = idle_seconds(25.0, most=LONGEST_WAIT)
    pause: float = idle_seconds(0.0, least=0)
    """Seconds between an answer and the next question."""
    limit: int = whole_number(PAGE, 1, LARGEST_PAGE, "events per page")

    def run(self, consumer: Consumer) -> None:
        """Ask until ended; after an error, in a second."""
        client, cursor = consumer.client("poll"), ""
        question, patience = f"/events?limit={self.limit}&wait={round(self.wait, 6):g}", self.wait + TIMEOUT
        while True:
            try:
                cursor = take(consumer, client.get(f"{question}&after={cursor}", timeout=patience))
            except httpx.HTTPError:
                consumer.pause(self.reconnect_pause)
            consumer.pause(self.pause)
