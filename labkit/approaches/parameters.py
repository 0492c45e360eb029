"""How an approach declares its parameters: a default, what is allowed, and what it means to others."""

from dataclasses import field

SHORTEST, LONGEST = 1e-6, 1e9
"""Seconds that an interval may have."""


def seconds(default: float, least: float = 0.0, most: float = LONGEST, *, idle: bool = False) -> float:
    """A parameter that is a time: shown with its unit, and divided by the speed of a real run."""
    made: float = field(default=default, metadata={"unit": "s", "least": least, "most": most, "idle": idle})
    return made


def idle_seconds(default: float, least: float = SHORTEST, most: float = LONGEST) -> float:
    """A time that is part of the pause from one request to the next while nothing happens."""
    return seconds(default, least, most, idle=True)


def whole_number(default: int, least: int, most: int, unit: str) -> int:
    """A parameter that is a number of things."""
    made: int = field(default=default, metadata={"unit": unit, "least": least, "most": most})
    return made
