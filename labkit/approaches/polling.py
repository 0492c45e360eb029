"""Polling: ask again and again, with a cursor."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import pages
from labkit.approaches.parameters import idle_seconds, seconds, whole_number
from labkit.checks import event_types, share
from labkit.wire import LARGEST_PAGE, PAGE


@dataclass(frozen=True)
class Polling(Approach):
    """Ask for what is new, every `interval` seconds, `limit` events a page.

    With a fixed `"delay"` the interval is slept after each answer, so that polls come every interval + round trip;
    with a fixed `"rate"` they are due at `initial_delay`, `initial_delay + interval`, …; a missed one is left out.
    A page with more behind it is followed at once, and counts as a request. A week at 60 s, 20 ms each way:
    10,074 requests, or 10,080. Where the source names a longer pause (`X-Poll-Interval`; `Retry-After` of a 429), it is
    kept.
    """

    name: ClassVar[str] = "polling"
    style: ClassVar[Style] = Style("#D55E00", "o", "//")
    interval: float = idle_seconds(60.0)
    fixed: Literal["delay", "rate"] = "delay"
    initial_delay: float = seconds(0.0)
    limit: int = whole_number(PAGE, 1, LARGEST_PAGE, "events per page")
    types: tuple[str, ...] = ()
    """Only events of these types; all if empty."""
    filtered: Literal["source", "client"] = "source"
    """Who leaves the others out: the source, or the client that has been sent them."""
    jitter: float = 0.0
    """A share: each pause is the interval times a number between 1 - jitter and 1 + jitter, all equally likely."""
    seed: int = 0
    """Of the jitter."""
    conditional: bool = False
    """Whether to send back the last answer's `ETag`; the answer to a question that brings nothing new is a 304."""

    def __post_init__(self) -> None:
        super().__post_init__()
        event_types(self.types)
        share("jitter", self.jitter, "of the interval")
        if self.jitter and self.fixed == "rate":
            raise ValueError(f"jitter goes with fixed='delay': a fixed rate has no pauses, got {self.jitter!r}")

    def run(self, consumer: Consumer) -> None:
        """Poll until ended. A poll that fails moves no cursor: the next one brings it all."""
        client, cursor, question = consumer.client("poll"), "", self.question()
        known: dict[str, str] = {}
        for _ in self.moments(consumer):
            for answer, page in pages(client, cursor, question, known):
                for event in page["events"]:
                    if not self.types or event["type"] in self.types:
                        consumer.receive(event, answer)
                cursor = page["next"]
                if self.conditional:
                    known["If-None-Match"] = answer.headers["ETag"]

    def question(self) -> str:
        """What is asked, but for the cursor.

        >>> Polling(types=("door.opened", "door.closed")).question()
        '/events?limit=100&type=door.opened,door.closed'
        """
        types = f"&type={','.join(self.types)}" if self.types and self.filtered == "source" else ""
        return f"/events?limit={self.limit}{types}"

    def moments(self, consumer: Consumer) -> Iterator[None]:
        """Wait for each moment at which to poll."""
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
