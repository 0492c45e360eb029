"""A page of the source's list, and the pages after it."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from labkit.approaches.consumer import Consumer


def take(consumer: Consumer, answer: httpx.Response) -> str:
    """Receive a page's events; returns the next cursor. Raises httpx.HTTPStatusError for any other answer."""
    page = answer.raise_for_status().json()
    for event in page["events"]:
        consumer.receive(event, answer)
    cursor: str = page["next"]
    return cursor


def pages(
    client: httpx.Client, cursor: str, path: str = "/events?limit=100", known: Mapping[str, str] | None = None
) -> Iterator[tuple[httpx.Response, dict[str, Any]]]:
    """Poll once, and follow the pages. A failure or a 304 ends it without a page, so the cursor stays."""
    more = True
    while more:
        try:
            answer = client.get(f"{path}&after={cursor}", headers=known).raise_for_status()
        except httpx.HTTPError:
            return
        page = answer.json()
        cursor, more = page["next"], page["has_more"]
        yield answer, page
