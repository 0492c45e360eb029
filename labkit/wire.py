"""What both sides of the wire must agree on: limits, each with its reason, and the messages that are no events."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from labkit.event import to_json

LARGEST_BODY = 262_144
"""Bytes of a request's body: thirteen times the 20 kB that Standard Webhooks advises as the most for an event."""
PAGE, LARGEST_PAGE = 100, 1000
"""Events in an answer: by default, and at most. A poll of a quiet source fits in the first; catching up needs more."""
LARGEST_BATCH, LONGEST_BATCH_WAIT = 1000, 86_400.0
"""Events of a batched delivery, as many as a page holds; seconds for which the first of them may wait, a day."""
LONGEST_LEASE = 2_592_000.0
"""Seconds after which a subscription with a `ttl` expires at the latest, 30 days: about what Microsoft Graph allows."""
DEFAULT_GRACE, LONGEST_GRACE = 86_400.0, 2_592_000.0
"""Seconds for which an earlier secret signs too after a rotation: a day, as Stripe allows, and at most 30 days."""
LONGEST_WAIT = 60
"""Seconds for which a long poll may be held. By RFC 6202, 5.5, 30 s are safe, and up to 120 s have worked."""
HEARTBEAT = 15.0
"""Seconds of silence after which a stream sends a comment, so that no proxy takes it for dead (HTML, 9.2.7)."""
LONGEST_DATE = 100
"""Characters of a `Retry-After` that are read as a date; the longest that HTTP knows has 33."""
SHORTEST_LOOK = 0.001
"""Seconds between two looks of a fake stream, at least: it would keep a CPU busy otherwise."""

VERIFY, TEST, BATCH = "endpoint.verify", "endpoint.test", "batch"
"""The types of the messages that ask for a challenge back, try an endpoint out, or hold several events."""
RESERVED = (VERIFY, TEST, BATCH)
"""Types that no event may have: a receiver would acknowledge such an event without its effect."""
AVAILABLE = "events.available"
"""The type of a doorbell's notice, which has no data: there are events to be read from the list."""
DISABLED, ENABLED = "endpoint.disabled", "endpoint.enabled"
NOTICES = (DISABLED, ENABLED)
"""The types of the source's own events about its endpoints. They go to clients that name the type, and only to them."""


# https://www.rfc-editor.org/rfc/rfc9457
def problem(status: int, detail: str | None, **members: str) -> bytes:
    """The body of an error's answer, `application/problem+json`, with further members of its own (3.2).

    >>> problem(404, "there is no event evt_9")
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no event evt_9"}'
    """
    title = HTTPStatus(status).phrase
    return to_json({"type": "about:blank", "title": title, "status": status, "detail": detail, **members})


# https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
def retry_after(header: str, unix_now: float, longest: float) -> float:
    """Seconds to wait that a `Retry-After` asks for, at most `longest`: it is a number of them, or a date.

    A date in the past, and whatever is neither, is 0.

    >>> retry_after("120", 0, 86_400), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 0, 86_400)
    (120.0, 60.0)
    >>> retry_after("-5", 0, 86_400), retry_after("soon", 0, 86_400), retry_after("1000000000", 0, 86_400.0)
    (0.0, 0.0, 86400.0)
    """
    if header.isascii() and header.isdigit():
        return min(float(header[:12]), longest)  # 12 digits are beyond any limit; a header may have thousands
    try:
        date = parsedate_to_datetime(header[:LONGEST_DATE])
        return min(max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - unix_now), longest)
    except (ValueError, OverflowError):
        return 0.0
