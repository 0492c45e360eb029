"""What every closed form refuses. The message shows the rule and the value."""

import math


def positive(name: str, value: float, unit: str) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be > 0 {unit}, got {value}")


def not_negative(name: str, value: float, unit: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be >= 0 {unit}, got {value}")


def share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")
