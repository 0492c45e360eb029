"""Stripe's scheme: HMAC-SHA256 over `timestamp.body`; the id is in the body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from labkit.signature import steps
from labkit.signature.scheme import Headers, Part, SignatureError

_SIGNATURE = "stripe-signature"
_RULE = f"{_SIGNATURE} must hold a v1 signature of this timestamp and body"


# https://docs.stripe.com/webhooks/signature#verify-manually
@dataclass(frozen=True)
class Stripe:
    """`Stripe-Signature: t=1614265330,v1=…,v1=…`: one time, and a signature for each secret that is valid.

    A secret starts with `whsec_` as one of Standard Webhooks does, but here the whole text is the key. Stripe's own
    library accepts a time in the future; here it is at most 300 s away in both directions.

    >>> Stripe().headers(["whsec_new", "whsec_old"], "", 1614265330, b"{}")["stripe-signature"][:20]
    't=1614265330,v1=51ce'
    """

    name: ClassVar[str] = "stripe"
    unsigned: ClassVar[tuple[Part, ...]] = ()

    check = staticmethod(steps.text_key)

    def headers(self, secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        content = _content(str(timestamp), body)
        listed = steps.several(secrets, most=steps.MOST_SIGNATURES - 1)  # the time is in the same list
        signatures = [steps.hmac_sha256(steps.text_key(secret), content).hex() for secret in listed]
        return {_SIGNATURE: ",".join([f"t={timestamp}", *(f"v1={each}" for each in signatures)])}

    def verify(
        self, secrets: str | Sequence[str], headers: Headers, body: bytes, now: float, tolerance: float = 300
    ) -> str:
        listed = steps.header(headers, _SIGNATURE)
        items = [item.partition("=") for item in steps.split(_SIGNATURE, listed, ",")]
        times = [value for key, _, value in items if key == "t"]
        if len(times) != 1:
            raise SignatureError(f"{_SIGNATURE} must have one time, t=…, got {len(times)} of them")
        content = _content(times[0], body)
        steps.check_age(_SIGNATURE, times[0], now, tolerance)
        given = [steps.unhex(value) for key, _, value in items if key == "v1"]  # v0 is only in test mode
        steps.check_match(_RULE, listed, map(steps.text_key, steps.several(secrets)), content, given)
        return ""

    def event(self, message_id: str, headers: Headers, document: object, now: float) -> tuple[str, object]:
        id, type, created = (steps.member(document, name) for name in ("id", "type", "created"))
        return steps.as_event(id, type, created, document)


def _content(timestamp: str, body: bytes) -> bytes:
    return f"{steps.check_seconds(_SIGNATURE, timestamp)}.".encode() + body
