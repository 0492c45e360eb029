"""The source's HTTP face: a Flask app. What goes wrong is answered as a problem (RFC 9457) that names the value."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from labkit.event import from_json, to_json

if TYPE_CHECKING:
    from labkit.source.source import EventSource
    from labkit.source.store import Subscription

LARGEST_BODY = 65_536
"""Bytes of a request's body; Standard Webhooks advises events under 20 kB."""
PAGE, LARGEST_PAGE = 100, 1000
MOST_TYPES = 100
LONGEST_KEY = 255

Type = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z", max_length=128)]
Types = Annotated[list[Type], msgspec.Meta(max_length=MOST_TYPES)]
Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?Z\Z")]


class Emit(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /events."""

    type: Type
    data: dict[str, Any]
    timestamp: Instant = ""


class Subscribe(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /subscriptions."""

    url: Annotated[str, msgspec.Meta(max_length=2048)]
    types: Types = []
    secret: str = ""


def create_app(source: "EventSource") -> Flask:
    """The app of one source; its routes are the contract that other people's clients rely on."""
    app = Flask("labkit.source")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY + 1  # Werkzeug cuts a chunked body off here: one byte more shows it
    app.url_map.merge_slashes = False  # /events//x is not found, rather than redirected to another page
    app.register_error_handler(HTTPException, _problem)
    store = source.store

    @app.get("/events")
    def list_events() -> Response:
        query = _query("after", "limit", "type")
        limit = _whole_number("limit", query.get("limit", str(PAGE)), 1, LARGEST_PAGE)
        try:
            types = _types(query["type"]) if "type" in query else []
            after = store.place(query["after"]) if query.get("after") else 0
        except ValueError as error:
            abort(400, str(error))
        documents, last, has_more = store.page(after, limit, types)
        tail = to_json({"next": store.cursor(last), "has_more": has_more})
        return _json(b'{"events":[' + b",".join(documents) + b"]," + tail[1:])

    @app.get("/events/<id>")
    def one_event(id: str) -> Response:
        return _json(store.event(id) or abort(404, f"there is no event {id[:80]!r}"))

    @app.post("/events")
    def emit() -> Response:
        emitted, key = _body(Emit), request.headers.get("Idempotency-Key", "")
        if len(key) > LONGEST_KEY:
            abort(400, f"Idempotency-Key must be at most {LONGEST_KEY} characters, got {len(key)}: {key[:40]!r}…")
        try:
            if emitted.timestamp:
                _check_instant(emitted.timestamp)
            answer = store.remembered(key, request.get_data()) if key else None
            if answer is None:
                answer = source.emit(emitted.type, emitted.data, occurred=emitted.timestamp)
                if key:
                    store.remember(key, request.get_data(), answer)
        except ValueError as error:
            abort(422, str(error))
        return _json(answer, 201)

    @app.post("/subscriptions")
    def subscribe() -> Response:
        asked = _body(Subscribe)
        try:
            check_endpoint(asked.url, source.url)
            subscription, new = source.subscribe(asked.url, asked.types, asked.secret)
        except ValueError as error:
            abort(422, str(error))
        shown = {**_shown(subscription), "secret": subscription.secret} if new else _shown(subscription)
        return _json(to_json(shown), 201 if new else 200)

    @app.post("/subscriptions/<id>/verify")
    def verify(id: str) -> Response:
        subscription = _subscription(id)
        challenge, attempt = source.challenge(subscription)
        if attempt.verdict != "delivered":
            abort(422, f"{subscription.url} did not accept the challenge: {attempt.error or attempt.status}")
        try:
            answered = from_json(attempt.body)
        except ValueError:
            answered = None
        if not isinstance(answered, dict) or answered.get("challenge") != challenge:
            abort(422, f'{subscription.url} must answer {{"challenge": "…"}} with the value it was sent')
        store.set_status(id, "active")
        return _json(to_json(_shown(_subscription(id))))

    @app.get("/subscriptions")
    def list_subscriptions() -> Response:
        return _json(to_json({"subscriptions": [_shown(each) for each in store.subscriptions()]}))

    @app.get("/subscriptions/<id>")
    def one_subscription(id: str) -> Response:
        return _json(to_json(_shown(_subscription(id))))

    @app.delete("/subscriptions/<id>")
    def unsubscribe(id: str) -> Response:
        store.unsubscribe(_subscription(id).id)
        return Response(status=204)

    @app.get("/healthz")
    def healthy() -> Response:
        return _json(b'{"status":"ok"}')

    def _subscription(id: str) -> "Subscription":
        return store.subscription(id) or abort(404, f"there is no subscription {id[:80]!r}")

    return app


def check_endpoint(url: str, own: str) -> None:
    """Whether a URL can be an endpoint: http(s), with a host, and nothing that could hide another meaning.

    Raises ValueError that names the URL.
    """
    reason = _why_not(url, own)
    if reason:
        raise ValueError(f"url {url[:200]!r} cannot be an endpoint: {reason}")


def _why_not(url: str, own: str) -> str:
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return "it has a space, a control character or one outside ASCII"
    try:
        parts = urlsplit(url)
        host, port = _origin(url)
        _ = httpx.URL(url).host  # who will call it must be able to read it too
    except (ValueError, httpx.InvalidURL) as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it must start with http:// or https://"
    if not host:
        return "it names no host"
    if port == 0:
        return "port 0 cannot be called"
    if "@" in parts.netloc:
        return "it carries a user name"
    if "#" in url:
        return "it carries a fragment"
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        return f"{host!r} is no host's name or address"
    if (host, port) == _origin(own):
        return "it is the source itself"
    return ""


def _origin(url: str) -> tuple[str, int]:
    """Host and port, in one spelling: lower case, no final dot, the scheme's own port if none is given."""
    parts = urlsplit(url)
    port = parts.port
    return (parts.hostname or "").rstrip("."), (443 if parts.scheme == "https" else 80) if port is None else port


Body = TypeVar("Body", bound=msgspec.Struct)


def _body(shape: type[Body]) -> Body:
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
    except ValueError as error:
        abort(422, str(error))


def _got(document: Any, complaint: str) -> str:
    """The value that a complaint of msgspec is about, which it names by its path alone; never a secret."""
    _, found, path = complaint.partition(" - at `$")
    if not found or path.startswith(".secret"):
        return ""
    for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        document = document[name or int(number)]
    return f", got {document!r:.80}"


def _check_integers(document: object, where: str = "$") -> None:
    """Refuse integers beyond 64 bits, which not every reader of the event could hold."""
    if isinstance(document, dict):
        for name, child in document.items():
            _check_integers(child, f"{where}.{name[:40]}")
    elif isinstance(document, list):
        for number, child in enumerate(document):
            _check_integers(child, f"{where}[{number}]")
    elif isinstance(document, int) and not -(2**63) <= document < 2**63:
        raise ValueError(f"Expected an integer of 64 bits - at `{where}`, got {document!s:.40}")


def _check_instant(text: str) -> None:
    """Whether a text of an Instant's form is on the calendar: 2018-02-30 is not."""
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"timestamp {text!r} is no instant: {error}") from None


def _types(listed: str) -> list[str]:
    """The types of a query, between commas."""
    try:
        return msgspec.convert(listed.split(","), Types)
    except msgspec.ValidationError:
        raise ValueError(f"type must be 1 to {MOST_TYPES} event types between commas, got {listed[:80]!r}") from None


def _query(*known: str) -> dict[str, str]:
    """The query's parameters, each known and given once; otherwise 400."""
    for name, values in request.args.lists():
        if name not in known:
            abort(400, f"there is no parameter {name[:80]!r}; there are: {', '.join(known)}")
        if len(values) > 1:
            abort(400, f"{name} is given {len(values)} times; once is enough")
    return request.args.to_dict()


def _whole_number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        abort(400, f"{name} must be a whole number from {least} to {most}, got {text[:40]!r}")
    return int(text)


def _shown(subscription: "Subscription") -> dict[str, object]:
    return {
        "id": subscription.id,
        "url": subscription.url,
        "types": list(subscription.types),
        "status": subscription.status,
    }


def _json(document: bytes, status: int = 200) -> Response:
    return Response(document, status, mimetype="application/json")


def _problem(error: HTTPException) -> Response:
    """Any HTTP error as application/problem+json, with its own headers (Allow, Retry-After) kept."""
    status = HTTPStatus(error.code or 500)
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    detail = error.description
    if detail == type(error).description:  # Werkzeug's own words, which name no value
        detail = f"{request.method} {request.path[:80]}: {detail}"
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Response(to_json(problem), status.value, headers, mimetype="application/problem+json")
