"""The ways to read events: a list by cursor, which may wait; the newest, as in a feed; and a stream."""

import math
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

from flask import Response, request

from labkit.clock import Clock, Condition
from labkit.event import to_json
from labkit.server import WaitingBody
from labkit.source.answers import refuse, tagged_answer
from labkit.source.bodies import AFTER, INTERVAL, LAST, LAST_EVENT, LIMIT, TAG, TYPES, WAIT
from labkit.source.documents import Feed, Page
from labkit.source.operations import Operations
from labkit.source.store import ExpiredError, Store
from labkit.wire import HEARTBEAT, PAGE

STREAM = "text/event-stream"
IDLE = b": still here\n\n"
"""The comment that a stream sends if nothing happens for a heartbeat."""
RETRY_MS = 1000
"""Milliseconds after which a stream's client should reconnect."""
event_stream = partial(Response, mimetype=STREAM, headers={"Cache-Control": "no-store"}, direct_passthrough=True)


def add_listing(operations: Operations, store: Store, clock: Clock, news: Condition) -> None:
    """Add the routes for reading. `news` is notified of each new event."""

    @operations.add("GET /events", {200: Page, 304: None}, [410], query=(AFTER, LIMIT, TYPES, WAIT), headers=(TAG,))
    def list_events(asked: dict[str, Any]) -> Response:
        after, until = place(store, asked["after"]), clock.now() + asked["wait"]
        with news:
            while True:
                documents, last, has_more = store.page(after, asked["limit"], asked["type"])
                if documents or (left := until - clock.now()) <= 0 or not news.wait(left):
                    break
        tag = f"{after}-{last}-{has_more:d}"  # with the URL it determines the page: events do not change
        tail = to_json({"next": store.cursor(last), "has_more": has_more})
        return tagged_answer(b'{"events":[' + b",".join(documents) + b"]," + tail[1:], tag)

    @operations.add("GET /feed", {200: Feed, 304: None}, query=(LAST,), headers=(TAG,))
    def feed(asked: dict[str, Any]) -> Response:
        documents, seq = store.newest(asked["last"])
        return tagged_answer(b'{"events":[' + b",".join(documents) + b"]}", f"{asked['last']}-{seq}")

    @operations.add("GET /stream", {200: STREAM}, [410], query=(AFTER,), headers=(LAST_EVENT,))
    def stream(asked: dict[str, Any]) -> Response:
        return event_stream(WaitingBody(blocks(start(asked), store.after), news, HEARTBEAT, IDLE))

    @operations.add("GET /fake-stream", {200: STREAM}, [410], query=(AFTER, INTERVAL), headers=(LAST_EVENT,))
    def fake_stream(asked: dict[str, Any]) -> Response:
        read = partial(poll_store, store, clock, asked["interval"])
        return event_stream(block or IDLE for block in blocks(start(asked), read))

    def start(asked: dict[str, Any]) -> int:
        """The place that a stream starts after. Raises ExpiredError."""
        after = place(store, request.headers.get("Last-Event-ID", "") or asked["after"])
        store.check(after)
        return after

    def blocks(after: int, read: Callable[[int, int], list[tuple[int, bytes]]]) -> Generator[bytes]:
        """Server-sent events (WHATWG HTML, 9.2), as they happen; b"" if nothing was read.

        The stream ends where a gap would follow: the client reads too slowly, and when it resumes, it is answered 410.
        """
        yield f"retry: {RETRY_MS}\n\n".encode()
        with suppress(ExpiredError):
            while True:
                rows = read(after, PAGE)
                after = rows[-1][0] if rows else after
                yield block(*rows)

    @lru_cache(4)
    def block(*rows: tuple[int, bytes]) -> bytes:
        """One block per event, with an `id` to resume. Streams at one place share it."""
        return b"".join(f"id: {store.cursor(seq)}\ndata: ".encode() + event + b"\n\n" for seq, event in rows)


def poll_store(store: Store, clock: Clock, interval: float, after: int, limit: int) -> list[tuple[int, bytes]]:
    """The next events, or none after a heartbeat, by a look every `interval` seconds: a push that polls inside."""
    for _ in range(math.floor(HEARTBEAT / interval)):
        clock.sleep(interval)
        if rows := store.after(after, limit):
            return rows
    return []


def place(store: Store, cursor: str) -> int:
    """The place that a cursor stands for; 400 if it is not this source's."""
    with refuse(400):
        return store.place(cursor)
