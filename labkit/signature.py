"""Standard Webhooks 1.0.0, scheme `v1`: sign a message with HMAC-SHA256, and verify one.

The signed content is the bytes `id.timestamp.body`, with the body exactly as it is sent: after parsing and serialising
it again the signature no longer fits. An id must not contain a dot: otherwise id `msg_1.5`, timestamp 7, body `x` and
id `msg_1`, timestamp 5, body `7.x` would have the same signature.
"""

import base64
import hmac
import re
import reprlib
from collections.abc import Iterable, Sequence
from random import Random
from typing import Protocol

__all__ = ["Headers", "SignatureError", "headers", "key", "new_secret", "sign", "verify"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")
_MOST_SIGNATURES = 16
_LONGEST_HEADER = 4096


class SignatureError(ValueError):
    """Says why a secret, an id, a timestamp or a signature is refused. It never shows a secret."""


class Headers(Protocol):
    """What a dict, Flask's headers and httpx's headers have in common."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def new_secret(rng: Random) -> str:
    """Make a secret: `whsec_` and the base64 of 24 random bytes. Use `random.SystemRandom` where it must be secret.

    >>> len(new_secret(Random(1)))
    38
    """
    return "whsec_" + _base64(rng.randbytes(24))


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
def key(secret: str) -> bytes:
    """Decode a secret to its 24 to 64 bytes, which are the key; the text itself is not.

    >>> len(key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    >>> key("whsec_c2hvcnQ=")
    Traceback (most recent call last):
    labkit.signature.SignatureError: secret must be whsec_ and the base64 of 24 to 64 bytes, got 5 bytes
    """
    rule = "secret must be whsec_ and the base64 of 24 to 64 bytes"
    if not secret.startswith("whsec_"):
        raise SignatureError(f"{rule}, got a text that does not start with whsec_")
    decoded = _unbase64(secret.removeprefix("whsec_"))
    if decoded is None:
        raise SignatureError(f"{rule}, got a text that is not base64 after whsec_")
    if not 24 <= len(decoded) <= 64:
        raise SignatureError(f"{rule}, got {len(decoded)} bytes")
    return decoded


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign `id.timestamp.body`. `timestamp` is the Unix time of the attempt, not of the event, in whole seconds.

    >>> secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    >>> sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    return "v1," + _base64(_hmac(key(secret), _content(message_id, str(timestamp), body)))


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#webhook-headers-sending-metadata-to-consumers
def headers(secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery, with one signature for each secret.

    Pass two secrets while a key is rotated: a receiver that knows one of them accepts the message.

    >>> list(headers(new_secret(Random(1)), "evt_1", 1614265330, b"{}"))
    ['webhook-id', 'webhook-timestamp', 'webhook-signature']
    """
    signatures = [sign(secret, message_id, timestamp, body) for secret in _several(secrets)]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#verifying-signatures
def verify(secrets: str | Sequence[str], headers: Headers, body: bytes, now: float, tolerance: float = 300) -> str:
    """Return the id of a message that was signed with one of the secrets, at most `tolerance` seconds from `now`.

    Use this id to deduplicate, and no other. `now` is Unix time, not rounded: a message is accepted until it is exactly
    300 s old (or ahead), and refused at 300.5 s. A replay within that time is verified again; only deduplication stops
    it. Every other message raises SignatureError, and no other exception, whatever the headers contain.

    >>> secret = new_secret(Random(1))
    >>> verify(secret, headers(secret, "evt_1", 1000, b"{}"), b"{}", now=1300)
    'evt_1'
    >>> verify(secret, headers(secret, "evt_1", 1000, b"{}"), b"{}", now=1301)
    Traceback (most recent call last):
    labkit.signature.SignatureError: webhook-timestamp must be within 300 s of now, 1301, got 1000
    """
    message_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    listed = _header(headers, "webhook-signature")
    content = _content(message_id, timestamp, body)
    if not abs(now - int(timestamp)) <= tolerance:  # written so that NaN is refused too
        raise SignatureError(f"webhook-timestamp must be within {tolerance:g} s of now, {now}, got {timestamp}")
    candidates = listed.split(" ", _MOST_SIGNATURES)
    if len(candidates) > _MOST_SIGNATURES or len(listed) > _LONGEST_HEADER:
        raise SignatureError(
            f"webhook-signature must hold at most {_MOST_SIGNATURES} signatures in {_LONGEST_HEADER} "
            f"characters, got {reprlib.repr(listed)} of {len(listed)} characters"
        )
    # Other versions, such as v1a, are ignored, and so is invalid base64: it equals no signature.
    given = [_unbase64(text[3:]) or b"" for text in candidates if text.startswith("v1,")]
    expected = [_hmac(key(secret), content) for secret in _several(secrets)]
    # All pairs are compared before any result is used, so the time taken does not tell which one matched.
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    if not any(matches):
        raise SignatureError(
            "webhook-signature must hold a v1 signature of this id, timestamp and body "
            f"by a known secret, got {reprlib.repr(listed)}"
        )
    return message_id


def _header(headers: Headers, name: str) -> str:
    """A header by its name in any case. Two of them are refused, since either may be the intended one."""
    values = [value for field, value in headers.items() if field.lower() == name]
    if len(values) != 1:
        raise SignatureError(f"{name} must be given once, got {len(values)} of them")
    return values[0]


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    """The bytes to sign. Both `sign` and `verify` use it, so both refuse the same ids and timestamps."""
    if not _ID.fullmatch(message_id):
        raise SignatureError(f"webhook-id must be 1 to 64 of A-Z, a-z, 0-9, _ and -, got {reprlib.repr(message_id)}")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError(f"webhook-timestamp must be whole Unix seconds in digits, got {reprlib.repr(timestamp)}")
    return f"{message_id}.{timestamp}.".encode() + body


def _several(secrets: str | Sequence[str]) -> Sequence[str]:
    several = [secrets] if isinstance(secrets, str) else secrets
    if not 1 <= len(several) <= _MOST_SIGNATURES:
        raise SignatureError(f"secrets must be 1 to {_MOST_SIGNATURES}, got {len(several)}")
    return several


def _hmac(secret_key: bytes, content: bytes) -> bytes:
    return hmac.digest(secret_key, content, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str) -> bytes | None:
    """Decode canonical base64, else None. How strict Python's own decoder is depends on its version."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        return None
    return data if _base64(data) == text else None
