"""A page of the source's list, and the pages after it. What has another shape is an error, as no answer would be."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from labkit.approaches.consumer import Consumer
from labkit.event import ID

CURSOR = re.compile("[!-~]{0,512}")
"""A cursor is opaque; it must fit into a URL."""


def document(answer: httpx.Response) -> Any:
    """The JSON in an answer. Raises httpx.DecodingError, an HTTPError, for what is none."""
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise rejected(answer, f"the answer is no JSON: {error}") from None


def rejected(answer: httpx.Response, reason: str) -> httpx.DecodingError:
    """The error to raise for an answer that cannot be read; the ledger records it as failed."""
    answer.extensions["labkit.reject"]("DecodingError")
    return httpx.DecodingError(reason, request=answer.request)


def is_event(value: object) -> bool:
    """Whether a value can be an event: an object that has an id and a type."""
    match value:
        case {"id": str(id), "type": str()}:
            return ID.fullmatch(id) is not None
    return False


def events_in(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events in an answer that is no page. Raises httpx.HTTPError if it is an error, or has another shape."""
    match document(answer.raise_for_status()):
        case {"events": [*events]} if all(map(is_event, events)):
            return events
    raise rejected(answer, f'the answer must have {{"events": […]}}, got {answer.content[:80]!r}')


def page_in(answer: httpx.Response) -> dict[str, Any]:
    """The page in an answer. Raises httpx.HTTPError if it is an error, or has another shape."""
    match page := document(answer.raise_for_status()):
        case {"events": [*events], "next": str(cursor), "has_more": bool()} if all(map(is_event, events)):
            if CURSOR.fullmatch(cursor):
                return dict(page)
    raise rejected(answer, f"a page must have events, next and has_more, got {answer.content[:80]!r}")


def take(consumer: Consumer, answer: httpx.Response) -> str:
    """Receive a page's events; returns the next cursor. Raises httpx.HTTPError for any other answer.

    For a cursor that has expired (410), it is the oldest one.
    """
    if answer.status_code == 410:
        return oldest(answer)
    page = page_in(answer)
    for event in page["events"]:
        consumer.receive(event, answer)
    cursor: str = page["next"]
    return cursor


def oldest(answer: httpx.Response) -> str:
    """The cursor from which on all events are kept, which a 410 names. Raises httpx.DecodingError for a junk answer."""
    match document(answer):
        case {"oldest": str(cursor)} if CURSOR.fullmatch(cursor):
            return cursor
    raise rejected(answer, f"an answer 410 must have the oldest cursor, got {answer.content[:80]!r}")


def note_tag(answer: httpx.Response, known: dict[str, str]) -> None:
    """Keep an answer's `ETag` for the next request, if it has one that a header can repeat."""
    tag = answer.headers.get("ETag", "")
    if tag and tag.isascii():
        known["If-None-Match"] = tag


def page_after(
    client: httpx.Client, cursor: str, path: str, known: Mapping[str, str] | None = None
) -> tuple[httpx.Response, dict[str, Any]]:
    """GET the page after a cursor; raises httpx.HTTPError if that fails, or for a 304.

    If the cursor has expired (410), it is at once the page after the oldest one. What was dropped before it is lost.
    """
    answer = client.get(f"{path}&after={quote(cursor)}", headers=known)
    while answer.status_code == 410:
        answer = client.get(f"{path}&after={quote(oldest(answer))}", headers=known)
    return answer, page_in(answer)


def pages(
    client: httpx.Client, cursor: str, path: str = "/events?limit=100", known: Mapping[str, str] | None = None
) -> Iterator[tuple[httpx.Response, dict[str, Any]]]:
    """Poll once, and follow the pages. A failure or a 304 ends it without a page, so the cursor stays."""
    more = True
    while more:
        try:
            answer, page = page_after(client, cursor, path, known)
        except httpx.HTTPError:
            return
        cursor, more = page["next"], page["has_more"]
        yield answer, page
