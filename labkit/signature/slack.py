"""Slack's scheme: HMAC-SHA256 over `v0:timestamp:body`; the id is in the body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from labkit import wire
from labkit.signature import steps
from labkit.signature.scheme import Headers, Part

_TIME, _SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"
_RULE = f"{_SIGNATURE} must be v0= and the signature of this timestamp and body"


# https://docs.slack.dev/authentication/verifying-requests-from-slack
@dataclass(frozen=True)
class Slack:
    """A message has one signature, so that a sender that rotates its key cannot sign with both. The text is the key.

    >>> Slack().headers("8f742231b10e8888abcd99yyyzzz85a5", "", 1531420618, b"{}")["x-slack-signature"][:11]
    'v0=8fa0e009'
    """

    name: ClassVar[str] = "slack"
    unsigned: ClassVar[tuple[Part, ...]] = ()

    check = staticmethod(steps.text_key)

    def headers(self, secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        (secret,) = steps.several(secrets, most=1)
        signature = steps.hmac_sha256(steps.text_key(secret), _content(str(timestamp), body)).hex()
        return {_TIME: str(timestamp), _SIGNATURE: f"v0={signature}"}

    def verify(
        self, secrets: str | Sequence[str], headers: Headers, body: bytes, now: float, tolerance: float = 300
    ) -> str:
        sent_at, given = steps.header(headers, _TIME), steps.header(headers, _SIGNATURE)
        content = _content(sent_at, body)
        steps.check_age(_TIME, sent_at, now, tolerance)
        signature = steps.unhex(given, prefix="v0=")
        steps.check_match(_RULE, given, map(steps.text_key, steps.several(secrets)), content, [signature])
        return ""

    def event(self, message_id: str, headers: Headers, document: object, now: float) -> tuple[str, object]:
        """An event callback's inner type, or a challenge, which is answered as that of any source."""
        if steps.member(document, "type") == "url_verification":
            return "url_verification", {
                "type": wire.VERIFY,
                "timestamp": "",
                "data": {"challenge": steps.member(document, "challenge")},
            }
        type = steps.member(document, "event", "type")
        return steps.as_event(steps.member(document, "event_id"), type, steps.member(document, "event_time"), document)


def _content(timestamp: str, body: bytes) -> bytes:
    return f"v0:{steps.check_seconds(_TIME, timestamp)}:".encode() + body
