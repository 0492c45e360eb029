"""WebSocket: ask once to change the protocol, and talk both ways from then on (RFC 6455)."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import httpcore
import httpx

from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.network import TIMEOUT


@dataclass(frozen=True)
class WebSocket(Approach):
    """Have one connection taken out of HTTP, on which the source sends each event as a message; resumed if it breaks.

    In the real lens only: it needs a socket of its own. As early as a stream, and the consumer could answer on it.
    """

    name: ClassVar[str] = "websocket"
    style: ClassVar[Style] = Style("#00604A", "h", "oo")
    reconnect_pause: ClassVar[float] = 1.0
    lenses: ClassVar[tuple[str, ...]] = ("real",)

    def run(self, consumer: Consumer) -> None:
        """Listen until ended; reconnect after a second, with the last message's cursor."""
        client, cursor = consumer.client("poll"), ""
        while True:
            try:
                handshake = upgrade()
                with client.stream("GET", f"/ws?after={cursor}", headers=handshake) as answer:
                    if accepted(handshake, answer):
                        consumer.mark_open_ended(answer)
                        for message in messages(answer.extensions["network_stream"]):
                            consumer.receive(message["event"], answer)
                            cursor = message["cursor"]
            except (httpx.HTTPError, httpcore.NetworkError, httpcore.TimeoutException):
                pass
            consumer.pause(self.reconnect_pause)


def upgrade() -> dict[str, str]:
    """The client's half of the opening handshake (RFC 6455, 4.1)."""
    key = b64encode(secrets.token_bytes(16)).decode()
    return {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}


def accepted(handshake: dict[str, str], answer: httpx.Response) -> bool:
    """Whether the other side understood the handshake: it has made of our key what RFC 6455, 4.2.2 says."""
    from wsproto.utilities import generate_accept_token

    expected = generate_accept_token(handshake["Sec-WebSocket-Key"].encode()).decode()
    return answer.status_code == 101 and answer.headers.get("Sec-WebSocket-Accept") == expected


def messages(stream: httpcore.NetworkStream) -> Iterator[dict[str, Any]]:
    """Each message that comes, until the source closes; its pings, in 15 s of silence, are answered."""
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import CloseConnection, Ping, TextMessage

    frames, text = Connection(ConnectionType.CLIENT), ""
    while data := stream.read(65_536, timeout=TIMEOUT):
        frames.receive_data(data)
        for frame in frames.events():
            if isinstance(frame, Ping):
                stream.write(frames.send(frame.response()))
            elif isinstance(frame, CloseConnection):
                stream.write(frames.send(frame.response()))
                return
            elif isinstance(frame, TextMessage):
                text += frame.data
                if frame.message_finished:
                    yield json.loads(text)
                    text = ""
