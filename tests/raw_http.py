"""Raw bytes to a server and back, h11 to parse the answers, and small WSGI apps."""

import socket
import threading
from contextlib import suppress

import h11
from flask import Flask, request

from labkit.clock import monotonic
from labkit.server import RequestLimits

SHORT = RequestLimits(request=0.4, idle=0.4, answer=0.4, linger=0.3)
TIMEOUT = 5.0
pause = threading.Event().wait


def echo() -> Flask:
    """A plain Flask app without limits of its own; it answers with what it received."""
    app = Flask("echo")
    methods = ["GET", "POST", "PUT"]

    @app.route("/", defaults={"path": ""}, methods=methods)
    @app.route("/<path:path>", methods=methods)
    def view(path):
        return {
            "method": request.method,
            "path": path,
            "query": request.query_string.decode(),
            "body": request.data.decode(),
        }

    return app


def answering(status="200 OK", headers=(), chunks=(b"hello",)):
    def app(environ, start_response):
        start_response(status, list(headers))
        return iter(chunks)

    return app


def ticking(ended, seconds=0.05):
    """An endless stream, like server-sent events; `ended` gets an item for each stream that was closed."""

    def ticks():
        try:
            while True:
                yield b": tick\n\n"
                pause(seconds)
        finally:
            ended.append(True)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return ticks()

    return app


def connect(port):
    return socket.create_connection(("127.0.0.1", port), TIMEOUT)


def read_to_end(connection):
    """All bytes until the server closes; a connection that stays open fails the test."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            received += data
    return received


def send(server, raw, half_close=True):
    """Send bytes on a connection of their own, and return all that comes back until the server closes it."""
    with connect(server.port) as connection:
        with suppress(OSError):
            connection.sendall(raw)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


def status(answer):
    return int(answer.split()[1]) if answer else None


def head(server, *lines, target="/", method="POST"):
    """The head of a request, with the Host that it needs."""
    first = f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


def parse(raw, *methods, closed=True):
    """The answers to these requests as h11 reads them: (status, headers, body) each; no byte may be left over."""
    answers = []
    for method in methods:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(raw)
        if closed:
            client.receive_data(b"")
        body = b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                code, headers = event.status_code, dict(event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.InformationalResponse), event
        answers.append((code, headers, body))
        raw = client.trailing_data[0]
    assert raw == b""
    return answers


def is_refused(port):
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_for(condition, seconds=TIMEOUT):
    deadline = monotonic() + seconds
    while not condition() and monotonic() < deadline:
        pause(0.01)
    return condition()


def threads_of(server):
    return [thread for thread in threading.enumerate() if thread.name == f"labkit serve {server.port}"]
