"""An answer's body that has nothing to send until a condition is notified: a stream of events."""

from collections.abc import Generator, Iterator

from labkit.clock import Condition


class WaitingBody:
    """The chunks of a WSGI app (PEP 3333) that waits for `news`.

    An empty chunk says that there is nothing to send now. The next one is then made when `news` is notified; after
    `seconds` without that, or if it is empty too, `idle` is sent. A server iterates over the body, which waits itself;
    labkit's takes the `steps` and does the waiting, for all open answers in one thread.
    """

    def __init__(self, chunks: Generator[bytes], news: Condition, seconds: float, idle: bytes) -> None:
        self.news, self.seconds = news, seconds
        self._chunks, self._idle, self._seen = chunks, idle, 0

    @property
    def notified(self) -> bool:
        """Whether there has been a notification since the last step."""
        return self._seen != self.news.notifications

    def steps(self) -> Iterator[bytes]:
        """The chunks, without waiting: b"" where the next step should wait for a notification, or for `seconds`."""
        while True:
            self._seen = self.news.notifications
            chunk = next(self._chunks, None)
            if chunk == b"":
                yield chunk
                chunk = next(self._chunks, None) if self.notified else self._idle
            if chunk is None:
                return
            yield chunk or self._idle

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.steps():
            if chunk:
                yield chunk
                continue
            with self.news:
                if not self.notified and not self.news.wait(self.seconds):
                    self._seen = self.news.notifications  # one at the last instant is for the next step

    def close(self) -> None:
        self._chunks.close()
