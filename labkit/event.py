"""An event: something that happened at the source, and its JSON on the wire."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""An event's id. No dots: see `labkit.signature`."""
ID_RULE = "1 to 64 of A-Z, a-z, 0-9, _ and -"

TYPE = re.compile(r"(?!.{129})[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
"""An event's type: words joined by single dots, at most 128 characters in all."""
TYPE_RULE = "words of A-Z, a-z, 0-9 and _, joined by dots"

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at the source, `occurred_at` seconds after t = 0.

    >>> Event("evt_1", "door.opened", 1.5, {"door": 7})
    Event(id='evt_1', type='door.opened', occurred_at=1.5, data={'door': 7})
    """

    id: str
    type: str
    occurred_at: float
    data: Mapping[str, object]


def timestamp(unix: float) -> str:
    """Write a Unix time as RFC 3339 in UTC, to the millisecond, or to the microsecond where that is needed.

    >>> timestamp(1517363399.65)
    '2018-01-31T01:49:59.650Z'
    >>> timestamp(0.000001)
    '1970-01-01T00:00:00.000001Z'
    """
    instant = _UNIX + timedelta(microseconds=round(unix * 1e6))
    unit = "milliseconds" if instant.microsecond % 1000 == 0 else "microseconds"
    return instant.isoformat(timespec=unit).replace("+00:00", "Z")


_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_json(document: object) -> bytes:
    """Write compact JSON in UTF-8. Raises ValueError for NaN and infinity, which JSON does not have.

    >>> to_json({"id": "evt_1", "data": [1, 2]})
    b'{"id":"evt_1","data":[1,2]}'
    """
    return _COMPACT.encode(document).encode()


def document(id: str, type: str, timestamp: str, data: object) -> bytes:
    """An event as it stands on the wire."""
    return to_json({"id": id, "type": type, "timestamp": timestamp, "data": data})


def from_json(raw: bytes) -> object:
    """Read JSON strictly, by RFC 8259 and I-JSON (RFC 7493).

    Raises ValueError, and no other error, for text that is not UTF-8, NaN, 1e400, a name that appears twice in an
    object, half of a surrogate pair, and nesting deeper than 100 levels.

    >>> from_json(b'{"a": 1}')
    {'a': 1}
    >>> from_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: the name 'a' appears twice in one object
    """
    if raw.startswith(b"\xef\xbb\xbf"):
        raise ValueError("the text starts with a byte order mark: send UTF-8 without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"the text is not UTF-8: byte {raw[error.start]:#04x} at offset {error.start}") from None
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(document)
    if "\\u" in text:  # only an escape can write half of a surrogate pair, which UTF-8 has no bytes for
        try:
            to_json(document)
        except UnicodeEncodeError as error:
            raise ValueError(f"\\u{ord(error.object[error.start]):04x} is half of a surrogate pair") from None
    return document


_DEPTH = 100
_TOO_DEEP = f"the nesting is deeper than {_DEPTH} levels"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the name {twice[:40]!r} appears twice in one object")
    return document


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if abs(number) == float("inf"):
        raise ValueError(f"the number {digits[:40]} is too large")
    return number


def _int(digits: str) -> int:
    return int(digits[:400])  # still far beyond 64 bits, and below Python's own limit on digits


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(_DEPTH + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise ValueError(_TOO_DEEP)
