"""Feed: fetch the list of the newest events again and again, as RSS readers do. There is no cursor."""

from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import events_in, note_tag
from labkit.approaches.parameters import idle_seconds, whole_number
from labkit.wire import LARGEST_PAGE


@dataclass(frozen=True)
class Feed(Approach):
    """Fetch the `last` newest events every `interval` seconds, and keep those not seen before.

    If more than `last` events occur between two polls, the oldest are lost: two of three at one event per second, with
    100 in the list and an interval of 300 s.
    """

    name: ClassVar[str] = "feed"
    phrase: ClassVar[str] = "feed every {interval}"
    style: ClassVar[Style] = Style("#E69F00", "s", "\\\\")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    overflows: ClassVar[bool] = True
    interval: float = idle_seconds(60.0)
    last: int = whole_number(100, 1, LARGEST_PAGE, "events")

    conditional: ClassVar[bool] = False

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Feed(rate, self.interval, delay, self.last)

    def run(self, consumer: Consumer) -> None:
        """Poll until the run ends."""
        client, seen = consumer.client("poll"), set[str]()
        headers: dict[str, str] = {}
        while True:
            try:
                answer = client.get(f"/feed?last={self.last}", headers=headers)
                if answer.status_code != 304:
                    for event in reversed(events_in(answer)):
                        if event["id"] not in seen:
                            seen.add(event["id"])
                            consumer.receive(event, answer)
                    if self.conditional:
                        note_tag(answer, headers)
            except httpx.HTTPError:
                pass
            consumer.pause(self.interval)


@dataclass(frozen=True)
class ConditionalFeed(Feed):
    """Fetch the newest events every `interval` seconds, if the list has changed: `ETag`, `If-None-Match`, 304.

    The answer for an unchanged list has no body (RFC 9110, 13.1.2).
    """

    name: ClassVar[str] = "conditional_feed"
    phrase: ClassVar[str] = "feed with ETag every {interval}"
    style: ClassVar[Style] = Style("#F0E442", "D", "xx")
    conditional: ClassVar[bool] = True
