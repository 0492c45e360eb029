"""An instant far from all others of a log, such as 1970 or 2099: a mistake, and not a quiet time."""

from typing import TYPE_CHECKING, NamedTuple

from labkit.event import timestamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SECOND, YEAR = 1_000_000, 31_557_600_000_000
"""Microseconds."""
FAR, TIMES = 10 * YEAR, 9
"""A gap is a mistake from 10 years on, if it is also at least 9 times as long as the rest of the log."""
FEWEST, SHARE = 10, 20
"""A log has at least so many events, and one event in so many may be far away, or one alone."""


class Outlying(NamedTuple):
    """The instant of the first or the last event, in microseconds, and the gap between it and the rest of the log."""

    instant: int
    gap: int
    first: bool

    def __str__(self) -> str:
        side = "before the events after it" if self.first else "after the events before it"
        return f"{timestamp(self.instant / SECOND)} is {self.gap / YEAR:.0f} years {side}"


def outlying(at: "NDArray[np.int64]") -> Outlying | None:
    """The first or the last instant, if it is far from the rest; `at` is in order, in microseconds.

    A long quiet time is none: the events on both of its sides are many, or it is shorter than 10 years, or it is not
    much longer than the rest of the log.

    >>> import numpy as np
    >>> print(outlying(np.array([0, *range(1_767_225_600_000_000, 1_767_225_600_000_009)])))
    1970-01-01T00:00:00.000Z is 56 years before the events after it
    """
    import numpy as np

    few = max(1, len(at) // SHARE)
    if len(at) < FEWEST:
        return None
    least = max(FAR, TIMES * int(at[-1 - few] - at[few]))
    for first, end in ((True, at[: few + 1]), (False, at[-few - 1 :])):
        if (gap := int(np.diff(end).max())) >= least:
            return Outlying(int(end[0 if first else -1]), gap, first)
    return None
