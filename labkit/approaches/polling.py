"""Polling: ask again and again, with a cursor."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import httpx

from labkit.approaches.consumer import LONGEST, SHORTEST, Consumer, between, seconds
from labkit.clock import Clock


@dataclass(frozen=True)
class Polling:
    """Ask for what is new, every `interval` seconds, `limit` events a page.

    With a fixed `"delay"` the interval is slept after each answer, so that polls come every interval + round trip;
    with a fixed `"rate"` they are due at `first_at`, `first_at + interval`, …, and one that is missed is left out.
    A page with more behind it is followed at once, and counts as a request. A week at 60 s, 20 ms each way:
    10,074 requests, or 10,080.
    """

    name: ClassVar[str] = "polling"
    interval: float = seconds(60.0)
    fixed: Literal["delay", "rate"] = "delay"
    first_at: float = seconds(0.0)
    limit: int = 100
    types: tuple[str, ...] = ()
    """Only events of these types; all if empty."""
    filtered: Literal["source", "client"] = "source"
    """Who leaves the others out: the source, or the client that has been sent them."""

    def __post_init__(self) -> None:
        between("interval", self.interval, SHORTEST, LONGEST)
        if self.fixed not in ("delay", "rate"):
            raise ValueError(f"fixed must be 'delay' or 'rate', got {self.fixed!r}")
        between("first_at", self.first_at, 0, LONGEST)
        if not isinstance(self.limit, int) or not 1 <= self.limit <= 1000:
            raise ValueError(f"limit must be a whole number from 1 to 1000 events a page, got {self.limit!r}")
        if self.filtered not in ("source", "client"):
            raise ValueError(f"filtered must be 'source' or 'client', got {self.filtered!r}")

    def subscribe(self, consumer: Consumer) -> None:
        """Nothing to arrange: whoever asks needs no introduction."""

    def run(self, consumer: Consumer) -> None:
        """Poll until ended. A poll that fails moves no cursor, so the next one brings what it did not."""
        client, cursor = consumer.client("poll"), ""
        url = f"{consumer.source_url}/events?limit={self.limit}"
        if self.types and self.filtered == "source":
            url += f"&type={','.join(self.types)}"
        for _ in self.moments(consumer.clock):
            more = True
            while more:
                try:
                    answer = client.get(f"{url}&after={cursor}").raise_for_status()
                except httpx.HTTPError:
                    break
                page = answer.json()
                for event in page["events"]:
                    if not self.types or event["type"] in self.types:
                        consumer.receive(event, answer)
                cursor, more = page["next"], page["has_more"]

    def moments(self, clock: Clock) -> Iterator[None]:
        """Wait for each moment at which to poll."""
        clock.sleep_until(self.first_at)
        yield
        number = 0
        while True:
            if self.fixed == "delay":
                clock.sleep(self.interval)
            else:
                number += 1
                while (due := round(self.first_at + number * self.interval, 9)) < round(clock.now(), 9):
                    number += 1
                clock.sleep_until(due)
            yield
