"""How late many pollers receive the same events: the figures of all latencies, without one of them written out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def spread_waits(since: "NDArray[np.int64]", consumers: int, spread: int, period: int) -> dict[str, float]:
    """Figures of the waits for the first poll from each instant `since` on, in nanoseconds, over all consumers.

    Consumer k, from 0, polls at k·spread/N and each period after that, in whole nanoseconds. The quantiles are NumPy's
    linear ones, exactly: an order statistic is found by bisection, since it is quick to count the waits up to a limit.
    Two consumers that poll at 0, 5, 10, 15, … s, and waits from 1 and 3 s on: 4 and 9, 2 and 7 s.

    >>> import numpy as np
    >>> spread_waits(np.array([1, 3]), consumers=2, spread=10, period=10)
    {'mean': 5.5, 'p50': 5.5, 'p95': 8.7, 'p99': 8.94, 'max': 9.0}
    """
    import numpy as np

    large = consumers * (spread + 2 * period) > 2**62
    before = since < 0  # the first polls come after that
    since = np.where(before, since, since % period)
    if large:
        since = since.astype(object)  # Python's integers
    earlier = first_polls(since, consumers, spread)

    def up_to(wait: int) -> int:
        """How many waits are at most so long."""
        ends = since + wait + 1
        again = np.where(before, 0, first_polls(ends - period, consumers, spread))
        within = first_polls(ends, consumers, spread) - earlier + again
        return int(np.minimum(within, consumers).sum())

    total, longest = consumers * len(since), 2 * period - int(since.min(initial=0))
    mean = spread * (consumers - 1) / (2 * consumers) + float((earlier * period / consumers - since).mean())
    quantiles = linear_quantiles(total, lambda place: _least(up_to, place + 1, longest))
    return {"mean": mean} | quantiles | {"max": float(_least(up_to, total, longest))}


def linear_quantiles(total: int, at: Callable[[int], float]) -> dict[str, float]:
    """NumPy's linear quantiles of `total` values, of which `at(n)` is the n-th in ascending order, from 0.

    >>> linear_quantiles(4, lambda place: [2, 4, 7, 9][place])["p50"]
    5.5
    """
    figures = {}
    for name, q in QUANTILES.items():
        place = (total - 1) * q
        low, high = at(int(place)), at(min(int(place) + 1, total - 1))
        figures[name] = low + (high - low) * (place - int(place))
    return figures


def first_polls(instants: "NDArray[Any]", consumers: int, spread: int) -> "NDArray[Any]":
    """How many consumers have sent their first poll before each instant: k, from 0, at k·spread/N, in nanoseconds.

    Where the product of an instant and the consumers does not fit in 64 bits, give an array of Python's integers.

    >>> import numpy as np
    >>> first_polls(np.array([0, 1, 5, 6]), consumers=2, spread=10).tolist()
    [0, 1, 1, 2]
    """
    import numpy as np

    sent: NDArray[Any] = -(-np.clip(instants, 0, max(spread, 1)) * consumers // max(spread, 1))
    return sent


def jittered_waits(
    since: "NDArray[np.float64]",
    first: Callable[["NDArray[np.float64]"], "NDArray[np.float64]"],
    density: "NDArray[np.float64]",
    step: float,
    pause: tuple[float, float],
) -> dict[str, float]:
    """Figures of the waits for the first poll from each instant `since` on, in seconds: of the expected distribution.

    `first(instant)` is the share of consumers that have sent their first poll by then, `density[n]` a consumer's polls
    per second after its first, from n·step on, and `pause` has the bounds of a uniform time between two polls. A wait
    is longer than x if the last poll was ℓ ago, and its pause is longer than ℓ + x. The maximum is the longest pause.
    """
    import numpy as np

    low, high = pause
    lags = np.arange(step / 2, high, step)
    waits = np.arange(0, high - min(0.0, since.min()) + step, step)

    def longer(time: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """The share of pauses that are longer."""
        return np.clip((high - time) / (high - low), 0, 1)

    def later(lag: float) -> float:
        cell = np.floor((since - lag) / step).astype(int)
        return float(density[cell[cell >= 0]].sum()) * step

    def started(lag: float) -> float:
        """How many have sent their first poll so long ago, give or take half a step."""
        return float((first(since - lag + step / 2) - first(since - lag - step / 2)).sum())

    last = np.array([later(lag) + started(lag) for lag in lags])
    share = np.array([(last * longer(lags + wait)).sum() + (1 - first(since + wait)).sum() for wait in waits])
    share = share / share[0]
    figures = {"mean": float(((share[1:] + share[:-1]) / 2).sum()) * step}
    for name, q in QUANTILES.items():
        figures[name] = float(np.interp(q, 1 - share, waits))
    return figures | {"max": high}


def _least(count: Callable[[int], int], wanted: int, most: int) -> int:
    """The least whole number up to `most` with at least so many."""
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) >= wanted else (middle, high)
    return high
