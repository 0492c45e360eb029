"""A page of the source's list, and the pages after it."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from labkit.approaches.consumer import Consumer


def document(answer: httpx.Response) -> Any:
    """The JSON in an answer. Raises httpx.DecodingError, an HTTPError, for what is none."""
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        answer.extensions["labkit.reject"]("DecodingError")
        raise httpx.DecodingError(f"the answer is no JSON: {error}", request=answer.request) from None


def take(consumer: Consumer, answer: httpx.Response) -> str:
    """Receive a page's events; returns the next cursor. Raises httpx.HTTPStatusError for any other answer.

    For a cursor that has expired (410), it is the oldest one.
    """
    if answer.status_code == 410:
        return oldest(answer)
    page = document(answer.raise_for_status())
    for event in page["events"]:
        consumer.receive(event, answer)
    cursor: str = page["next"]
    return cursor


def oldest(answer: httpx.Response) -> str:
    """The cursor from which on all events are kept, which a 410 names. Raises httpx.DecodingError for a junk answer."""
    cursor: str = document(answer)["oldest"]
    return cursor


def page_after(
    client: httpx.Client, cursor: str, path: str, known: Mapping[str, str] | None = None
) -> tuple[httpx.Response, dict[str, Any]]:
    """GET the page after a cursor; raises httpx.HTTPError if that fails, or for a 304.

    If the cursor has expired (410), it is at once the page after the oldest one. What was dropped before it is lost.
    """
    answer = client.get(f"{path}&after={cursor}", headers=known)
    while answer.status_code == 410:
        answer = client.get(f"{path}&after={oldest(answer)}", headers=known)
    return answer, document(answer.raise_for_status())


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
