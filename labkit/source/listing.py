"""The ways to read what happened: a list by cursor, which may wait; the newest, as feeds have it; and a stream."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request

from labkit.event import to_json
from labkit.source.bodies import LARGEST_PAGE, PAGE, query, seconds, types, whole_number

if TYPE_CHECKING:
    from labkit.source.source import EventSource

LONGEST_WAIT = 60
HEARTBEAT = 15.0
"""Seconds of silence after which a stream sends a comment, so that nobody between takes it for dead (HTML, 9.2.7)."""
RETRY_MS = 1000
"""Milliseconds after which a stream's client should come back."""


def add_listing(app: Flask, source: "EventSource") -> None:
    """Give the source's app its routes for reading."""
    store, clock, news = source.store, source.clock, source.news

    @app.get("/events")
    def list_events() -> Response:
        asked = query("after", "limit", "type", "wait")
        limit = whole_number("limit", asked.get("limit", str(PAGE)), 1, LARGEST_PAGE)
        wait = seconds("wait", asked.get("wait", "0"), LONGEST_WAIT)
        try:
            wanted = types(asked["type"]) if "type" in asked else []
        except ValueError as error:
            abort(400, str(error))
        after, until = place(asked.get("after", "")), clock.now() + wait
        with news:
            while True:
                documents, last, has_more = store.page(after, limit, wanted)
                left = until - clock.now()
                if documents or left <= 0 or not news.wait(left):
                    break
        tail = to_json({"next": store.cursor(last), "has_more": has_more})
        return json_answer(b'{"events":[' + b",".join(documents) + b"]," + tail[1:])

    @app.get("/feed")
    def feed() -> Response:
        last = whole_number("last", query("last").get("last", str(PAGE)), 1, LARGEST_PAGE)
        documents, seq = store.newest(last)
        tag = f"{last}-{seq}"
        if request.if_none_match.contains_weak(tag):
            return Response(status=304, headers={"ETag": f'"{tag}"'})
        return json_answer(b'{"events":[' + b",".join(documents) + b"]}", headers={"ETag": f'"{tag}"'})

    @app.get("/stream")
    def stream() -> Response:
        asked = query("after")
        after = place(request.headers.get("Last-Event-ID", "") or asked.get("after", ""))
        return Response(chunks(after), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})

    def chunks(after: int) -> Iterator[bytes]:
        """Server-sent events (WHATWG HTML, 9.2): an `id` that resumes, one event a block, and comments in silence."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:
            with news:
                rows = store.after(after, PAGE)
                heard = bool(rows) or news.wait(HEARTBEAT)
            if rows:
                after = rows[-1][0]
                yield b"".join(f"id: {store.cursor(seq)}\ndata: ".encode() + event + b"\n\n" for seq, event in rows)
            elif not heard:
                yield b": still here\n\n"

    def place(cursor: str) -> int:
        try:
            return store.place(cursor) if cursor else 0
        except ValueError as error:
            abort(400, str(error))


def json_answer(document: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(document, status, headers, mimetype="application/json")
