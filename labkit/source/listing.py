"""The ways to read what happened: a list by cursor, which may wait; the newest, as feeds have it; and a stream."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request

from labkit.event import to_json
from labkit.source.bodies import LARGEST_PAGE, PAGE, query, seconds, types, whole_number

if TYPE_CHECKING:
    from labkit.source.source import EventSource

LONGEST_WAIT = 60
SHORTEST_LOOK = 0.001
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
        after, until = place(source, asked.get("after", "")), clock.now() + wait
        with news:
            while True:
                documents, last, has_more = store.page(after, limit, wanted)
                left = until - clock.now()
                if documents or left <= 0 or not news.wait(left):
                    break
        tag = f"{after}-{last}-{has_more:d}"  # the address and this determine the page: what happened stays as it was
        if request.if_none_match.contains_weak(tag):
            return unchanged(tag)
        tail = to_json({"next": store.cursor(last), "has_more": has_more})
        return json_answer(b'{"events":[' + b",".join(documents) + b"]," + tail[1:], tag=tag)

    @app.get("/feed")
    def feed() -> Response:
        last = whole_number("last", query("last").get("last", str(PAGE)), 1, LARGEST_PAGE)
        documents, seq = store.newest(last)
        tag = f"{last}-{seq}"
        if request.if_none_match.contains_weak(tag):
            return unchanged(tag)
        return json_answer(b'{"events":[' + b",".join(documents) + b"]}", tag=tag)

    @app.get("/stream")
    def stream() -> Response:
        asked = query("after")
        after = place(source, request.headers.get("Last-Event-ID", "") or asked.get("after", ""))
        return event_stream(after, lambda after: wait_for_events(source, after))

    @app.get("/fake-stream")
    def fake_stream() -> Response:
        asked = query("after", "interval")
        after = place(source, request.headers.get("Last-Event-ID", "") or asked.get("after", ""))
        interval = seconds("interval", asked.get("interval", "5"), HEARTBEAT, least=SHORTEST_LOOK)
        return event_stream(after, lambda after: looked_up(source, after, interval))

    def event_stream(after: int, read: Callable[[int], list[tuple[int, bytes]]]) -> Response:
        return Response(chunks(after, read), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})

    def chunks(after: int, read: Callable[[int], list[tuple[int, bytes]]]) -> Iterator[bytes]:
        """Server-sent events (WHATWG HTML, 9.2): an `id` that resumes, one event a block, and comments in silence."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:
            if rows := read(after):
                after = rows[-1][0]
                yield b"".join(f"id: {store.cursor(seq)}\ndata: ".encode() + event + b"\n\n" for seq, event in rows)
            else:
                yield b": still here\n\n"


def wait_for_events(source: "EventSource", after: int) -> list[tuple[int, bytes]]:
    """What came after a place, as soon as there is something; nothing, after a heartbeat's silence."""
    with source.news:
        rows = source.store.after(after, PAGE)
        return rows if rows or not source.news.wait(HEARTBEAT) else source.store.after(after, PAGE)


def looked_up(source: "EventSource", after: int, interval: float) -> list[tuple[int, bytes]]:
    """The same, by looking again and again: a push that polls inside."""
    for _ in range(math.floor(HEARTBEAT / interval)):
        source.clock.sleep(interval)
        if rows := source.store.after(after, PAGE):
            return rows
    return []


def place(source: "EventSource", cursor: str) -> int:
    """The place that a cursor stands for, 0 for none; 400 if it is not this source's."""
    try:
        return source.store.place(cursor) if cursor else 0
    except ValueError as error:
        abort(400, str(error))


def json_answer(document: bytes, status: int = 200, tag: str = "") -> Response:
    headers = {"ETag": f'"{tag}"'} if tag else None
    return Response(document, status, headers, mimetype="application/json")


def unchanged(tag: str) -> Response:
    """304: what the client holds is still the answer (RFC 9110, 15.4.5)."""
    return Response(status=304, headers={"ETag": f'"{tag}"'})
