"""Leased: a webhook whose subscription expires unless the consumer renews it in time."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.hybrid import Hybrid
from labkit.approaches.parameters import SHORTEST, seconds, share
from labkit.approaches.webhook import accepted, subscribe_receiver
from labkit.checks import number
from labkit.event import timestamp
from labkit.wire import LONGEST_LEASE


@dataclass(frozen=True)
class Leased(Approach):
    """A webhook for `ttl` seconds L at a time: it is renewed r = `renew_before` seconds before it expires.

    A renewal that fails is tried again every `retry_wait` seconds; once the subscription has expired, its URL is
    verified again. A renewal that is `forgotten`, with probability q, is the last one: no request fails, and from the
    lease's end on, after (L - r)/q + r on average, every event is lost. A poll every `reconcile_interval` seconds
    (0: never) brings these, half an interval late on average.
    """

    name: ClassVar[str] = "leased"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    phrase: ClassVar[str] = "webhook leased for {ttl}"
    style: ClassVar[Style] = Style("#3F7F00", (6, 1, 0), "|")
    in_order: ClassVar[bool] = False
    ttl: float = seconds(3600.0, SHORTEST, LONGEST_LEASE)
    renew_before: float = seconds(600.0)
    retry_wait: float = seconds(60.0, SHORTEST)
    forgotten: float = share(0.0, "of the renewals")
    reconcile_interval: float = seconds(0.0)
    seed: int = 0
    """The seed of the renewals that are forgotten."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number("renew_before", self.renew_before, "seconds, the ttl", least=0, below=self.ttl)

    @property
    def idle_interval(self) -> float:
        polls = 1 / self.reconcile_interval if self.reconcile_interval else 0.0
        return 1 / (1 / (self.ttl - self.renew_before) + polls)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm | None:
        """None if renewals are forgotten: its figures then depend on how long a run is (`theory.Leased`)."""
        if self.forgotten:
            return None
        return theory.Leased(rate, delay, self.ttl, self.renew_before, reconcile_interval=self.reconcile_interval)

    def subscribe(self, consumer: Consumer) -> None:
        """Subscribe as `Webhook` does, and verify again half a second before t = 0: there the first lease starts."""
        clock, start = consumer.clock, consumer.clock.now()
        lease = subscribe_receiver(consumer, ttl=self.ttl)
        clock.sleep_until(-0.5 - 2 * (clock.now() - start))  # it may take as long again
        consumer.found["lease"] = accepted(consumer.client("setup").post(f"/subscriptions/{lease['id']}/verify"))

    def run(self, consumer: Consumer) -> None:
        """Renew again and again, until a renewal is forgotten."""
        if self.reconcile_interval:
            consumer.clock.spawn(Hybrid(self.reconcile_interval).run, consumer)
        client, chance = consumer.client("action"), random.Random(f"{self.seed}/{consumer.name}")
        lease = consumer.found["lease"]
        while chance.random() >= self.forgotten:
            consumer.pause_until(expiry(consumer.clock.epoch, lease["expires_at"]) - self.renew_before)
            while not (renewed := _renewed(client, lease["id"])):
                consumer.pause(self.retry_wait)
            lease = renewed


def _renewed(client: httpx.Client, id: str) -> dict[str, Any]:
    """The subscription with its new lease; empty if that failed. One that has expired is verified again."""
    try:
        answer = client.post(f"/subscriptions/{id}/renew")
        if answer.status_code == httpx.codes.GONE:
            answer = client.post(f"/subscriptions/{id}/verify")
        subscription = accepted(answer.raise_for_status())
        expiry(0, subscription["expires_at"])
        return subscription
    except (httpx.HTTPError, KeyError, TypeError, ValueError):  # with no instant, it is no lease
        return {}


def expiry(epoch: float, expires_at: str) -> float:
    """The instant at which a lease ends, in seconds after t = 0, whose Unix time is `epoch`."""
    return (datetime.fromisoformat(expires_at) - datetime.fromisoformat(timestamp(epoch))).total_seconds()
