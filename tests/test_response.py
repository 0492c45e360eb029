"""What a WSGI app answers, as h11 and httpx read it; and its bytes, as the virtual network counts them."""

import logging
import random
import re
import sys
import threading

import httpx
import pytest
from flask import Flask, Response
from raw_http import SHORT, TIMEOUT, answering, connect, head, parse, send, status, ticking

from labkit.clock import RealClock, VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork
from labkit.network.sockets import SocketNetwork
from labkit.server import serve
from labkit.source import EventSource


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        yield client


def test_the_answer_to_http_1_0_ends_with_the_connection():
    with serve(answering(chunks=[b"he", b"llo"])) as server:
        raw = send(server, b"GET / HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port, half_close=False)
    beginning, _, body = raw.partition(b"\r\n\r\n")
    assert (status(raw), body) == (200, b"hello")
    assert b"chunked" not in beginning


def test_the_server_adds_only_server_date_and_where_needed_transfer_encoding():
    """Chunks are for an app that states no Content-Length. No header allows other origins."""
    lines = {}
    for length in ([("Content-Length", "5")], []):
        with serve(answering(headers=[("X", "x"), *length])) as server, connect(server.port) as connection:
            connection.sendall(head(server, "Origin: " + server.url))
            lines[len(length)] = connection.recv(65_536).split(b"\r\n")
    date = rb"Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT"
    for received in lines.values():
        assert re.fullmatch(date, received.pop(2))
    start = [b"HTTP/1.1 200 OK", b"Server: labkit", b"X: x"]
    assert lines[1] == [*start, b"Content-Length: 5", b"", b"hello"]
    assert lines[0][:6] == [*start, b"Transfer-Encoding: chunked", b"", b"5"]


def test_an_app_may_set_server_and_date_itself():
    own = [("server", "mine"), ("DATE", "today"), ("Content-Length", "5")]
    with serve(answering(headers=own)) as server:
        sent = send(server, head(server)).split(b"\r\n")
    assert sent == [b"HTTP/1.1 200 OK", b"server: mine", b"DATE: today", b"Content-Length: 5", b"", b"hello"]


@pytest.mark.parametrize(
    ("code", "method"), [("204 No Content", "GET"), ("304 Not Modified", "GET"), ("200 OK", "HEAD")]
)
@pytest.mark.parametrize("length", [[], [("Content-Length", "5")]])
def test_an_answer_without_a_body_sends_none_and_leaves_the_connection_open(code, method, length):
    """Even if the app yields for ever."""
    ended = []

    def app(environ, start_response):
        start_response(code, [*length, ("X-Number", environ["PATH_INFO"][1:])])
        return ticking(ended)(environ, lambda *_: None)

    with serve(app, limits=SHORT) as server:
        raw = b"".join(head(server, method=method, target=f"/{number}") for number in range(2))
        answers = parse(send(server, raw), method, method)
    for number, answer in enumerate(answers):
        assert (answer[0], answer[1][b"x-number"], answer[2]) == (int(code[:3]), b"%d" % number, b"")
    assert [b"content-length" in headers for _, headers, _ in answers] == [bool(length) and method == "HEAD"] * 2
    assert not any(b"transfer-encoding" in headers for _, headers, _ in answers)
    assert ended == [True, True]


def test_a_stream_is_sent_as_it_is_yielded(http):
    """The app does not yield a second time before the client has the first."""
    go_on = threading.Event()

    def chunks():
        for number in range(3):
            yield f"data: {number}\n\n".encode()
            assert go_on.wait(TIMEOUT)
            go_on.clear()

    common = [("Content-Type", "text/event-stream"), ("Connection", "keep-alive"), ("Transfer-Encoding", "chunked")]
    with serve(answering(headers=common, chunks=chunks())) as server, http.stream("GET", server.url) as answer:
        for number, chunk in enumerate(answer.iter_raw()):
            assert chunk == f"data: {number}\n\n".encode()
            go_on.set()
        assert number == 2
        assert answer.headers.get_list("Transfer-Encoding") == ["chunked"]
        assert "Connection" not in answer.headers
        assert server.errors == ""


def test_a_view_that_raises_is_a_500_without_its_traceback(http, monkeypatch, capfd):
    """The traceback is in server.errors, for Flask and for any other app, and nothing is printed."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own
    app = Flask("failing")

    @app.get("/")
    def view():
        raise RuntimeError("a secret")

    def plain(environ, start_response):
        raise SystemExit("a secret")

    for failing in (app, plain, lambda environ, start: iter([1 / 0]), lambda environ, start: [b"no head"]):
        with serve(failing) as server:
            assert server.errors == ""
            answer = http.get(server.url)
            assert answer.status_code == 500
            assert "secret" not in answer.text
            assert "Traceback" not in answer.text
            assert "Traceback" in server.errors
            assert http.get(server.url).status_code == 500
    assert capfd.readouterr() == ("", "")


def test_a_client_notices_an_answer_that_an_exception_cut_short(http, monkeypatch, capfd):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    app = Flask("breaking")

    @app.get("/")
    def view():
        def chunks():
            yield "a beginning"
            raise RuntimeError("a secret")

        return Response(chunks())

    with serve(app) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            http.get(server.url)
        raw = send(server, head(server, method="GET"))
        assert raw.endswith(b"\r\n\r\nb\r\na beginning\r\n")
        assert server.errors.count("RuntimeError: a secret") == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        (answering(headers=[("X", "a\r\nSet-Cookie: b")]), "must not have a line break"),
        (answering(headers=[("X", "€")]), "UnicodeEncodeError"),
        (answering(status="0 no"), "status must be like '200 OK', got '0 no'"),
        (answering(headers=[("Content-Length", "4")]), "longer than its Content-Length, by 1 bytes"),
        (lambda environ, start: [start("200 OK", []), start("200 OK", [])], "start_response was called twice"),
    ],
)
def test_an_app_that_breaks_the_rules_of_http_or_wsgi_is_a_500(app, complaint):
    with serve(app) as server:
        raw = send(server, head(server))
        assert status(raw) == 500
        assert b"Set-Cookie" not in raw
        assert complaint in server.errors


def test_a_body_shorter_than_its_content_length_ends_the_connection(http):
    with serve(answering(headers=[("Content-Length", "9")])) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(server.url)
        assert "shorter than its Content-Length, by 4 bytes" in server.errors


def test_an_app_may_use_write_and_replace_its_status_before_the_first_byte():
    """Both are parts of PEP 3333 that few apps use."""

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError("first")
        except ValueError:
            write = start_response("418 I'm a teapot", [], sys.exc_info())
        write(b"he")
        try:
            raise ValueError("second")
        except ValueError:
            with pytest.raises(ValueError, match="second"):
                start_response("500 Oh", [], sys.exc_info())
        return [b"llo"]

    with serve(app, limits=SHORT) as server:
        [(code, _, body)] = parse(send(server, head(server)), "POST")
        assert (code, body, server.errors) == (418, b"hello", "")


def make_source():
    """A source with three events, on a network of its own; always the same."""
    network = MemoryNetwork(VirtualClock(epoch=1_517_363_399), Ledger())
    source = EventSource(network.clock, network, random.Random(1))
    network.host("127.0.0.1", source.app)
    for number in range(3):
        source.emit("earthquake.detected", {"mag": number, "place": "é"})
    return source, network


def test_the_bytes_on_a_socket_are_those_that_the_virtual_network_counts():
    """Request by request, in both directions, with and without a body."""
    served = []

    def app(environ, start_response):  # on the one thread of the connection, since SQLite requires that
        if environ["PATH_INFO"] == "/close":
            served.pop().db.close()
            return answering()(environ, start_response)
        if not served:
            served.append(make_source()[0])
        return served[0].app(environ, start_response)

    requests = [
        ("GET", "/events?limit=2", None, 200),
        ("GET", "/events", None, 200),
        ("HEAD", "/events", None, 200),
        ("GET", "/nothing", None, 404),
        ("POST", "/events", {"type": "a.b", "data": {}}, 201),
        ("POST", "/subscriptions", {"url": "http://127.0.0.1:9/hook"}, 201),
        ("DELETE", "/subscriptions/{id}", None, 204),
    ]
    source, memory = make_source()
    with serve(app) as server, RealClock() as clock:
        sockets = SocketNetwork(clock, Ledger())
        counted = []
        for network in (sockets, memory):
            client, ledger, subscription = network.client("me", "poll", server.url), network.ledger, ""
            for method, path, body, expected in requests:
                answer = client.request(method, path.format(id=subscription), json=body)
                assert answer.status_code == expected
                if path == "/subscriptions":
                    subscription = answer.json()["id"]
            counted.append((list(ledger.bytes_out), list(ledger.bytes_in)))
        sockets.client("me", "poll", server.url).get("/close")
        sockets.close()
    source.db.close()
    memory.clock.close()
    assert min(counted[0][0]) > 100 and min(counted[0][1]) > 60
    assert counted[0] == counted[1]
