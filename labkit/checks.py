"""One vocabulary for refusing a value: the error names it, states the rule, and shows the value.

A bool is not a number here: `limit=True` is a mistake, not a limit of 1.
"""

import math
from dataclasses import fields
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from labkit.event import TYPE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def number(
    name: str,
    value: object,
    unit: str = "",
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> float:
    """Return a finite number within these limits, as a float.

    >>> number("interval", -1, "seconds", above=0)
    Traceback (most recent call last):
    ...
    ValueError: interval must be > 0 seconds, got -1
    >>> number("delay", "20 ms", "seconds each way", least=0, below=15)
    Traceback (most recent call last):
    ...
    ValueError: delay must be a finite number >= 0 and < 15 seconds each way, got '20 ms'
    """
    try:
        given = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        given = math.inf
    if above < given < below and least <= given <= most:  # never true of infinity or NaN
        return given
    limits = ((">", above), (">=", least), ("<", below), ("<=", most))
    rule = " and ".join(f"{sign} {limit:g}" for sign, limit in limits if math.isfinite(limit))
    if math.isfinite(least) and math.isfinite(most):
        rule = f"from {least:g} to {most:g}"
    kind = "" if math.isfinite(given) else "a finite number"
    raise ValueError(f"{name} must be {' '.join(filter(None, (kind, rule, unit)))}, got {value!r}")


def share(name: str, value: object, unit: str = "") -> float:
    """Return a number from 0 to 1.

    >>> share("jitter", 1.5, "of the interval")
    Traceback (most recent call last):
    ...
    ValueError: jitter must be from 0 to 1 of the interval, got 1.5
    """
    return number(name, value, unit, least=0, most=1)


def whole(name: str, value: object, least: int, most: float = math.inf, unit: str = "") -> int:
    """Return a whole number from `least` to `most`, as an int.

    >>> whole("limit", 0, 1, 1000, "events per page")
    Traceback (most recent call last):
    ...
    ValueError: limit must be a whole number from 1 to 1000 events per page, got 0
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most:
        return int(value)
    rule = f">= {least}" if math.isinf(most) else f"from {least} to {most}"
    raise ValueError(f"{name} must be a whole number {rule}{unit and f' {unit}'}, got {value!r}")


def one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that is not one of the choices, or is equal to one but of another type.

    >>> one_of("conditional", 1, (True, False))
    Traceback (most recent call last):
    ...
    ValueError: conditional must be True or False, got 1
    """
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def event_types(types: object) -> None:
    """Refuse anything but a tuple of event types.

    >>> event_types(("door.opened", ".."))
    Traceback (most recent call last):
    ...
    ValueError: types must be a tuple of event types such as 'earthquake.detected', got ('door.opened', '..')
    """
    if not isinstance(types, tuple) or not all(isinstance(type, str) and TYPE.fullmatch(type) for type in types):
        raise ValueError(f"types must be a tuple of event types such as 'earthquake.detected', got {types!r}")


def check_fields(record: "DataclassInstance") -> None:
    """Refuse a field's value outside `least` and `most` of its metadata, or outside its Literal or bool type.

    A field whose metadata has the unit "s" is a time in seconds.
    """
    hints = _hints(type(record))
    for each in fields(record):
        value, limits, kind = getattr(record, each.name), dict(each.metadata), hints[each.name]
        unit = {"s": "seconds"}.get(limits.pop("unit", ""), each.metadata.get("unit", ""))
        if "least" in limits and kind is int:
            whole(each.name, value, limits["least"], limits["most"], unit)
        elif "least" in limits:
            number(each.name, value, unit, least=limits["least"], most=limits["most"])
        elif get_origin(kind) is Literal or kind is bool:
            one_of(each.name, value, get_args(kind) or (True, False))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
