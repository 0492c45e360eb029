"""What a parameter of an approach may be; what it may not is refused with its name and the value."""

from dataclasses import field
from typing import Any

from labkit.event import TYPE

SHORTEST, LONGEST = 1e-6, 1e9
"""Seconds that an interval may have."""


def seconds(default: float) -> float:
    """A parameter that is a time: shown with its unit, and divided when a real run goes faster."""
    made: float = field(default=default, metadata={"unit": "s"})
    return made


def between(name: str, value: object, least: float, most: float, unit: str = "seconds") -> None:
    """Raise ValueError unless a parameter is a number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least:g} to {most:g} {unit}, got {value!r}")


def whole(name: str, value: object, least: int, most: int, unit: str) -> None:
    """Raise ValueError unless a parameter is a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most} {unit}, got {value!r}")


def one_of(name: str, value: object, choices: tuple[Any, ...]) -> None:
    """Raise ValueError unless a parameter is one of `choices`, and of their type."""
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise ValueError(f"{name} must be {' or '.join(repr(choice) for choice in choices)}, got {value!r}")


def event_types(types: object) -> None:
    """Raise ValueError unless a parameter is a tuple of events' types."""
    if not isinstance(types, tuple) or not all(isinstance(type, str) and TYPE.fullmatch(type) for type in types):
        raise ValueError(f"types must be a tuple of types such as 'earthquake.detected', got {types!r}")
