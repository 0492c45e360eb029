"""One attempt of one delivery: sign, POST, classify."""

from contextlib import closing
from dataclasses import dataclass

import httpx

from labkit import signature
from labkit.clock import NANO
from labkit.network.exchange import CLIENT_HEADERS, Transport
from labkit.policies import RetryProfile, Verdict
from labkit.source.store import Subscription

LONGEST_ERROR = 300
"""Characters of an error that are kept. An invalid answer is quoted in its error, and may be of any length."""
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


def deliver(transport: Transport, to: Subscription, id: str, body: bytes, at: int, profile: RetryProfile) -> Attempt:
    """POST a signed message once, at a Unix time in nanoseconds. Whatever the endpoint does, the answer is an Attempt.

    A client around the transport would look for redirects, cookies and credentials: a tenth of an attempt's time.
    """
    signed = signature.headers(to.keyring.valid(at), id, at // NANO, body)
    headers = {**CLIENT_HEADERS, "Content-Type": "application/json", **signed}
    try:
        sent = httpx.Request("POST", to.url, headers=headers, content=body)
        with closing(transport.handle_request(sent)) as answer:
            read = b""
            for chunk in answer.iter_raw():  # not decompressed: a small answer could unpack to any size
                read += chunk
                if len(read) > LARGEST_ANSWER:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: a host name that IDNA refuses
        return Attempt("failed", 0, f"{type(error).__name__}: {error}"[:LONGEST_ERROR])
    asked = answer.headers.get("Retry-After", "") if answer.status_code in (429, 503) else ""
    return Attempt(profile.verdict(answer.status_code), answer.status_code, body=read, retry_after=asked)
