"""A scenario: what every lens and every approach is given, to be compared on equal terms."""

from dataclasses import dataclass

from labkit.arrivals import Arrivals

LONGEST_DELAY = 15.0
"""Half the 30 s that everybody waits for an answer: with more, no answer would ever come in time."""


@dataclass(frozen=True)
class Scenario:
    """Arrivals, and the world between source and consumers: `delay` seconds each way, a seed, so many consumers."""

    arrivals: Arrivals
    delay: float = 0.020
    seed: int = 0
    consumers: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.delay < LONGEST_DELAY:
            raise ValueError(
                f"delay must be >= 0 and < {LONGEST_DELAY:g} seconds each way (an answer is waited for twice as long),"
                f" got {self.delay}"
            )
        if self.consumers < 1:
            raise ValueError(f"consumers must be >= 1, got {self.consumers}")

    @property
    def duration(self) -> float:
        """The horizon, in seconds after t = 0; half-open."""
        return self.arrivals.duration

    def record(self) -> dict[str, object]:
        """The scenario as plain values, without its events."""
        return {
            "trace": self.arrivals.name,
            **self.arrivals.params,
            "events": len(self.arrivals.events),
            "duration": self.duration,
            "epoch": self.arrivals.epoch,
            "delay": self.delay,
            "seed": self.seed,
            "consumers": self.consumers,
            "notes": list(self.arrivals.notes),
        }
