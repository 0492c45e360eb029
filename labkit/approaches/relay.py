"""Relay: a public host is told for you, and you ask it: for a consumer that can call and cannot be called."""

from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
from flask import Flask, Response, request

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.parameters import LONGEST, SHORTEST, between, seconds
from labkit.approaches.webhook import receiver, register
from labkit.event import to_json
from labkit.receiver.inbox import Inbox


@dataclass(frozen=True)
class Relay(Approach):
    """Have a webhook received by a public host, and poll that host every `interval` seconds: both kinds are counted.

    It helps who cannot be called, and costs what polling costs: one delivery an event, and the polls.
    """

    name: ClassVar[str] = "relay"
    style: ClassVar[Style] = Style("#A6761D", (4, 1, 0), "-\\")
    in_order: ClassVar[bool] = False
    interval: float = seconds(10.0)

    def __post_init__(self) -> None:
        between("interval", self.interval, SHORTEST, LONGEST)

    @property
    def idle_interval(self) -> float:
        return self.interval

    def subscribe(self, consumer: Consumer) -> None:
        """Put the relay on the network, and subscribe its URL."""
        secrets: list[str] = []
        kept: list[dict[str, Any]] = []
        app = receiver(secrets, lambda event, request: kept.append(event), consumer.clock, Inbox())
        serve_kept(app, kept)
        url = consumer.network.host(f"relay-of-{consumer.name}", app, owner=consumer.name)
        register(consumer.client("setup"), f"{url}/hook", secrets)
        consumer.found["relay"] = url

    def run(self, consumer: Consumer) -> None:
        """Poll the relay until ended, by the number of events that were had."""
        client, had = consumer.client("poll"), 0
        while True:
            try:
                answer = client.get(f"{consumer.found['relay']}/kept?after={had}").raise_for_status()
            except httpx.HTTPError:
                pass
            else:
                for event in answer.json()["events"]:
                    consumer.receive(event, answer)
                    had += 1
            consumer.pause(self.interval)


def serve_kept(app: Flask, kept: list[dict[str, Any]]) -> None:
    """Give a receiver a second route, which lists what it was told."""

    @app.get("/kept")
    def list_kept() -> Response:
        after = int(request.args["after"])
        return Response(to_json({"events": kept[after:]}), mimetype="application/json")
