"""What a request may say: its body's shape, its query; what does not fit is refused with the member and the value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from flask import abort, request

from labkit.checks import number, whole
from labkit.event import TYPE, from_json
from labkit.source.answers import refuse
from labkit.wire import (
    DEFAULT_GRACE,
    HEARTBEAT,
    LARGEST_BATCH,
    LARGEST_BODY,
    LARGEST_PAGE,
    LONGEST_BATCH_WAIT,
    LONGEST_GRACE,
    LONGEST_LEASE,
    LONGEST_WAIT,
    NOTICES,
    PAGE,
    RESERVED,
    SHORTEST_LOOK,
)

MOST_TYPES = 100
LONGEST_KEY = 255

Type = Annotated[str, msgspec.Meta(pattern=rf"^{TYPE.pattern}\Z")]
Types = Annotated[list[Type], msgspec.Meta(max_length=MOST_TYPES)]
Emitted = Annotated[Type, msgspec.Meta(extra_json_schema={"not": {"enum": [*RESERVED, *NOTICES]}})]
Instant = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z\Z",
        extra_json_schema={"format": "date-time"},
    ),
]

Secret = Annotated[
    str,  # no pattern of msgspec's, whose complaint would show it
    msgspec.Meta(extra_json_schema={"pattern": r"^(whsec_[A-Za-z0-9+/]{32,86}={0,2})?$"}),
]


class Emit(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /events."""

    type: Emitted
    data: dict[str, Any]
    timestamp: Instant | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Refuse an Instant that is not on the calendar: 2018-02-30."""
        try:
            datetime.fromisoformat(self.timestamp or "1970-01-01")
        except ValueError as error:
            raise ValueError(f"timestamp {self.timestamp!r} is no instant: {error}") from None


class Redeliver(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /subscriptions/ID/redeliver."""

    since: str


class _Confidential(msgspec.Struct, forbid_unknown_fields=True):
    """A body that may hold a secret, which no repr shows."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Rotate(_Confidential):
    """The body of POST /subscriptions/ID/rotate."""

    secret: Secret = ""
    grace: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_GRACE)] = DEFAULT_GRACE


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """How many events a delivery may hold, and for how many seconds its first may wait."""

    count: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_BATCH)]
    seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_BATCH_WAIT)]


class Subscribe(_Confidential):
    """The body of POST /subscriptions."""

    url: Annotated[str, msgspec.Meta(max_length=2048)]
    types: Types = []
    secret: Secret = ""
    payload: Literal["full", "thin", "doorbell"] = "full"
    batch: Batch | None = None
    ttl: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_LEASE)] | None = None

    def __post_init__(self) -> None:
        if self.payload == "doorbell" and self.batch:
            raise ValueError("a doorbell takes no batch: one notice stands for all new events")


Body = TypeVar("Body", bound=msgspec.Struct)


def body(shape: type[Body]) -> Body:
    """The request's JSON body in a shape: 415 if it is no JSON, 400 if it is malformed, 422 if it has another shape."""
    size = request.content_length or 0  # 0 if it comes in chunks
    if size > LARGEST_BODY or len(request.get_data()) > LARGEST_BODY:
        abort(413, f"the body must be at most {LARGEST_BODY} bytes, got {size or 'more'}")
    if request.mimetype != "application/json":
        abort(415, f"send Content-Type: application/json, got {request.mimetype[:80]!r}")
    try:
        document = from_json(request.get_data())
    except ValueError as error:
        abort(400, f"the body is not JSON as RFC 8259 has it: {error}")
    try:
        _check_integers(document)
        return msgspec.convert(document, shape, strict=True)
    except msgspec.ValidationError as error:
        abort(422, f"{str(error)[:400]}{_got(document, str(error))}")


def _got(document: Any, complaint: str) -> str:
    """The value that a complaint of msgspec is about, which it names by its path alone; never a secret."""
    _, found, path = complaint.partition(" - at `$")
    if not found or path.startswith(".secret"):
        return ""
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        document = document[name or int(index)]
    return f", got {document!r:.80}"


def _check_integers(document: object, where: str = "$") -> None:
    """Refuse integers beyond 64 bits, which not every reader of the event could hold."""
    if isinstance(document, dict):
        for name, child in document.items():
            _check_integers(child, f"{where}.{name[:40]}")
    elif isinstance(document, list):
        for index, child in enumerate(document):
            _check_integers(child, f"{where}[{index}]")
    elif isinstance(document, int) and not -(2**63) <= document < 2**63:
        got = "" if where.startswith("$.secret") else f", got {document!s:.40}"
        abort(422, f"Expected an integer of 64 bits - at `{where}`{got}")


def types(listed: str) -> list[str]:
    """The types in the query, between commas; otherwise 400."""
    try:
        return msgspec.convert(listed.split(","), Types)
    except msgspec.ValidationError:
        abort(400, f"type must be 1 to {MOST_TYPES} event types between commas, got {listed[:80]!r}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or, where `place` says so, a header: how its text is read, and its JSON Schema."""

    name: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any] = str
    default: Any = ""
    place: str = "query"

    def document(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        repeated = {"style": "form", "explode": False} if self.schema["type"] == "array" else {}
        return {"name": self.name, "in": self.place, "schema": dict(self.schema), **repeated}


def query(*parameters: Parameter) -> Callable[[], dict[str, Any]]:
    """A function that returns the query's parameters as they are read, each known and given once; otherwise 400."""
    defaults, known = {each.name: each.default for each in parameters}, {each.name: each.read for each in parameters}

    def read() -> dict[str, Any]:
        asked = defaults.copy()
        for name, values in request.args.lists():
            if name not in known:
                abort(400, f"there is no parameter {name[:80]!r}; there are: {', '.join(known)}")
            if len(values) > 1:
                abort(400, f"{name} is given {len(values)} times; once is enough")
            asked[name] = known[name](values[0])
        return asked

    return read


def _seconds(name: str, text: str, least: float, most: float) -> float:
    """A time, written as JSON writes numbers (RFC 8259, 6)."""
    decimal = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", text)
    return number(name, float(text) if decimal else text[:40], "seconds", least=least, most=most)


def _whole(name: str, text: str, least: int, most: int) -> int:
    """A whole number, written in decimal digits."""
    return whole(name, int(text) if re.fullmatch("[0-9]{1,9}", text) else text[:40], least, most)


def _numeric(name: str, read: Callable[..., float], least: float, most: float, default: float) -> Parameter:
    """A number in the query, otherwise 400. It is a whole one if it is read by `_whole`."""

    @lru_cache(256)
    def checked(text: str) -> float:
        with refuse(400):
            return read(name, text, least, most)

    kind = "integer" if read is _whole else "number"
    return Parameter(name, {"type": kind, "minimum": least, "maximum": most, "default": default}, checked, default)


AFTER = Parameter("after", {"type": "string"})
LIMIT, LAST = (_numeric(name, _whole, 1, LARGEST_PAGE, PAGE) for name in ("limit", "last"))
WAIT = _numeric("wait", _seconds, 0.0, LONGEST_WAIT, 0.0)
INTERVAL = _numeric("interval", _seconds, SHORTEST_LOOK, HEARTBEAT, 5.0)
TYPES = Parameter("type", {**msgspec.json.schema(Types), "minItems": 1}, types, ())
KEY = Parameter("Idempotency-Key", {"type": "string", "maxLength": LONGEST_KEY}, place="header")
TAG = Parameter("If-None-Match", {"type": "string"}, place="header")
LAST_EVENT = Parameter("Last-Event-ID", {"type": "string"}, place="header")
