"""Webhook: be told. The consumer is a server, and the source its client."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
from flask import Flask, Request, Response, request

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.parameters import event_types
from labkit.clock import Clock
from labkit.event import from_json, to_json
from labkit.receiver.inbox import Inbox
from labkit.signature import SignatureError, verify

LARGEST_BODY = 262_144
"""Bytes of a delivery that a receiver reads; Standard Webhooks advises events under 20 kB."""


@dataclass(frozen=True)
class Webhook(Approach):
    """Give the source a URL, prove that it is yours, and be called at each event: one request an event."""

    name: ClassVar[str] = "webhook"
    style: ClassVar[Style] = Style("#0072B2", "v", "\\\\\\")
    in_order: ClassVar[bool] = False
    types: tuple[str, ...] = ()
    """Only events of these types; all if empty."""

    def __post_init__(self) -> None:
        event_types(self.types)

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver, subscribe its URL, and ask for the challenge that it answers."""
        secrets: list[str] = []
        url = consumer.host(receiver(secrets, consumer.receive, consumer.clock, Inbox()))
        register(consumer.client("setup"), f"{url}/hook", secrets, self.types)


def register(
    client: httpx.Client, url: str, secrets: list[str], types: tuple[str, ...] = (), **options: object
) -> None:
    """Subscribe a URL, hand the receiver behind it the secret that the source made, and have the URL verified.

    Raises RuntimeError with the source's own words if it refuses.
    """
    wanted = {"types": list(types), **options} if types else options
    subscription = _accepted(client.post("/subscriptions", json={"url": url, **wanted}))
    secrets.append(subscription["secret"])
    _accepted(client.post(f"/subscriptions/{subscription['id']}/verify"))


def _accepted(answer: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    if answer.is_error:
        raise RuntimeError(f"the source refused: {document['detail']}")
    return document


def receiver(
    secrets: list[str], receive: Callable[[dict[str, Any], Request], None], clock: Clock, inbox: Inbox
) -> Flask:
    """A receiver's app, `POST /hook`: verify, read, deduplicate, take effect, acknowledge, in that order.

    Nothing is parsed before it is verified. A bad signature is 401; signed nonsense, or an event that `receive` refuses
    with a ValueError, is 422 and kept aside, so that a source does not send it again; an event that came before is 200
    and has no second effect.
    """
    app = Flask("labkit.receiver")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY + 1  # Werkzeug cuts a chunked body off here: one byte more shows it

    @app.post("/hook")
    def hook() -> Response:
        body = request.get_data()
        if len(body) > LARGEST_BODY:
            return Response(f"send at most {LARGEST_BODY} bytes\n", 413, mimetype="text/plain")
        if request.mimetype != "application/json":
            return Response("send Content-Type: application/json\n", 415, mimetype="text/plain")
        try:
            id = verify(secrets, request.headers, body, now=clock.epoch + clock.now())
        except SignatureError as error:
            return Response(f"{error}\n", 401, mimetype="text/plain")
        try:
            message = _message(id, body)
            if message["type"] == "endpoint.verify":
                return Response(to_json({"challenge": message["data"]["challenge"]}), mimetype="application/json")
            if message["type"] == "endpoint.test":
                return Response(status=200)
            if message["type"] == "batch":
                for event in message["data"]["events"]:
                    take(event, to_json(event))
            else:
                receive(message, request)
        except ValueError as error:
            inbox.quarantine(id, body)
            return Response(f"{error}\n", 422, mimetype="text/plain")
        if message["type"] != "batch":
            inbox.take(id, body)
        return Response(status=200)

    def take(event: dict[str, Any], raw: bytes) -> None:
        """One event of a batch: deduplicated by its own id; if it is refused, the others are not held up."""
        try:
            receive(event, request)
            inbox.take(event["id"], raw)
        except ValueError:
            inbox.quarantine(event["id"], raw)

    return app


def _message(id: str, body: bytes) -> dict[str, Any]:
    """A verified body as a challenge, a test or an event; ValueError if it is none of them."""
    message = from_json(body)
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    for member, kind in (("type", str), ("timestamp", str), ("data", dict)):
        if not isinstance(message.get(member), kind):
            raise ValueError(f"a message has a member {member!r}, {kind.__name__}, got {message.get(member)!r:.80}")
    if message["type"] == "endpoint.verify":
        if not isinstance(message["data"].get("challenge"), str):
            raise ValueError("an endpoint.verify message has a data.challenge, a string")
    elif message["type"] == "batch":
        events = message["data"].get("events")
        if not isinstance(events, list) or not all(
            isinstance(e, dict) and isinstance(e.get("id"), str) for e in events
        ):
            raise ValueError("a batch has data.events, a list of events with ids")
    elif message["type"] != "endpoint.test" and message.get("id") != id:
        raise ValueError(f"the event's id must be the webhook-id, {id!r}, got {message.get('id')!r:.80}")
    return message
