"""Polling: request the new events again and again, with a cursor."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import note_tag, pages
from labkit.approaches.parameters import idle_seconds, seconds, share, whole_number
from labkit.checks import event_types
from labkit.wire import LARGEST_PAGE, PAGE


@dataclass(frozen=True)
class Polling(Approach):
    """Request the new events every `interval` seconds, `limit` events per page.

    With `fixed="delay"` it sleeps the interval after each answer, so polls come every interval + round trip. With
    `fixed="rate"` polls are due at `initial_delay`, `initial_delay + interval`, …; a missed one is skipped. One week at
    60 s, 20 ms each way: 10,074 and 10,080 requests. If there are more events after a page, the next page is requested
    at once. It keeps a longer pause that the source requests (`X-Poll-Interval`; `Retry-After` of a 429).
    """

    name: ClassVar[str] = "polling"
    phrase: ClassVar[str] = "poll every {interval}"
    style: ClassVar[Style] = Style("#D55E00", "o", "//")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    interval: float = idle_seconds(60.0)
    fixed: Literal["delay", "rate"] = "delay"
    initial_delay: float = seconds(0.0)
    limit: int = whole_number(PAGE, 1, LARGEST_PAGE, "events per page")
    types: tuple[str, ...] = ()
    """Only events of these types; all if empty."""
    filtered: Literal["source", "client"] = "source"
    """Who drops the other types: the source, or the client after it has received them."""
    jitter: float = share(0.0, "of the interval")
    """A share: each pause is the interval times a uniform random number from 1 - jitter to 1 + jitter."""
    seed: int = 0
    """The seed of the jitter."""
    conditional: bool = False
    """Whether to send the last answer's `ETag`; an empty poll is then answered 304."""

    def __post_init__(self) -> None:
        super().__post_init__()
        event_types(self.types)
        if self.jitter and self.fixed == "rate":
            raise ValueError(f"jitter must be 0 with fixed='rate', which has no pauses, got {self.jitter!r}")

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        if self.jitter:
            return theory.Jittered(rate, self.interval, delay, self.jitter)
        return theory.Polling(rate, self.interval, delay, self.fixed, self.limit)

    def run(self, consumer: Consumer) -> None:
        """Poll until the run ends. A poll that fails does not move the cursor, so the next one loses nothing."""
        client, cursor, path = consumer.client("poll"), "", self.path()
        known: dict[str, str] = {}
        for _ in self.moments(consumer):
            for answer, page in pages(client, cursor, path, known):
                for event in page["events"]:
                    if not self.types or event["type"] in self.types:
                        consumer.receive(event, answer)
                cursor = page["next"]
                if self.conditional:
                    note_tag(answer, known)

    def path(self) -> str:
        """The request's path and query, without the cursor.

        >>> Polling(types=("door.opened", "door.closed")).path()
        '/events?limit=100&type=door.opened,door.closed'
        """
        types = f"&type={','.join(self.types)}" if self.types and self.filtered == "source" else ""
        return f"/events?limit={self.limit}{types}"

    def moments(self, consumer: Consumer) -> Iterator[None]:
        """Wait until each poll is due."""
        clock, first = consumer.clock, self.initial_delay
        chance = random.Random(f"{self.seed}/{consumer.name}")
        clock.sleep_until(first)
        yield
        number = 0
        while True:
            if self.fixed == "delay":
                consumer.pause(self.interval * chance.uniform(1 - self.jitter, 1 + self.jitter))
            else:
                number += 1
                while (due := round(first + number * self.interval, 9)) < round(clock.now(), 9):
                    number += 1
                consumer.pause_until(due)
            yield
