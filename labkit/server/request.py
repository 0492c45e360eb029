"""One HTTP/1.1 request, read strictly (RFC 9112). Python's own and h11's parsers accept more than this one should."""

import re
from collections.abc import Callable

from labkit.server.limits import RequestLimits
from labkit.server.reader import Reader, RefusedError

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/([0-9.]+)" % _TOKEN)
_FIELD = re.compile(rb"(%b):([\t -~\x80-\xff]*)" % _TOKEN)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~\x80-\xff]*)?")
_SINGLETONS = ("host", "content-length", "content-type", "transfer-encoding", "expect")


class Request:
    """One request: `read_head`, then `read_body`. Both raise RefusedError for what is malformed or over a limit."""

    def __init__(self, reader: Reader, limits: RequestLimits) -> None:
        self._reader, self._limits = reader, limits
        self.method = self.path = self.query = self.version = ""
        self.fields: dict[str, list[str]] = {}
        self.body = b""

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the answer to this request (RFC 9112, 9.3)."""
        options = {option.strip().lower() for option in ",".join(self.fields.get("connection", [])).split(",")}
        return self.version == "1.0" or bool(options & {"close", "upgrade"})

    def read_head(self) -> None:
        """Read the request line (RFC 9112, 3) and the headers."""
        limit = self._limits.line
        line = self._reader.line(limit, 414) or self._reader.line(limit, 414)  # one empty line before it is allowed
        parts = _REQUEST_LINE.fullmatch(line)
        if not parts or parts[3] not in (b"1.0", b"1.1"):
            raise RefusedError(400, f"a request must start like 'GET / HTTP/1.1', got {line[:80]!r}")
        self.method, target, self.version = (part.decode() for part in parts.groups())
        self.path, _, self.query = target.partition("?")
        self.fields = self._read_fields()

    def read_body(self, send: Callable[[bytes], None]) -> None:
        """Read the whole body (RFC 9112, 6), after the check of its size; `send` takes a `100 Continue`."""
        length, coding = self.fields.get("content-length"), self.fields.get("transfer-encoding")
        if coding and (length or self.version == "1.0" or coding[0].lower() != "chunked"):
            raise RefusedError(400, "Transfer-Encoding must be chunked, in HTTP/1.1 and without Content-Length")
        if length and not re.fullmatch("[0-9]{1,18}", length[0]):
            raise RefusedError(400, f"Content-Length must be a whole number, got {length[0][:40]!r}")
        size = self._within_limit(int(length[0])) if length else 0
        if expected := self.fields.get("expect"):
            if expected[0].lower() != "100-continue":
                raise RefusedError(417, f"Expect must be 100-continue, got {expected[0][:80]!r}")
            if size or coding:
                send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.body = self._read_chunks() if coding else self._reader.exactly(size)

    def _read_fields(self) -> dict[str, list[str]]:
        """The headers by lower-case name (RFC 9112, 5)."""
        fields: dict[str, list[str]] = {}
        for _ in range(self._limits.headers + 1):
            line = self._reader.line(self._limits.line, 431)
            if not line:
                return fields
            field = _FIELD.fullmatch(line)
            if not field:
                raise RefusedError(400, f"a header must be like 'Name: value', got {line[:80]!r}")
            name, value = field[1].decode().lower(), field[2].strip(b" \t").decode("latin-1")
            fields.setdefault(name, []).append(value)
            if name in _SINGLETONS and len(fields[name]) > 1:
                raise RefusedError(400, f"{field[1].decode()} must be given once, got {str(fields[name])[:80]}")
        raise RefusedError(431, f"a request must have at most {self._limits.headers} headers")

    def _read_chunks(self) -> bytes:
        """A chunked body (RFC 9112, 7.1), without its extensions and trailers."""
        body = bytearray()
        while True:
            line = self._reader.line(1024)
            size = _CHUNK_SIZE.fullmatch(line)
            if not size:
                raise RefusedError(400, f"a chunk's size must be hexadecimal, got {line[:40]!r}")
            length = int(size[1], 16)
            if not length:
                self._read_fields()
                return bytes(body)
            self._within_limit(len(body) + length)
            body += self._reader.exactly(length)
            if self._reader.exactly(2) != b"\r\n":
                raise RefusedError(400, f"a chunk must be as long as its size, {length} bytes, got more")

    def _within_limit(self, size: int) -> int:
        if size > self._limits.body:
            raise RefusedError(413, f"the body must be at most {self._limits.body} bytes, got {size} or more")
        return size
