"""The source's HTTP interface: a Flask app."""

import sqlite3
from functools import cached_property

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from labkit.clock import NANO
from labkit.event import from_json, timestamp
from labkit.source import documents
from labkit.source.answers import json_answer, problem, refuse
from labkit.source.bodies import KEY, LONGEST_KEY, Emit, Redeliver, Rotate, Subscribe
from labkit.source.endpoint import check_endpoint
from labkit.source.limiter import add_rate_limit
from labkit.source.listing import add_listing
from labkit.source.operations import Operations
from labkit.source.publisher import Publisher
from labkit.source.store import ExpiredError, Subscription
from labkit.source.websocket import add_websocket
from labkit.wire import LARGEST_BODY


def create_app(source: Publisher) -> Flask:
    """The app of one source; its routes are the contract that other people's clients rely on."""
    app = Flask("labkit.source")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY + 1  # Werkzeug cuts a chunked body off here: one byte more shows it
    app.url_map.merge_slashes = False  # /events//x is not found, rather than redirected to another page
    app.register_error_handler(HTTPException, _problem)
    app.register_error_handler(sqlite3.OperationalError, _unavailable)
    app.register_error_handler(ExpiredError, _expired)
    store, operations = source.store, Operations(app)

    add_listing(operations, source.store, source.clock, source.news)
    add_websocket(app, operations, source.store, source.news)
    add_rate_limit(app, source.rate_limit, source.clock)

    @operations.add("GET /events/<id>", {200: documents.Event}, [410])
    def one_event(id: str) -> Response:
        event = store.event(id)
        if event == b"":
            abort(410, f"event {id} is older than the source keeps events")
        return json_answer(event or abort(404, f"there is no event {id[:80]!r}"))

    @operations.add("POST /events/<id>/acknowledge", {200: documents.Acknowledged})
    def acknowledge(id: str) -> Response:
        """An action. It is idempotent (RFC 9110, 9.2.2): however often it is repeated, it has one effect."""
        if store.event(id) is None:
            abort(404, f"there is no event {id[:80]!r}")
        at = store.acknowledge(id, source.clock.unix_nanoseconds())
        return json_answer({"id": id, "acknowledged_at": timestamp(at / NANO)})

    @operations.add("POST /events", {201: documents.Event}, headers=(KEY,), body=Emit)
    def emit(asked: Emit) -> Response:
        key = request.headers.get(KEY.name, "")
        if len(key) > LONGEST_KEY:
            abort(400, f"Idempotency-Key must be at most {LONGEST_KEY} characters, got {len(key)}: {key[:40]!r}…")
        with refuse(422):
            raw = request.get_data()
            event = source.emit(asked.type, asked.data, occurred=asked.timestamp or "", key=key, body=raw)
        return json_answer(event, 201)

    @operations.add("POST /subscriptions", {200: documents.Subscription, 201: documents.WithSecret}, body=Subscribe)
    def subscribe(asked: Subscribe) -> Response:
        with refuse(422):
            listens = request.environ["SERVER_NAME"], int(request.environ["SERVER_PORT"])
            check_endpoint(asked.url, request.host_url, listens, source.network.address)
            batch = (asked.batch.count, asked.batch.seconds) if asked.batch else (1, 0.0)
            ttl = asked.ttl or 0.0
            subscription, new = source.subscribe(asked.url, asked.types, asked.secret, asked.payload, batch, ttl)
        secret = {"secret": subscription.secret} if new else {}
        return json_answer({**shown(subscription), **secret}, 201 if new else 200)

    @operations.add("POST /subscriptions/<id>/verify", {200: documents.Subscription}, [422])
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
        source.verified(subscription)
        return json_answer(shown(_subscription(id)))

    @operations.add("POST /subscriptions/<id>/rotate", {200: documents.WithSecret}, body=Rotate)
    def rotate(id: str, asked: Rotate) -> Response:
        subscription = _subscription(id)
        with refuse(422):
            secret = source.rotate(subscription, asked.secret, asked.grace)
        return json_answer({**shown(_subscription(id)), "secret": secret})

    @operations.add("POST /subscriptions/<id>/renew", {200: documents.Subscription}, [410, 422])
    def renew(id: str) -> Response:
        now = source.clock.unix_nanoseconds()
        subscription = _subscription(id)
        if not subscription.ttl:
            abort(422, f"subscription {id} has no ttl: it does not expire")
        if (status := subscription.status_at(now)) != "active":
            ended = f" since {timestamp(subscription.expires_at / NANO)}" if status == "expired" else ""
            abort(422 if status == "pending" else 410, f"subscription {id} is {status}{ended}: verify it first")
        store.renew(subscription, now)
        return json_answer(shown(_subscription(id)))

    @operations.add("GET /subscriptions", {200: documents.Subscriptions})
    def list_subscriptions() -> Response:
        return json_answer({"subscriptions": [shown(each) for each in store.subscriptions()]})

    @operations.add("GET /subscriptions/<id>", {200: documents.Subscription})
    def one_subscription(id: str) -> Response:
        return json_answer(shown(_subscription(id)))

    @operations.add("DELETE /subscriptions/<id>", {204: None})
    def unsubscribe(id: str) -> Response:
        store.unsubscribe(_subscription(id).id)
        return Response(status=204)

    @operations.add("GET /subscriptions/<id>/attempts", {200: documents.Attempts})
    def list_attempts(id: str) -> Response:
        rows = source.outbox.attempts(_subscription(id).id)
        shown = [
            {"event": event, "number": number, "at": timestamp(at / NANO), "status": status, "error": error}
            for event, number, at, status, error in rows
        ]
        return json_answer({"attempts": shown})

    @operations.add("POST /subscriptions/<id>/test", {200: documents.Tested})
    def test(id: str) -> Response:
        attempt = source.test(_subscription(id))
        return json_answer({"verdict": attempt.verdict, "status": attempt.status, "error": attempt.error})

    @operations.add("POST /subscriptions/<id>/redeliver", {202: documents.Redelivered}, [410], body=Redeliver)
    def redeliver(id: str, asked: Redeliver) -> Response:
        subscription = _subscription(id)
        with refuse(422):
            after = store.place(asked.since)
        if (status := subscription.status_at(source.clock.unix_nanoseconds())) != "active":
            abort(422, f"subscription {id} is {status}: verify it first")
        return json_answer({"redelivered": source.redeliver(subscription, after)}, 202)

    @operations.add("GET /healthz", {200: documents.Health})
    def healthy() -> Response:
        return json_answer({"status": "ok"})

    def _subscription(id: str) -> Subscription:
        return store.subscription(id) or abort(404, f"there is no subscription {id[:80]!r}")

    def shown(subscription: Subscription) -> dict[str, object]:
        return _shown(subscription, source.clock.unix_nanoseconds())

    return app


class EventSource(Publisher):
    """A toy event source: `emit` events, and serve `app`, which lists them and takes subscriptions.

    Without arguments: in memory, on the machine's clock, delivering to loopback addresses.
    """

    app = cached_property(create_app)
    """The WSGI app, with the routes of `docs/http.md`."""


def _shown(subscription: Subscription, now: int) -> dict[str, object]:
    batch = {"count": subscription.batch_count, "seconds": subscription.batch_seconds}
    shown = {
        "id": subscription.id,
        "url": subscription.url,
        "types": list(subscription.types),
        "status": subscription.status_at(now),
        "reason": subscription.reason or None,
        "payload": subscription.payload if subscription.payload != "full" else None,
        "batch": batch if subscription.batch_count > 1 else None,
        "ttl": subscription.ttl or None,
        "expires_at": timestamp(subscription.expires_at / NANO) if subscription.ttl else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _problem(error: HTTPException) -> Response:
    """Any HTTP error as application/problem+json, with its own headers (Allow, Retry-After) kept."""
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    detail = error.description
    if isinstance(error, WebsocketMismatch):
        detail = f"{request.path[:80]} is not a WebSocket: GET /ws is"
    elif detail == type(error).description:  # Werkzeug's own words, which name no value
        detail = f"{request.method} {request.path[:80]}: {detail}"
    return problem(error.code or 500, detail, headers)


def _expired(error: ExpiredError) -> Response:
    """The cursor has expired: the client is told where it can read on, and so that it has missed events."""
    return problem(410, str(error), oldest=error.oldest)


def _unavailable(error: sqlite3.OperationalError) -> Response:
    """The database is locked, or the disk full: nothing was stored, and the client may try again."""
    return problem(503, f"not stored: {error}", [("Retry-After", "1")])
