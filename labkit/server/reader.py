"""What comes in on a connection: lines and bytes, within limits and by a deadline."""

import socket

from labkit.clock import monotonic


class RefusedError(Exception):
    """A request that is answered with an error, and the connection closed."""

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason


class Reader:
    """What comes in on a connection, read by a deadline that a drip of bytes does not put off."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._buffer, self.deadline = connection, bytearray(), 0.0

    def peek(self) -> bool:
        """Wait for a byte; False if the client closed instead."""
        if not self._buffer:
            self._buffer += self.receive()
        return bool(self._buffer)

    def line(self, limit: int, otherwise: int = 400) -> bytes:
        """A line of up to `limit` bytes, without its CRLF; `otherwise` is the status of a longer one."""
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= limit:
            self._more()
        if not 0 <= end <= limit:
            raise RefusedError(otherwise, f"a line may have {limit} bytes here")
        line = self._take(end + 1)
        if not line.endswith(b"\r\n"):
            raise RefusedError(400, f"a line ends in CR and LF, got {line[-80:]!r}")
        return line[:-2]

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        return self._take(size)

    def receive(self) -> bytes:
        remaining = self.deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining)
        return self._connection.recv(65_536)

    def _more(self) -> None:
        data = self.receive()
        if not data:
            raise RefusedError(400, "the request ends too early")
        self._buffer += data

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
