"""Thin: the webhook says only that something happened, and the receiver fetches what."""

from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.webhook import subscribe_receiver
from labkit.receiver import Inbox, Receiver, UnavailableError
from labkit.receiver.core import Event


@dataclass(frozen=True)
class Thin(Approach):
    """Be called with an event's id alone, and GET the event before acknowledging: two requests per event.

    What is fetched is the source's present word, not an attacker's or a late retry's. Latency is three delays: the
    call, the request, the answer.
    """

    name: ClassVar[str] = "thin"
    style: ClassVar[Style] = Style("#003F66", "d", "OO")
    in_order: ClassVar[bool] = False

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver that fetches, and subscribe its URL."""
        client = consumer.client("fetch")

        def fetch(event: Event) -> list[Event]:
            """The event arrives with the answer to a GET. While the source asks for a pause, its delivery must wait."""
            if consumer.backoff() > 0:
                raise UnavailableError("the source asked for a pause", consumer.backoff())
            try:
                answer = client.get(f"/events/{event['id']}").raise_for_status()
            except httpx.HTTPError as error:
                raise UnavailableError(f"the event could not be fetched: {error}", consumer.backoff()) from None
            fetched: Event = answer.json()
            consumer.receive(fetched, answer)
            return [fetched]

        subscribe_receiver(consumer, Receiver([], Inbox(), fetch=fetch), payload="thin")
