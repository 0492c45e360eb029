"""What the closed forms share: a rate, and one check per name of a parameter."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from labkit.checks import number, share

POSITIVE = ("rate", "interval", "wait", "shortest", "add", "tau")
NOT_NEGATIVE = ("delay", "max_wait", "pause", "ttl", "duration", "phase", "reconcile_interval")
SHARES = ("jitter", "loss", "forgotten")


def check(**values: object) -> None:
    """Check each value by its name. Names with limits of their own, such as `limit`, are checked where they are used.

    >>> check(rate=0.1, delay=-1)
    Traceback (most recent call last):
    ...
    ValueError: delay must be >= 0 seconds, got -1
    """
    for name, value in values.items():
        if name in POSITIVE:
            number(name, value, "events per second" if name == "rate" else "seconds", above=0)
        elif name in NOT_NEGATIVE:
            number(name, value, "seconds", least=0)
        elif name in SHARES:
            share(name, value)


@dataclass(frozen=True)
class ClosedForm(ABC):
    """An approach on events at `rate` λ per second. Its parameters are checked when it is made."""

    rate: float

    def __post_init__(self) -> None:
        check(**vars(self))

    @property
    @abstractmethod
    def mean_latency(self) -> float:
        """Mean seconds from an event's occurrence to its receipt."""

    @property
    @abstractmethod
    def requests_per_event(self) -> float:
        """Mean requests per event in the long run."""

    def requests(self, duration: float) -> float:
        """Requests per event times λ·duration, the expected number of events. Any stationary arrivals."""
        return self.requests_per_event * self.rate * number("duration", duration, "seconds", least=0)
