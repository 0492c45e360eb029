"""WebSocket: one request changes the protocol, and then both sides can send messages (RFC 6455)."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import httpcore
import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import CURSOR, is_event, oldest, rejected
from labkit.approaches.stream import LARGEST_BLOCK
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
                with client.stream("GET", f"/ws?after={quote(cursor)}", headers=handshake) as answer:
                    if answer.status_code == 410:
                        answer.read()
                        cursor = oldest(answer)
                        continue  # at once, or it may expire again
                    if accepted(handshake, answer):
                        consumer.mark_open_ended(answer)
                        for event, after in messages(answer):
                            consumer.receive(event, answer)
                            cursor = after
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


def messages(answer: httpx.Response) -> Iterator[tuple[dict[str, Any], str]]:
    """Each event with its cursor, until the source closes; its pings, sent after 15 s without an event, are answered.

    Raises httpx.DecodingError for what is no frame or no such message, and for a message of more than LARGEST_BLOCK
    characters.
    """
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import CloseConnection, Ping, TextMessage
    from wsproto.utilities import LocalProtocolError, RemoteProtocolError

    stream, frames, text = answer.extensions["network_stream"], Connection(ConnectionType.CLIENT), ""
    while data := stream.read(65_536, timeout=TIMEOUT):
        try:
            frames.receive_data(data)
            for frame in frames.events():
                if isinstance(frame, Ping | CloseConnection):
                    stream.write(frames.send(frame.response()))
                if isinstance(frame, CloseConnection):
                    return
                if isinstance(frame, TextMessage):
                    text += frame.data
                    if len(text) > LARGEST_BLOCK:
                        raise rejected(answer, f"a message must have at most {LARGEST_BLOCK} characters, got more")
                    if frame.message_finished:
                        yield _event(text, answer)
                        text = ""
        except (LocalProtocolError, RemoteProtocolError) as error:
            raise rejected(answer, f"the source sent no WebSocket frame: {error}") from None


def _event(text: str, answer: httpx.Response) -> tuple[dict[str, Any], str]:
    """The event and the cursor in a message. Raises httpx.DecodingError for another one."""
    with suppress(ValueError, RecursionError):
        match json.loads(text):
            case {"event": {} as event, "cursor": str(cursor)} if is_event(event) and CURSOR.fullmatch(cursor):
                return event, cursor
    raise rejected(answer, f"a message must have an event and its cursor, got {text[:80]!r}")
