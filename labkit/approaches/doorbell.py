"""Doorbell: the source says that there is something new, and the consumer reads it from its own cursor."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import page_after
from labkit.approaches.parameters import seconds
from labkit.approaches.thin import or_503
from labkit.approaches.webhook import subscribe_receiver
from labkit.event import to_json
from labkit.receiver import Inbox, Receiver, UnavailableError
from labkit.receiver.core import Event
from labkit.wire import LARGEST_PAGE


@dataclass(frozen=True)
class Doorbell(Approach):
    """Receive a notice without data, and read every event after the cursor before acknowledging it (a sync).

    The source sends no notice while one is in flight: the next one stands for all events that occurred meanwhile. So
    under load there are fewer requests than events. A notice that is lost delays its events until the next sync, every
    `reconcile_interval` seconds at the latest (0: only after a notice), and loses none. Mean latency is three delays.
    """

    name: ClassVar[str] = "doorbell"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    phrase: ClassVar[str] = "doorbell"
    style: ClassVar[Style] = Style("#B2182B", (3, 1, 0), "o/")
    reconcile_interval: float = seconds(3600.0, idle=True)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Doorbell(rate, delay, self.reconcile_interval)

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver that syncs, and subscribe its URL."""
        client, inbox = consumer.client("fetch"), Inbox()
        consumer.found |= {"cursor": "", "inbox": inbox}
        receiver = Receiver([], inbox, on_event=consumer.act_on, fetch=lambda _: sync(consumer, client))
        subscribe_receiver(consumer, receiver, payload="doorbell")

    def run(self, consumer: Consumer) -> None:
        """Sync without a notice, again and again. A sync that fails is left to the next one."""
        if self.reconcile_interval:
            client = consumer.client("poll")
            while True:
                consumer.pause(self.reconcile_interval)
                with suppress(UnavailableError):
                    for event in sync(consumer, client):
                        consumer.found["inbox"].record(event["id"], to_json(event), partial(consumer.act_on, event))


def sync(consumer: Consumer, client: httpx.Client) -> Iterator[Event]:
    """Every event after the cursor, page by page. The cursor moves when the events of a page have had their effect.

    So a failure in between repeats events, and loses none.
    """
    more = True
    while more:
        with or_503(consumer):
            answer, page = page_after(client, consumer.found["cursor"], f"/events?limit={LARGEST_PAGE}")
        for event in page["events"]:
            consumer.receive(event, answer)
            yield event
        consumer.found["cursor"], more = page["next"], page["has_more"]
