"""A page of the source's list, and the pages after it."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from labkit.approaches.consumer import Consumer


def document(answer: httpx.Response) -> Any:
    """The JSON in an answer. Raises httpx.DecodingError, an HTTPError, for what is none."""
    try:
        return answer.json()
    except ValueError as error:
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
    """The cursor from which on all events are kept, which a 410 names."""
    cursor: str = answer.json()["oldest"]
    return cursor


def pages(
    client: httpx.Client, cursor: str, path: str = "/events?limit=100", known: Mapping[str, str] | None = None
) -> Iterator[tuple[httpx.Response, dict[str, Any]]]:
    """Poll once, and follow the pages. A failure or a 304 ends it without a page, so the cursor stays.

    If the cursor has expired (410), polling goes on at once at the oldest one. What was dropped before it is lost.
    """
    more = True
    while more:
        try:
            answer = client.get(f"{path}&after={cursor}", headers=known)
            if answer.status_code == 410:
                cursor = oldest(answer)
                continue
            page = document(answer.raise_for_status())
        except httpx.HTTPError:
            return
        cursor, more = page["next"], page["has_more"]
        yield answer, page
