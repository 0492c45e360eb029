"""What the parameters of approaches have in common: their limits, and the unit of a time."""

from dataclasses import field

SHORTEST, LONGEST = 1e-6, 1e9
"""Seconds that an interval may have."""


def seconds(default: float) -> float:
    """A parameter that is a time: shown with its unit, and divided by the speed of a real run."""
    made: float = field(default=default, metadata={"unit": "s"})
    return made
