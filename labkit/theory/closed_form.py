"""What the closed forms share: a rate, and one check per name of a parameter."""

from dataclasses import dataclass

from labkit.checks import number, share

POSITIVE = ("rate", "interval", "reconcile_interval", "wait", "shortest", "add", "tau")
NOT_NEGATIVE = ("delay", "max_wait", "pause", "ttl", "duration", "phase")
SHARES = ("jitter", "loss")


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
class ClosedForm:
    """An approach on events at `rate` λ per second. Its parameters are checked when it is made."""

    rate: float

    def __post_init__(self) -> None:
        check(**vars(self))
