"""Standard Webhooks 1.0.0, scheme `v1`: sign a message with HMAC-SHA256, and verify one.

The signed content is the bytes `id.timestamp.body`, with the body exactly as it is sent: after parsing and serialising
it again the signature no longer fits. An id must not contain a dot: otherwise id `msg_1.5`, timestamp 7, body `x` and
id `msg_1`, timestamp 5, body `7.x` would have the same signature.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from labkit.signature.scheme import Headers, Part, SignatureError
from labkit.signature.steps import check_age, check_id, check_match, check_seconds, header, hmac_sha256, several, split

_ID, _TIME, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_RULE = f"{_SIGNATURE} must hold a v1 signature of this id, timestamp and body"


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
    labkit.signature.scheme.SignatureError: secret must be whsec_ and the base64 of 24 to 64 bytes, got 5 bytes
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
    return "v1," + _base64(hmac_sha256(key(secret), _content(message_id, str(timestamp), body)))


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#webhook-headers-sending-metadata-to-consumers
def headers(secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery, with one signature for each secret.

    Pass two secrets while a key is rotated: a receiver that knows one of them accepts the message.

    >>> list(headers(new_secret(Random(1)), "evt_1", 1614265330, b"{}"))
    ['webhook-id', 'webhook-timestamp', 'webhook-signature']
    """
    signatures = [sign(secret, message_id, timestamp, body) for secret in several(secrets)]
    return {_ID: message_id, _TIME: str(timestamp), _SIGNATURE: " ".join(signatures)}


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
    labkit.signature.scheme.SignatureError: webhook-timestamp must be within 300 s of now, 1301, got 1000
    """
    message_id, timestamp = header(headers, _ID), header(headers, _TIME)
    listed = header(headers, _SIGNATURE)
    content = _content(message_id, timestamp, body)
    check_age(_TIME, timestamp, now, tolerance)
    candidates = [text.partition(",") for text in split(_SIGNATURE, listed, " ")]
    given = [  # other versions, such as v1a, are ignored; an entry without a version or base64 spoils the list
        _unbase64(encoded) or b"" for version, comma, encoded in candidates if version == "v1" or not comma
    ]
    check_match(_RULE, listed, map(key, several(secrets)), content, given)
    return message_id


@dataclass(frozen=True)
class StandardWebhooks:
    """The functions of this module as a scheme: id and time are signed, and a message holds several signatures."""

    name: ClassVar[str] = "standard"
    unsigned: ClassVar[tuple[Part, ...]] = ()

    check = staticmethod(key)
    headers = staticmethod(headers)
    verify = staticmethod(verify)

    def event(self, message_id: str, headers: Headers, document: object, now: float) -> tuple[str, object]:
        return message_id, document


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    """The bytes to sign. Both `sign` and `verify` use it, so both refuse the same ids and timestamps."""
    return f"{check_id(_ID, message_id)}.{check_seconds(_TIME, timestamp)}.".encode() + body


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str) -> bytes | None:
    """Decode canonical base64, else None. How strict Python's own decoder is depends on its version."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        return None
    return data if _base64(data) == text else None
