"""How an approach declares its parameters: the default, the unit and the limits."""

from dataclasses import field

SHORTEST, LONGEST = 1e-6, 1e9
"""The least and the most seconds of an interval."""


def seconds(default: float, least: float = 0.0, most: float = LONGEST, *, idle: bool = False) -> float:
    """A parameter that is a time: it is shown with its unit, and a real run divides it by `speed`."""
    made: float = field(default=default, metadata={"unit": "s", "least": least, "most": most, "idle": idle})
    return made


def idle_seconds(default: float, least: float = SHORTEST, most: float = LONGEST) -> float:
    """A time that is part of the pause between two requests while no event occurs."""
    return seconds(default, least, most, idle=True)


def share(default: float, unit: str) -> float:
    """A parameter from 0 to 1."""
    made: float = field(default=default, metadata={"unit": unit, "least": 0, "most": 1})
    return made


def whole_number(default: int, least: int, most: int, unit: str) -> int:
    """A parameter that is a count."""
    made: int = field(default=default, metadata={"unit": unit, "least": least, "most": most})
    return made
