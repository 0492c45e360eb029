"""Open answers that share one thread, on sockets."""

import socket
from contextlib import contextmanager

import pytest
from raw_http import SHORT, TIMEOUT, connect, head, pause, read_to_end, threads_of, wait_for

from labkit.clock import RealClock, monotonic
from labkit.server import WaitingBody, serve

MUCH = 8_000_000
"""Two bytes each of these are more than a socket takes at once."""


class Channel:
    """An app: each answer says hello, and then whatever is published. At /much an item is long; at /bad it fails."""

    def __init__(self, seconds=60.0):
        self.clock, self.seconds, self.published = RealClock(), seconds, []
        self.news = self.clock.condition()
        self.closed = 0

    def publish(self, *items):
        with self.news:
            self.published += items
            self.news.notify_all()

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return WaitingBody(self.chunks(environ["PATH_INFO"]), self.news, self.seconds, b"idle;")

    def chunks(self, path):
        place = len(self.published)
        yield b"hello;"
        try:
            while True:
                new, place = self.published[place:], len(self.published)
                assert path != "/bad" or not new, "bad"
                yield b"".join(f"{item};".encode() * (MUCH if path == "/much" else 1) for item in new)
                if "end" in new:
                    return
        finally:
            self.closed += 1


@contextmanager
def opened(server, *paths):
    """A connection for each path, whose answer has said hello and now waits."""
    connections = []
    try:
        for path in paths:
            connections.append(connect(server.port))
            connections[-1].sendall(head(server, target=path))
            until(connections[-1], b"hello;")
        yield connections
    finally:
        for connection in connections:
            connection.close()


def until(connection, text):
    """What is received until the text has come, framing included."""
    received = b""
    while text not in received:
        data = connection.recv(65_536)
        assert data, f"closed after {received[-200:]!r}"
        received += data
    return received


@pytest.fixture
def channel():
    channel = Channel()
    yield channel
    channel.clock.close()


def test_open_answers_share_one_thread_and_each_gets_everything_in_order(channel):
    with serve(channel) as server, opened(server, *20 * ["/"]) as connections:
        assert wait_for(lambda: len(threads_of(server)) == 2)  # the other one accepts
        items = [*range(50), "end"]
        for item in items:
            channel.publish(item)
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)  # so no request follows, and the server closes the connection
            lines = read_to_end(connection).split(b"\r\n")
            assert b"".join(lines[1:-3:2]) == "".join(f"{item};" for item in items).encode()
            assert lines[-3:] == [b"0", b"", b""]
        assert server.errors == ""


@pytest.mark.parametrize("paths", [("/much", "/"), ("/", "/much")], ids=["the first", "the second"])
def test_a_client_that_does_not_take_its_answer_at_once_holds_up_no_other(channel, paths):
    """It is given a thread of its own until it has taken what was sent, and then shares one again."""
    with serve(channel) as server, opened(server, *paths) as connections:
        slow, quick = sorted(connections, key=lambda connection: paths[connections.index(connection)], reverse=True)
        channel.publish("a")
        assert b"a;" in until(quick, b"a;")
        assert wait_for(lambda: len(threads_of(server)) == 3)
        channel.publish("b")
        assert b"b;" in until(quick, b"b;")
        received = bytearray()
        while not received.endswith(b"b;\r\n"):
            received += slow.recv(4_000_000)
        assert b"".join(received.split(b"\r\n")[1::2]) == MUCH * b"a;" + MUCH * b"b;"  # in one chunk or two
        assert wait_for(lambda: len(threads_of(server)) == 2)
        assert server.errors == ""


def test_a_client_that_never_takes_its_answer_is_cut_off(channel):
    """After 0.4 s, and the others do not notice."""
    with serve(channel, limits=SHORT) as server, opened(server, "/", "/much") as (quick, _):
        channel.publish("a")
        assert wait_for(lambda: channel.closed == 1)
        assert wait_for(lambda: len(threads_of(server)) == 2)
        channel.publish("b")
        assert b"b;" in until(quick, b"b;")
        assert server.errors == ""


@pytest.mark.parametrize("by", ["FIN", "RST"])
def test_an_answer_ends_when_its_client_has_left(channel, by):
    """At the first or second event after that, and the last one ends the thread."""
    with serve(channel) as server:
        with opened(server, "/", "/") as connections:
            for connection in connections if by == "RST" else []:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        for number in range(2):
            channel.publish(number)
            pause(0.1)
        assert wait_for(lambda: channel.closed == 2)
        assert wait_for(lambda: len(threads_of(server)) == 1)
        with opened(server, "/") as [again]:  # another thread
            channel.publish("again")
            assert b"again;" in until(again, b"again;")
        assert server.errors == ""


def test_after_an_answer_has_ended_its_connection_takes_the_next_request(channel):
    with serve(channel) as server, opened(server, "/") as [connection]:
        channel.publish("end")
        until(connection, b"0\r\n\r\n")
        connection.sendall(head(server))
        assert b"200 OK" in until(connection, b"hello;")
        assert server.errors == ""


def test_each_answer_sends_its_idle_text_when_so_long_nothing_was_published():
    channel = Channel(seconds=0.3)
    with serve(channel) as server, opened(server, "/") as [first]:
        pause(0.15)
        with opened(server, "/") as [second]:
            since = monotonic()
            assert until(first, b"idle;").count(b"idle;") == 1
            between = monotonic()
            assert until(second, b"idle;").count(b"idle;") == 1
            assert between - since < monotonic() - since < 0.5
            channel.publish("a")
            for connection in (first, second):
                assert b"idle;" not in until(connection, b"a;")
    channel.clock.close()


def test_a_body_that_fails_ends_its_own_connection_alone(channel):
    with serve(channel) as server, opened(server, "/", "/bad", "/") as (first, bad, last):
        channel.publish("a")
        assert read_to_end(bad) == b""
        for connection in (first, last):
            assert b"a;" in until(connection, b"a;")
        assert "AssertionError: bad" in server.errors


def test_a_notification_while_an_answer_is_on_its_way_to_the_loop_is_not_missed(channel):
    """The loop waits for 60 s on behalf of another, while the chunk's own code looks, and then publishes."""
    look = channel.chunks

    def chunks(path):
        for chunk in look(path):
            if not chunk and path == "/late":
                channel.publish("late")
                pause(0.2)  # the loop has seen it, and waits again
            yield chunk

    channel.chunks = chunks
    with serve(channel) as server, opened(server, "/"), opened(server, "/late") as [late]:
        assert b"late;" in until(late, b"late;")


def test_when_the_clock_is_closed_every_answer_ends_and_no_thread_is_left(channel):
    with serve(channel) as server, opened(server, "/", "/") as connections:
        channel.clock.close()
        for connection in connections:
            assert read_to_end(connection) == b""
        assert channel.closed == 2
        assert wait_for(lambda: len(threads_of(server)) == 1)
        with connect(server.port) as late:
            late.sendall(head(server))
            assert read_to_end(late).endswith(b"hello;\r\n")
        assert server.errors == ""


def test_stop_ends_open_answers_of_slow_clients_too(channel):
    server = serve(channel)
    with opened(server, "/", "/much"):
        channel.publish("a")
        assert wait_for(lambda: len(threads_of(server)) == 3)
        since = monotonic()
        server.stop()
        assert monotonic() - since < 1.0 < TIMEOUT
        assert wait_for(lambda: channel.closed == 2)
        assert threads_of(server) == []
    assert server.errors == ""
