"""On demand: the consumer reads when it needs to know. Neither polling nor a webhook."""

import random
from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import pages
from labkit.approaches.parameters import idle_seconds, seconds


@dataclass(frozen=True)
class OnDemand(Approach):
    """Read the source's list at random moments, when the consumer needs it, on average every `interval` seconds.

    A cache of `ttl` seconds saves a read that comes so soon after an answer. μ reads per second cost μ / (1 + μ·ttl)
    requests per second at any event rate; a webhook costs λ; without a cache they are equal at μ = λ. With `act`, the
    consumer answers each event with an action: a POST to the API.
    """

    name: ClassVar[str] = "on_demand"
    phrase: ClassVar[str] = "on demand, every {interval}"
    style: ClassVar[Style] = Style("#6E6E6E", "*", "|.")
    interval: float = idle_seconds(600.0)
    ttl: float = seconds(0.0)
    seed: int = 0
    act: bool = False

    def theory(self, rate: float, delay: float) -> theory.ClosedForm | None:
        return None if self.act else theory.OnDemand(rate, self.interval, delay, self.ttl)

    def run(self, consumer: Consumer) -> None:
        """Read until the run ends, with independent exponential gaps (a Poisson process)."""
        client, clock, chance = consumer.client("poll"), consumer.clock, random.Random(f"{self.seed}/{consumer.name}")
        actions = consumer.client("action")
        cursor, fresh_until = "", 0.0
        while True:
            consumer.pause(chance.expovariate(1) * self.interval)
            if clock.now() < fresh_until:
                continue
            for answer, page in pages(client, cursor):
                for event in page["events"]:
                    consumer.receive(event, answer)
                    if self.act:
                        acknowledge(actions, event["id"])
                cursor = page["next"]
                fresh_until = clock.now() + self.ttl


def acknowledge(client: httpx.Client, id: str) -> None:
    """Send one action, in up to three attempts. It is idempotent, so it is safe to repeat (RFC 9110, 9.2.2).

    It is repeated if the answer is an error, or does not arrive in time.
    """
    for _ in range(3):
        try:
            client.post(f"/events/{id}/acknowledge").raise_for_status()
        except httpx.HTTPError:
            continue
        return
