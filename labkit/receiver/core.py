"""A receiver without a network: it is given a message's headers and bytes, and says what to answer."""

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

from labkit import wire
from labkit.event import ID, ID_RULE, from_json, to_json
from labkit.receiver.inbox import Inbox
from labkit.signature import STANDARD, Headers, Part, Scheme, SignatureError

Event = dict[str, Any]
"""An event as it stands on the wire: id, type, timestamp, data."""
_MEMBERS = (("type", str, "a string"), ("timestamp", str, "a string"), ("data", dict, "an object"))


@dataclass(frozen=True)
class Reply:
    """What to answer. An empty body needs no Content-Type; Content-Length is for the server to add."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class UnavailableError(Exception):
    """What an event needs cannot be had now. The source is asked to come again, in `retry_after` seconds if > 0."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Receiver:
    """Verifies a message, reads it, deduplicates its events, has the effect of each once, and says what to answer.

    Three instants, in this order. An event **arrives**, each copy of it: `on_arrival(event)`. It **has its effect**,
    once per id: `on_event(event, sql)`, in the transaction that records the id. It is **acknowledged**: 200.
    Nothing is read before it is verified. An event that a hook refuses with a ValueError is kept aside.
    """

    secrets: list[str] = field(repr=False)
    """Any of them may have signed. A secret may be added later: a source names it only when the URL is subscribed."""
    inbox: Inbox
    on_arrival: Callable[[Event], object] = lambda event: None
    on_event: Callable[[Event, sqlite3.Connection], object] = lambda event, sql: None
    fetch: Callable[[Event], Iterable[Event]] = lambda event: [event]
    """Returns the events that a message stands for, by default itself. It comes before the transaction, so it may take
    its time, and raise UnavailableError. What it returns is checked; if it is not an event, the answer is 503."""
    scheme: Scheme = STANDARD
    unsigned: tuple[Part, ...] = ()
    """What the scheme does not sign, named to accept it: then a recorded message can be sent again under another id."""

    def __post_init__(self) -> None:
        if set(self.unsigned) != set(self.scheme.unsigned):
            raise ValueError(
                f"unsigned must be {self.scheme.unsigned} for the scheme {self.scheme.name!r}, got {self.unsigned}: "
                "whoever records a message can change these parts and send it again; name them to accept that"
            )

    def handle(self, headers: Headers, body: bytes, now: float) -> Reply:
        """The reply to a POST; `now` is Unix time. Of a longer body, LARGEST_BODY + 1 bytes are enough.

        200: acknowledged. 413, 415: too long, no JSON. 401: not signed by a known secret within 300 s. 422: signed
        nonsense, or every event refused; kept aside once, and not to be sent again. 503: come again.

        >>> receiver = Receiver(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], Inbox())
        >>> receiver.handle({"Content-Type": "application/json"}, b"{}", now=1_700_000_000).body
        b'webhook-id must be given once, got 0 of them\\n'
        """
        if len(body) > wire.LARGEST_BODY:
            return _text(413, f"send at most {wire.LARGEST_BODY} bytes")
        if _media_type(headers) != "application/json":
            return _text(415, "send Content-Type: application/json")
        try:
            id = self.scheme.verify(self.secrets, headers, body, now)
        except SignatureError as error:
            return _text(401, str(error))
        try:
            return self._answer(id, headers, body, now)
        except UnavailableError as error:
            return _text(503, str(error), error.retry_after)
        except sqlite3.OperationalError as error:  # the file is locked, or the disk full
            return _text(503, f"not stored: {error}", 1)

    def _answer(self, id: str, headers: Headers, body: bytes, now: float) -> Reply:
        try:
            id, message = self.scheme.event(id, headers, from_json(body), now)
        except ValueError as error:
            return self._refuse(id, body, error)
        match message:
            case {"type": wire.VERIFY, "timestamp": str(), "data": {"challenge": str(challenge)}}:
                return Reply(200, to_json({"challenge": challenge}), {"Content-Type": "application/json"})
            case {"type": wire.TEST, "timestamp": str(), "data": {}}:
                return Reply(200)
            case {"type": wire.BATCH, "timestamp": str(), "data": {"events": [*events]}} if all(map(_has_id, events)):
                contents = [(event["id"], event, to_json(event)) for event in events]
            case _:
                contents = [(id, message, body)]
        refusals = []
        for event_id, event, raw in contents:
            try:
                self._receive(_event(event_id, event), raw)
            except ValueError as error:  # the others of a batch are not held up
                refusals.append(self._refuse(event_id, raw, error))
        return refusals[0] if refusals and len(refusals) == len(contents) else Reply(200)

    def _receive(self, message: Event, raw: bytes) -> None:
        for event in self.fetch(message):
            if event is not message:
                _check_fetched(event)
            self.on_arrival(event)
            self.inbox.record(event["id"], raw if event is message else to_json(event), partial(self.on_event, event))

    def _refuse(self, id: str, raw: bytes, error: ValueError) -> Reply:
        self.inbox.quarantine(id if ID.fullmatch(id) else sha256(raw).hexdigest(), raw)
        return _text(422, str(error))


def _event(id: str, message: Any) -> Event:
    """The message, if it is an event with this id; otherwise raises ValueError."""
    if not isinstance(message, dict):
        raise ValueError(f"a message must be a JSON object, got {message!r:.80}")
    for member, kind, called in _MEMBERS:
        if not isinstance(message.get(member), kind):
            raise ValueError(f"a message's {member} must be {called}, got {message.get(member)!r:.80}")
    if message["type"] in wire.RESERVED:
        raise ValueError(f"a message of type {message['type']} cannot have the data {message['data']!r:.80}")
    if message.get("id") != id:
        raise ValueError(f"the event's id must be the webhook-id, {id!r}, got {message.get('id')!r:.80}")
    if not ID.fullmatch(id):  # those in a batch, which a header does not repeat
        raise ValueError(f"an event's id must be {ID_RULE}, got {id!r:.80}")
    return message


def _check_fetched(event: Any) -> None:
    """Raise UnavailableError for what is no event: the message was good, so its sender is to come again."""
    try:
        _event(event["id"] if _has_id(event) else "", event)
    except ValueError as error:
        raise UnavailableError(f"what was fetched is no event: {error}") from None


def _has_id(event: object) -> bool:
    return isinstance(event, dict) and isinstance(event.get("id"), str)


def _media_type(headers: Headers) -> str:
    """The Content-Type without its parameters (RFC 9110, 8.3.1)."""
    found = [value for name, value in headers.items() if name.lower() == "content-type"]
    return found[0].partition(";")[0].strip().lower() if found else ""


def _text(status: int, text: str, retry_after: float = 0.0) -> Reply:
    again = {"Retry-After": str(math.ceil(retry_after))} if retry_after > 0 else {}
    return Reply(status, f"{text}\n".encode(), {"Content-Type": "text/plain; charset=utf-8", **again})
