"""The load on a source: requests per interval of time, counted or computed, and what machines it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.checks import number, share, whole
from labkit.clock import NANO, nanoseconds
from labkit.waits import first_polls, jittered_waits, spread_waits

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def per_interval(instants: "NDArray[np.int64]", duration: float, seconds: float) -> "pd.Series[int]":
    """How many of the instants, in nanoseconds, lie in each interval of `seconds`, from t = 0 to before `duration`.

    >>> import numpy as np
    >>> per_interval(np.array([0, 999_999_999, 1_000_000_000]), duration=3, seconds=1).to_dict()
    {0.0: 2, 1.0: 1, 2.0: 0}
    """
    import numpy as np

    width, intervals = _grid(duration, seconds)
    return _series(np.bincount(instants // width, minlength=intervals)[:intervals], seconds)


def busiest_window(instants: "NDArray[Any]", length: float) -> tuple[int, int]:
    """Which of the instants, in order, begins the half-open window of this length with most of them, and how many.

    The first one if there are several windows with as many. Instants and length have the same unit.

    >>> import numpy as np
    >>> busiest_window(np.array([0, 50, 60, 100]), 51)
    (1, 3)
    """
    import numpy as np

    within = np.searchsorted(instants, instants + length) - np.arange(len(instants))
    first = int(within.argmax())
    return first, int(within[first])


MOST_STEPS = 10_000_000
"""The most steps of time that jitter is computed in: they take a few seconds and 1 GB."""


@dataclass(frozen=True)
class FanOut:
    """Polls of `consumers` pollers, `interval` seconds T after each answer; `delay` d seconds each way.

    The first polls are spread evenly over `spread` seconds: all are at t = 0 with 0, and the load is constant with the
    period, T + 2d. With `jitter` j, a share, each pause is T times a uniform random number from 1 - j to 1 + j. A poll
    is counted when it is sent, and its answer has one page. Nothing is done per consumer or poll, so ten million
    consumers take no longer than ten. With jitter the cost is per step of time, of which the range of a pause, 2jT, has
    40: a day with T = 30 s and j = 0.01 has 5.8 million.
    """

    consumers: int
    interval: float
    delay: float = 0.0
    spread: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        whole("consumers", self.consumers, 1)
        number("interval", self.interval, "seconds", above=0)
        number("delay", self.delay, "seconds each way", least=0)
        number("spread", self.spread, "seconds, the period", least=0, most=self.period)
        share("jitter", self.jitter, "of the interval")

    @property
    def period(self) -> float:
        """T + 2d: the mean time between two polls of a consumer."""
        return self.interval + 2 * self.delay

    @property
    def mean_load(self) -> float:
        """N/(T + 2d) polls per second in the long run, however they are spread.

        >>> FanOut(10_000_000, interval=30).mean_load
        333333.3333333333
        """
        return self.consumers / self.period

    def load(self, duration: float, seconds: float = 1.0) -> "pd.Series[float]":
        """Polls per interval of `seconds`: exact without jitter, the expected number with it.

        As many intervals as `duration` needs; each is counted to its end. Four consumers that poll every 2 s,
        all at once, and spread over the 2 s:

        >>> FanOut(4, interval=2).load(4).tolist(), FanOut(4, interval=2, spread=2).load(4).tolist()
        ([4, 0, 4, 0], [2, 2, 2, 2])
        """
        import numpy as np

        width, intervals = _grid(duration, seconds)
        edges = width * np.arange(intervals + 1, dtype=object)  # Python's integers
        period = nanoseconds(self.period)
        rest = edges if self.jitter else edges % period  # with jitter these are the first polls alone
        sent = (edges - rest) // period * self.consumers + self._started(rest)
        counts = np.diff(sent).astype(np.int64)
        return _series(counts + self._later(duration, seconds) if self.jitter else counts, seconds)

    def latency(self, occurred: "Sequence[float]") -> dict[str, float]:
        """Mean, quantiles and maximum of the latencies of events at these instants, over all consumers, in seconds.

        Exact without jitter, to the nanosecond, and nothing is done per consumer. With jitter they are those of the
        expected distribution, within a hundredth of the interval, and the maximum is that of the longest pause. Where
        few consumers leave a gap between their latencies, a quantile at the gap may be any value in it.

        >>> FanOut(10_000_000, interval=30, spread=30).latency([100.0, 200.0])["p99"]
        29.69999902
        >>> FanOut(10_000_000, interval=30).latency([100.0, 200.0])  # all of them wait for 20 or for 10 s
        {'mean': 15.0, 'p50': 15.0, 'p95': 20.0, 'p99': 20.0, 'max': 20.0}
        """
        import numpy as np

        if not len(occurred) or min(occurred) < 0:
            raise ValueError(f"occurred must be instants >= 0 seconds, at least one, got {list(occurred)[:3]}")
        if not self.jitter:
            delay = nanoseconds(self.delay)
            since = np.array([nanoseconds(at) - delay for at in occurred], dtype=np.int64)
            waits = spread_waits(since, self.consumers, nanoseconds(self.spread), nanoseconds(self.period))
            return {name: round((wait + delay) / NANO, 9) for name, wait in waits.items()}
        seconds = self.interval / 16
        at = np.array(occurred, dtype=float) - self.delay
        later, step = self._density(max(occurred) + seconds, seconds)

        def first(instants: "NDArray[np.float64]") -> "NDArray[np.float64]":
            return self._started(np.rint(instants * NANO)) / self.consumers

        waits = jittered_waits(at, first, later / step, step, self._pause())
        return {name: round(wait + self.delay, 9) for name, wait in waits.items()}

    def _later(self, duration: float, seconds: float) -> "NDArray[np.float64]":
        """The expected polls per interval after each consumer's first: the renewal equation, on a grid, by FFT.

        Second polls are exact; those after them are taken as uniform within a step of the grid, which is at most an
        eighth of an interval and a fortieth of the range of a pause. Weights that fall to 10⁻⁴ keep the end of the
        result apart from its start.
        """
        import numpy as np

        later, _ = self._density(duration, seconds)
        counts: NDArray[np.float64] = self.consumers * later.reshape(_grid(duration, seconds)[1], -1).sum(axis=1)
        return np.where(counts < 1e-9 * self.consumers, 0, counts).round(3)  # what is less is the transform's error

    def _pause(self) -> tuple[float, float]:
        """The least and the longest time between two polls of a consumer."""
        low, high = ((1 + sign * self.jitter) * self.interval + 2 * self.delay for sign in (-1, 1))
        return low, high

    def _started(self, instants: "NDArray[Any]") -> "NDArray[Any]":
        """How many consumers have sent their first poll before each instant, in nanoseconds."""
        return first_polls(instants, self.consumers, nanoseconds(self.spread))

    def _since_first(self, time: "NDArray[np.floating]") -> "NDArray[np.float64]":
        """The mean time since a consumer's first poll, which is 0 before it."""
        started = self._started(time * NANO)
        mean: NDArray[np.float64] = started / self.consumers * (time - self.spread * (started - 1) / self.consumers / 2)
        return mean

    def _density(self, duration: float, seconds: float) -> "tuple[NDArray[np.float64], float]":
        """A consumer's expected polls after its first, in each step of the grid, and the length of a step.

        A step takes about 0.3 µs and 90 bytes.
        """
        import numpy as np

        low, high = self._pause()
        points = int(np.ceil(max(8, 40 * seconds / (high - low))))
        step, size = seconds / points, points * _grid(duration, seconds)[1]
        if size > MOST_STEPS:
            need = f"{size:,} steps of {step:.3g} s, at most {MOST_STEPS:,}"
            raise ValueError(f"jitter={self.jitter:g} over {duration:,.0f} s needs {need}: compute fewer seconds")

        def ramp(x: "NDArray[np.floating]") -> "NDArray[np.float64]":
            """The integral of the distribution function of a pause."""
            inside, beyond = np.clip(x - low, 0, high - low), np.maximum(x - high, 0)
            area: NDArray[np.float64] = inside**2 / (2 * (high - low)) + beyond
            return area

        edges = np.arange(-1, min(size, int((high + self.spread) / step) + 2) + 1) * step
        second = np.diff(self._since_first(edges - low) - self._since_first(edges - high))[1:] / (high - low)
        pause = np.diff(ramp(edges), 2) / step
        weights = 1e-8 ** (np.arange(size) / (2 * size))
        transforms = (np.fft.rfft(each * weights[: len(each)], 2 * size) for each in (second, pause))
        later: NDArray[np.float64] = np.fft.irfft(next(transforms) / (1 - next(transforms)), 2 * size)[:size] / weights
        return later, step


@dataclass(frozen=True)
class Costs:
    """What a source's machines do and cost, from figures that you have measured or pay."""

    cpu_per_request: float
    """Seconds of a core."""
    memory_per_connection: float = 0.0
    """Bytes, while it is open."""
    utilization: float = 0.5
    """The share of its time for which a core may be busy at the peak; near 1 requests queue."""
    core_hour: float = 0.0
    """The price of a core for an hour."""
    gigabyte: float = 0.0
    """The price of 10⁹ bytes, either way."""

    def __post_init__(self) -> None:
        number("cpu_per_request", self.cpu_per_request, "seconds", above=0)
        number("utilization", self.utilization, "of a core", above=0, most=1)
        for name, unit in (("memory_per_connection", "bytes"), ("core_hour", ""), ("gigabyte", "")):
            number(name, getattr(self, name), unit, least=0)

    def cores(self, load: float) -> float:
        """The cores for so many requests per second: 0.5 ms each, half busy, 1,000 per second take one.

        >>> Costs(cpu_per_request=0.0005).cores(1000)
        1.0
        """
        return load * self.cpu_per_request / self.utilization

    def of(self, row: Mapping[str, Any], duration: float, peak: float) -> dict[str, float]:
        """What a run of `duration` seconds takes, by its row and the peak of its load, in requests per second.

        The cores are those for the peak, and are paid for the whole run. Connections and memory are means over time.
        """
        number("duration", duration, "seconds", above=0)
        number("peak", peak, "requests per second", least=0)
        if missing := [name for name in ("bytes_out", "bytes_in", "connection_seconds") if row[name] is None]:
            raise ValueError(f"the row of a lens that counts bytes and connections is needed, got no {missing[0]}")
        cores, bytes, held = self.cores(peak), row["bytes_out"] + row["bytes_in"], row["connection_seconds"] / duration
        return {
            "requests_per_second": row["requests"] / duration,
            "peak_per_second": float(peak),
            "cores": cores,
            "connections": held,
            "memory": held * self.memory_per_connection,
            "bytes": float(bytes),
            "price": cores * duration / 3600 * self.core_hour + bytes / 1e9 * self.gigabyte,
        }


def _grid(duration: float, seconds: float) -> tuple[int, int]:
    """The width of an interval in nanoseconds, and the number of intervals that cover the duration."""
    number("duration", duration, "seconds", above=0)
    width = nanoseconds(number("seconds", seconds, "seconds per interval", least=1e-6))
    return width, -(-nanoseconds(duration) // width)


def _series(counts: "NDArray[Any]", seconds: float) -> "pd.Series[Any]":
    import numpy as np
    import pandas as pd

    starts = pd.Index(np.round(np.arange(len(counts)) * float(seconds), 9), name="seconds")
    return pd.Series(counts, index=starts, name="requests")
