"""The table of bad inputs: what is sent to a source (S) or a receiver (R), and how each must answer.

A name that resolves to a forbidden address needs a resolver of the tests' own: it is in test_egress.py.
"""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from labkit.wire import LARGEST_BODY

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAYLOAD = {"html": "<img src=x onerror=alert(1)>", "cell": "=cmd|' /C calc'!A0", "ansi": "\x1b[31mred\x1b[0m"}
EVENT = {"id": "evt_1", "type": "door.opened", "timestamp": "2026-01-01T00:00:00Z", "data": PAYLOAD}
GOOD = json.dumps(EVENT).encode()
"""The one event that the receiver has already when the table is sent to it."""
KEYED = b'{"type":"door.opened","data":{"door":7}}'
"""What the source has already been sent under the Idempotency-Key "known"."""
DEADLINE = 10.0
"""Seconds that a request may take to arrive."""

Raw = Callable[["Target"], bytes]
"""The bytes of a request to a target."""


@dataclass(frozen=True)
class Target:
    """A server under test. `names` are the values that a row can only name: cursors, ids."""

    port: int
    names: Mapping[str, str]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def fill(self, text: bytes) -> bytes:
        for name, value in {"host": self.host, **self.names}.items():
            text = text.replace(f"<{name}>".encode(), value.encode())
        return text


@dataclass(frozen=True)
class Row:
    to: str
    input: str
    status: int
    send: Raw
    says: str = ""
    """What stands in the answer, in its head or body."""
    drip: bytes = b""
    """What follows, one byte each half second, again and again."""
    stalls: bool = False
    """Whether the answer comes at the deadline only."""

    def answer(self, target: Target, within: float = 30.0) -> bytes:
        """All that comes back until the server closes; TimeoutError if it does not."""
        until, received, sent = time.monotonic() + within, b"", 0
        with socket.create_connection(("127.0.0.1", target.port), within) as connection:
            with suppress(ConnectionError):  # the server has refused it before its end
                connection.sendall(self.send(target))
            with suppress(ConnectionError):
                while time.monotonic() < until:
                    connection.settimeout(0.5 if self.drip else max(0.1, until - time.monotonic()))
                    try:
                        if not (data := connection.recv(65_536)):
                            return received
                        received += data
                    except TimeoutError:
                        connection.sendall(self.drip[sent % len(self.drip) :][:1] if self.drip else b"")
                        sent += 1
                raise TimeoutError(f"{self.input}: no end within {within} s, only {received[:200]!r}")
        return received


def status(answer: bytes) -> int:
    """The status of an answer; 0 if the connection was closed without one."""
    return int(answer.split()[1]) if answer else 0


# requests -----------------------------------------------------------------------------------------


def request(first: str, *headers: str, body: bytes = b"", length: bool = True) -> Raw:
    """A request with the Host that it needs, on a connection that ends with it."""

    def raw(at: Target) -> bytes:
        filled = at.fill(body)
        lines = [f"{first} HTTP/1.1", "Host: <host>", "Connection: close", *headers]
        lines += [f"Content-Length: {len(filled)}"] if length else []
        return at.fill("\r\n".join([*lines, "", ""]).encode()) + filled

    return raw


def post(path: str, document: object, *headers: str) -> Raw:
    """A POST of JSON; bytes are sent as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return request(f"POST {path}", "Content-Type: application/json", *headers, body=body)


def signed(signed_body: bytes = GOOD, *, as_id: str = "evt_1", at: int | str = 0, **changed: str | bytes | None) -> Raw:
    """A call of the hook, signed `at` seconds from now or at a text; then `changed`: id, timestamp, signature, body."""

    def raw(target: Target) -> bytes:
        instant = at if isinstance(at, str) else str(int(time.time()) + at)
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        mac = hmac.digest(key, f"{as_id}.{instant}.".encode() + signed_body, hashlib.sha256)
        sent = {"id": as_id, "timestamp": instant, "signature": f"v1,{base64.b64encode(mac).decode()}", **changed}
        late = sent.pop("body", signed_body)
        assert isinstance(late, bytes)
        headers = [f"webhook-{name}: {value}" for name, value in sent.items() if value is not None]
        return post("/hook", late, *headers)(target)

    return raw


def framed(*headers: str, body: bytes = b"") -> Raw:
    return request("POST <path>", "Content-Type: application/json", *headers, body=body, length=False)


# the table ----------------------------------------------------------------------------------------

NOT_JSON = {
    "malformed JSON": b"{",
    "an empty body": b"",
    "NaN": b'{"type":"a","data":{"n":NaN}}',
    "-Infinity": b'{"type":"a","data":{"n":-Infinity}}',
    "1e400": b'{"type":"a","data":{"n":1e400}}',
    "duplicate keys": b'{"type":"a","type":"a","data":{}}',
    "a BOM": b'\xef\xbb\xbf{"type":"a","data":{}}',
    "UTF-16": '{"type":"a","data":{}}'.encode("utf-16"),
    "[ 2,000 deep": b"[" * 2_000,
    "[ 100,000 deep": b"[" * 100_000,
}
NOT_AN_EVENT = {
    "an integer beyond 64 bits": (b'{"type":"a","data":{"n":9223372036854775808}}', "`$.data.n`"),
    "a top-level null": (b"null", "null"),
    "a top-level list": (b"[]", "array"),
    "a top-level number": (b"5", "int"),
    "a type that is a number": (b'{"type":5,"data":{}}', "`$.type`"),
    "data that is a list": (b'{"type":"a","data":[]}', "`$.data`"),
    "an unknown member": (b'{"type":"a","data":{},"id":"evt_1"}', "`id`"),
    "no type": (b'{"data":{}}', "`type`"),
    "a type with spaces": (b'{"type":"a b","data":{}}', "`$.type`"),
    "a type of 10 kB": (b'{"type":"%b","data":{}}' % (b"a" * 10_000), "`$.type`"),
    "a type of emoji": ('{"type":"\N{GRINNING FACE}","data":{}}'.encode(), "`$.type`"),
}
MEDIA = {"text/plain": ["Content-Type: text/plain"], "no content type": []} | {
    "a form": ["Content-Type: application/x-www-form-urlencoded"]
}
CHUNKED, LONG = "Transfer-Encoding: chunked", LARGEST_BODY + 1
BARE = b"GET /healthz HTTP/1.1\r\n%b\r\n"
FRAMING = [
    ("a body over the limit, by Content-Length", 413, framed(f"Content-Length: {LONG}", body=b"x" * LONG)),
    ("a body over the limit, chunked", 413, framed(CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (LONG, b"x" * LONG))),
    ("Content-Length 10^9 and no bytes", 413, framed("Content-Length: 1000000000")),
    ("Content-Length with Transfer-Encoding", 400, framed("Content-Length: 5", CHUNKED, body=b"0\r\n\r\n")),
    ("two different Content-Lengths", 400, framed("Content-Length: 5", "Content-Length: 6", body=b"hello!")),
    ("a negative Content-Length", 400, framed("Content-Length: -1")),
    ("a bad chunk size", 400, framed(CHUNKED, body=b"xyz\r\n")),
    ("no Host", 400, lambda at: BARE % b""),
    ("Host evil.example", 400, lambda at: BARE % b"Host: evil.example\r\n"),
    ("Host 127.0.0.1.evil.example", 400, lambda at: BARE % b"Host: 127.0.0.1.evil.example:%d\r\n" % at.port),
    ("an absolute target", 400, request("GET http://evil/")),
    ("a header of 100 kB", 431, request("GET /", "X: " + "x" * 100_000)),
    ("300 headers", 431, request("GET /", *["X: x"] * 300)),
    ("a URI of 70 kB", 414, request("GET /" + "x" * 70_000)),
    ("a page of another site", 403, request("GET /", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site")),
]
STALLS = [
    ("a body shorter than its Content-Length, then silence", framed("Content-Length: 6", body=b"hello"), b""),
    ("a body of 1 byte each half second", framed("Content-Length: 1000"), b"x"),
    ("headers of 1 byte each half second", lambda at: b"GET / HTTP/1.1\r\n", b"X: x\r\n"),
]
NO_ENDPOINT = [
    "ftp://shop/hook", "file:///etc/passwd", "javascript:alert(1)", "//x/y", "http://user:password@127.0.0.1/",
    "http://127.0.0.1/#part", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/", "http://169.254.169.254/", "http://10.0.0.1/", "http://100.64.0.1/", "http://0.0.0.0/",
    "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://<host>/hook", "http://127.1:<port>/hook",
    "http://0x7f.1:<port>/hook", "http://LOCALHOST.:<port>/hook", "http://" + "x" * 300 + "/",
]  # fmt: skip
TAGS = {"*": 304, "W/<tag>": 304, '"x", <tag>': 304, '"x", "y"': 200, f'"{"x" * 10_000}"': 200, "unquoted": 200}
SOURCE = [
    *(Row("S", name, 400, post("/events", body)) for name, body in NOT_JSON.items()),
    *(Row("S", name, 415, request("POST /events", *headers, body=KEYED)) for name, headers in MEDIA.items()),
    *(Row("S", name, 422, post("/events", body), member) for name, (body, member) in NOT_AN_EVENT.items()),
    Row("S", "an event over the limit", 413, post("/events", {"type": "a", "data": {"x": "x" * LONG}})),
    *(
        Row("S", f"{method} /events", 405, request(f"{method} /events"), "\r\nAllow: ")
        for method in ("PUT", "TRACE", "FOO")
    ),
    *(Row("S", path[:30], 404, request(f"GET {path}")) for path in ("/%00", "/../../etc/passwd", "/events/evt_9")),
    *(
        Row("S", f"limit {limit}", 400, request(f"GET /events?limit={limit}"), f"got {said}")
        for limit, said in (("0", "0"), ("-1", "'-1'"), ("abc", "'abc'"), ("1000000000", "'1000000000'"))
    ),
    Row("S", "a forged cursor", 400, request("GET /events?after=AAAAAAAAAAAAAAAA")),
    Row("S", "a cursor of another run", 400, request("GET /events?after=<foreign>")),
    Row("S", "a cursor beyond the end", 200, request("GET /events?after=<end>"), '{"events":[],'),
    Row("S", "a cursor older than retention", 410, request("GET /events?after=<expired>"), '"oldest":"<oldest>"'),
    *(
        Row("S", f"If-None-Match {tag[:20]}", code, request("GET /events?after=<end>", f"If-None-Match: {tag}"))
        for tag, code in TAGS.items()
    ),
    Row("S", "an Idempotency-Key again", 201, post("/events", KEYED, "Idempotency-Key: known"), "<keyed>"),
    Row("S", "the same with another body", 422, post("/events", KEYED + b" ", "Idempotency-Key: known")),
    Row("S", "the same subscription twice", 200, post("/subscriptions", {"url": "http://127.0.0.1:9/"}), "<same>"),
    *(Row("S", f"url {url[:30]!r}", 422, post("/subscriptions", {"url": url}), "url") for url in NO_ENDPOINT),
    *(
        Row("S", f"an endpoint that answers {code}", 422, post(f"/subscriptions/<redirected {code}>/verify", b""), code)
        for code in ("301", "302", "307")
    ),
]
WRONG_SIGNATURES = {
    "abc": "abc", "v1,a,b": "v1,a,b", "v1,abc": "v1,abc", "v2,…": "v2,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    "1,000 of them": " ".join(["v1,abc"] * 1000),
}  # fmt: skip
WRONG_TIMES: dict[str, int | str] = {
    "301 s old": -301, "301 s ahead, and the time a slow machine takes": 361, "0": "0", "nan": "nan",
    "123.5": "123.5", "2^70": str(2**70),
}  # fmt: skip
RECEIVER = [
    *(Row("R", f"{name}, unsigned", 401, post("/hook", body)) for name, body in NOT_JSON.items()),
    *(Row("R", f"{name}, signed", 422, signed(body, as_id=f"bad_{len(body)}")) for name, body in NOT_JSON.items()),
    *(Row("R", name, 415, request("POST /hook", *headers, body=GOOD)) for name, headers in MEDIA.items()),
    *(Row("R", f"no {part}", 401, signed(**{part: None})) for part in ("id", "timestamp", "signature")),
    *(Row("R", f"signature {name}", 401, signed(signature=value)) for name, value in WRONG_SIGNATURES.items()),
    *(Row("R", f"timestamp {name}", 401, signed(at=at)) for name, at in WRONG_TIMES.items()),
    Row("R", "a body changed by one byte", 401, signed(GOOD, body=GOOD.replace(b"door", b"poor"))),
    Row("R", "a body parsed and serialised again", 401, signed(GOOD, body=json.dumps(EVENT, indent=1).encode())),
    Row("R", "the same signature with another id", 401, signed(id="evt_2")),
    Row("R", "an id with a dot", 401, signed(as_id="evt.1")),
    Row("R", "a valid repeat", 200, signed()),
    Row("R", "signed JSON of another schema", 422, signed(b'{"id":"bad_schema"}', as_id="bad_schema")),
    Row("R", "GET", 405, request("GET /hook"), "\r\nAllow: "),
    Row("R", "HEAD", 405, request("HEAD /hook"), "\r\nAllow: "),
    Row("R", "another path", 404, request("GET /etc/passwd")),
]
ROWS = [
    *SOURCE,
    *RECEIVER,
    *(Row(to, name, code, send) for to in "SR" for name, code, send in FRAMING),
    *(Row(to, name, 408, send, drip=drip, stalls=True) for to in "SR" for name, send, drip in STALLS),
]
