"""The values that a search distinguishes: 240 per factor of ten, about 1% apart, with three significant digits."""

import math
from collections.abc import Callable

PER_DECADE = 240


def at(place: int) -> float:
    """
    >>> [at(place) for place in (0, 1, 2, 240, 420)]
    [1.0, 1.01, 1.02, 10.0, 56.2]
    """
    return float(f"{10 ** (place / PER_DECADE):.2e}")


def below(value: float) -> int:
    """The place of the largest value that is not above this one.

    >>> at(below(60)), at(below(0.0301))
    (59.6, 0.0301)
    """
    place = math.floor(math.log10(value) * PER_DECADE) + 1
    while at(place) > value:
        place -= 1
    return place


def largest(sure: float, meets: Callable[[float], bool], least: float, most: float) -> float | None:
    """The largest value up to which each one meets, found upwards from one that surely does; None if none does.

    So a value is not taken that meets only by where the events of this log happen to fall. If not even the `sure` value
    meets, smaller ones are tried, a tenth smaller each time.
    """
    place, last = below(max(min(sure, most), least)), below(most)
    while not meets(at(place)):
        place -= PER_DECADE // 24
        if at(place) < least:
            return None
    while place < last and meets(at(place + 1)):
        place += 1
    return at(place)


def nearest(excess: Callable[[int], float], most: int, tie: float = 0.0) -> int | None:
    """The number of steps, from 1 to `most`, after which something begins to exceed 0, and soon exceeds the tie.

    It looks after each of the first 4 steps, and then at distances that grow by half; and from the first where
    the excess is more than the tie, back to where it begins. None if it stays within the tie.

    >>> nearest(lambda steps: steps >= 37, 100), nearest(lambda steps: False, 100)
    (37, None)
    >>> nearest(lambda steps: 0.01 if steps in (3, 30) else max(0.0, (steps - 50) / 100), 100, tie=0.05)
    51
    """
    low, high = 0, 1
    while (found := excess(high)) <= tie:
        if high == most:
            return None
        low = low if found > 0 else high
        high = min(high + max(1, high // 2), most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return high
