"""One attempt of one delivery: sign, POST, classify."""

from dataclasses import dataclass

import httpx

from labkit import signature
from labkit.policies import RetryProfile, Verdict

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


def deliver(
    client: httpx.Client, url: str, secrets: list[str], id: str, body: bytes, unix: float, profile: RetryProfile
) -> Attempt:
    """POST a signed message once. Whatever the endpoint does, the answer is an Attempt."""
    headers = {"Content-Type": "application/json", **signature.headers(secrets, id, int(unix), body)}
    try:
        with client.stream("POST", url, content=body, headers=headers) as answer:
            read = b""
            for chunk in answer.iter_raw():  # not decompressed: a small answer could unpack to any size
                read += chunk
                if len(read) > LARGEST_ANSWER:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RuntimeError) as error:
        # a Location with a bad host name raises a plain ValueError, and a closed client a RuntimeError
        return Attempt("failed", 0, f"{type(error).__name__}: {error}"[:LONGEST_ERROR])
    asked = answer.headers.get("Retry-After", "") if answer.status_code in (429, 503) else ""
    return Attempt(profile.verdict(answer.status_code), answer.status_code, body=read, retry_after=asked)
