"""A log in figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.arrivals import Arrivals
from labkit.description.dispersion import SECOND, WINDOWS, Scale, dispersion
from labkit.description.rhythm import Rhythm, local, rhythm
from labkit.load import busiest_window
from labkit.log import Log

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESOLUTIONS = (1e-6, 0.001, 1, 60, 3600, 86_400)
"""Units of instants (s), each a multiple of the one before."""
BUSIEST = (1, 60, 3600)
BINS, GAP_BINS = 200, 40
"""The most bins of the time axis, and of the gaps, in a picture."""


class Busiest(NamedTuple):
    """The half-open window of `window` s with most events: it starts with an event, at the Unix time `start` (s)."""

    window: int
    events: int
    start: float


class Gaps(NamedTuple):
    """Seconds from each event to the next. `ties` of them are 0; the longest follows the Unix time `longest_after`.

    `cv2` is the squared coefficient of variation, (standard deviation / mean)²: 1 for a Poisson stream.
    """

    mean: float
    p50: float
    p95: float
    max: float
    longest_after: float
    cv2: float
    ties: int


@dataclass(frozen=True, eq=False)
class Description:
    """What `describe` found. Times are in seconds, `first` and `last` are Unix times, `rate` is in events per second.

    `gaps` and `rate` are None if all events are at one instant. `counts` are events per bin of `bin` s from `first`
    on, `gap_counts` are gaps between `gap_edges`.
    """

    name: str
    zone: tzinfo
    events: int
    first: float
    last: float
    rate: float | None
    resolution: float
    gaps: Gaps | None
    dispersion: Sequence[Scale]
    busiest: Sequence[Busiest]
    rhythm: Rhythm | None
    types: Mapping[str, int]
    notes: Sequence[str]
    bin: float
    counts: "NDArray[np.int64]"
    gap_edges: "NDArray[np.float64]"
    gap_counts: "NDArray[np.int64]"

    def __repr__(self) -> str:
        rate = "" if self.rate is None else f", {self.rate * 3600:,.3g} per hour"
        return f"<Description {self.name}: {self.events:,} events over {self.last - self.first:,.6g} s{rate}>"

    def record(self) -> dict[str, Any]:
        """As plain values: rates in events per hour, instants as ISO 8601, null where a log is too short to tell."""
        found = self.rhythm
        gaps = self.gaps and self.gaps._asdict() | {"longest_after": self.iso(self.gaps.longest_after)}
        return {
            "log": self.name,
            "time_zone": str(self.zone),
            "events": self.events,
            "first": self.iso(self.first),
            "last": self.iso(self.last),
            "rate_per_hour": None if self.rate is None else self.rate * 3600,
            "resolution": self.resolution,
            "gaps": gaps,
            "dispersion": [scale._asdict() | {"verdict": scale.verdict} for scale in self.dispersion],
            "busiest": [each._asdict() | {"start": self.iso(each.start)} for each in self.busiest],
            "hours": found and _plain(found.hours),
            "weekdays": found and _plain(found.weekdays),
            "daily": found and found.daily,
            "weekly": found and found.weekly,
            "types": dict(self.types),
            "notes": list(self.notes),
        }

    def iso(self, unix: float) -> str:
        """A Unix time in ISO 8601, to the millisecond, in the log's zone."""
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=unix)
        return at.astimezone(self.zone).isoformat(timespec="milliseconds")


def describe(log: Log | Arrivals) -> Description:
    """The figures of a log or of arrivals.

    The rate is 1 / the mean gap: events at 0, 10 and 20 s have a rate of 0.1 per second.

    >>> from labkit import earthquakes
    >>> week = describe(earthquakes())
    >>> week
    <Description earthquakes: 1,707 events over 603,374 s, 10.2 per hour>
    >>> round(week.gaps.mean, 3), round(week.gaps.cv2, 4)
    (353.678, 0.9999)
    """
    import numpy as np

    if isinstance(log, Arrivals):
        log = _log_of(log)
    at = log.at
    if not len(at):
        raise ValueError(f"{log.name}: has no event to describe")
    clock = local(at, log.zone)
    span, resolution = int(at[-1] - at[0]) / SECOND, _resolution(clock)
    bin = next((window for window in WINDOWS if window * BINS >= span), span / BINS) if span else 1.0
    bins = max(1, int(-(-span // bin)))
    gap_edges, gap_counts = _gap_histogram(at)
    return Description(
        log.name, log.zone, len(at), int(at[0]) / SECOND, int(at[-1]) / SECOND,
        (len(at) - 1) / span if span else None, resolution, _gaps(at) if span else None, dispersion(at, resolution),
        [_busiest(at, window) for window in BUSIEST if window >= resolution], rhythm(clock, resolution > 3600),
        dict(Counter(log.types).most_common()), log.notes, bin,
        np.histogram((at - at[0]) / SECOND, bins, (0, bin * bins))[0], gap_edges, gap_counts,
    )  # fmt: skip


def _log_of(arrivals: Arrivals) -> Log:
    import numpy as np

    at = np.array([event.occurred_at for event in arrivals.events]) + arrivals.epoch
    types = Counter(event.type for event in arrivals.events)
    return Log(arrivals.name, np.round(at * SECOND).astype(np.int64), types, notes=arrivals.notes)


def _resolution(clock: "NDArray[np.int64]") -> float:
    """The largest of the units of which all times of the clock are whole multiples."""
    found = RESOLUTIONS[0]
    for unit in RESOLUTIONS[1:]:
        if (clock % round(unit * SECOND)).any():
            break
        found = unit
    return found


def _gaps(at: "NDArray[np.int64]") -> Gaps:
    import numpy as np

    gaps = np.diff(at)
    p50, p95 = np.quantile(gaps, (0.5, 0.95)) / SECOND
    longest = int(gaps.argmax())
    mean, spread = float(gaps.mean()), float(gaps.var(ddof=1)) if len(gaps) > 1 else 0.0
    ties = int(np.count_nonzero(gaps == 0))
    longest_gap, after = int(gaps[longest]) / SECOND, int(at[longest]) / SECOND
    return Gaps(mean / SECOND, float(p50), float(p95), longest_gap, after, spread / mean**2, ties)


def _gap_histogram(at: "NDArray[np.int64]") -> "tuple[NDArray[np.float64], NDArray[np.int64]]":
    """Edges (s) that grow by one factor, and how many gaps are between them; those of 0 are left out."""
    import numpy as np

    gaps = np.diff(at) / SECOND
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return np.array([]), np.array([], dtype=np.int64)
    edges = np.geomspace(gaps.min() / 1.001, gaps.max() * 1.001, GAP_BINS + 1)
    return edges, np.histogram(gaps, edges)[0]


def _busiest(at: "NDArray[np.int64]", window: int) -> Busiest:
    first, events = busiest_window(at, window * SECOND)
    return Busiest(window, events, int(at[first]) / SECOND)


def _plain(rates: "NDArray[np.float64]") -> list[float | None]:
    return [None if rate != rate else rate for rate in rates.tolist()]
