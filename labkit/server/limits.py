"""The limits of a server: sizes and times."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestLimits:
    """What a server accepts, inclusive: `body` and `line` in bytes, `headers` a number, the others in seconds.

    A body of 1,048,577 bytes is answered 413. A client that sends one byte every half second sends 20 bytes: after 10 s
    it is answered 408.
    """

    body: int = 1_048_576
    line: int = 16_384
    """The request line and each header, without the line break."""
    headers: int = 100
    request: float = 10.0
    """From the first byte of a request to its last."""
    idle: float = 75.0
    """Between two requests; longer than labkit's clients keep an idle connection."""
    answer: float = 10.0
    """For the client to take one chunk of the answer."""
    hosts: tuple[str, ...] = ()
    """Names in `Host`, besides 127.0.0.1 and localhost, under which the server may be called: a tunnel's."""
    linger: float = 1.0
    """After the last answer: what the client still sends is discarded, so that it can read the answer."""
