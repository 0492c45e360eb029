"""A receiver as a Flask app."""

from typing import Protocol

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from labkit.receiver.core import Receiver
from labkit.wire import LARGEST_BODY


class TimeOfDay(Protocol):
    """What a receiver needs of a clock."""

    @property
    def epoch(self) -> float:
        """The Unix time of the instant 0."""

    def now(self) -> float:
        """Seconds after the instant 0."""


def receiver_app(receiver: Receiver, clock: TimeOfDay) -> Flask:
    """`POST /hook`, answered by a receiver. The clock says how old a message is."""
    app = Flask("labkit.receiver")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY + 1  # Werkzeug cuts a chunked body off here: one byte more shows it

    app.register_error_handler(HTTPException, _in_one_line)

    @app.post("/hook")
    def hook() -> Response:
        headers = dict(request.headers)  # read once: Werkzeug writes each name anew whenever they are looked through
        reply = receiver.handle(headers, request.get_data(), clock.epoch + clock.now())
        return Response(reply.body, reply.status, reply.headers)

    return app


def _in_one_line(error: HTTPException) -> Response:
    """A wrong path or method, or too long a body, as one line of text, like the receiver's own errors."""
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    hint = ": POST /hook is here" if error.code in (404, 405) else ""
    return Response(f"{error.name}{hint}\n", error.code, headers, mimetype="text/plain")
