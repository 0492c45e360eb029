"""The answer of a WSGI app, written as HTTP/1.1."""

import re
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

_SET_BY_THE_SERVER = ("connection", "keep-alive", "transfer-encoding")  # dropped where an app sets them


class ClientLeftError(Exception):
    """The client has closed the connection, or does not read the answer in time."""


class Response:
    """One answer, sent as the app yields it: chunked (RFC 9112, 7.1) unless the app states its Content-Length."""

    def __init__(self, send: Callable[[bytes], None], method: str, version: str, closes: bool) -> None:
        self.send, self._method, self._version = send, method, version
        self.closes = closes
        """Whether the connection ends with this answer."""
        self.started = self.bodiless = self._chunked = False
        self._head = b""
        self._remaining: int | None = None  # of the Content-Length

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """WSGI's start_response. The head is sent with the first chunk."""
        if exc_info and self.started:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._head and not exc_info:
            raise RuntimeError("start_response was called twice")
        if not re.fullmatch(r"[2-9]\d\d( .*)?", status):
            raise ValueError(f"status must be like '200 OK', got {status!r}")
        given = {name.lower(): value for name, value in headers}
        self.closes = self.closes or given.get("connection", "").lower() == "close"
        empty = status[:3] in ("204", "304")
        self.bodiless = empty or self._method == "HEAD"
        self._remaining = int(given["content-length"]) if "content-length" in given and not empty else None
        self._chunked = self._remaining is None and not self.bodiless and self._version == "1.1"
        dropped = (*_SET_BY_THE_SERVER, "content-length") if empty else _SET_BY_THE_SERVER
        added = [("Server", "labkit"), ("Date", formatdate(usegmt=True))]
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name}: {value}" for name, value in added if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in dropped]
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        if self.closes:
            lines.append("Connection: close")
        if any(re.search(r"[\r\n\0]", line) for line in lines):
            raise ValueError(f"a status or header must not have a line break, got {headers!r:.200}")
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return self.write

    def write(self, chunk: bytes) -> None:
        if not self._head:
            raise RuntimeError("the app did not call start_response")
        if self.bodiless:
            chunk = b""
        elif self._remaining is not None:
            self._remaining -= len(chunk)
            if self._remaining < 0:
                raise ValueError(f"the body is longer than its Content-Length, by {-self._remaining} bytes or more")
        elif self._chunked and chunk:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        head = b"" if self.started else self._head
        self.started = True
        self.send(head + chunk)

    def finish(self) -> None:
        if not self.started:
            self.write(b"")
        if self._remaining and not self.bodiless:
            raise ValueError(f"the body is shorter than its Content-Length, by {self._remaining} bytes")
        if self._chunked:
            self.send(b"0\r\n\r\n")
