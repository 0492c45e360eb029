"""The WebSocket, between our two sides, and with somebody else's client."""

import json
import socket
from contextlib import closing, contextmanager, suppress

import httpcore
import httpx
import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, TextMessage

from labkit import EventSource, Scenario, WebSocket, compare, poisson, serve
from labkit.approaches.websocket import accepted, messages, upgrade
from labkit.lenses import RealLens


@pytest.fixture
def source():
    with closing(EventSource()) as source:
        yield source


@pytest.fixture
def server(source):
    server = serve(source.app)
    yield server
    server.stop()
    assert server.errors == ""


@contextmanager
def foreign(server, after=""):
    """PyPI's websocket-client."""
    url = f"{server.url.replace('http', 'ws')}/ws?after={after}"
    client = websocket.create_connection(url, timeout=5, suppress_origin=True)
    connection = client.sock
    yield client
    client.close()
    connection.close()  # it forgets its socket where the server closes first


def test_somebody_elses_client_hears_each_event_and_resumes_by_the_cursor(source, server):
    with foreign(server) as ours:
        for number in range(3):
            source.emit("a.b", {"number": number, "text": "é" * number})
        heard = [json.loads(ours.recv()) for _ in range(3)]
    assert [message["event"]["data"]["number"] for message in heard] == [0, 1, 2]
    assert heard[0]["event"] == httpx.get(f"{server.url}/events").json()["events"][0]
    with foreign(server, heard[0]["cursor"]) as again:
        assert [json.loads(again.recv()) for _ in range(2)] == heard[1:]


def test_a_ping_is_answered_and_a_message_ends_the_connection(source, server):
    with foreign(server) as ours:
        ours.ping("here?")
        opcode, said = ours.recv_data(control_frame=True)
        assert (opcode, said) == (websocket.ABNF.OPCODE_PONG, b"here?")
        ours.send("hello")
        with suppress(ConnectionResetError):  # what was not read any more may reset the connection
            opcode, said = ours.recv_data(control_frame=True)
            assert (opcode, said[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1009).to_bytes(2, "big"))
        source.emit("a.b", {})
        with pytest.raises((websocket.WebSocketException, OSError)):
            ours.recv()


def test_what_is_no_handshake_is_refused(server):
    plain = httpx.get(f"{server.url}/ws")
    assert (plain.status_code, plain.headers["Upgrade"]) == (426, "websocket")
    assert "Upgrade: websocket" in plain.json()["detail"]
    elsewhere = httpx.get(f"{server.url}/stream", headers=upgrade())
    assert (elsewhere.status_code, elsewhere.json()["detail"]) == (400, "/stream is not a WebSocket: GET /ws is")
    old = httpx.get(f"{server.url}/ws", headers=upgrade() | {"Sec-WebSocket-Version": "7"})
    assert old.status_code == 400
    assert "Sec-WebSocket-Version" in old.json()["detail"]
    unknown = httpx.get(f"{server.url}/ws?after=nonsense", headers=upgrade())
    assert (unknown.status_code, "cursor 'nonsense'" in unknown.json()["detail"]) == (400, True)


def test_a_page_of_another_site_is_refused(server):
    other = httpx.get(f"{server.url}/ws", headers=upgrade() | {"Origin": "http://elsewhere.example"})
    assert other.status_code == 403


def test_a_server_stops_with_websockets_open(source):
    server = serve(source.app)
    with foreign(server) as ours:
        source.emit("a.b", {})
        ours.recv()
        server.stop()
        with pytest.raises((websocket.WebSocketException, OSError)):
            ours.recv()


def test_bytes_and_requests_are_counted_below_the_protocol():
    """One request, whose answer has no end: its bytes are those of the frames, and it holds one connection."""
    result = RealLens().run(Scenario(poisson(3600 * 10, 2, seed=3), delay=0.0), WebSocket())
    row = result.row()
    assert (row["requests"], row["connections"], row["lost"], row["duplicates"]) == (1, 1, 0, 0)
    assert row["connection_seconds"] == pytest.approx(2, abs=0.2)
    told = sum(len(json.dumps(event.data)) for event in result.scenario.arrivals.events)
    assert row["bytes_in"] > told + 100 * row["events"]


def test_a_break_is_mended_by_the_cursor_without_loss_or_repeat(monkeypatch):
    """Every connection is cut after its first seconds' bytes: the next one goes on from the last message."""
    monkeypatch.setattr("labkit.approaches.consumer.Consumer.pause", lambda self, seconds: self.clock.sleep(0.05))
    taken = []

    class Cutting(WebSocket):
        def run(self, consumer):
            receive = consumer.receive

            def cutting(event, carrier):
                receive(event, carrier)
                taken.append(event["id"])
                if len(taken) % 4 == 0:
                    connection = carrier.extensions["network_stream"].get_extra_info("socket")
                    connection.shutdown(socket.SHUT_RDWR)

            consumer.receive = cutting
            super().run(consumer)

    result = RealLens().run(Scenario(poisson(3600 * 10, 2, seed=3), delay=0.0), Cutting())
    row = result.row()
    assert row["requests"] > 3
    assert (row["lost"], row["duplicates"]) == (0, 0)
    assert taken == result.receipts.event_id.tolist()


def test_it_is_refused_in_the_virtual_lens_by_name():
    with pytest.raises(ValueError, match="websocket is for the real lens, got 'virtual'"):
        compare(poisson(10, 60), [WebSocket()])


def test_an_answer_that_has_not_understood_the_handshake_is_no_websocket():
    """RFC 6455, 4.1: what comes back must be made of the key that was sent."""
    ours = upgrade()
    good = {"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}  # of RFC 6455, 1.3
    sample = ours | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert accepted(sample, httpx.Response(101, headers=good))
    assert not accepted(ours, httpx.Response(101, headers=good))
    assert not accepted(sample, httpx.Response(200, headers=good))
    assert not accepted(sample, httpx.Response(101))


class Heard(httpcore.NetworkStream):
    """A connection on which these bytes come, in pieces of `size`."""

    def __init__(self, sent: bytes, size: int) -> None:
        self.rest, self.size, self.written = sent, size, b""

    def read(self, max_bytes, timeout=None):
        piece, self.rest = self.rest[: self.size], self.rest[self.size :]
        return piece

    def write(self, buffer, timeout=None):
        self.written += buffer


def heard(sent: bytes, size: int = 65_536):
    """The messages in these bytes, and whether the ledger was told that they are junk."""
    rejects = []
    told = {"network_stream": Heard(sent, size), "labkit.reject": rejects.append}
    answer = httpx.Response(101, extensions=told, request=httpx.Request("GET", "http://source/ws"))
    return messages(answer), rejects


def frames(*events):
    ours = Connection(ConnectionType.SERVER)
    return b"".join(ours.send(event) for event in events)


MESSAGE = '{"cursor":"c","event":{"id":"evt_1","type":"a.b"}}'
OTHER_SHAPES = [
    "", "{", "[]", "null", "5", "{}", '{"cursor":"c"}', '{"cursor":"c","event":[]}', '{"cursor":"c","event":{"id":1}}',
    MESSAGE.replace('"c"', "7"), MESSAGE.replace('"c"', '"a\\u0000"'), MESSAGE.replace("evt_1", "a b"), "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("shape", OTHER_SHAPES, ids=lambda shape: shape[:40])
def test_a_message_of_another_shape_is_the_declared_error_and_on_record(shape):
    received, rejects = heard(frames(TextMessage(MESSAGE), TextMessage(shape)))
    assert next(received) == ({"id": "evt_1", "type": "a.b"}, "c")
    with pytest.raises(httpx.DecodingError, match=r"^a message must have an event and its cursor, got "):
        next(received)
    assert rejects == ["DecodingError"]


def test_a_message_that_does_not_end_is_not_kept():
    received, rejects = heard(frames(*[TextMessage("x" * 65_536, message_finished=False)] * 17))
    with pytest.raises(httpx.DecodingError, match="a message must have at most 1048576 characters, got more"):
        list(received)
    assert rejects == ["DecodingError"]


@given(st.lists(st.sampled_from([frames(TextMessage(MESSAGE)), frames(Ping()), frames(CloseConnection(1000))])
                | st.binary(max_size=20), max_size=8), st.integers(1, 100))  # fmt: skip
def test_any_bytes_are_messages_or_the_declared_error(sent, size):
    received, rejects = heard(b"".join(sent), size)
    try:
        assert all(event["id"] == "evt_1" for event, _ in received)
    except httpx.DecodingError:
        assert rejects == ["DecodingError"]
