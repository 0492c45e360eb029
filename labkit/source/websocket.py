"""The source's WebSocket (RFC 6455), where there is a socket: each event a message, as it happens."""

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from labkit.source.bodies import query
from labkit.source.listing import HEARTBEAT, place, wait_for_events

if TYPE_CHECKING:
    from labkit.source.source import EventSource

LARGEST_MESSAGE = 1
"""Bytes of a message of the client's, which has nothing to say here: whoever speaks is disconnected (1009)."""


class UpgradeRequired(HTTPException):
    code = 426
    description = "ask with Connection: Upgrade and Upgrade: websocket (RFC 6455, 4.1)"

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Upgrade", "websocket")]


def add_websocket(app: Flask, source: "EventSource") -> None:
    """Give the source's app `GET /ws`: messages `{"cursor": "…", "event": {…}}`; the cursor resumes."""

    @app.get("/ws")
    def no_websocket() -> Response:
        raise UpgradeRequired

    @app.get("/ws", websocket=True)
    def websocket() -> Response:
        after = place(source, query("after").get("after", ""))
        if "werkzeug.socket" not in request.environ:
            abort(501, "a WebSocket takes a connection over, and this network has none: use the real lens")
        talk(after)
        return Response()  # to nobody: the connection is at its end

    def talk(after: int) -> None:
        import simple_websocket
        from wsproto.utilities import RemoteProtocolError

        try:
            socket = simple_websocket.Server(request.environ, ping_interval=HEARTBEAT, max_message_size=LARGEST_MESSAGE)
        except RemoteProtocolError as error:
            abort(400, f"this is no opening handshake of RFC 6455, 4.1: {error}")
        try:
            while socket.connected:
                socket.input_buffer.clear()
                for seq, event in wait_for_events(source, after):
                    socket.send(f'{{"cursor":"{source.store.cursor(seq)}","event":{event.decode()}}}')
                    after = seq
        except (simple_websocket.ConnectionClosed, OSError):
            pass
