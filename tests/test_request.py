"""What is accepted as a request, and what is refused: raw bytes in, h11 to parse the answers."""

import json
import socket
import subprocess
from contextlib import suppress
from wsgiref.validate import validator

import httpx
import pytest
from raw_http import SHORT, TIMEOUT, connect, echo, head, parse, pause, read_to_end, send, status

from labkit.clock import monotonic
from labkit.server import RequestLimits, serve


@pytest.fixture(scope="module")
def server():
    with serve(echo(), limits=SHORT) as server:
        yield server


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        yield client


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
    "a bare LF as the empty line before a request": (400, lambda s: b"\n" + head(s)),
    "a bare LF as the empty line after the headers": (400, lambda s: head(s)[:-2] + b"\n"),
    "a bare LF as the empty line after the trailers": (400, lambda s: head(s, CHUNKED) + b"0\r\n\n"),
    "a bare LF after a chunk": (400, lambda s: head(s, CHUNKED) + b"5\r\nhello\n0\r\n\r\n"),
    "two empty lines before a request": (400, lambda s: b"\r\n\r\n" + head(s)),
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
    """The connection is then closed, the server goes on, and it logs no error."""
    expected, raw = BAD[name]
    before = server.requests
    [(code, headers, body)] = parse(send(server, raw(server), half_close=False), "POST")
    assert code == expected
    assert headers[b"content-type"] == b"application/problem+json"
    assert json.loads(body)["status"] == expected and len(body) < 400
    assert (server.requests, server.errors) == (before, "")
    assert http.get(f"{server.url}/still").json()["path"] == "still"


@pytest.mark.parametrize("raw", [b"GET / HT", b"GET / HTTP/1.1\r\nHost"])
def test_a_request_that_is_cut_off_is_refused_at_once(server, raw):
    since = monotonic()
    assert b"the connection closed before the end of the request" in send(server, raw)
    assert monotonic() - since < 0.3


@pytest.mark.parametrize("part", ["head", "body", "chunks"])
def test_a_trickle_of_bytes_does_not_extend_the_deadline(server, part):
    """At 20 bytes per second, 0.4 s allow 8 bytes, however long the rest would take."""
    starts = {"head": b"", "body": head(server, "Content-Length: 100"), "chunks": head(server, CHUNKED) + b"64\r\n"}
    rest = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000 if part == "head" else b"x" * 100
    since, sent = monotonic(), 0
    with connect(server.port) as connection:
        connection.sendall(starts[part])
        connection.settimeout(0.05)
        answer = b""
        while not answer and sent < 60:
            connection.sendall(rest[sent : sent + 1])
            sent += 1
            with suppress(TimeoutError):
                answer = connection.recv(65_536)
    assert status(answer) == 408
    assert 0.3 < monotonic() - since < 1.5


def test_the_limits_are_inclusive(server, http):
    """The default limit of a body; and small ones of a body, a line, and the number of headers (Host included)."""
    body = "x" * 1_048_576
    assert http.post(server.url, content=body).json()["body"] == body
    assert http.post(server.url, content=(part.encode() for part in (body[:9], body[9:]))).json()["body"] == body
    with serve(echo(), limits=RequestLimits(body=3, line=40, headers=6)) as small:
        assert [http.post(small.url, content=b"x" * size).status_code for size in (3, 4)] == [200, 413]
        target = "/" + "x" * (40 - len("POST / HTTP/1.1"))
        assert [status(send(small, head(small, target=target + more))) for more in ("", "x")] == [200, 414]
        assert [status(send(small, head(small, "X: " + "x" * size))) for size in (37, 38)] == [200, 431]
        assert [status(send(small, head(small, *["X: x"] * number))) for number in (5, 6)] == [200, 431]


def test_a_line_at_its_limit_may_arrive_in_two_pieces():
    with serve(echo(), limits=RequestLimits(line=40)) as server, connect(server.port) as connection:
        first, rest = head(server, target="/" + "x" * 25).split(b"\r\n", 1)
        assert len(first) == 40
        for piece in (first, b"\r", b"\n" + rest):
            connection.sendall(piece)
            pause(0.05)
        assert status(connection.recv(65_536)) == 200


def test_a_head_that_is_slow_to_match_is_refused_quickly(server):
    """No regular expression takes time that grows with the square of its input."""
    since = monotonic()
    assert status(send(server, head(server, "X: " + " " * 16_000 + "\0"))) == 400
    assert status(send(server, head(server, CHUNKED) + b"5" + b" " * 1000 + b"x\r\n")) == 400
    assert monotonic() - since < 1.0


def test_requests_of_httpx_and_curl_are_understood(server, http):
    answer = http.post(f"{server.url}/a/b%20c?x=%31", content=b"hello")
    assert answer.json() == {"method": "POST", "path": "a/b c", "query": "x=%31", "body": "hello"}
    curl = ["curl", "-sS", "--noproxy", "*", "--max-time", "5"]
    assert json.loads(subprocess.check_output([*curl, server.url]))["method"] == "GET"
    sent = subprocess.check_output([*curl, "-T", "-", f"{server.url}/up"], input=b"in chunks")
    assert (json.loads(sent)["method"], json.loads(sent)["body"]) == ("PUT", "in chunks")


def test_host_may_be_localhost(server):
    assert status(send(server, b"GET / HTTP/1.1\r\nhOST:localhost:%d\r\n\r\n" % server.port)) == 200


def test_requests_of_its_own_pages_are_allowed(server):
    own = f"Origin: http://127.0.0.1:{server.port}"
    assert status(send(server, head(server, own, "Sec-Fetch-Site: same-origin"))) == 200
    assert status(send(server, head(server, "Sec-Fetch-Site: none"))) == 200


def test_chunk_extensions_trailers_and_one_empty_line_before_the_request_are_ignored(server):
    raw = b"\r\n" + head(server, CHUNKED) + b'3;a="b"\r\nhel\r\n02 ; c\r\nlo\r\n000\r\nX: x\r\n\r\n'
    [(code, _, body)] = parse(send(server, raw), "POST")
    assert (code, json.loads(body)["body"]) == (200, "hello")


def test_100_continue_is_sent_unless_the_body_will_be_refused_or_is_empty(server):
    with connect(server.port) as connection:
        connection.sendall(head(server, "Content-Length: 5", "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        [(_, _, body)] = parse(read_to_end(connection), "POST")
    assert json.loads(body)["body"] == "hello"
    for length, code in ((1_048_577, 413), (0, 200)):
        assert status(send(server, head(server, f"Content-Length: {length}", "Expect: 100-continue"))) == code


def test_wsgirefs_validator_finds_no_fault(http):
    """It checks the environ, and how the server takes the answer."""

    def app(environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode("latin-1"), body, environ["HTTP_X_TWICE"].encode()]

    with serve(validator(app), secret_path=True) as server:
        headers = [("X-Twice", "a"), ("X-Twice", "b"), ("X_Twice", "c"), ("Content-Type", "text/plain")]
        answer = http.post(f"{server.url}/caf%C3%A9", content=b"+body+", headers=headers)
        assert answer.text == "/café+body+a,b"
        assert server.errors == ""
