"""Thin: be told that something happened, and fetch what it was."""

from dataclasses import dataclass
from typing import Any, ClassVar

import flask

from labkit.approaches.consumer import Consumer
from labkit.approaches.inbox import Inbox
from labkit.approaches.webhook import receiver, register


@dataclass(frozen=True)
class Thin:
    """Be called with an event's id alone, and GET the event before acknowledging: two requests an event, both counted.

    What is fetched is the source's present word, not what an attacker or a late retry says. Three delays late: the
    call, the question, the answer.
    """

    name: ClassVar[str] = "thin"

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver that fetches, and subscribe its URL."""
        secrets: list[str] = []
        client = consumer.client("fetch")

        def fetch(told: dict[str, Any], request: flask.Request) -> None:
            answer = client.get(f"/events/{told['id']}").raise_for_status()
            consumer.receive(answer.json(), answer)

        url = consumer.host(receiver(secrets, fetch, consumer.clock, Inbox()))
        register(consumer.client("setup"), f"{url}/hook", secrets, payload="thin")

    def run(self, consumer: Consumer) -> None:
        """Nothing to do but to be there."""
