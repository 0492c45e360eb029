"""An answer that is no use: it ends too early, or it is not what it should be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import httpx

from labkit.faults.fault import Exchange, Fault, Onward


@dataclass(frozen=True, kw_only=True)
class IncompleteAnswer(Fault):
    """A request is served, and the connection breaks in the middle of the answer (RFC 9112, 8).

    The first half of the body arrives; of an answer without a body, part of the head. Then the connection is "reset"
    (ReadError), or closed in good order, so that the answer is "truncated": shorter than its Content-Length
    (RemoteProtocolError). The status has arrived, unless the head broke, but it counts for nothing. In the table: as a
    lost answer, without its wait: `error_requests` for polls, `duplicates` for deliveries. The second copy of an event
    comes one round trip + the first wait after the first: 0.04 + 5 = 5.04 s.
    """

    name: ClassVar[str] = "incomplete_answer"
    error: Literal["reset", "truncated"] = "reset"

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        answer = onward()
        size = int(answer.headers.get("Content-Length", 0 if answer.status_code in (101, 204, 304) else 2))
        if size == 0:
            exchange.discard(answer)
            raise self._broken()

        def first_half(chunks: Iterator[bytes]) -> Iterator[bytes]:
            left = size // 2 if "Content-Length" in answer.headers else None
            for chunk in chunks:
                piece = chunk[: len(chunk) // 2 if left is None else left]
                yield piece
                if left is None or left == len(piece):
                    break
                left -= len(piece)
            raise self._broken()

        return exchange.rewrite(answer, first_half)

    def _broken(self) -> httpx.TransportError:
        if self.error == "reset":
            return httpx.ReadError("the connection was reset in the middle of the answer")
        return httpx.RemoteProtocolError("the answer is shorter than its Content-Length")


@dataclass(frozen=True, kw_only=True)
class JunkAnswer(Fault):
    """A request is served, and its answer is junk: the "body" is no JSON, or the "status_line" is no HTTP.

    With a junk body the status and the length are as they were: 200, and bytes that a poller must not trust. Its poll
    fails, and the cursor stays. A delivery has been accepted all the same, since the source reads the status alone. A
    broken status line is an error for both (RemoteProtocolError). In the table: `error_requests` for polls, and for
    the status line `duplicates` of deliveries. Polling every 60 s is one interval later for each junk answer.
    """

    name: ClassVar[str] = "junk_answer"
    part: Literal["body", "status_line"] = "body"

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        answer = onward()
        if self.part == "status_line":
            exchange.discard(answer)
            raise httpx.RemoteProtocolError("illegal status line: junk")

        def junk(chunks: Iterator[bytes]) -> Iterator[bytes]:
            for chunk in chunks:
                yield b"?" * len(chunk)
                if "Content-Length" not in answer.headers:  # a stream: it ends here
                    return

        return exchange.rewrite(answer, junk)
