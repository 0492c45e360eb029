"""One connection: how many requests it carries, and how it ends."""

import json
import socket
from contextlib import suppress

import httpx
import pytest
from raw_http import (
    SHORT,
    TIMEOUT,
    answering,
    connect,
    echo,
    head,
    parse,
    pause,
    read_to_end,
    send,
    status,
    threads_of,
    ticking,
    wait_for,
)

from labkit.clock import monotonic
from labkit.server import serve


@pytest.fixture(scope="module")
def server():
    with serve(echo(), limits=SHORT) as server:
        yield server


# requests of one connection ---------------------------------------------------------------------


def test_the_app_sees_the_number_of_each_request_on_its_connection():
    """Counted from 1 on each connection, with the client's port; the connection is kept alive without a header."""

    def app(environ, start_response):
        chunks = [f"{environ['REMOTE_PORT']} {environ['labkit.request']!r}".encode()]
        return answering(chunks=chunks)(environ, start_response)

    with serve(app) as server, connect(server.port) as first, connect(server.port) as second:
        for connection, number in [(first, 1), (first, 2), (second, 1), (first, 3), (second, 2)]:
            connection.sendall(head(server, "Content-Length: 1") + b"x")
            raw = b""
            while not raw.endswith(b"0\r\n\r\n"):
                raw += connection.recv(65_536)
            [(_, headers, body)] = parse(raw, "POST", closed=False)
            assert body.decode() == f"{connection.getsockname()[1]} {number}"
            assert b"connection" not in headers


def test_pipelined_requests_are_answered_in_order(server):
    """Bodies of both kinds are read to their end; nothing is answered after `Connection: close`."""
    raw = head(server, "Content-Length: 1", target="/1") + b"a"
    raw += head(server, "Transfer-Encoding: chunked", target="/2") + b"1\r\nb\r\n0\r\n\r\n"
    raw += head(server, method="HEAD", target="/3") + head(server, "Connection: close", target="/4")
    raw += head(server, target="/5")
    answers = parse(send(server, raw, half_close=False), "POST", "POST", "HEAD", "POST")
    bodies = [json.loads(body) if body else None for _, _, body in answers]
    assert [body and (body["path"], body["body"]) for body in bodies] == [("1", "a"), ("2", "b"), None, ("4", "")]
    assert [b"connection" in headers for _, headers, _ in answers] == [False, False, False, True]


def test_a_server_is_on_127_0_0_1_alone_and_lets_no_other_site_read_an_answer(server):
    """127.0.0.2 is this machine's loopback address too: a server on all addresses would answer there."""
    [(_, headers, _)] = parse(send(server, head(server, f"Origin: http://127.0.0.1:{server.port}")), "POST")
    assert not [name for name in headers if name.startswith(b"access-control")]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=1)


# the end of a connection ------------------------------------------------------------------------


def test_an_idle_connection_is_closed_without_an_answer(server):
    """After 0.4 s: before the first request, and after an answer."""
    since = monotonic()
    with connect(server.port) as idle:
        assert len(parse(send(server, head(server), half_close=False), "POST")) == 1
        assert read_to_end(idle) == b""
    assert 0.3 < monotonic() - since < 1.5


def test_a_client_that_posts_too_much_can_read_the_reason(server):
    """It can send everything and read the whole answer, without a reset, although the server did not read the body."""
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as http:
        for body in (b"x" * 5_000_000, (b"x" * 100_000 for _ in range(50))):
            answer = http.post(server.url, content=body)
            assert answer.status_code == 413
            assert answer.json()["detail"].startswith("the body must be at most 1048576 bytes, got ")
    with connect(server.port) as connection:
        for _ in range(2):
            connection.sendall(head(server, "Content-Length: 5000000") + b"x" * 2_500_000)
            pause(0.05)
        assert status(connection.recv(65_536)) == 413
        assert connection.recv(65_536) == b""


def test_a_client_that_never_stops_sending_is_cut_off(server):
    """0.3 s after its answer."""
    since = monotonic()
    with connect(server.port) as connection:
        connection.sendall(head(server, "Content-Length: 1000000000"))
        with suppress(BrokenPipeError, ConnectionResetError):
            while monotonic() - since < TIMEOUT:
                connection.sendall(b"x" * 1000)
    assert 0.2 < monotonic() - since < 1.5


def test_a_client_that_does_not_read_is_cut_off():
    """After 0.4 s in which it took nothing, however much the app still has to send."""
    ended = []

    def flood(environ, start_response):
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            ended.append(True)

    with serve(flood, limits=SHORT) as server, connect(server.port) as connection:
        connection.sendall(head(server))
        assert wait_for(lambda: ended == [True])
        assert server.errors == ""


@pytest.mark.parametrize("by", ["FIN", "RST"])
def test_a_stream_is_closed_when_its_client_leaves(by):
    """The generator's `finally` has run, and the thread has ended."""
    ended = []
    with serve(ticking(ended)) as server:
        with connect(server.port) as connection:
            connection.sendall(head(server))
            assert b": tick" in connection.recv(65_536)
            if by == "RST":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert wait_for(lambda: ended == [True])
        assert wait_for(lambda: len(threads_of(server)) == 1)
        assert server.errors == ""


def test_an_app_may_take_the_connection_over(server):
    """As WebSocket libraries do. The server sends nothing after that, and applies no time limit."""

    def app(environ, start_response):
        connection = environ["werkzeug.socket"]
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # small writes are sent at once
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        connection.sendall(connection.recv(100)[::-1])
        connection.shutdown(socket.SHUT_RDWR)
        start_response("200 OK", [])
        return []

    with serve(app, limits=SHORT) as server, connect(server.port) as connection:
        connection.sendall(head(server, "Connection: keep-alive, Upgrade", "Upgrade: websocket", method="GET"))
        assert connection.recv(100).startswith(b"HTTP/1.1 101 ")
        pause(0.5)  # longer than a request may take
        connection.sendall(b"abc")
        assert read_to_end(connection) == b"cba"
