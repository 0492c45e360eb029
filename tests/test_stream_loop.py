"""Open answers that share one thread, on sockets."""

import os
import socket
import threading
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from open_streams import unchunked
from raw_http import SHORT, TIMEOUT, connect, head, parse, pause, read_to_end, send, threads_of, wait_for

from labkit.clock import RealClock, Stopped, monotonic
from labkit.server import RequestLimits, WaitingBody, serve

MUCH = 8_000_000
"""Two bytes each of these are more than a socket takes at once."""
one_that_takes_a_part = pytest.mark.skipif(os.name == "nt", reason="a socket of Windows takes any number of bytes")


class Channel:
    """An app: each answer says hello, and then whatever is published.

    At /much each item is long, and at /greedy it comes in 100 chunks. A test may set `at_chunk(path, chunk)`, called
    before each chunk after hello, and `at_end(path)`, called when the body ends.
    """

    def __init__(self, seconds=60.0):
        self.clock, self.seconds, self.published = RealClock(), seconds, []
        self.news = self.clock.condition()
        self.closed, self.made = 0, []
        self.at_chunk = self.at_end = lambda *_: None

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
                chunk = b"".join(f"{item};".encode() * (MUCH if path == "/much" else 1) for item in new)
                for _ in range(100 if path == "/greedy" and new else 1):
                    self.made.append(path)
                    self.at_chunk(path, chunk)
                    yield chunk
                if "end" in new:
                    return
        finally:
            self.closed += 1
            self.at_end(path)


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
            raw = read_to_end(connection)
            assert unchunked(raw.removesuffix(b"0\r\n\r\n")) == "".join(f"{item};" for item in items).encode()
            assert raw.endswith(b"\r\n0\r\n\r\n")
        assert server.errors == ""


@one_that_takes_a_part
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
        assert unchunked(bytes(received)) == MUCH * b"a;" + MUCH * b"b;"
        assert wait_for(lambda: len(threads_of(server)) == 2)
        channel.publish("c")
        assert slow.recv(100) == b"f42400\r\n" + 46 * b"c;"
        assert server.errors == ""


def test_each_answer_has_its_turn_though_another_always_has_something_to_send(channel):
    with serve(channel) as server, opened(server, "/greedy", "/") as (greedy, other):
        assert wait_for(lambda: len(threads_of(server)) == 2)
        channel.made.clear()
        channel.publish("a")
        assert b"a;" in until(other, b"a;")
        received = b""
        while received.count(b"a;") < 100:
            received += greedy.recv(65_536)
        assert channel.made.index("/") < 3


@one_that_takes_a_part
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
        assert wait_for(lambda: channel.publish("a") or channel.closed == 2)
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
    channel = Channel(seconds=1.0)
    with serve(channel) as server, opened(server, "/") as [first]:
        pause(0.5)
        with opened(server, "/") as [second]:
            assert until(first, b"idle;").count(b"idle;") == 1
            between = monotonic()
            assert until(second, b"idle;").count(b"idle;") == 1
            assert monotonic() - between > 0.2
            channel.publish("a")
            for connection in (first, second):
                assert b"idle;" not in until(connection, b"a;")
    channel.clock.close()


def test_an_answer_is_idle_after_its_own_time_beside_another_that_waits_longer(channel):
    with serve(channel) as server, opened(server, "/"):
        assert wait_for(lambda: len(threads_of(server)) == 2)
        channel.seconds = 0.2
        with opened(server, "/") as [second]:
            assert b"idle;" in until(second, b"idle;")


def test_a_body_that_fails_ends_its_own_connection_alone(channel):
    """The server then reads for a while what that client may still send (here for 30 s), but not in the loop."""

    def at_chunk(path, chunk):
        assert path != "/bad" or not chunk, "bad"

    channel.at_chunk, limits = at_chunk, RequestLimits(linger=30)
    with serve(channel, limits=limits) as server, opened(server, "/", "/bad", "/") as (first, bad, last):
        for item in ("a", "b"):
            channel.publish(item)
            for connection in (first, last):
                assert f"{item};".encode() in until(connection, f"{item};".encode())
        assert read_to_end(bad) == b""
        assert "AssertionError: bad" in server.errors


def test_a_body_that_fails_after_it_has_waited_for_its_first_chunk_is_answered_500(channel):
    def app(environ, start_response):
        start_response("200 OK", [])
        return WaitingBody(chunks(), channel.news, 60, b"idle;")

    def chunks():
        yield b""
        raise OSError("bad")

    with serve(app) as server, connect(server.port) as connection:
        connection.sendall(head(server))
        assert wait_for(lambda: len(server._loops) == 1)
        channel.publish("a")
        assert parse(read_to_end(connection), "POST")[0][0] == 500
        assert "OSError: bad" in server.errors


def test_a_head_request_is_answered_without_the_body(channel):
    with serve(channel) as server:
        raw = send(server, head(server, method="HEAD") + head(server, "Connection: close", method="HEAD"))
        assert [(status, body) for status, _, body in parse(raw, "HEAD", "HEAD")] == [(200, b""), (200, b"")]
        assert channel.made == []


def test_each_head_is_sent_whole_to_a_client_that_reads_late(channel):
    """2,500 heads of 3 kB are more than the socket takes."""

    def app(environ, start_response):
        start_response("200 OK", [("Long", 3000 * "x")])
        return WaitingBody(channel.chunks("/"), channel.news, 60, b"idle;")

    with serve(app) as server, connect(server.port) as connection:
        last = head(server, "Connection: close", method="HEAD")
        connection.sendall(2499 * head(server, method="HEAD") + last)
        assert wait_for(lambda: server.requests > 100)
        raw = read_to_end(connection)
        assert (raw.count(b"HTTP/1.1 200 OK\r\n"), raw.count(b"Long: " + 3000 * b"x" + b"\r\n")) == (2500, 2500)


def test_two_servers_of_one_app_have_a_thread_each_and_one_goes_on_when_the_other_stops(channel):
    with serve(channel) as server, opened(server, "/") as [connection]:
        with serve(channel) as other, opened(other, "/") as [second]:
            channel.publish("a")
            assert b"a;" in until(connection, b"a;")
            assert b"a;" in until(second, b"a;")
        assert wait_for(lambda: channel.closed == 1)
        channel.publish("b")
        assert b"b;" in until(connection, b"b;")


def test_a_notification_while_an_answer_is_on_its_way_to_the_loop_is_not_missed(channel):
    """The loop waits for 60 s on behalf of another, while the chunk's own code looks, and then publishes."""

    def at_chunk(path, chunk):
        if not chunk and path == "/late":
            channel.publish("late")
            pause(0.2)  # the loop has seen it, and waits again

    channel.at_chunk = at_chunk
    with serve(channel) as server, opened(server, "/"), opened(server, "/late") as [late]:
        assert b"late;" in until(late, b"late;")


@pytest.mark.parametrize("path", ["/", "/clumsy"])
def test_when_the_clock_is_closed_every_answer_ends_and_no_thread_is_left(channel, path):
    """Even if a body's `finally` fails."""

    def at_end(asked):
        try:
            raise KeyError
        except KeyError:
            assert asked != "/clumsy", "clumsy"

    channel.at_end = at_end
    with serve(channel) as server, opened(server, path, "/") as connections:
        channel.clock.close()
        for connection in connections:
            assert read_to_end(connection) == b""
        assert channel.closed == 2
        assert wait_for(lambda: len(threads_of(server)) == 1)
        with connect(server.port) as late:
            late.sendall(head(server))
            assert read_to_end(late).endswith(b"hello;\r\n")
        assert ("AssertionError: clumsy" in server.errors) == (path == "/clumsy")


@pytest.mark.parametrize("error", [ValueError, GeneratorExit, SystemExit, Stopped])
def test_a_body_whose_end_fails_when_its_client_leaves_ends_alone(channel, error):
    """Whatever it raises. A GeneratorExit is how a generator may end when it is closed, and no error."""

    def at_end(path):
        if path == "/clumsy":
            raise error

    channel.at_end = at_end
    with serve(channel) as server, opened(server, "/", "/clumsy", "/") as (first, clumsy, last):
        assert wait_for(lambda: len(threads_of(server)) == 2)
        clumsy.close()
        assert wait_for(lambda: channel.publish("a") or channel.closed == 1)
        channel.publish("b")
        for connection in (first, last):
            assert b"b;" in until(connection, b"b;")
        assert (error.__name__ in server.errors) == (error is not GeneratorExit)


@pytest.mark.parametrize("error", [ValueError, GeneratorExit, SystemExit, Stopped])
def test_a_body_that_raises_anything_ends_alone(channel, error):
    def at_chunk(path, chunk):
        if b"a;" in chunk and path == "/bad":
            raise error

    channel.at_chunk = at_chunk
    with serve(channel) as server, opened(server, "/bad", "/") as (bad, other):
        assert wait_for(lambda: len(threads_of(server)) == 2)
        for item in ("a", "b"):
            channel.publish(item)
            assert f"{item};".encode() in until(other, f"{item};".encode())
        assert read_to_end(bad) == b""
        assert error.__name__ in server.errors


def test_an_error_in_the_loop_itself_ends_all_its_streams_and_new_ones_are_served(channel, monkeypatch):
    """Out of memory, for example."""
    errors = []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_type))
    with serve(channel) as server, opened(server, "/", "/", "/") as connections:
        assert wait_for(lambda: len(threads_of(server)) == 2)
        with monkeypatch.context() as patch:
            patch.setattr("labkit.server.stream_loop.StreamLoop._step", Mock(side_effect=MemoryError))
            channel.publish("a")
            for connection in connections:
                assert read_to_end(connection) == b""
        assert wait_for(lambda: errors == [MemoryError])
        with opened(server, "/") as [again]:
            channel.publish("b")
            assert b"b;" in until(again, b"b;")


@one_that_takes_a_part
def test_stop_ends_open_answers_of_slow_clients_too(channel):
    server = serve(channel)
    with opened(server, "/", "/much"):
        channel.publish("a")
        assert wait_for(lambda: len(threads_of(server)) == 3)
        server.stop()
        assert wait_for(lambda: channel.closed == 2)
        assert wait_for(lambda: threads_of(server) == [])
    assert server.errors == ""


@one_that_takes_a_part
def test_stop_does_not_join_a_thread_that_the_loop_has_not_started_yet(channel, monkeypatch):
    server, start = serve(channel), threading.Thread.start
    with opened(server, "/", "/much"):
        assert wait_for(lambda: len(threads_of(server)) == 2)
        begins = threading.Event()
        monkeypatch.setattr(threading.Thread, "start", lambda thread: begins.set() or pause(0.2) or start(thread))
        channel.publish("a")
        assert begins.wait(TIMEOUT)
        server.stop()
        assert wait_for(lambda: threads_of(server) == [])


def test_stop_ends_an_answer_that_is_about_to_wait_for_the_first_time(channel):
    """Its look takes so long that `stop` has returned when it would wait, for 60 s."""
    server, stopped = serve(channel), threading.Event()
    channel.at_chunk = lambda path, chunk: chunk or stopped.wait(TIMEOUT)
    with opened(server, "/"):
        server.stop()
        assert len(threads_of(server)) == 1
        stopped.set()
        assert wait_for(lambda: threads_of(server) == [])
