"""Relay: a public host receives the webhook, and the consumer, which cannot be called, polls that host."""

from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import events_in
from labkit.approaches.parameters import idle_seconds
from labkit.approaches.webhook import register
from labkit.event import to_json
from labkit.receiver import Inbox, Receiver
from labkit.receiver.core import Event


@dataclass(frozen=True)
class Relay(Approach):
    """Let a public host receive the webhook, and poll that host every `interval` seconds.

    For a consumer behind NAT, which cannot be called. It costs one delivery per event, and the polls; both are counted.
    """

    name: ClassVar[str] = "relay"
    phrase: ClassVar[str] = "relay polled every {interval}"
    style: ClassVar[Style] = Style("#A6761D", (4, 1, 0), "-\\")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    in_order: ClassVar[bool] = False
    interval: float = idle_seconds(10.0)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Relay(rate, self.interval, delay)

    def subscribe(self, consumer: Consumer) -> None:
        """Put the relay on the network, and subscribe its URL."""
        from flask import Response, request  # here, so that what only lists or draws approaches starts without it

        from labkit.receiver.app import receiver_app

        consumer.inbox, kept = Inbox(), list[Event]()
        receiver = Receiver([], Inbox(), on_arrival=kept.append)
        app = receiver_app(receiver, consumer.network.party_clock())

        @app.get("/kept")
        def list_kept() -> Response:
            after = int(request.args["after"])
            return Response(to_json({"events": kept[after:]}), mimetype="application/json")

        url = consumer.network.host(f"relay-of-{consumer.name}", app, owner=consumer.name)
        register(consumer.client("setup"), f"{url}/hook", receiver.secrets)
        consumer.found["relay"] = url

    def run(self, consumer: Consumer) -> None:
        """Poll the relay until the run ends; the number of events received is the cursor."""
        client, cursor = consumer.client("poll"), 0
        while True:
            try:
                answer = client.get(f"{consumer.found['relay']}/kept?after={cursor}")
                kept = events_in(answer)
            except httpx.HTTPError:
                pass
            else:
                for event in kept:
                    consumer.receive(event, answer)
                    cursor += 1
            consumer.pause(self.interval)
