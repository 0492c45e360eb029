"""Requests are read whole, the app is called, and its answer sent, until one side has had enough."""

import re
import socket
import traceback
from hmac import compare_digest
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from labkit.clock import monotonic
from labkit.server.answer import Answer, ClientLeftError
from labkit.server.reader import Reader, RefusedError

if TYPE_CHECKING:
    from labkit.server.serve import Server


_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/([0-9.]+)" % _TOKEN)
_FIELD = re.compile(rb"(%b):([\t -~\x80-\xff]*)" % _TOKEN)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~\x80-\xff]*)?")
_ONCE = ("host", "content-length", "content-type", "transfer-encoding", "expect")


class Handler:
    """Reads the requests of one connection, each whole and within limits, before the app is called."""

    def __init__(self, connection: socket.socket, server: "Server") -> None:
        self._connection, self._server, self._limits = connection, server, server.limits
        self._reader = Reader(connection)

    def run(self) -> None:
        """Answer requests until one side has had enough."""
        try:
            while self._exchange():
                pass
            self._connection.shutdown(socket.SHUT_WR)
            self._reader.deadline = monotonic() + self._limits.linger
            while self._reader.receive():  # or the kernel would reset the connection, and the last answer with it
                pass
        except (OSError, ClientLeftError):
            pass  # it is gone

    def _exchange(self) -> bool:
        """One request and its answer; True if another may follow."""
        self._method, self._reader.deadline = "", monotonic() + self._limits.idle
        try:
            if not self._reader.peek():
                return False
        except TimeoutError:
            return False
        self._reader.deadline = monotonic() + self._limits.request
        try:
            environ, last = self._read()
        except RefusedError as refused:
            return self._refuse(refused.status, refused.reason)
        except TimeoutError:
            return self._refuse(408, f"the request was not here within {self._limits.request} s")
        self._connection.settimeout(None)
        return self._answer(environ, last)

    def _read(self) -> tuple[dict[str, Any], bool]:
        """The next request as an environ, and whether it is the connection's last."""
        target, version = self._request_line()
        fields = self._fields()
        path, _, query = target.partition("?")
        self._check(target, path, fields)
        body, prefix = self._body(fields, version), self._server.prefix
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self._method,
            "SCRIPT_NAME": prefix,
            "PATH_INFO": unquote_to_bytes(path[len(prefix) :]).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": ",".join(fields.pop("content-type", [])),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self._server.port),
            "SERVER_PROTOCOL": f"HTTP/{version}",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": str(self._connection.getpeername()[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": self._server.log,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "werkzeug.socket": self._connection,  # by which WebSocket libraries take a connection over
        }
        for name, values in fields.items():
            if name not in ("content-length", "transfer-encoding") and "_" not in name:
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = ",".join(values)
        options = {option.strip().lower() for option in ",".join(fields.get("connection", [])).split(",")}
        return environ, version == "1.0" or bool(options & {"close", "upgrade"})

    def _request_line(self) -> tuple[str, str]:
        """The target and the version (RFC 9112, 3)."""
        line = self._reader.line(self._limits.line, 414) or self._reader.line(self._limits.line, 414)
        parts = _REQUEST_LINE.fullmatch(line)
        if not parts or parts[3] not in (b"1.0", b"1.1"):
            raise RefusedError(400, f"a request starts like 'GET / HTTP/1.1', got {line[:80]!r}")
        self._method, target, version = (part.decode() for part in parts.groups())
        return target, version

    def _fields(self) -> dict[str, list[str]]:
        """The headers by name, in lower case (RFC 9112, 5)."""
        fields: dict[str, list[str]] = {}
        for _ in range(self._limits.headers + 1):
            line = self._reader.line(self._limits.line, 431)
            if not line:
                return fields
            field = _FIELD.fullmatch(line)
            if not field:
                raise RefusedError(400, f"a header is like 'Name: value', got {line[:80]!r}")
            name, value = field[1].decode().lower(), field[2].strip(b" \t").decode("latin-1")
            fields.setdefault(name, []).append(value)
            if name in _ONCE and len(fields[name]) > 1:
                raise RefusedError(400, f"{field[1].decode()} is given twice: {str(fields[name])[:80]}")
        raise RefusedError(431, f"a request may have {self._limits.headers} headers")

    def _check(self, target: str, path: str, fields: dict[str, list[str]]) -> None:
        """Refuse what is not for this server, or comes from a page of another one."""
        server, prefix = self._server, self._server.prefix
        host = fields.get("host", [""])[0].lower()
        name, _, port = host.partition(":")
        if name not in ("127.0.0.1", "localhost") or (port or "80") != str(server.port):
            raise RefusedError(400, f"Host must be 127.0.0.1:{server.port}, got {host[:80]!r}")
        if not target.startswith("/") or "#" in target:
            raise RefusedError(400, f"the target must be a path, got {target[:80]!r}")
        origin, site = fields.get("origin", []), fields.get("sec-fetch-site", [])
        if not set(site) <= {"none", "same-origin"} or (origin and origin != [f"http://{host}"]):
            raise RefusedError(403, "a page of another site asks: type the URL into the address bar instead")
        beginning, rest = path[: len(prefix)], path[len(prefix) :]
        if not compare_digest(beginning, prefix) or rest[:1] not in ("", "/") or "%00" in path:
            raise RefusedError(404, "there is nothing here")

    def _body(self, fields: dict[str, list[str]], version: str) -> bytes:
        """The body, whole (RFC 9112, 6), its size checked before a byte of it is asked for."""
        length, coding = fields.get("content-length"), fields.get("transfer-encoding")
        if coding and (length or version == "1.0" or coding[0].lower() != "chunked"):
            raise RefusedError(400, "Transfer-Encoding must be chunked, and without Content-Length")
        if length and not re.fullmatch("[0-9]{1,18}", length[0]):
            raise RefusedError(400, f"Content-Length must be a whole number, got {length[0][:40]!r}")
        size = self._within(int(length[0])) if length else 0
        if expected := fields.get("expect"):
            if expected[0].lower() != "100-continue":
                raise RefusedError(417, f"Expect may be 100-continue, got {expected[0][:80]!r}")
            if size or coding:
                self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._chunks() if coding else self._reader.exactly(size)

    def _chunks(self) -> bytes:
        """A chunked body (RFC 9112, 7.1); extensions and trailers are read over."""
        body = bytearray()
        while True:
            line = self._reader.line(1024)
            size = _CHUNK_SIZE.fullmatch(line)
            if not size:
                raise RefusedError(400, f"a chunk's size must be hexadecimal, got {line[:40]!r}")
            length = int(size[1], 16)
            if not length:
                self._fields()
                return bytes(body)
            self._within(len(body) + length)
            body += self._reader.exactly(length)
            if self._reader.exactly(2) != b"\r\n":
                raise RefusedError(400, f"a chunk is longer than its size, {length}")

    def _within(self, size: int) -> int:
        if size > self._limits.body:
            raise RefusedError(413, f"a body may have {self._limits.body} bytes, got {size} or more")
        return size

    def _answer(self, environ: dict[str, Any], last: bool) -> bool:
        """Call the app and send what it yields, as it yields it; False if the connection must end with this."""
        self._server.count()
        answer = Answer(self._send, self._method, environ["SERVER_PROTOCOL"], last)
        try:
            chunks = self._server.app(environ, answer.start)
            try:
                for chunk in chunks:
                    if chunk:
                        answer.write(chunk)
                        if answer.bodiless:
                            break
                answer.end()
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
        except ClientLeftError:
            return False
        except BaseException:  # sys.exit() in a view included
            self._server.log.write(traceback.format_exc())
            return False if answer.begun else self._refuse(500, "the app failed; server.errors says how")
        return not answer.last

    def _refuse(self, status: int, reason: str) -> bool:
        """Answer with one line of plain text; False, as the connection ends with it."""
        text = f"{reason}\n".encode()
        answer = Answer(self._send, self._method, "HTTP/1.1", last=True)
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        answer.start(f"{status} {HTTPStatus(status).phrase}", headers)
        answer.write(text)
        return False

    def _send(self, data: bytes) -> None:
        try:
            self._connection.settimeout(self._limits.answer)
            self._connection.sendall(data)
        except OSError:
            raise ClientLeftError from None
