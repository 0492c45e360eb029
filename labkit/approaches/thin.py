"""Thin: be told that something happened, and fetch what it was."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import flask
import httpx
from werkzeug.exceptions import ServiceUnavailable

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.webhook import receiver, register
from labkit.receiver.inbox import Inbox


@dataclass(frozen=True)
class Thin(Approach):
    """Be called with an event's id alone, and GET the event before acknowledging: two requests an event, both counted.

    What is fetched is the source's present word, not what an attacker or a late retry says. Three delays late: the
    call, the question, the answer.
    """

    name: ClassVar[str] = "thin"
    style: ClassVar[Style] = Style("#003F66", "d", "OO")
    in_order: ClassVar[bool] = False

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver that fetches, and subscribe its URL."""
        secrets: list[str] = []
        client = consumer.client("fetch")

        def fetch(told: dict[str, Any], request: flask.Request) -> None:
            try:
                refuse_while_quiet()
                answer = client.get(f"/events/{told['id']}").raise_for_status()
            except httpx.HTTPError as error:
                refuse_while_quiet()
                raise ServiceUnavailable(f"the event was not to be had: {error}") from None
            consumer.receive(answer.json(), answer)

        def refuse_while_quiet() -> None:
            """Hand on the source's wish to be left alone: its delivery comes back then."""
            left = consumer.not_before - consumer.clock.now()
            if left > 0:
                raise ServiceUnavailable("the source asked not to be asked", retry_after=math.ceil(left))

        url = consumer.host(receiver(secrets, fetch, consumer.clock, Inbox()))
        register(consumer.client("setup"), f"{url}/hook", secrets, payload="thin")
