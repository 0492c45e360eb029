"""The ways to read events: a list by cursor, which may wait; the newest, as in a feed; and a stream."""

import math
from collections.abc import Callable, Iterator

from flask import Flask, Response, request

from labkit.clock import Clock, Condition
from labkit.event import to_json
from labkit.source.answers import refuse, tagged_answer
from labkit.source.bodies import query, seconds, types, whole_number
from labkit.source.store import ExpiredError, Store
from labkit.wire import HEARTBEAT, LARGEST_PAGE, LONGEST_WAIT, PAGE, SHORTEST_LOOK

RETRY_MS = 1000
"""Milliseconds after which a stream's client should reconnect."""


def add_listing(app: Flask, store: Store, clock: Clock, news: Condition) -> None:
    """Add the routes for reading. `news` is notified of each new event."""

    @app.get("/events")
    def list_events() -> Response:
        asked = query("after", "limit", "type", "wait")
        limit = whole_number("limit", asked.get("limit", str(PAGE)), 1, LARGEST_PAGE)
        wait = seconds("wait", asked.get("wait", "0"), LONGEST_WAIT)
        wanted = types(asked["type"]) if "type" in asked else []
        after, until = place(store, asked.get("after", "")), clock.now() + wait
        with news:
            while True:
                documents, last, has_more = store.page(after, limit, wanted)
                left = until - clock.now()
                if documents or left <= 0 or not news.wait(left):
                    break
        tag = f"{after}-{last}-{has_more:d}"  # with the URL it determines the page: events do not change
        tail = to_json({"next": store.cursor(last), "has_more": has_more})
        return tagged_answer(b'{"events":[' + b",".join(documents) + b"]," + tail[1:], tag)

    @app.get("/feed")
    def feed() -> Response:
        last = whole_number("last", query("last").get("last", str(PAGE)), 1, LARGEST_PAGE)
        documents, seq = store.newest(last)
        return tagged_answer(b'{"events":[' + b",".join(documents) + b"]}", f"{last}-{seq}")

    @app.get("/stream")
    def stream() -> Response:
        return event_stream(query("after"), lambda after: wait_for_events(store, news, after))

    @app.get("/fake-stream")
    def fake_stream() -> Response:
        asked = query("after", "interval")
        interval = seconds("interval", asked.get("interval", "5"), HEARTBEAT, least=SHORTEST_LOOK)
        return event_stream(asked, lambda after: poll_store(store, clock, after, interval))

    def event_stream(asked: dict[str, str], read: Callable[[int], list[tuple[int, bytes]]]) -> Response:
        after = place(store, request.headers.get("Last-Event-ID", "") or asked.get("after", ""))
        store.check(after)
        return Response(blocks(after, read), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})

    def blocks(after: int, read: Callable[[int], list[tuple[int, bytes]]]) -> Iterator[bytes]:
        """Server-sent events (WHATWG HTML, 9.2): one event per block, with an `id` to resume; comments in silence.

        The stream ends where a gap would follow: the client reads too slowly, and when it resumes, it is answered 410.
        """
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:
            try:
                rows = read(after)
            except ExpiredError:
                return
            if rows:
                after = rows[-1][0]
                yield b"".join(f"id: {store.cursor(seq)}\ndata: ".encode() + event + b"\n\n" for seq, event in rows)
            else:
                yield b": still here\n\n"


def wait_for_events(store: Store, news: Condition, after: int) -> list[tuple[int, bytes]]:
    """The events after a place, as soon as there are any; none, if there are none for a heartbeat."""
    with news:
        rows = store.after(after, PAGE)
        return rows if rows or not news.wait(HEARTBEAT) else store.after(after, PAGE)


def poll_store(store: Store, clock: Clock, after: int, interval: float) -> list[tuple[int, bytes]]:
    """The same, by looking every `interval` seconds: a push that polls inside."""
    for _ in range(math.floor(HEARTBEAT / interval)):
        clock.sleep(interval)
        if rows := store.after(after, PAGE):
            return rows
    return []


def place(store: Store, cursor: str) -> int:
    """The place that a cursor stands for; 400 if it is not this source's."""
    with refuse(400):
        return store.place(cursor)
