"""One answer on its way out: a WSGI app's status, headers and chunks as HTTP/1.1."""

import re
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

_THE_SERVERS = ("connection", "keep-alive", "transfer-encoding")  # to say, though many an app says them


class ClientLeftError(Exception):
    """Nobody reads the answer any more, or not fast enough."""


class Answer:
    """One answer, sent as the app yields it: in chunks (RFC 9112, 7.1), unless the app gives its length."""

    def __init__(self, send: Callable[[bytes], None], method: str, protocol: str, last: bool) -> None:
        self._send, self._method, self._protocol = send, method, protocol
        self.last = last
        self.begun = self.bodiless = self._chunked = False
        self._head = b""
        self._left: int | None = None  # of the Content-Length

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """WSGI's start_response, held back until there is something to send."""
        if exc_info and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._head and not exc_info:
            raise RuntimeError("start_response was called twice")
        if not re.fullmatch(r"[2-9]\d\d( .*)?", status):
            raise ValueError(f"status must be like '200 OK', got {status!r}")
        given = {name.lower(): value for name, value in headers}
        self.last = self.last or given.get("connection", "").lower() == "close"
        empty = status[:3] in ("204", "304")
        self.bodiless = empty or self._method == "HEAD"
        self._left = int(given["content-length"]) if "content-length" in given and not empty else None
        self._chunked = self._left is None and not self.bodiless and self._protocol == "HTTP/1.1"
        lines = [f"HTTP/1.1 {status}"]
        if "server" not in given:
            lines.append("Server: labkit")
        if "date" not in given:
            lines.append(f"Date: {formatdate(usegmt=True)}")
        dropped = (*_THE_SERVERS, "content-length") if empty else _THE_SERVERS
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in dropped]
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        if self.last:
            lines.append("Connection: close")
        if any(re.search(r"[\r\n\0]", line) for line in lines):
            raise ValueError(f"a status or header has a line break: {headers!r:.200}")
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return self.write

    def write(self, chunk: bytes) -> None:
        if not self._head:
            raise RuntimeError("the app did not call start_response")
        if self.bodiless:
            chunk = b""
        elif self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise ValueError(f"the app's body is longer than its Content-Length, by {-self._left} bytes or more")
        elif self._chunked and chunk:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        head = b"" if self.begun else self._head
        self.begun = True
        self._send(head + chunk)

    def end(self) -> None:
        if not self.begun:
            self.write(b"")
        if self._left and not self.bodiless:
            raise ValueError(f"the app's body is shorter than its Content-Length, by {self._left} bytes")
        if self._chunked:
            self._send(b"0\r\n\r\n")
