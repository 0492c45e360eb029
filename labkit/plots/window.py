"""The window of time that a picture shows: which one has most events, and the rows within it."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

from labkit.checks import number
from labkit.plots.figure import require
from labkit.result import Result

if TYPE_CHECKING:
    import pandas as pd


def busiest(result: Result, seconds: float = 3600.0) -> tuple[float, float]:
    """The (start, end) of the half-open window of `seconds` with most events; the first if there are several.

    It starts with an event: with events at 0, 50, 60 and 100 s, the busiest 51 s are (50, 101), with three of them.
    """
    import numpy as np

    number("seconds", seconds, above=0)
    if not len(result.receipts):
        raise ValueError("a busiest window needs at least one event, got none")
    occurred = np.sort(result.receipts.drop_duplicates("event_id").occurred_at.to_numpy(dtype=float))
    within = np.searchsorted(occurred, occurred + seconds, side="left") - np.arange(len(occurred))
    start = float(occurred[np.argmax(within)])
    return start, start + seconds


def cut(
    frames: Mapping[str, "pd.DataFrame"], what: str, columns: Sequence[str], start: float, end: float
) -> dict[str, "pd.DataFrame"]:
    """The rows of each label's frame, by the first of `columns`, from `start` to before `end` (s).

    ValueError for an empty window, no frame, a missing column, or a frame of several consumers.
    """
    if not -inf < start < end < inf:
        raise ValueError(f"end must be > start, both in seconds after t = 0, got start={start} and end={end}")
    if not frames:
        raise ValueError(f"{what} must be of at least one approach, got none")
    for label, frame in frames.items():
        require(frame, f"the {what} of {label!r}", ["consumer", *columns])
        if len(found := frame.consumer.unique()) > 1:
            choose = f"choose frame[frame.consumer == {found[0]!r}]"
            raise ValueError(f"the {what} of {label!r} must be of one consumer, got {len(found)}: {choose}")
    return {label: frame[frame[columns[0]].between(start, end, inclusive="left")] for label, frame in frames.items()}
