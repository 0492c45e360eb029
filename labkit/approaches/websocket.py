"""WebSocket: one request changes the protocol, and then both sides can send messages (RFC 6455)."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import httpcore
import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import oldest
from labkit.network import TIMEOUT


@dataclass(frozen=True)
class WebSocket(Approach):
    """Upgrade one connection from HTTP; the source sends each event on it as a message. Resume it if it breaks.

    Real lens only: it needs a socket. As early as a stream, and the consumer could send messages too.
    """

    name: ClassVar[str] = "websocket"
    phrase: ClassVar[str] = "WebSocket"
    style: ClassVar[Style] = Style("#00604A", "h", "oo")
    reconnect_pause: ClassVar[float] = 1.0
    lenses: ClassVar[tuple[str, ...]] = ("real",)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Stream(rate, delay)

    def run(self, consumer: Consumer) -> None:
        """Listen until the run ends; reconnect after a second, with the last message's cursor."""
        client, cursor = consumer.client("poll"), ""
        while True:
            try:
                handshake = upgrade()
                with client.stream("GET", f"/ws?after={cursor}", headers=handshake) as answer:
                    if answer.status_code == 410:
                        answer.read()
                        cursor = oldest(answer)
                        continue  # at once, or it may expire again
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
    """Whether the server accepted the handshake: its answer is computed from our key (RFC 6455, 4.2.2)."""
    from wsproto.utilities import generate_accept_token

    expected = generate_accept_token(handshake["Sec-WebSocket-Key"].encode()).decode()
    return answer.status_code == 101 and answer.headers.get("Sec-WebSocket-Accept") == expected


def messages(stream: httpcore.NetworkStream) -> Iterator[dict[str, Any]]:
    """Each message, until the source closes; its pings, sent after 15 s without an event, are answered."""
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
