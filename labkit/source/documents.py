"""What the source answers, as shapes for `GET /openapi.json`; tests/test_openapi.py holds the answers against them."""

from typing import Annotated, Any, Literal

import msgspec

from labkit.event import ID
from labkit.source.bodies import Batch

Unset = msgspec.UnsetType
Whole = Annotated[int, msgspec.Meta(ge=0)]
At = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object with these members and no others."""


class Event(Document):
    """An event, as it is delivered too."""

    id: Annotated[str, msgspec.Meta(pattern=rf"^{ID.pattern}$")]
    type: str
    timestamp: At
    data: dict[str, Any]


class Page(Document):
    """Events after a cursor; `next` is the cursor after the last of them."""

    events: list[Event]
    next: str
    has_more: bool


class Feed(Document):
    """The newest events, newest first."""

    events: list[Event]


class Acknowledged(Document):
    """When an event was first acknowledged."""

    id: str
    acknowledged_at: At


class Subscription(Document):
    """A subscription, without its secret."""

    id: str
    url: str
    types: list[str]
    status: Literal["pending", "active", "disabled", "gone", "expired"]
    reason: str | Unset = msgspec.UNSET
    payload: Literal["thin", "doorbell"] | Unset = msgspec.UNSET
    batch: Batch | Unset = msgspec.UNSET
    ttl: float | Unset = msgspec.UNSET
    expires_at: At | Unset = msgspec.UNSET


class WithSecret(Subscription, kw_only=True):
    """A subscription with the secret that was made for it now: it is shown this once."""

    secret: str


class Subscriptions(Document):
    """All subscriptions."""

    subscriptions: list[Subscription]


class Attempt(Document):
    """One attempt of a delivery; `status` is 0 where there was no answer."""

    event: str
    number: Annotated[int, msgspec.Meta(ge=1)]
    at: At
    status: Whole
    error: str


class Attempts(Document):
    """All attempts of a subscription's deliveries."""

    attempts: list[Attempt]


class Tested(Document):
    """How an endpoint answered a test message."""

    verdict: str
    status: Whole
    error: str


class Redelivered(Document):
    """How many events are due again."""

    redelivered: Whole


class Health(Document):
    """The source answers."""

    status: Literal["ok"]


class Problem(Document):
    """An error (RFC 9457). `oldest` is the cursor from which on all events are kept."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str | None
    oldest: str | Unset = msgspec.UNSET
