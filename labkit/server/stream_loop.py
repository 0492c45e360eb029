"""One thread for all open answers that wait for the same condition, instead of one for each."""

import socket
from collections.abc import Callable, Generator
from contextlib import suppress
from threading import Thread, current_thread
from typing import NamedTuple

from labkit.clock import Condition, Stopped, monotonic
from labkit.server.waiting_body import WaitingBody

Steps = Generator[WaitingBody | None]
"""A connection at work. It yields a body after each step of that body, and None before anything that may block."""


class OpenStream(NamedTuple):
    client: socket.socket
    steps: Steps
    body: WaitingBody
    due: float
    """The instant at which its next step is made without a notification."""


class StreamLoop:
    """Makes the steps of all bodies that wait for `news`, with the same `seconds`, in the first connection's thread.

    Each round makes one step of each body that is ready, so that none keeps the others waiting. `start_thread` gives a
    connection a thread of its own before it does what may block: when its client does not take a chunk at once, and
    when its body has ended.
    """

    def __init__(
        self, news: Condition, start_thread: Callable[[socket.socket, Steps], None], stopped: bool = False
    ) -> None:
        self.thread: Thread | None = None
        """The thread that runs the loop, as long as there are streams."""
        self._news, self._start_thread, self._stopped = news, start_thread, stopped
        self._streams: list[OpenStream] = []

    def add(self, client: socket.socket, steps: Steps, body: WaitingBody) -> bool:
        """Take a connection over from the calling thread; False if its next step need not wait.

        In the first caller's thread this runs the loop, and returns when no stream is left.
        """
        with self._news:
            if body.ready:
                return False
            self._append(client, steps, body)
            if self.thread:
                return True
            self.thread = current_thread()
        ready = list[OpenStream]()
        try:
            while ready := self._ready():
                while ready:
                    self._step(ready[0].client, ready[0].steps)
                    del ready[0]
        except BaseException as error:
            with self._news:
                ended, self._streams, self.thread = ready + self._streams, [], None
            for stream in ended:
                with suppress(Exception):
                    stream.steps.close()
            if not isinstance(error, Stopped):  # the clock is closed
                raise
        return True

    def stop(self) -> None:
        """End all streams. Their sockets must have been shut down: each ends as its next step fails to send."""
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def _ready(self) -> list[OpenStream]:
        """Wait until streams are ready or due, and take them out; none if no stream is left."""
        with self._news:
            while self._streams:
                now, waiting, ready = monotonic(), list[OpenStream](), list[OpenStream]()
                for stream in self._streams:
                    wakes = self._stopped or stream.body.ready or stream.due <= now
                    (ready if wakes else waiting).append(stream)
                self._streams = waiting
                if ready:
                    return ready
                self._news.wait(min(stream.due for stream in waiting) - now)
            self.thread = None
            return []

    def _step(self, client: socket.socket, steps: Steps) -> None:
        for body in steps:
            if body:
                with self._news:
                    return self._append(client, steps, body)
            return self._start_thread(client, steps)
        return None

    def _append(self, client: socket.socket, steps: Steps, body: WaitingBody) -> None:
        self._streams.append(OpenStream(client, steps, body, monotonic() + body.seconds))
