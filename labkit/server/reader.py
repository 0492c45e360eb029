"""Lines and bytes from a connection, within limits and by a deadline."""

import socket
from contextlib import suppress

from labkit.clock import monotonic


class RefusedError(Exception):
    """The request is answered with this status and reason, and the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason


class Reader:
    """Reads a connection until `deadline`, which a slow trickle of bytes does not extend; then raises TimeoutError."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._buffer, self.deadline = connection, bytearray(), 0.0

    def peek(self) -> bool:
        """Wait for the first byte; False if the client closed instead, or the deadline has passed."""
        if not self._buffer:
            with suppress(TimeoutError):
                self._buffer += self.receive()
        return bool(self._buffer)

    def line(self, limit: int, too_long: int = 400) -> bytes:
        """One line of at most `limit` bytes, without its CRLF; `too_long` is the status for a longer one."""
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= limit + 1:
            self._more()
        if not 0 <= end <= limit + 1:
            raise RefusedError(too_long, f"a line must be at most {limit} bytes here")
        line = self.exactly(end + 1)
        if not line.endswith(b"\r\n"):
            raise RefusedError(400, f"a line must end in CR LF, got {line[-80:]!r}")
        return line[:-2]

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._buffer) < size:
            self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def receive(self) -> bytes:
        """What comes next, past the buffer; empty once the client has closed."""
        remaining = self.deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining)
        return self._connection.recv(65_536)

    def _more(self) -> None:
        data = self.receive()
        if not data:
            raise RefusedError(400, "the connection closed before the end of the request")
        self._buffer += data
