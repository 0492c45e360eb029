"""The sizes of HTTP/1.1 messages (RFC 9112), for a network that writes none."""

from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache

import httpx

Headers = Sequence[tuple[str, str]]


def request_size(request: httpx.Request) -> int:
    """Bytes of a request: line, headers, body (RFC 9112, 2.1)."""
    _, size = header_environ(tuple(request.headers.raw))
    target, body = request.url.raw_path, request.read()
    return size + len(request.method) + len(target) + len("  HTTP/1.1\r\n\r\n") + len(body)


def answer_head(status: str, headers: Headers, unix: float, method: str) -> tuple[list[tuple[str, str]], int, bool]:
    """The headers with those that a server adds, the head's size in bytes, and whether the body is chunked (7.1)."""
    sent = [("Server", "labkit"), ("Date", _date(int(unix))), *headers]
    size, chunked = len("HTTP/1.1 \r\n\r\n") + len(status), True
    for name, value in sent:
        size += len(name) + len(value) + len(": \r\n")
        chunked = chunked and name.lower() != "content-length"
    if status[:3] in ("204", "304") or method == "HEAD":
        chunked = False
    if chunked:
        sent.append(("Transfer-Encoding", "chunked"))
        size += len("Transfer-Encoding: chunked\r\n")
    return sent, size, chunked


def head_size(answer: httpx.Response) -> int:
    """Bytes of an answer's head: status line and headers."""
    line = f"HTTP/1.1 {answer.status_code} {httpx.codes.get_reason_phrase(answer.status_code)}\r\n\r\n"
    return len(line) + sum(len(name) + len(value) + len(": \r\n") for name, value in answer.headers.raw)


@lru_cache(maxsize=256)
def header_environ(raw: tuple[tuple[bytes, bytes], ...]) -> tuple[dict[str, str], int]:
    """Headers as a WSGI environ has them (PEP 3333), and their size. Cached: a poller's are the same each time."""
    environ: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("ascii").upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value.decode("latin-1")
    return environ, sum(len(name) + len(value) + len(": \r\n") for name, value in raw)


def _date(unix: int) -> str:
    """An instant as HTTP writes it (RFC 9110, 5.6.7)."""
    day, seconds = divmod(unix, 86_400)
    return f"{_day(day)}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} GMT"


@lru_cache(maxsize=16)
def _day(day: int) -> str:
    return formatdate(day * 86_400, usegmt=True)[: len("Wed, 31 Jan 2018 ")]
