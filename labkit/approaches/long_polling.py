"""Long polling: the source holds a poll until it has an event to answer with (RFC 6202, 2)."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import take
from labkit.approaches.parameters import idle_seconds, whole_number
from labkit.network import TIMEOUT
from labkit.wire import LARGEST_PAGE, LONGEST_WAIT, PAGE


@dataclass(frozen=True)
class LongPolling(Approach):
    """Poll for new events; the source answers when there is one, or after `wait` seconds. Then poll again.

    It holds one connection per consumer. A rare event is one delay late, as by webhook; one that occurs in the blind
    window between an answer and the next poll is up to three delays late.
    """

    name: ClassVar[str] = "long_polling"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    phrase: ClassVar[str] = "long poll"
    style: ClassVar[Style] = Style("#009E73", "^", "++")
    reconnect_pause: ClassVar[float] = 1.0
    wait: float = idle_seconds(25.0, most=LONGEST_WAIT)
    pause: float = idle_seconds(0.0, least=0)
    """Seconds between an answer and the next poll."""
    limit: int = whole_number(PAGE, 1, LARGEST_PAGE, "events per page")

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.LongPolling(rate, delay, self.wait, self.pause)

    def run(self, consumer: Consumer) -> None:
        """Poll until the run ends; pause for a second after an error."""
        client, cursor = consumer.client("poll"), ""
        path, timeout = f"/events?limit={self.limit}&wait={self.written_wait}", self.wait + TIMEOUT
        while True:
            try:
                cursor = take(consumer, client.get(f"{path}&after={quote(cursor)}", timeout=timeout))
            except httpx.HTTPError:
                consumer.pause(self.reconnect_pause)
            consumer.pause(self.pause)

    @property
    def written_wait(self) -> str:
        """The wait as the source reads it: decimal digits, to the microsecond.

        >>> LongPolling(wait=0.000_01).written_wait, LongPolling().written_wait
        ('0.00001', '25')
        """
        return f"{self.wait:.6f}".rstrip("0").rstrip(".")
