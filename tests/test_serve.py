"""A student's app on a real port: raw bytes in, h11 to judge what comes out, and nothing left when it stops."""

import json
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from queue import Empty
from wsgiref.validate import validator

import h11
import httpcore
import httpx
import jupyter_client
import pytest
from flask import Flask, Response, redirect, request, url_for

from labkit.clock import VirtualClock, monotonic
from labkit.ledger import Ledger
from labkit.network import Client
from labkit.network.memory import MemoryNetwork
from labkit.server.serve import RequestLimits, serve
from labkit.source import EventSource

SOON = RequestLimits(request=0.4, idle=0.4, answer=0.4, linger=0.3)
PATIENCE = 5.0
pause = threading.Event().wait


def student() -> Flask:
    """A plain Flask app without any limit of its own, that says what it was asked."""
    app = Flask("student")
    methods = ["GET", "POST", "PUT"]

    @app.route("/", defaults={"path": ""}, methods=methods)
    @app.route("/<path:path>", methods=methods)
    def echo(path):
        return {
            "method": request.method,
            "path": path,
            "query": request.query_string.decode(),
            "body": request.data.decode(),
        }

    return app


def answering(status="200 OK", headers=(), chunks=(b"hello",)):
    def app(environ, start_response):
        start_response(status, list(headers))
        return iter(chunks)

    return app


def ticking(ended, seconds=0.05):
    """A stream without end, in the shape of server-sent events; `ended` hears of each that was closed."""

    def ticks():
        try:
            while True:
                yield b": tick\n\n"
                pause(seconds)
        finally:
            ended.append(True)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return ticks()

    return app


@pytest.fixture(scope="module")
def server():
    with serve(student(), limits=SOON) as server:
        yield server


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        yield client


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def everything(connection):
    """What comes until the server closes; a connection that stays open fails the test."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            received += data
    return received


def ask(server, raw):
    with connect(server) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(raw)
        return everything(connection)


def status(answer):
    return int(answer.split()[1]) if answer else None


def head(server, *lines, target="/", method="POST"):
    """A request's head with the Host that it needs."""
    first = f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


def parse(raw, *methods, closed=True):
    """The answers to these requests as h11 reads them: (status, headers, body) each; nothing may be left over."""
    answers = []
    for method in methods:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(raw)
        if closed:
            client.receive_data(b"")
        body = b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                code, headers = event.status_code, dict(event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.InformationalResponse), event
        answers.append((code, headers, body))
        raw = client.trailing_data[0]
    assert raw == b""
    return answers


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def until(condition):
    deadline = monotonic() + PATIENCE
    while not condition() and monotonic() < deadline:
        pause(0.01)
    return condition()


# what is refused --------------------------------------------------------------------------------

CHUNKED = "Transfer-Encoding: chunked"
BAD = {
    "a body over the limit, by Content-Length": (413, lambda s: head(s, "Content-Length: 1048577") + b"x" * 1_048_577),
    "a body over the limit, in one chunk": (
        413,
        lambda s: head(s, CHUNKED) + b"100001\r\n" + b"x" * 1_048_577 + b"\r\n0\r\n\r\n",
    ),
    "a body over the limit, in many chunks": (
        413,
        lambda s: head(s, CHUNKED) + b"ffff\r\n%b\r\n" % (b"x" * 65_535) * 20 + b"0\r\n\r\n",
    ),
    "Content-Length 10^9 and no bytes": (413, lambda s: head(s, "Content-Length: 1000000000")),
    "Content-Length 10^30": (400, lambda s: head(s, "Content-Length: 1" + "0" * 30)),
    "Content-Length longer than the body, then silence": (408, lambda s: head(s, "Content-Length: 6") + b"hello"),
    "half a head, then silence": (408, lambda s: head(s)[:-2]),
    "a chunk, then silence": (408, lambda s: head(s, CHUNKED) + b"5\r\nhello\r\n"),
    "Content-Length with Transfer-Encoding": (400, lambda s: head(s, "Content-Length: 5", CHUNKED) + b"0\r\n\r\n"),
    "Transfer-Encoding with Content-Length": (400, lambda s: head(s, CHUNKED, "Content-Length: 5") + b"0\r\n\r\n"),
    "two Content-Lengths": (400, lambda s: head(s, "Content-Length: 5", "Content-Length: 6") + b"hello!"),
    "two Content-Lengths in one": (400, lambda s: head(s, "Content-Length: 5, 6") + b"hello!"),
    "a negative Content-Length": (400, lambda s: head(s, "Content-Length: -1")),
    "Content-Length +5": (400, lambda s: head(s, "Content-Length: +5") + b"hello"),
    "an empty Content-Length": (400, lambda s: head(s, "Content-Length:")),
    "Content-Length in Arabic digits": (400, lambda s: head(s, "Content-Length: 5").replace(b": 5", ": ٥".encode())),
    "chunks within gzip": (400, lambda s: head(s, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    "Transfer-Encoding twice": (400, lambda s: head(s, CHUNKED, CHUNKED) + b"0\r\n\r\n"),
    "Transfer-Encoding xchunked": (400, lambda s: head(s, "Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    "Transfer-Encoding from HTTP/1.0": (400, lambda s: head(s, CHUNKED).replace(b"P/1.1", b"P/1.0") + b"0\r\n\r\n"),
    "a chunk size that is no number": (400, lambda s: head(s, CHUNKED) + b"xyz\r\n"),
    "a negative chunk size": (400, lambda s: head(s, CHUNKED) + b"-1\r\nhello\r\n0\r\n\r\n"),
    "a chunk size of 0x5": (400, lambda s: head(s, CHUNKED) + b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size of 2^64": (400, lambda s: head(s, CHUNKED) + b"10000000000000000\r\n"),
    "a chunk longer than its size": (400, lambda s: head(s, CHUNKED) + b"4\r\nhello\r\n0\r\n\r\n"),
    "a chunk size line without end": (400, lambda s: head(s, CHUNKED) + b"5;" + b"x" * 5000),
    "trailers without end": (431, lambda s: head(s, CHUNKED) + b"0\r\n" + b"a: b\r\n" * 200),
    "no Host": (400, lambda s: b"GET / HTTP/1.1\r\n\r\n"),
    "no Host, HTTP/1.0": (400, lambda s: b"GET / HTTP/1.0\r\n\r\n"),
    "two Hosts": (400, lambda s: head(s, f"Host: 127.0.0.1:{s.port}")),
    "Host evil.example": (400, lambda s: b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    "Host evil.example with the port": (400, lambda s: b"GET / HTTP/1.1\r\nHost: evil.example:%d\r\n\r\n" % s.port),
    "Host 127.0.0.1.evil.example": (
        400,
        lambda s: b"GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:%d\r\n\r\n" % s.port,
    ),
    "Host with another port": (400, lambda s: b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"),
    "Host without the port": (400, lambda s: b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    "Host with a user": (400, lambda s: b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d@evil.example\r\n\r\n" % s.port),
    "an absolute target": (400, lambda s: head(s, target="http://evil/")),
    "an absolute target of its own": (400, lambda s: head(s, target=f"http://127.0.0.1:{s.port}/")),
    "an asterisk": (400, lambda s: head(s, target="*", method="OPTIONS")),
    "CONNECT": (400, lambda s: head(s, target="evil.example:443", method="CONNECT")),
    "a target with a fragment": (400, lambda s: head(s, target="/#x")),
    "a target outside ASCII": (400, lambda s: head(s, target="/\xe9")),
    "a target with a space": (400, lambda s: head(s, target="/a b")),
    "a target with NUL": (400, lambda s: head(s, target="/a\0b")),
    "a header of 100 kB": (431, lambda s: head(s, "X: " + "x" * 100_000)),
    "300 headers": (431, lambda s: head(s, *["X: x"] * 300)),
    "a URI of 70 kB": (414, lambda s: head(s, target="/" + "x" * 70_000)),
    "HTTP/0.9": (400, lambda s: b"GET /\r\n"),
    "HTTP/0.9, said": (400, lambda s: head(s).replace(b"P/1.1", b"P/0.9")),
    "HTTP/2.0": (400, lambda s: head(s).replace(b"P/1.1", b"P/2.0")),
    "HTTP/2's preface": (400, lambda s: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, lambda s: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"),
    "a folded header": (400, lambda s: head(s, "X: a", " b")),
    "a space before the colon": (400, lambda s: head(s, "X : a")),
    "a header without a colon": (400, lambda s: head(s, "X")),
    "a header without a name": (400, lambda s: head(s, ": x")),
    "NUL in a header": (400, lambda s: head(s, "X: a\0b")),
    "CR in a header": (400, lambda s: head(s, "X: a\rb")),
    "bare LF": (400, lambda s: head(s).replace(b"\r\n", b"\n")),
    "one bare LF": (400, lambda s: head(s, "X: x").replace(b"X: x\r\n", b"X: x\n")),
    "an expectation": (417, lambda s: head(s, "Expect: a-miracle")),
    "%00": (404, lambda s: head(s, target="/a%00b")),
    "a request of a cross-site page": (403, lambda s: head(s, "Sec-Fetch-Site: cross-site")),
    "a request of a neighbour's page": (403, lambda s: head(s, "Sec-Fetch-Site: same-site")),
    "another Origin": (403, lambda s: head(s, "Origin: http://evil.example")),
    "another port's Origin": (403, lambda s: head(s, "Origin: http://127.0.0.1:8888")),
    "Origin null": (403, lambda s: head(s, "Origin: null")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_answered_with_its_status_and_never_reaches_the_app(server, http, name):
    """The connection is closed by then, the server lives, and has nothing to complain about."""
    expected, raw = BAD[name]
    before = server.requests
    [(code, headers, body)] = parse(ask(server, raw(server)), "POST")
    assert code == expected
    assert headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert len(body) < 300
    assert (server.requests, server.errors) == (before, "")
    assert http.get(f"{server.url}/still").json()["path"] == "still"


@pytest.mark.parametrize("part", ["head", "body", "chunks"])
def test_a_byte_now_and_then_does_not_put_the_deadline_off(server, part):
    """At 20 bytes a second, 0.4 s are over after 8 of them, however long the rest would take."""
    start = {"head": b"", "body": head(server, "Content-Length: 100"), "chunks": head(server, CHUNKED) + b"64\r\n"}[
        part
    ]
    rest = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000 if part == "head" else b"x" * 100
    since, sent = monotonic(), 0
    with connect(server) as connection:
        connection.sendall(start)
        connection.settimeout(0.05)
        answer = b""
        while not answer and sent < 60:
            connection.sendall(rest[sent : sent + 1])
            sent += 1
            with suppress(TimeoutError):
                answer = connection.recv(65_536)
    assert status(answer) == 408
    assert 0.3 < monotonic() - since < 1.5


def test_a_connection_without_a_request_is_closed_without_a_word(server):
    """Also after an answer: 0.4 s of silence end it."""
    assert ask(server, b"") == b""
    since = monotonic()
    assert len(parse(ask(server, head(server)), "POST")) == 1
    assert 0.3 < monotonic() - since < 1.5


def test_a_client_that_posts_too_much_reads_why(server, http):
    """It can send it all and read the answer to its end, without a reset, although the body was not read."""
    for body in (b"x" * 5_000_000, (b"x" * 100_000 for _ in range(50))):
        answer = http.post(server.url, content=body)
        assert answer.status_code == 413
        assert answer.text.startswith("a body may have 1048576 bytes, got ")
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall(head(server, "Content-Length: 5000000") + b"x" * 2_500_000)
            pause(0.05)
        assert status(connection.recv(65_536)) == 413
        assert connection.recv(65_536) == b""


def test_a_client_that_never_stops_sending_is_cut_off(server):
    """0.3 s after its answer."""
    since = monotonic()
    with connect(server) as connection:
        connection.sendall(head(server, "Content-Length: 1000000000"))
        with suppress(BrokenPipeError, ConnectionResetError):
            while monotonic() - since < PATIENCE:
                connection.sendall(b"x" * 1000)
    assert 0.2 < monotonic() - since < 1.5


def test_the_limits_are_inclusive(server, http):
    body = "x" * 1_048_576
    assert http.post(server.url, content=body).json()["body"] == body
    assert http.post(server.url, content=(part.encode() for part in (body[:9], body[9:]))).json()["body"] == body
    fields = [f"X-{number}: x" for number in range(99)]
    assert status(ask(server, head(server, *fields))) == 200
    assert status(ask(server, head(server, *fields, "X: x"))) == 431
    with serve(student(), limits=RequestLimits(body=3)) as small:
        assert [http.post(small.url, content=b"x" * size).status_code for size in (3, 4)] == [200, 413]


def test_a_head_that_is_hard_to_match_takes_no_longer(server):
    since = monotonic()
    assert status(ask(server, head(server, "X: " + " " * 16_000 + "\0"))) == 400
    assert status(ask(server, head(server, CHUNKED) + b"5" + b" " * 1000 + b"x\r\n")) == 400
    assert monotonic() - since < 1.0


# what is understood -----------------------------------------------------------------------------


def test_httpx_and_curl_understand_it(server, http):
    answer = http.post(f"{server.url}/a/b%20c?x=%31", content=b"hello")
    assert answer.json() == {"method": "POST", "path": "a/b c", "query": "x=%31", "body": "hello"}
    curl = ["curl", "-sS", "--noproxy", "*", "--max-time", "5"]
    assert json.loads(subprocess.check_output([*curl, server.url]))["method"] == "GET"
    sent = subprocess.check_output([*curl, "-T", "-", f"{server.url}/up"], input=b"in chunks")
    assert (json.loads(sent)["method"], json.loads(sent)["body"]) == ("PUT", "in chunks")


def test_localhost_is_a_name_for_it_too(server):
    assert status(ask(server, b"GET / HTTP/1.1\r\nhOST:localhost:%d\r\n\r\n" % server.port)) == 200


def test_a_page_of_its_own_may_ask(server):
    own = f"Origin: http://127.0.0.1:{server.port}"
    assert status(ask(server, head(server, own, "Sec-Fetch-Site: same-origin"))) == 200
    assert status(ask(server, head(server, "Sec-Fetch-Site: none"))) == 200


def test_extensions_trailers_and_a_blank_line_before_are_read_over(server):
    raw = b"\r\n" + head(server, CHUNKED) + b'3;a="b"\r\nhel\r\n02 ; c\r\nlo\r\n000\r\nX: x\r\n\r\n'
    [(code, _, body)] = parse(ask(server, raw), "POST")
    assert (code, json.loads(body)["body"]) == (200, "hello")


def test_pipelined_requests_are_answered_in_order(server):
    raw = (
        head(server, "Content-Length: 1", target="/1")
        + b"a"
        + head(server, CHUNKED, target="/2")
        + b"1\r\nb\r\n0\r\n\r\n"
    )
    raw += (
        head(server, method="HEAD", target="/3")
        + head(server, "Connection: close", target="/4")
        + head(server, target="/5")
    )
    answers = parse(ask(server, raw), "POST", "POST", "HEAD", "POST")
    bodies = [json.loads(body) if body else None for _, _, body in answers]
    assert [body and (body["path"], body["body"]) for body in bodies] == [("1", "a"), ("2", "b"), None, ("4", "")]
    assert [b"connection" in headers for _, headers, _ in answers] == [False, False, False, True]


def test_a_client_that_waits_for_100_continue_is_told_so_and_not_if_its_body_will_be_refused(server):
    with connect(server) as connection:
        connection.sendall(head(server, "Content-Length: 5", "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        [(_, _, body)] = parse(everything(connection), "POST")
    assert json.loads(body)["body"] == "hello"
    assert ask(server, head(server, "Content-Length: 1048577", "Expect: 100-continue")).startswith(b"HTTP/1.1 413 ")


def test_a_connection_is_used_again(server):
    with connect(server) as connection:
        for number in range(3):
            connection.sendall(head(server, target=f"/{number}"))
            [(_, headers, body)] = parse(connection.recv(65_536), "POST", closed=False)
            assert (json.loads(body)["path"], b"connection" in headers) == (str(number), False)


def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection():
    with serve(answering(chunks=[b"he", b"llo"])) as server:
        raw = ask(server, b"GET / HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port)
    beginning, _, body = raw.partition(b"\r\n\r\n")
    assert (status(raw), body) == (200, b"hello")
    assert b"chunked" not in beginning


def test_a_validating_wsgi_app_has_no_complaint(http):
    """wsgiref's validator looks at what the server gives, and at how it takes the answer."""

    def app(environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode("latin-1"), body, environ["HTTP_X_TWICE"].encode()]

    with serve(validator(app), secret_path=True) as server:
        headers = [("X-Twice", "a"), ("X-Twice", "b"), ("X_Twice", "c"), ("Content-Type", "text/plain")]
        answer = http.post(f"{server.url}/caf%C3%A9", content=b"+body+", headers=headers)
        assert answer.text == "/café+body+a,b"
        assert server.errors == ""


# what is answered -------------------------------------------------------------------------------


def test_the_server_adds_these_headers_and_no_other():
    """An app with a Content-Length gets two, one without gets chunks too; neither allows other origins in."""
    lines = {}
    for length in ([("Content-Length", "5")], []):
        with serve(answering(headers=[("X", "x"), *length])) as server, connect(server) as connection:
            connection.sendall(head(server, "Origin: " + server.url))
            lines[len(length)] = connection.recv(65_536).split(b"\r\n")
    date = rb"Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT"
    for received in lines.values():
        assert re.fullmatch(date, received.pop(2))
    start = [b"HTTP/1.1 200 OK", b"Server: labkit", b"X: x"]
    assert lines[1] == [*start, b"Content-Length: 5", b"", b"hello"]
    assert lines[0][:6] == [*start, b"Transfer-Encoding: chunked", b"", b"5"]


@pytest.mark.parametrize(
    ("code", "method"), [("204 No Content", "GET"), ("304 Not Modified", "GET"), ("200 OK", "HEAD")]
)
@pytest.mark.parametrize("length", [[], [("Content-Length", "5")]])
def test_what_has_no_body_gets_none_and_the_connection_goes_on(code, method, length):
    """Even of an app that yields without end."""
    ended = []

    def app(environ, start_response):
        start_response(code, [*length, ("X-Number", environ["PATH_INFO"][1:])])
        return ticking(ended)(environ, lambda *_: None)

    with serve(app, limits=SOON) as server:
        raw = b"".join(head(server, method=method, target=f"/{number}") for number in range(2))
        answers = parse(ask(server, raw), method, method)
    assert [(status, headers[b"x-number"], body) for status, headers, body in answers] == [
        (int(code[:3]), b"0", b""),
        (int(code[:3]), b"1", b""),
    ]
    assert [b"content-length" in headers for _, headers, _ in answers] == [bool(length) and method == "HEAD"] * 2
    assert not any(b"transfer-encoding" in headers for _, headers, _ in answers)
    assert ended == [True, True]


def test_a_stream_is_sent_as_it_is_yielded(http):
    """The app does not yield a second time before the client has the first."""
    go_on = threading.Event()

    def chunks():
        for number in range(3):
            yield f"data: {number}\n\n".encode()
            assert go_on.wait(PATIENCE)
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


@pytest.mark.parametrize("politely", [True, False])
def test_a_stream_is_closed_when_its_client_leaves(politely):
    """With a FIN, and with a reset; its generator's `finally` has run, and its thread is gone."""
    ended = []
    with serve(ticking(ended)) as server:
        with connect(server) as connection:
            connection.sendall(head(server))
            assert b": tick" in connection.recv(65_536)
            if not politely:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert until(lambda: ended == [True])
        assert until(lambda: len(threads_of(server)) == 1)
        assert server.errors == ""


def test_a_client_that_does_not_read_is_given_up():
    """Once 0.4 s have passed in which it took nothing, whatever the app has still to say."""
    ended = []

    def flood(environ, start_response):
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            ended.append(True)

    with serve(flood, limits=SOON) as server, connect(server) as connection:
        connection.sendall(head(server))
        assert until(lambda: ended == [True])
        assert server.errors == ""


def test_a_view_that_raises_is_a_500_without_its_traceback(http, monkeypatch, capfd):
    """It stands in server.errors, Flask's and any other app's, and nothing is printed."""
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


def test_an_app_that_raises_in_mid_answer_cuts_it_short_visibly(http, monkeypatch, capfd):
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
        raw = ask(server, head(server, method="GET"))
        assert raw.endswith(b"\r\n\r\nb\r\na beginning\r\n")
        assert server.errors.count("RuntimeError: a secret") == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        (answering(headers=[("X", "a\r\nSet-Cookie: b")]), "has a line break"),
        (answering(headers=[("X", "€")]), "UnicodeEncodeError"),
        (answering(status="0 no"), "status must be like '200 OK', got '0 no'"),
        (answering(headers=[("Content-Length", "4")]), "longer than its Content-Length, by 1 bytes"),
        (lambda environ, start: [start("200 OK", []), start("200 OK", [])], "start_response was called twice"),
    ],
)
def test_an_app_that_answers_what_is_no_http_is_a_500(app, complaint):
    with serve(app) as server:
        raw = ask(server, head(server))
        assert status(raw) == 500
        assert b"Set-Cookie" not in raw
        assert complaint in server.errors


def test_a_body_shorter_than_its_content_length_ends_the_connection(http):
    with serve(answering(headers=[("Content-Length", "9")])) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(server.url)
        assert "shorter than its Content-Length, by 4 bytes" in server.errors


def test_an_app_may_use_write_and_change_its_mind_before_the_first_byte():
    """The old ways of PEP 3333."""

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

    with serve(app, limits=SOON) as server:
        [(code, _, body)] = parse(ask(server, head(server)), "POST")
        assert (code, body, server.errors) == (418, b"hello", "")


def test_an_app_may_take_the_connection_over(server):
    """As WebSocket libraries do; nothing of HTTP comes after it."""

    def app(environ, start_response):
        connection = environ["werkzeug.socket"]
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # nothing waits for an acknowledgement
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        connection.sendall(connection.recv(100)[::-1])
        connection.shutdown(socket.SHUT_RDWR)
        start_response("200 OK", [])
        return []

    with serve(app, limits=SOON) as server, connect(server) as connection:
        connection.sendall(head(server, "Connection: keep-alive, Upgrade", "Upgrade: websocket", method="GET"))
        assert connection.recv(100).startswith(b"HTTP/1.1 101 ")
        pause(0.5)  # longer than a request may take
        connection.sendall(b"abc")
        assert everything(connection) == b"cba"


# the bytes that the virtual network counts ------------------------------------------------------


class Tap(httpcore.SyncBackend):
    """A network backend that counts what crosses its sockets."""

    def __init__(self):
        self.out = self.into = 0

    def connect_tcp(self, *args, **options):
        stream, tap = super().connect_tcp(*args, **options), self
        read, write = stream.read, stream.write

        def counted_read(*args, **options):
            data = read(*args, **options)
            tap.into += len(data)
            return data

        def counted_write(data, *args, **options):
            tap.out += len(data)
            write(data, *args, **options)

        stream.read, stream.write = counted_read, counted_write
        return stream


def make_source():
    """A source with three events, and the network that it is on; always the same."""
    clock, ledger = VirtualClock(epoch=1_517_363_399), Ledger()
    network = MemoryNetwork(clock, ledger)
    source = EventSource(clock, network, random.Random(1))
    network.host("127.0.0.1", source.app)
    for number in range(3):
        source.emit("earthquake.detected", {"mag": number, "place": "é"})
    return source, network


def test_the_bytes_on_the_socket_are_those_in_the_virtual_networks_ledger():
    """Of an EventSource, request by request, both ways; also where there is no body."""
    made = []

    def app(environ, start_response):  # one connection, so one thread, which SQLite wants to see all the time
        if environ["PATH_INFO"] == "/close":
            made.pop().db.close()
            return answering()(environ, start_response)
        if not made:
            made.append(make_source()[0])
        return made[0].app(environ, start_response)

    requests = [
        ("GET", "/events?limit=2", None),
        ("GET", "/events", None),
        ("HEAD", "/events", None),
        ("GET", "/nothing", None),
        ("POST", "/events", {"type": "a.b", "data": {}}),
        ("POST", "/subscriptions", {"url": "http://127.0.0.1:9/hook"}),
        ("DELETE", "/subscriptions/{id}", None),
    ]
    counted = {}
    with serve(app) as server:
        tap, transport = Tap(), httpx.HTTPTransport()
        transport._pool = httpcore.ConnectionPool(network_backend=tap)
        source, network = make_source()
        with (
            Client(transport, server.url, PATIENCE) as real,
            network.client("me", "poll", base_url=server.url) as virtual,
        ):
            for lens, client in (("real", real), ("virtual", virtual)):
                counted[lens], subscription = [], ""
                for method, path, body in requests:
                    before = tap.out, tap.into
                    answer = client.request(method, path.format(id=subscription), json=body)
                    if path == "/subscriptions":
                        subscription = answer.json()["id"]
                    row = network.ledger.bytes_out, network.ledger.bytes_in
                    crossed = (
                        (tap.out - before[0], tap.into - before[1]) if lens == "real" else (row[0][-1], row[1][-1])
                    )
                    counted[lens].append((method, path, answer.status_code, *crossed))
            real.get("/close")
        source.db.close()
        network.clock.close()
    assert [row[2] for row in counted["real"]] == [200, 200, 200, 404, 201, 201, 204]
    assert all(row[3] > 100 and row[4] > 60 for row in counted["real"])
    assert counted["real"] == counted["virtual"]


# many at once, and the end of it ----------------------------------------------------------------


def threads_of(server):
    return [thread for thread in threading.enumerate() if thread.name == f"labkit serve {server.port}"]


def test_two_hundred_requests_are_served_at_once():
    """All of them are in the app before the first is answered."""
    barrier = threading.Barrier(200)

    def app(environ, start_response):
        barrier.wait(PATIENCE)
        return answering()(environ, start_response)

    with serve(app) as server:
        connections = [connect(server) for _ in range(200)]
        for connection in connections:
            connection.sendall(head(server, "Connection: close"))
        assert {parse(everything(connection), "POST")[0][2] for connection in connections} == {b"hello"}
        for connection in connections:
            connection.close()
        assert (server.requests, server.errors) == (200, "")
        assert until(lambda: len(threads_of(server)) == 1)


def test_stop_ends_300_open_streams_and_leaves_no_thread_and_no_port():
    ended = []
    server = serve(ticking(ended, 0.1))
    connections = [connect(server) for _ in range(300)]
    for connection in connections:
        connection.sendall(head(server))
    for connection in connections:
        assert b": tick" in connection.recv(65_536)
    assert len(threads_of(server)) == 301
    since = monotonic()
    server.stop()
    assert monotonic() - since < 1.0
    assert threads_of(server) == []
    assert len(ended) == 300
    assert refused(server.port)
    for connection in connections:
        everything(connection)
        connection.close()
    assert server.errors == ""
    with serve(answering(), server.port) as again:
        assert again.port == server.port


def test_stop_ends_connections_in_every_state():
    """Before a request, within one, between two, and towards a client that does not read."""

    def app(environ, start_response):
        return answering(chunks=[b"x" * 100_000_000] if environ["PATH_INFO"] == "/much" else [b"x"])(
            environ, start_response
        )

    server = serve(app)
    connections = [connect(server) for _ in range(4)]
    for connection, raw in zip(
        connections, [b"", head(server)[:-1], head(server), head(server, target="/much")], strict=True
    ):
        connection.sendall(raw)
    assert connections[2].recv(10)
    assert until(lambda: len(threads_of(server)) == 5)
    pause(0.1)
    since = monotonic()
    server.stop()
    assert monotonic() - since < 1.0
    assert threads_of(server) == []
    for connection in connections:
        connection.close()


def test_stop_does_not_wait_long_for_an_app_that_does_not_return():
    forever = threading.Event()

    def app(environ, start_response):
        forever.wait(PATIENCE)
        return answering()(environ, start_response)

    server = serve(app)
    with connect(server) as connection:
        connection.sendall(head(server))
        assert until(lambda: server.requests == 1)
        since = monotonic()
        server.stop()
        assert monotonic() - since < 1.0
        assert refused(server.port)
        assert everything(connection) == b""
    forever.set()
    assert until(lambda: threads_of(server) == [])


def test_stop_may_be_called_twice_from_many_threads_and_by_the_app():
    def app(environ, start_response):
        server.stop()
        return answering()(environ, start_response)

    server = serve(app)
    with connect(server) as connection:
        connection.sendall(head(server))
        assert everything(connection) == b""
    stoppers = [threading.Thread(target=server.stop) for _ in range(5)]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join(PATIENCE)
    server.stop()
    assert until(lambda: threads_of(server) == [])
    assert (refused(server.port), server.errors) == (True, "")


def test_a_with_block_ends_its_server_also_when_it_raises():
    with pytest.raises(ZeroDivisionError), serve(answering()) as server:
        assert 1 / len(threads_of(server)[1:])
    assert refused(server.port)
    assert repr(server) == f"<Server {server.url} stopped>"
    with serve(answering()) as server:
        assert repr(server) == f"<Server {server.url} running>"


def test_a_port_in_use_is_an_error_that_names_it(server):
    with pytest.raises(
        OSError, match=rf"^port {server.port} of 127.0.0.1 cannot be had \(Address already in use\): leave"
    ):
        serve(answering(), server.port)
    with pytest.raises(OSError, match=r"^port 99999 of 127.0.0.1 cannot be had \(.*0-65535"):
        serve(answering(), 99_999)


def test_what_is_no_app_is_a_type_error():
    with pytest.raises(TypeError, match=r"serve takes a WSGI app, such as Flask\(__name__\), got 'app'"):
        serve("app")


# on a hub ---------------------------------------------------------------------------------------


def hub_app():
    app = Flask("hub")
    app.add_url_rule("/", "index", lambda: redirect(url_for("deep")))
    app.add_url_rule("/deep/", "deep", lambda: {"url": url_for("deep"), "outside": url_for("deep", _external=True)})
    return app


def test_on_a_hub_the_app_is_below_a_secret_path(http, monkeypatch):
    """Who knows it is served, links and redirects included; who does not gets a 404 that gives nothing away."""
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with serve(hub_app()) as server, serve(hub_app()) as other:
        base, secret = server.url.rsplit("/", 1)
        assert base == f"http://127.0.0.1:{server.port}"
        assert len(secret) == 16
        assert secret not in other.url
        answer = http.get(f"{server.url}/deep/")
        assert answer.json() == {"url": f"/{secret}/deep/", "outside": f"{server.url}/deep/"}
        for start in (server.url, f"{server.url}/", f"{server.url}/deep"):
            assert http.get(start, follow_redirects=True).json() == answer.json()
        before = server.requests
        wrong = [
            "/",
            "/deep/",
            f"/{secret[:-1]}",
            f"/{secret}x",
            f"/{secret}x/deep/",
            f"/{secret.swapcase()}/",
            f"//{secret}/",
        ]
        for path in [*wrong, f"/{secret[:-1]}%{ord(secret[-1]):x}/x"]:
            answer = http.get(base + path)
            assert (answer.status_code, answer.text) == (404, "there is nothing here\n")
        assert server.requests == before
        assert http.get(f"{server.url}/nothing").status_code == 404
        shown = [repr(server), *(thread.name for thread in threading.enumerate())]
        assert not any(secret in text for text in shown)


def test_the_secret_path_can_be_had_or_left_out_on_purpose(monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    with serve(hub_app()) as plain, serve(hub_app(), secret_path=True) as hidden:
        assert (plain.prefix, len(hidden.prefix)) == ("", 17)
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with serve(hub_app(), secret_path=False) as plain:
        assert plain.prefix == ""


# processes and kernels --------------------------------------------------------------------------

FORKING = """
import os, sys, time
from labkit.server.serve import serve
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"parent" if os.getpid() == parent else b"child"]
parent, server = os.getpid(), serve(app)
child = os.fork()
if not child:
    server.stop()
    with serve(app) as own:
        os.write(1, f"{own.port}\\n".encode())  # in one piece: two processes write here
        time.sleep(60)
os.write(1, f"{server.port} {child}\\n".encode())
sys.stdin.read()
"""


@pytest.fixture
def forked():
    """A process that serves, and one forked off it: the process, its port, the other's pid and port."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    lines = sorted((process.stdout.readline().split() for _ in range(2)), key=len)
    (own,), (port, child) = lines
    yield process, int(port), int(child), int(own)
    os.kill(int(child), signal.SIGKILL)
    process.kill()
    with process:
        process.wait(PATIENCE)


def test_a_fork_takes_no_part_in_its_parents_server(forked, http):
    """The port is free when the parent is killed, although the child lives; and the child can serve by itself."""
    process, port, child, own = forked
    assert [http.get(f"http://127.0.0.1:{each}").text for each in (port, own)] == ["parent", "child"]
    process.kill()
    process.wait(PATIENCE)
    os.kill(child, 0)
    assert refused(port)
    assert http.get(f"http://127.0.0.1:{own}").text == "child"


def test_a_process_that_ends_takes_its_server_along(forked):
    """At once and without a complaint, also when a client holds a connection."""
    process, port, _, _ = forked
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        assert everything(connection) == b""
    assert refused(port)


STREAMING = """
import sys, time
from labkit.server.serve import serve
def ticks():
    try:
        while True:
            yield b"tick"
            time.sleep(0.05)
    finally:
        print("closed", flush=True)
def app(environ, start_response):
    start_response("200 OK", [])
    return ticks()
print(serve(app).port, flush=True)
sys.stdin.read()
"""


def test_streams_are_closed_in_order_at_the_end_of_the_process(http):
    """Their `finally` blocks have run."""
    with subprocess.Popen(
        [sys.executable, "-c", STREAMING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        with http.stream("GET", f"http://127.0.0.1:{process.stdout.readline().strip()}") as answer:
            assert next(answer.iter_raw()) == b"tick"
            process.stdin.close()
            assert process.stdout.read() == "closed\n"
        assert process.wait(PATIENCE) == 0


class Kernel:
    """A real kernel, told to run cells as JupyterLab tells it."""

    def __init__(self):
        self.manager = jupyter_client.KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.attach()

    def attach(self):
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def send(self, code, cell=""):
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def finish(self, message):
        """What a cell showed, once it is done."""
        shown = ""
        while True:
            came = self.client.get_iopub_msg(timeout=20)
            content = came["content"]
            if came["parent_header"].get("msg_id") != message:
                assert came["msg_type"] == "status", came
            elif came["msg_type"] == "stream":
                shown += content["text"]
            elif came["msg_type"] == "error":
                shown += content["ename"]
            elif came["msg_type"] == "status" and content["execution_state"] == "idle":
                return shown.strip()

    def run(self, code, cell=""):
        return self.finish(self.send(code, cell))

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    kernel.run("from flask import Flask\nfrom labkit.server.serve import serve")
    yield kernel
    kernel.stop()


SERVE = "server = serve(Flask('a'))\nprint(server.url)"


def answers(http, url):
    try:
        return http.get(url).status_code == 404
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize("cell", ["", "cell-a"])
def test_a_cell_run_again_replaces_its_server_and_no_other(kernel, http, cell):
    """With the cell's id, and without one."""
    other = kernel.run(f"{SERVE}  # another cell {cell}", cell and "cell-b")
    first = kernel.run(SERVE, cell)
    assert (answers(http, other), answers(http, first)) == (True, True)
    second = kernel.run(SERVE, cell)
    assert second != first
    assert [answers(http, url) for url in (other, first, second)] == [True, False, True]
    if cell:  # its text may change then
        third = kernel.run(f"# better\n{SERVE}", cell)
        assert [answers(http, url) for url in (other, second, third)] == [True, False, True]


def test_two_servers_of_one_cell_both_live_and_are_both_replaced(kernel, http):
    both = "for _ in range(2):\n    print(serve(Flask('b')).url)"
    first, second = kernel.run(both, "cell-2").split()
    assert (answers(http, first), answers(http, second)) == (True, True)
    third, fourth = kernel.run(both, "cell-2").split()
    assert [answers(http, url) for url in (first, second, third, fourth)] == [False, False, True, True]


def test_a_cell_with_a_port_of_its_own_can_be_run_again(kernel, http):
    with serve(answering()) as server:
        port = server.port
    fixed = f"print(serve(Flask('c'), {port}).url)"
    for _ in range(2):
        url = kernel.run(fixed, "cell-3")
        assert answers(http, url), url


def test_a_cell_that_fails_prints_nothing_from_the_server(kernel, http):
    """Its views' tracebacks are in server.errors."""
    failing = "app = Flask('d')\napp.add_url_rule('/', 'x', lambda: 1 / 0)\nserver = serve(app)\nprint(server.url)"
    url = kernel.run(failing, "cell-4")
    assert http.get(url).status_code == 500
    assert kernel.run("print(server.errors)").endswith("ZeroDivisionError: division by zero")
    with pytest.raises(Empty):
        kernel.client.get_iopub_msg(timeout=0.2)


def test_an_interrupted_kernel_goes_on_serving_and_a_restarted_one_leaves_no_port(kernel, http):
    """Restarted by force, and in order."""
    url = kernel.run(SERVE, "cell-5")
    running = kernel.send("print('in')\nimport time\ntime.sleep(30)")
    while kernel.client.get_iopub_msg(timeout=10)["content"].get("text") != "in\n":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.finish(running) == "KeyboardInterrupt"
    assert answers(http, url)
    for now in (True, False):
        url = kernel.run(f"from flask import Flask\nfrom labkit.server.serve import serve\n{SERVE}")
        with connect_to(url) as connection:
            kernel.client.stop_channels()
            kernel.manager.restart_kernel(now=now)
            assert everything(connection) == b""
        assert refused(int(url.rsplit(":", 1)[1]))
        kernel.attach()


def connect_to(url):
    return socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), PATIENCE)
