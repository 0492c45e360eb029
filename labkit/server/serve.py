"""Any WSGI app on a real loopback port: strict about HTTP, silent, and gone when the process goes."""

import atexit
import os
import secrets
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from socketserver import BaseRequestHandler, TCPServer
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from labkit.clock import monotonic
from labkit.server.handler import Handler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True)
class RequestLimits:
    """What a server puts up with: `body` and `line` in bytes, `request`, `idle`, `answer` and `linger` in seconds.

    A body of 1,048,577 bytes is answered 413. A request that came in a byte each half second gets no further than its
    20th: after 10 s it is answered 408.
    """

    body: int = 1_048_576
    line: int = 16_384
    """The request line, and each header."""
    headers: int = 100
    request: float = 10.0
    """From a request's first byte to its last."""
    idle: float = 75.0
    """Between two requests; longer than any client here keeps a connection."""
    answer: float = 10.0
    """For the client to take a chunk of the answer."""
    linger: float = 1.0
    """For the client to read the last answer, while what it still sends is thrown away."""


LIMITS = RequestLimits()
JOIN_TIMEOUT = 0.5
"""Seconds that `stop` waits for the app to return from the requests that it still has."""


class Server:
    """A running server: its `url`, its `port`, the number of `requests` to the app so far, and `stop`.

    In a `with` block it stops at the end; otherwise at the end of the process.
    """

    def __init__(self, app: "WSGIApplication", port: int = 0, prefix: str = "", limits: RequestLimits = LIMITS) -> None:
        self.app, self.prefix, self.limits = app, prefix, limits
        self.requests = 0
        self.log = StringIO()
        self._lock = Lock()
        self._connections: dict[socket.socket, Thread] = {}
        self._listener = _Listener(("127.0.0.1", port), self)
        self.port: int = self._listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        self._name = f"labkit serve {self.port}"  # of its threads: without the secret, since the system shows it to all
        self._accepting = Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True, name=self._name)
        self._accepting.start()
        self._running = True
        _running.add(self)
        atexit.register(self.stop)

    @property
    def errors(self) -> str:
        """What went wrong in the app, tracebacks included: it is kept here, neither sent to the client nor printed."""
        return self.log.getvalue()

    def stop(self) -> None:
        """Free the port and end every connection. What the app is doing for one ends when it next yields.

        Stopping again does nothing.
        """
        with self._lock:
            if not self._running:
                return
            self._running = False
        _running.discard(self)
        atexit.unregister(self.stop)
        self._listener.shutdown()
        self._listener.server_close()
        with self._lock:
            left = dict(self._connections)
        for connection in left:
            with suppress(OSError):  # its client was quicker
                connection.shutdown(socket.SHUT_RDWR)
        until = monotonic() + JOIN_TIMEOUT
        for thread in [self._accepting, *left.values()]:
            if thread is not current_thread():
                thread.join(max(0.0, until - monotonic()))

    def count(self) -> None:
        with self._lock:
            self.requests += 1

    def handle_connection(self, connection: socket.socket) -> None:
        """Give a new connection a thread."""
        thread = Thread(target=self._run, args=(connection,), daemon=True, name=self._name)
        with self._lock:
            self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no more
            self._forget(connection)

    def _run(self, connection: socket.socket) -> None:
        try:
            Handler(connection, self).run()
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.pop(connection, None)
        connection.close()

    def close_after_fork(self) -> None:
        """In a process that was forked off: close its copies of the sockets, without a word to the clients."""
        self._running = False
        self._listener.server_close()
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        path = "/…" if self.prefix else ""
        return f"<Server http://127.0.0.1:{self.port}{path} {'running' if self._running else 'stopped'}>"


class _Listener(TCPServer):
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two listen
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], server: Server) -> None:
        super().__init__(address, BaseRequestHandler)
        self._server = server

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.handle_connection(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: background threads never print."""


_running: WeakSet[Server] = WeakSet()


def _after_fork() -> None:
    for server in list(_running):
        server.close_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def serve(
    app: "WSGIApplication", port: int = 0, *, secret_path: bool | None = None, limits: RequestLimits = LIMITS
) -> Server:
    """Serve a WSGI app on 127.0.0.1, on a port that the system chooses unless one is given.

    In a notebook, running a cell again replaces the servers that it started before. On a shared hub (`JUPYTERHUB_USER`
    is set) loopback belongs to everybody, so the app is put below a random path; `secret_path` decides otherwise.

    >>> import flask, httpx
    >>> with serve(flask.Flask("empty")) as server:
    ...     httpx.get(f"{server.url}/").status_code, server.requests
    (404, 1)
    """
    if not callable(app):
        raise TypeError(f"serve takes a WSGI app, such as Flask(__name__), got {app!r:.200}")
    hidden = "JUPYTERHUB_USER" in os.environ if secret_path is None else secret_path
    cell, execution = _cell()
    if cell and _started.get(cell, ("", []))[0] != execution:
        for earlier in _started.pop(cell, ("", []))[1]:
            earlier.stop()
    try:
        server = Server(app, port, f"/{secrets.token_urlsafe(12)}" if hidden else "", limits)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"port {port} of 127.0.0.1 cannot be had ({reason}): leave it out to get a free one") from None
    if cell:
        _started.setdefault(cell, (execution, []))[1].append(server)
    return server


_started: dict[str, tuple[str, list[Server]]] = {}
"""By cell: which run of it, and the servers that it started."""


def _cell() -> tuple[str, str]:
    """The notebook's cell that is running, by its id or else its text, and this run's id; "" outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    message = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = message.get("metadata", {}).get("cellId") or message.get("content", {}).get("code", "")
    return cell, message.get("header", {}).get("msg_id", "")
