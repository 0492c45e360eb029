"""Thin: the webhook says only that something happened, and the receiver fetches the event."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import document, is_event, rejected
from labkit.approaches.webhook import subscribe_receiver
from labkit.receiver import Inbox, Receiver, UnavailableError
from labkit.receiver.core import Event


@dataclass(frozen=True)
class Thin(Approach):
    """Receive an event's id alone, and GET the event before acknowledging: two requests per event.

    The event is the source's current version, not that of an attacker or a late retry. Latency is three delays: the
    delivery, the request, the answer.
    """

    name: ClassVar[str] = "thin"
    phrase: ClassVar[str] = "thin webhook"
    style: ClassVar[Style] = Style("#003F66", "d", "OO")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    in_order: ClassVar[bool] = False

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Thin(rate, delay)

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver that fetches, and subscribe its URL."""
        client = consumer.client("fetch")

        def fetch(event: Event) -> list[Event]:
            """GET the event; it arrives with the answer."""
            with or_503(consumer):
                answer = client.get(f"/events/{event['id']}").raise_for_status()
                fetched: Event = document(answer)
                if not is_event(fetched) or fetched["id"] != event["id"]:
                    raise rejected(answer, f"the answer must be the event {event['id']}, got {answer.content[:80]!r}")
            consumer.receive(fetched, answer)
            return [fetched]

        receiver = Receiver([], Inbox(), on_event=consumer.act_on, fetch=fetch)
        subscribe_receiver(consumer, receiver, payload="thin")


@contextmanager
def or_503(consumer: Consumer) -> Iterator[None]:
    """Answer a message 503 if what it stands for cannot be read, or during a pause that the source requested."""
    if consumer.backoff() > 0:
        raise UnavailableError("the source requested a pause", consumer.backoff())
    try:
        yield
    except httpx.HTTPError as error:
        raise UnavailableError(f"the source could not be read: {error}", consumer.backoff()) from None
