"""The source's WebSocket (RFC 6455): each event is a message, sent as it happens. It needs a socket."""

from contextlib import suppress

from flask import Flask, Response, abort, request

from labkit.clock import Condition
from labkit.source.answers import problem
from labkit.source.bodies import AFTER, query
from labkit.source.documents import Problem
from labkit.source.listing import place
from labkit.source.operations import Operations
from labkit.source.store import ExpiredError, Store
from labkit.wire import HEARTBEAT, PAGE

LARGEST_MESSAGE = 1
"""Bytes of a message from the client. It has nothing to say here, and is disconnected if it does (1009)."""


def add_websocket(app: Flask, operations: Operations, store: Store, news: Condition) -> None:
    """Add `GET /ws`: messages `{"cursor": "…", "event": {…}}`; `?after=CURSOR` resumes."""

    read_query = query(AFTER)

    @operations.add("GET /ws", {101: None, 426: Problem}, [410], query=(AFTER,))
    def no_websocket(asked: dict[str, str]) -> Response:
        detail = "GET /ws: ask with Connection: Upgrade and Upgrade: websocket (RFC 6455, 4.1)"
        return problem(426, detail, [("Upgrade", "websocket")])

    @app.get("/ws", websocket=True)
    def websocket() -> Response:
        after = place(store, read_query()["after"])
        store.check(after)
        if "werkzeug.socket" not in request.environ:
            abort(501, "a WebSocket takes a connection over, and this network has none: use the real lens")
        import simple_websocket
        from wsproto.utilities import RemoteProtocolError

        try:
            socket = simple_websocket.Server(request.environ, ping_interval=HEARTBEAT, max_message_size=LARGEST_MESSAGE)
        except RemoteProtocolError as error:
            abort(400, f"this is not an opening handshake (RFC 6455, 4.1): {error}")
        with suppress(simple_websocket.ConnectionClosed, ExpiredError, OSError):
            while socket.connected:
                socket.input_buffer.clear()
                with news:
                    if not store.after(after, PAGE):
                        news.wait(HEARTBEAT)
                for seq, event in store.after(after, PAGE):
                    socket.send(f'{{"cursor":"{store.cursor(seq)}","event":{event.decode()}}}')
                    after = seq
        return Response()  # nobody reads it: the connection has ended
