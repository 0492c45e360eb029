"""One thread for all open answers that wait for the same condition, instead of one for each."""

import socket
from collections.abc import Callable, Generator
from threading import Thread, current_thread
from typing import NamedTuple

from labkit.clock import Condition, Stopped, monotonic
from labkit.server.waiting_body import WaitingBody

Steps = Generator[WaitingBody | None]
"""A connection at work. It yields a body that has nothing to send now, and None before it may block."""


class OpenStream(NamedTuple):
    client: socket.socket
    steps: Steps
    body: WaitingBody
    due: float
    """The instant at which it goes on without a notification."""


class StreamLoop:
    """Lets the connections whose bodies wait for `news` go on, all in the thread of the first one.

    `start_thread` gives a connection that may block a thread of its own: its client does not take at once what is sent,
    or its body has ended.
    """

    def __init__(self, news: Condition, start_thread: Callable[[socket.socket, Steps], None]) -> None:
        self.thread: Thread | None = None
        """The thread that runs the loop, as long as there are streams."""
        self._news, self._start_thread = news, start_thread
        self._waiting: list[OpenStream] = []
        self._stopped = False

    def add(self, client: socket.socket, steps: Steps, body: WaitingBody) -> bool:
        """Take over a connection that waits; False if it need not wait.

        In the thread of the first one this returns when none waits any more.
        """
        with self._news:
            if self._stopped or body.notified:
                return False
            self._waiting.append(OpenStream(client, steps, body, monotonic() + body.seconds))
            if self.thread:
                return True
            self.thread = current_thread()
        try:
            while ready := self._ready():
                for stream in ready:
                    self._go_on(stream)
        except Stopped:  # the clock is closed
            with self._news:
                ended, self._waiting, self.thread = self._waiting, [], None
            for stream in ended:
                stream.steps.close()
        return True

    def stop(self) -> None:
        """Let all go on, and so end: their sockets are shut down."""
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def _ready(self) -> list[OpenStream]:
        """Wait until there are streams that may have something to send, and take them out; none if none is open."""
        with self._news:
            while self._waiting:
                now, waiting, ready = monotonic(), list[OpenStream](), list[OpenStream]()
                for stream in self._waiting:
                    goes_on = self._stopped or stream.body.notified or stream.due <= now
                    (ready if goes_on else waiting).append(stream)
                self._waiting = waiting
                if ready:
                    return ready
                self._news.wait(min(stream.due for stream in waiting) - now)
            self.thread = None
            return []

    def _go_on(self, stream: OpenStream) -> None:
        for body in stream.steps:
            if not body:
                return self._start_thread(stream.client, stream.steps)
            if self.add(stream.client, stream.steps, body):
                return None
        return None
