"""One client's connection: each request is read whole, the app is called, and its answer is sent."""

import socket
import traceback
from collections.abc import Generator
from contextlib import suppress
from hmac import compare_digest
from http import HTTPStatus
from io import BytesIO
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication, WSGIEnvironment

from labkit.clock import monotonic
from labkit.server.limits import RequestLimits
from labkit.server.reader import Reader, RefusedError
from labkit.server.request import Request
from labkit.server.response import ClientLeftError, Response
from labkit.server.stream_loop import Steps
from labkit.server.waiting_body import WaitingBody
from labkit.wire import problem


class Connection:
    """Answers the requests of one connection; `base` is what all environs have in common (SERVER_PORT, …).

    With a `token`, every request must have it (RFC 6750).
    """

    def __init__(
        self, client: socket.socket, app: WSGIApplication, base: WSGIEnvironment, limits: RequestLimits, token: str
    ) -> None:
        self._client, self._app, self._base_environ, self._limits, self._token = client, app, base, limits, token
        self._reader, self._requests, self._unsent = Reader(client), 0, b""
        self._ended = False

    def run(self) -> Steps:
        """Answer requests until the client or the server ends the connection.

        A generator: after each step of a body that waits it yields the body, and before anything that may block it
        yields None. So the steps of many connections can be made in one thread.
        """
        with suppress(OSError, ClientLeftError):
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._own = self._client.getsockname()[0]
            self._base_environ = {**self._base_environ, "REMOTE_ADDR": self._client.getpeername()[0]}
            going_on = True
            while going_on:
                going_on = yield from self._exchange()
                yield None
            self._client.shutdown(socket.SHUT_WR)
            self._reader.deadline = monotonic() + self._limits.linger
            while self._reader.receive():  # unread bytes would make the kernel reset the connection and drop the answer
                pass

    def _exchange(self) -> Generator[WaitingBody | None, None, bool]:
        """Answer one request; True if another may follow."""
        self._reader.deadline = monotonic() + self._limits.idle
        if not self._reader.peek():
            return False
        self._reader.deadline = monotonic() + self._limits.request
        self._requests += 1
        request = Request(self._reader, self._limits)
        try:
            request.read_head()
            self._check(request)
            request.read_body(self._send)
        except RefusedError as refused:
            return self._refuse(request, refused.status, refused.reason)
        except TimeoutError:
            return self._refuse(request, 408, f"the request must arrive within {self._limits.request} s")
        self._client.settimeout(None)
        return (yield from self._answer(request))

    def _check(self, request: Request) -> None:
        """Refuse what is not addressed to this server, and what another site's page sends."""
        own_port, prefix = self._base_environ["SERVER_PORT"], self._base_environ["SCRIPT_NAME"]
        host, path = request.fields.get("host", [""])[0].lower(), request.path
        name, _, port = host.partition(":")
        local = name in (self._own, "127.0.0.1", "localhost") and (port or "80") == own_port
        if not local and name not in self._limits.hosts:
            raise RefusedError(
                400, f"Host must be {' or '.join([f'{self._own}:{own_port}', *self._limits.hosts])}, got {host[:80]!r}"
            )
        if not path.startswith("/") or "#" in path + request.query:
            raise RefusedError(400, f"the target must be a path, got {path[:80]!r}")
        origin, site = request.fields.get("origin", []), request.fields.get("sec-fetch-site", [])
        if not set(site) <= {"none", "same-origin"} or (origin and origin != [f"http://{host}"]):
            raise RefusedError(403, "sent by a page of another site: type the URL into the address bar instead")
        start, rest = path[: len(prefix)], path[len(prefix) :]
        if not compare_digest(start, prefix) or rest[:1] not in ("", "/") or "%00" in path:
            raise RefusedError(404, "not found")
        scheme, _, given = ",".join(request.fields.get("authorization", [])).partition(" ")
        if self._token and not (scheme.lower() == "bearer" and compare_digest(given.encode(), self._token.encode())):
            raise RefusedError(401, "this server asks for its token: send Authorization: Bearer TOKEN")

    def _environ(self, request: Request) -> WSGIEnvironment:
        environ: WSGIEnvironment = {
            **self._base_environ,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote_to_bytes(request.path[len(self._base_environ["SCRIPT_NAME"]) :]).decode("latin-1"),
            "QUERY_STRING": request.query,
            "CONTENT_TYPE": "".join(request.fields.get("content-type", [])),
            "CONTENT_LENGTH": str(len(request.body)),
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "REMOTE_PORT": str(self._client.getpeername()[1]),
            "labkit.request": self._requests,  # the number of this request on its connection, from 1
            "wsgi.input": BytesIO(request.body),
            "werkzeug.socket": self._client,  # by which WebSocket libraries take the connection over
        }
        for name, values in request.fields.items():
            if name not in ("content-length", "content-type", "transfer-encoding") and "_" not in name:
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = ",".join(values)
        return environ

    def _answer(self, request: Request) -> Generator[WaitingBody | None, None, bool]:
        """Call the app and send each chunk as it is yielded; False if the connection must end with this answer."""
        response = Response(self._send, request.method, request.version, request.closes)
        try:
            body = self._app(self._environ(request), response.start)  # not kept here: a stream may be open for hours
            try:
                if isinstance(body, WaitingBody):
                    yield from self._send_waiting(body, response)
                else:
                    for chunk in filter(None, body):
                        response.write(chunk)
                        if response.bodiless:
                            break
                response.finish()
            finally:
                if hasattr(body, "close"):
                    body.close()
        except ClientLeftError:
            raise
        except BaseException as error:  # sys.exit() in a view included
            if not (self._ended and isinstance(error, GeneratorExit)):
                self._base_environ["wsgi.errors"].write(traceback.format_exc())
            if self._ended:
                raise GeneratorExit from None
            yield None
            return False if response.started else self._refuse(request, 500, "the app failed: see server.errors")
        return not response.closes

    def _send_waiting(self, body: WaitingBody, response: Response) -> Steps:
        """Send the chunks of a body that waits. Whatever may block is preceded by `yield None`."""
        response.send = self._send_at_once
        self._client.setblocking(False)
        for chunk in body.steps():
            if chunk:
                response.write(chunk)
            if self._unsent:
                yield from self._pause(None)
                self._send_rest()
            if response.bodiless:
                break
            yield from self._pause(body)
        yield from self._pause(None)
        response.send = self._send

    def _pause(self, body: WaitingBody | None) -> Steps:
        """Stop until the next step. If the server ends the connection instead, GeneratorExit is raised here."""
        try:
            yield body
        except GeneratorExit:
            self._ended = True
            raise

    def _refuse(self, request: Request, status: int, reason: str) -> bool:
        """Answer with a problem (RFC 9457); False, since the connection ends with it."""
        body = problem(status, reason)
        response = Response(self._send, request.method, request.version, closes=True)
        headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
        headers += [("WWW-Authenticate", 'Bearer realm="labkit"')] if status == 401 else []
        response.start(f"{status} {HTTPStatus(status).phrase}", headers)
        response.write(body)
        return False

    def _send(self, data: bytes) -> None:
        try:
            self._client.settimeout(self._limits.answer)
            self._client.sendall(data)
        except OSError:
            raise ClientLeftError from None

    def _send_at_once(self, data: bytes) -> None:
        """Send what the client takes now; the rest is `_unsent`."""
        try:
            self._unsent = data[self._client.send(data) :]
        except BlockingIOError:
            self._unsent = data
        except OSError:
            raise ClientLeftError from None

    def _send_rest(self) -> None:
        rest, self._unsent = self._unsent, b""
        self._send(rest)
        self._client.setblocking(False)
