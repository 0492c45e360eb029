"""What the source answers: JSON, or a problem (RFC 9457) that names the value."""

from collections.abc import Iterable

from flask import Response, abort, request

from labkit import wire
from labkit.event import to_json


def json_answer(document: object, status: int = 200) -> Response:
    """A document as JSON; bytes are JSON already."""
    return Response(document if isinstance(document, bytes) else to_json(document), status, mimetype="application/json")


def tagged_answer(document: bytes, tag: str) -> Response:
    """JSON with an ETag, or 304 if the client still holds it (RFC 9110, 15.4.5)."""
    headers = {"ETag": f'"{tag}"'}
    if request.if_none_match.contains_weak(tag):
        return Response(status=304, headers=headers)
    return Response(document, 200, headers, mimetype="application/json")


def problem(status: int, detail: str | None, headers: Iterable[tuple[str, str]] = (), **members: str) -> Response:
    """A problem (RFC 9457), with further members of its own (3.2)."""
    document = wire.problem(status, detail, **members)
    return Response(document, status, list(headers), mimetype="application/problem+json")


class refuse:  # noqa: N801 - it reads as a statement
    """Answer a ValueError of the block with a status, and with the error's text as the detail.

    A class, since three of these stand in the way of each poll: a generator's context manager costs 2% of a run.
    """

    def __init__(self, status: int) -> None:
        self.status = status

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError):
            abort(self.status, str(error))
