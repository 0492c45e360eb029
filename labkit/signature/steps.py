"""The steps that signature schemes share: find a header, check an id, a time, a list of signatures, compare."""

import hmac
import re
import reprlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from labkit.checks import number
from labkit.event import ID, ID_RULE, timestamp
from labkit.signature.scheme import Headers, SignatureError
from labkit.wire import RESERVED

MOST_SIGNATURES = 16
LONGEST_HEADER = 4096
_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}")
_HEX = re.compile(r"[0-9a-f]{64}")
_LAST_SECOND = 253_402_300_799  # of the year 9999


def header(headers: Headers, name: str) -> str:
    """A header by its name in any case. Two of them are refused, since either may be the intended one."""
    values = [value for field, value in headers.items() if field.lower() == name]
    if len(values) != 1:
        raise SignatureError(f"{name} must be given once, got {len(values)} of them")
    return values[0]


def several(secrets: str | Sequence[str], most: int = MOST_SIGNATURES) -> Sequence[str]:
    """One secret, or a sequence of up to `most`."""
    listed = [secrets] if isinstance(secrets, str) else secrets
    if not 1 <= len(listed) <= most:
        raise SignatureError(f"secrets must be 1{f' to {most}' if most > 1 else ''}, got {len(listed)}")
    return listed


def text_key(secret: str) -> bytes:
    """The key where a secret's text itself is the key: its UTF-8 bytes.

    >>> text_key("hunter2 ")
    Traceback (most recent call last):
    labkit.signature.scheme.SignatureError: secret must be a text without white space around it, got 8 characters
    """
    if not secret or secret != secret.strip() or any("\ud800" <= character <= "\udfff" for character in secret):
        raise SignatureError(f"secret must be a text without white space around it, got {len(secret)} characters")
    return secret.encode()


def check_id(name: str, value: str) -> str:
    """Refuse an id that an event cannot have."""
    if not ID.fullmatch(value):
        raise SignatureError(f"{name} must be {ID_RULE}, got {reprlib.repr(value)}")
    return value


def check_seconds(name: str, value: str) -> str:
    """Refuse a time that is not whole Unix seconds, in ASCII digits without a leading zero."""
    if not _SECONDS.fullmatch(value):
        raise SignatureError(f"{name} must be whole Unix seconds in digits, got {reprlib.repr(value)}")
    return value


def check_age(name: str, sent_at: str, now: float, tolerance: float) -> None:
    """Refuse a time that is more than `tolerance` seconds before or after `now`."""
    if not abs(now - int(sent_at)) <= tolerance:  # written so that NaN is refused too
        raise SignatureError(f"{name} must be within {tolerance:g} s of now, {now}, got {sent_at}")


def split(name: str, listed: str, separator: str) -> list[str]:
    """The signatures in a header. Too many are refused before the work of comparing them."""
    candidates = listed.split(separator, MOST_SIGNATURES)
    if len(candidates) > MOST_SIGNATURES or len(listed) > LONGEST_HEADER:
        raise SignatureError(
            f"{name} must hold at most {MOST_SIGNATURES} signatures in {LONGEST_HEADER} "
            f"characters, got {reprlib.repr(listed)} of {len(listed)} characters"
        )
    return candidates


def unhex(text: str, prefix: str = "") -> bytes:
    """The 32 bytes that a prefix and 64 lower-case hexadecimal digits stand for; b"" if the text is anything else."""
    digits = text.removeprefix(prefix)
    return bytes.fromhex(digits) if text.startswith(prefix) and _HEX.fullmatch(digits) else b""


def hmac_sha256(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def check_match(rule: str, listed: str, keys: Iterable[bytes], content: bytes, given: Sequence[bytes]) -> None:
    """Refuse a message unless one of the keys made one of the signatures `given`. `rule` says what `listed` must hold.

    A malformed signature, b"", makes the whole list malformed: other libraries stop there, and so it is refused here.
    All pairs are compared before any result is used, so the time taken does not tell which one matched.
    """
    expected = [hmac_sha256(key, content) for key in keys]
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    if not any(matches) or b"" in given:
        raise SignatureError(f"{rule} by a known secret, got {reprlib.repr(listed)}")


def as_event(message_id: object, type: object, occurred: object, document: object) -> tuple[str, dict[str, object]]:
    """A sender's message as an event whose data is the whole document. `occurred`: Unix seconds, or RFC 3339.

    >>> as_event("evt_1", "charge.succeeded", 1517363399, {"amount": 5})[1]["timestamp"]
    '2018-01-31T01:49:59.000Z'
    """
    if not isinstance(message_id, str) or not ID.fullmatch(message_id):
        raise ValueError(f"a message's id must be {ID_RULE}, got {message_id!r:.80}")
    if type in RESERVED:
        raise ValueError(f"a message's type must not be reserved ({', '.join(RESERVED)}), got {type!r}")
    at = timestamp(unix_seconds(occurred))
    return message_id, {"id": message_id, "type": type, "timestamp": at, "data": document}


def unix_seconds(instant: object) -> float:
    """The Unix time of an instant in a sender's message, which is written as Unix seconds or in RFC 3339.

    >>> unix_seconds("2018-01-31T01:49:59.650Z"), unix_seconds(1517363399.65)
    (1517363399.65, 1517363399.65)
    """
    try:
        when = datetime.fromisoformat(instant) if isinstance(instant, str) else None
        given = when.timestamp() if when and when.tzinfo else instant
    except ValueError:
        given = instant
    return number("an event's instant", given, "Unix seconds, or RFC 3339 with its offset", least=0, most=_LAST_SECOND)


def member(document: object, *path: str) -> object:
    """A member of a JSON object, or of one in it; None if there is none.

    >>> member({"event": {"type": "message"}}, "event", "type")
    'message'
    """
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document
