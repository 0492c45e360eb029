"""Any WSGI app on a real loopback port: strict about HTTP, silent, and gone when the process ends."""

import atexit
import os
import re
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from io import StringIO
from ipaddress import IPv4Address
from threading import Lock, Thread, current_thread
from weakref import WeakSet
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from labkit.checks import whole
from labkit.clock import Condition, monotonic
from labkit.server.connection import Connection
from labkit.server.limits import RequestLimits
from labkit.server.notebook_cell import stop_earlier_run
from labkit.server.stream_loop import Steps, StreamLoop
from labkit.server.waiting_body import WaitingBody

DEFAULT_LIMITS = RequestLimits()
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,200}=*")
TOKEN_RULE = "16 to 200 characters of A-Z, a-z, 0-9 and -._~+/"
JOIN_TIMEOUT = 0.5
"""Seconds that `stop` waits for the app to return from the requests that are open."""


class Server:
    """A running server: its `url`, its `port`, the number of `requests` that reached the app so far, and `stop`.

    In a `with` block it stops at the end of the block, otherwise at the end of the process.
    """

    def __init__(
        self, app: WSGIApplication, address: tuple[str, int], prefix: str, limits: RequestLimits, token: str
    ) -> None:
        self.prefix, self.requests = prefix, 0
        self._app, self._limits, self._token, self._log = app, limits, token, StringIO()
        self._lock = Lock()
        self._connections: dict[socket.socket, Thread] = {}
        self._loops: dict[tuple[Condition, float], StreamLoop] = {}
        self._listener = socket.create_server(address, backlog=1024)
        self._listener.settimeout(0.05)  # so that `stop` is noticed on every system
        host, self.port = self._listener.getsockname()
        host = "127.0.0.1" if host == "0.0.0.0" else host  # every address of this machine: one of them
        self._base_url = f"http://{host}:{self.port}"
        self.url = f"{self._base_url}{prefix}"
        self._base_environ: WSGIEnvironment = {
            "SCRIPT_NAME": prefix,
            "SERVER_NAME": host,
            "SERVER_PORT": str(self.port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": self._log,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        self._name = f"labkit serve {self.port}"  # of its threads; every user can see it, so without the secret path
        self._running = True
        self._accepting = Thread(target=self._accept, daemon=True, name=self._name)
        self._accepting.start()
        _running.add(self)
        atexit.register(self.stop)

    @property
    def errors(self) -> str:
        """The app's errors, with tracebacks. They are kept here, and neither sent to the client nor printed."""
        return self._log.getvalue()

    def stop(self) -> None:
        """Free the port and end every connection; a request that the app is still answering ends at its next chunk.

        Calling it again does nothing.
        """
        with self._lock:
            if not self._running:
                return
            self._running = False
        _running.discard(self)
        atexit.unregister(self.stop)
        self._accepting.join()
        self._listener.close()
        with self._lock:
            open_connections, loops = dict(self._connections), list(self._loops.values())
        for client in open_connections:
            with suppress(OSError):  # the client closed it first
                client.shutdown(socket.SHUT_RDWR)
        for loop in loops:
            loop.stop()
        deadline = monotonic() + JOIN_TIMEOUT
        for thread in (*open_connections.values(), *(loop.thread for loop in loops)):
            if thread and thread.is_alive() and thread is not current_thread():  # one may not have been started yet
                thread.join(max(0.0, deadline - monotonic()))

    def _accept(self) -> None:
        while self._running:
            with suppress(OSError):  # TimeoutError included
                client, _ = self._listener.accept()
                self._start_thread(client, self._steps(client))

    def _steps(self, client: socket.socket) -> Steps:
        """One connection, from its first request until it is closed."""
        try:
            yield from Connection(client, self.call_app, self._base_environ, self._limits, self._token).run()
        finally:
            self._forget(client)

    def _start_thread(self, client: socket.socket, steps: Steps) -> None:
        """Let a connection begin, or go on, in a thread of its own."""
        thread = Thread(target=self._run, args=(client, steps), daemon=True, name=self._name)
        with self._lock:
            self._connections[client] = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            self._forget(client)

    def _run(self, client: socket.socket, steps: Steps) -> None:
        for body in steps:
            if body and self._loop(body).add(client, steps, body):
                return

    def _loop(self, body: WaitingBody) -> StreamLoop:
        """The loop of all bodies that wait for the same condition, and for as long."""
        with self._lock:
            loop = StreamLoop(body.news, self._start_thread, stopped=not self._running)
            return self._loops.setdefault((body.news, body.seconds), loop)

    def call_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            self.requests += 1
        return self._app(environ, start_response)

    def _forget(self, client: socket.socket) -> None:
        with self._lock:
            self._connections.pop(client, None)
        client.close()

    def close_after_fork(self) -> None:
        """In a forked child: close the child's copies of the sockets, unnoticed by the clients."""
        self._running = False
        self._listener.close()
        for client in self._connections:
            client.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        path = "/…" if self.prefix else ""
        return f"<Server {self._base_url}{path} {'running' if self._running else 'stopped'}>"


_running: WeakSet[Server] = WeakSet()


def _after_fork() -> None:
    for server in list(_running):
        server.close_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def address_of(host: str) -> IPv4Address:
    """The address of a host to listen on. Any of 127/8 is loopback, whatever it is called; "" is every address."""
    try:
        return IPv4Address(socket.gethostbyname(host))
    except OSError as error:
        raise OSError(f"host must be an IPv4 address of this machine or its name, got {host!r}: {error}") from None


def serve(
    app: WSGIApplication,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    token: str = "",
    secret_path: bool | None = None,
    limits: RequestLimits = DEFAULT_LIMITS,
) -> Server:
    """Serve a WSGI app on 127.0.0.1, by default on a port that the system chooses.

    With a `token`, requests without `Authorization: Bearer TOKEN` are answered 401. On another `host` than loopback, a
    token is required; "0.0.0.0" stands for every address of this machine.

    In a notebook, running a cell again replaces the servers that the cell started before. On a shared hub
    (`JUPYTERHUB_USER` is set) every user can reach loopback ports, so the app is served below a random path;
    `secret_path` overrides this.

    >>> import flask, httpx
    >>> with serve(flask.Flask("empty")) as server:
    ...     httpx.get(f"{server.url}/").status_code, server.requests
    (404, 1)
    """
    if not callable(app):
        raise TypeError(f"app must be a WSGI app, such as Flask(__name__), got {app!r:.200}")
    whole("port", port, 0, 65_535)
    if token and not TOKEN.fullmatch(token):
        raise ValueError(f"a token must be {TOKEN_RULE}, got another text of {len(token)} characters")
    address = address_of(host)
    if not token and not address.is_loopback:
        raise ValueError(f"host {host!r} can be called by other machines: give a token too")
    hidden = "JUPYTERHUB_USER" in os.environ if secret_path is None else secret_path
    stopped_by_next_run = stop_earlier_run()
    try:
        server = Server(app, (str(address), port), f"/{secrets.token_urlsafe(12)}" if hidden else "", limits, token)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # create_server adds the address
        raise OSError(f"port {port} of {host} is not available ({reason}): leave it out to get a free one") from None
    stopped_by_next_run.append(server.stop)
    return server
