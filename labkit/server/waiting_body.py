"""An answer's body that has nothing to send until a condition is notified: a stream of events."""

from collections.abc import Generator, Iterator

from labkit.checks import number
from labkit.clock import Condition


class WaitingBody:
    """The body of a WSGI answer (PEP 3333) that waits for `news`, a condition that lives as long as the app.

    `chunks` yields b"" where it has nothing to send now. Its next chunk is made when `news` is notified. `idle` is sent
    if `seconds` pass without a notification, and also if a notification brings no chunk.

    Any WSGI server can iterate over the body, which then waits itself. labkit's server takes the `steps` instead, and
    waits for all bodies of one condition in one thread: `chunks` must not sleep, or it holds up the others.
    """

    def __init__(self, chunks: Generator[bytes], news: Condition, seconds: float, idle: bytes) -> None:
        number("seconds", seconds, "seconds", above=0)
        if not idle:
            raise ValueError(f"idle must have at least one byte, such as a comment, got {idle!r}")
        self.news, self.seconds = news, seconds
        self._chunks, self._idle = chunks, idle
        self._waits, self._seen = False, 0

    @property
    def ready(self) -> bool:
        """Whether the next step need not wait: the last one sent something, or `news` has been notified since."""
        return not self._waits or self._seen != self.news.notifications

    def steps(self) -> Iterator[bytes]:
        """The chunks, without waiting: b"" where the next step should wait until the body is `ready`."""
        while True:
            self._seen = self.news.notifications
            chunk = next(self._chunks, None)
            if chunk == b"":
                self._waits = True
                yield chunk
                chunk = next(self._chunks, None) if self.ready else self._idle
                self._waits = False
            if chunk is None:
                return
            yield chunk or self._idle

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.steps():
            if chunk:
                yield chunk
                continue
            with self.news:
                if not self.ready and not self.news.wait(self.seconds):
                    self._seen = self.news.notifications  # time is up: `idle` is next, even if news came just now

    def close(self) -> None:
        self._chunks.close()
