"""A page of the source's list, as every approach that asks takes it."""

import httpx

from labkit.approaches.consumer import Consumer


def take(consumer: Consumer, answer: httpx.Response) -> str:
    """Receive a page's events; returns the cursor to ask on with. Raises httpx.HTTPStatusError if it is no page."""
    page = answer.raise_for_status().json()
    for event in page["events"]:
        consumer.receive(event, answer)
    cursor: str = page["next"]
    return cursor
