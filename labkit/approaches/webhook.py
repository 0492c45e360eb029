"""Webhook: the source calls the consumer, which is the server here."""

from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import document, rejected
from labkit.checks import event_types
from labkit.event import ID
from labkit.receiver import Inbox, Receiver
from labkit.signature import STANDARD


@dataclass(frozen=True)
class Webhook(Approach):
    """Give the source a URL, prove that it is yours, and be called for each event: one request per event."""

    name: ClassVar[str] = "webhook"
    phrase: ClassVar[str] = "webhook"
    style: ClassVar[Style] = Style("#0072B2", "v", "\\\\\\")
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    in_order: ClassVar[bool] = False
    types: tuple[str, ...] = ()
    """Only events of these types; all if empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        event_types(self.types)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Webhook(rate, delay)

    def subscribe(self, consumer: Consumer) -> None:
        """Host a receiver, subscribe its URL, and have it verified."""
        subscribe_receiver(consumer, types=self.types)


def subscribe_receiver(
    consumer: Consumer, receiver: Receiver | None = None, types: tuple[str, ...] = (), **options: object
) -> dict[str, Any]:
    """Host a receiver under the consumer's name, and register its URL; the exchanges are set-up.

    Returns the subscription. The default receiver records each arrival in the ledger; its inbox is the consumer's.
    """
    import flask  # here, so that what only lists or draws approaches starts without it

    from labkit.receiver.app import receiver_app

    if not receiver:
        consumer.inbox = Inbox()
        receiver = Receiver(
            [],
            consumer.inbox,
            on_arrival=lambda event: consumer.receive(event, flask.request),
            on_event=consumer.act_on,
        )
    url = consumer.host(receiver_app(receiver, consumer.network.party_clock()))
    return register(consumer.client("setup"), f"{url}/hook", receiver.secrets, types, **options)


def register(
    client: httpx.Client, url: str, secrets: list[str], types: tuple[str, ...] = (), **options: object
) -> dict[str, Any]:
    """Subscribe a URL, add the secret that the source generated to `secrets`, and have the URL verified.

    The receiver needs that secret before the challenge arrives. `options` go into the subscription: `payload="thin"`,
    `batch={…}`. Returns the subscription. Raises RuntimeError with the source's message if it refuses.
    """
    wanted = {"types": list(types), **options} if types else options
    subscription = accepted(client.post("/subscriptions", json={"url": url, **wanted}))
    secret = subscription.get("secret")
    if not isinstance(secret, str):
        raise RuntimeError(f"the source gave no secret for {url}: if it is subscribed already, unsubscribe it first")
    STANDARD.check(secret)
    secrets.append(secret)
    return accepted(client.post(f"/subscriptions/{subscription['id']}/verify"))


def accepted(answer: httpx.Response) -> dict[str, Any]:
    """The subscription in an answer. Raises RuntimeError with the source's message if it is an error."""
    match document(answer):
        case {"detail": str(detail)} if answer.is_error:
            raise RuntimeError(f"the source refused: {detail}")
        case {"id": str(id)} as content if answer.is_success and ID.fullmatch(id):
            return dict(content)
    got = f"{len(answer.content)} bytes without them"  # which are not shown: they may hold a secret
    raise rejected(answer, f"the answer {answer.status_code} must have an id, or the detail of an error, got {got}")
