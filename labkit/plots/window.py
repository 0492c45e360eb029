"""The window of time that a picture shows: its start and end, its unit, and what its origin is called."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from math import inf
from typing import TYPE_CHECKING, TypeVar

from labkit.catalogue import gettext
from labkit.checks import number
from labkit.load import busiest_window
from labkit.plots.words import counted, short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from labkit.result import Result

T = TypeVar("T", float, "NDArray[np.float64]")

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNITS = (
    (172_800, 86_400, "days from {origin}", "{number} day", "{number} days"),
    (10_800, 3_600, "hours from {origin}", "{number} hour", "{number} hours"),
    (60, 60, "minutes from {origin}", "{number} minute", "{number} minutes"),
    (0, 1, "seconds from {origin}", "{number} second", "{number} seconds"),
)
"""From this many seconds on, a window is shown in units of the second number."""


@dataclass(frozen=True)
class Window:
    """From `start` to before `end`, in seconds after t = 0. `origin` is what its start is called."""

    start: float
    end: float
    origin: str

    def __post_init__(self) -> None:
        if not -inf < self.start < self.end < inf:
            got = f"start={self.start} and end={self.end}"
            raise ValueError(f"end must be > start, both in seconds after t = 0, got {got}")

    @property
    def length(self) -> float:
        """In the axis's unit."""
        return (self.end - self.start) / self.unit

    @property
    def unit(self) -> float:
        """Seconds in the axis's unit: 60 for ten minutes."""
        return self._words()[1]

    @property
    def axis(self) -> str:
        """The axis's name."""
        return gettext(self._words()[2], origin=self.origin)

    def _words(self) -> tuple[int, int, str, str, str]:
        return next(each for each in UNITS if self.end - self.start >= each[0])

    def __str__(self) -> str:
        length = counted(float(f"{self.length:.4g}"), *self._words()[3:])
        return gettext("{length} from {origin}", length=length, origin=self.origin)

    def at(self, instant: T) -> T:
        """The place on the axis of an instant, or of an array of them."""
        return (instant - self.start) / self.unit


def window(result: "Result", start: float | None, end: float | None, length: float) -> Window:
    """The window from `start` to `end`; by default `length` seconds from the start of the busiest hour.

    Its origin is a date where the events were recorded at one, else "the busiest hour" or the instant.
    """
    arrivals = result.scenario.arrivals
    busy = start is None and end is None
    if start is None:
        start = busiest(result)[0] if end is None else max(0.0, end - length)
    if arrivals.rule is None and arrivals.epoch > 0:
        origin = date(arrivals.epoch + start)
    else:
        origin = gettext("the busiest hour's start") if busy else gettext("t = {start} s", start=short(start, 7))
    return Window(start, start + length if end is None else end, origin)


def date(unix: float, zone: tzinfo = UTC) -> str:
    """A Unix time to the second, as the clocks of a zone show it.

    >>> date(1518780788.9)
    'Fri 16 Feb 2018, 11:33:08 UTC'
    """
    at = datetime.fromtimestamp(unix, UTC).astimezone(zone)
    day, month = gettext(DAYS[at.weekday()]), gettext(MONTHS[at.month - 1])
    time = at.strftime("%H:%M:%S" if at.second else "%H:%M")
    text = "{day} {number} {month} {year}, {time} {zone}"
    return gettext(text, day=day, number=at.day, month=month, year=at.year, time=time, zone=at.tzname())


def busiest(result: "Result", seconds: float = 3600.0) -> tuple[float, float]:
    """The (start, end) of the half-open window of `seconds` with most events; the first if there are several.

    It starts with an event: with events at 0, 50, 60 and 100 s, the busiest 51 s are (50, 101), with three of them.
    From t = 0 if there is no event.
    """
    import numpy as np

    number("seconds", seconds, above=0)
    occurred = np.sort(result.receipts.drop_duplicates("event_id").occurred_at.to_numpy(dtype=float))
    if not len(occurred):
        return 0.0, seconds
    start = float(occurred[busiest_window(occurred, seconds)[0]])
    return start, start + seconds
