"""One attempt of one delivery: sign, POST, classify."""

from dataclasses import dataclass
from typing import Literal

import httpx

from labkit import signature

Verdict = Literal["delivered", "gone", "refused", "failed"]
LARGEST_ANSWER = 65_536
"""Bytes of an answer that are read before its connection is closed: its status says all."""


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended. `status` is 0, and `body` empty, where there was no answer."""

    verdict: Verdict
    status: int
    error: str = ""
    body: bytes = b""
    retry_after: str = ""


def deliver(client: httpx.Client, url: str, secret: str, id: str, body: bytes, unix: float) -> Attempt:
    """POST a signed message once. Whatever the endpoint does, the answer is an Attempt."""
    headers = {"Content-Type": "application/json", **signature.headers(secret, id, int(unix), body)}
    try:
        with client.stream("POST", url, content=body, headers=headers) as answer:
            read = b""
            for chunk in answer.iter_raw():  # not decompressed: a small answer could unpack to any size
                read += chunk
                if len(read) > LARGEST_ANSWER:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RuntimeError) as error:
        # a Location with a bad host name raises a plain ValueError, and a closed client a RuntimeError
        return Attempt("failed", 0, f"{type(error).__name__}: {error}")
    asked = answer.headers.get("Retry-After", "") if answer.status_code in (429, 503) else ""
    return Attempt(classify(answer.status_code), answer.status_code, body=read, retry_after=asked)


def classify(status: int) -> Verdict:
    """What an endpoint's answer means: 2xx is success, 410 ends the subscription, 422 refuses this delivery for good.

    Everything else is a failure, redirects included: they are not followed (Standard Webhooks).

    >>> classify(204), classify(410), classify(422), classify(302)
    ('delivered', 'gone', 'refused', 'failed')
    """
    if 200 <= status < 300:
        return "delivered"
    return {410: "gone", 422: "refused"}.get(status, "failed")  # type: ignore[return-value]
