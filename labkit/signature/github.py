"""GitHub's scheme: HMAC-SHA256 over the body alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from labkit.signature import steps
from labkit.signature.scheme import Headers, Part

_ID, _TYPE, _SIGNATURE = "x-github-delivery", "x-github-event", "x-hub-signature-256"
_RULE = f"{_SIGNATURE} must be sha256= and the signature of this body"


# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
@dataclass(frozen=True)
class GitHub:
    """A delivery's id, type and time are not signed: a recorded delivery can be sent again, under any id.

    A delivery has one signature, so a source that rotates its key cannot sign with both. The text is the key.

    >>> signed = GitHub().headers("It's a Secret to Everybody", "evt_1", 0, b"Hello, World!")
    >>> signed["x-hub-signature-256"]
    'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    """

    name: ClassVar[str] = "github"
    unsigned: ClassVar[tuple[Part, ...]] = ("id", "type", "time")

    check = staticmethod(steps.text_key)

    def headers(self, secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        (secret,) = steps.several(secrets, most=1)
        signature = steps.hmac_sha256(steps.text_key(secret), body).hex()
        return {_ID: steps.check_id(_ID, message_id), _SIGNATURE: f"sha256={signature}"}

    def verify(
        self, secrets: str | Sequence[str], headers: Headers, body: bytes, now: float, tolerance: float = 300
    ) -> str:
        given = steps.header(headers, _SIGNATURE)
        signature = steps.unhex(given, prefix="sha256=")
        steps.check_match(_RULE, given, map(steps.text_key, steps.several(secrets)), body, [signature])
        return steps.check_id(_ID, steps.header(headers, _ID))

    def event(self, message_id: str, headers: Headers, document: object, now: float) -> tuple[str, object]:
        """Its type is `issues.opened`: the header's, and the body's action. A body has no time, so `now` is taken."""
        type, action = steps.header(headers, _TYPE), steps.member(document, "action")
        return steps.as_event(message_id, f"{type}.{action}" if isinstance(action, str) else type, now, document)
