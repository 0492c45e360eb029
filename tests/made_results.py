"""Results made by hand for the tests of pictures: every number in a picture is known before it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import nan
from typing import ClassVar

import numpy as np
import pandas as pd

from labkit import plots
from labkit.approaches import Approach, Polling, Webhook
from labkit.arrivals import Arrivals
from labkit.description import describe
from labkit.event import Event
from labkit.log import Log
from labkit.result import Result
from labkit.scenario import Scenario

HOSTILE = 'polling <img src=x onerror="alert(1)"> & $x$ $y'

Row = tuple[str, str, float, float, str]
"""An exchange: kind, outcome, sent, answered, event."""


@dataclass(frozen=True)
class Hostile(Polling):
    """Its title is its label, with whatever a student may write into it."""

    name: ClassVar[str] = HOSTILE


def made(
    approach: Approach,
    occurred: Sequence[float],
    received: Sequence[float],
    rows: Sequence[Row] = (),
    duration: float = 60.0,
    brought_by: Sequence[int] = (),
    **world: float,
) -> Result:
    """A result from instants; `brought_by` are the numbers of the exchanges that brought the events, -1 if none."""
    ids = [f"evt_{number}" for number in range(len(occurred))]
    events = tuple(Event(id, "made", at, {}) for id, at in sorted(zip(ids, occurred, strict=True), key=lambda x: x[1]))
    epoch = world.pop("epoch", 0.0)
    scenario = Scenario(Arrivals("made", events, duration, epoch=epoch, params={}), **world)
    exchanges = pd.DataFrame(rows, columns=["kind", "outcome", "sent_at", "answered_at", "event_id"])
    hosts = ["c" if kind == "delivery" else "source" for kind in exchanges.kind]
    exchanges = exchanges.assign(
        consumer="c", host=hosts, drain=exchanges.sent_at >= duration, bytes_out=100, bytes_in=200, connection=0
    )
    at, held = np.array(occurred, dtype=float), np.array(received, dtype=float)
    receipts = pd.DataFrame(
        {"event_id": ids, "consumer": "c", "occurred_at": at, "received_at": held, "latency": held - at,
         "exchange": list(brought_by) or -1, "copies": 1}
    )  # fmt: skip
    return Result(scenario, approach, "virtual", (exchanges, receipts))


POLLS: list[Row] = [
    ("poll", "empty", 0, 0.04, ""),
    ("poll", "hit", 30, 30.04, ""),
    ("poll", "hit", 59, 59.9, ""),
    ("poll", "hit", 60, 61, ""),
]
DELIVERIES: list[Row] = [
    ("setup", "empty", 5, 5.04, ""),
    ("delivery", "hit", 10, 10.04, "evt_0"),
    ("delivery", "error", 20, nan, "evt_1"),
    ("delivery", "error", 25, 26, "evt_1"),
    ("delivery", "hit", 55, 56, "evt_1"),
    ("delivery", "throttled", 50, 51, "evt_2"),
]


def polled(approach: Approach | None = None, **world: float) -> Result:
    """Three events in a minute, polled for at 0, 30 and 59 s."""
    return made(approach or Polling(), [10, 20, 50], [30.04, 30.04, 59.9], POLLS, brought_by=[1, 1, 2], **world)


def pushed(approach: Approach | None = None, **world: float) -> Result:
    """The same events by webhook: one at once, one at the third attempt, one never."""
    return made(approach or Webhook(), [10, 20, 50], [10.02, 55.5, nan], DELIVERIES, brought_by=[1, 4, -1], **world)


def steady(approach: Approach, requests: int, latency: float, duration: float = 3600.0, **world: float) -> Result:
    """A result with this many requests, and one event per minute, each `latency` s late."""
    occurred = [60.0 * number for number in range(int(duration // 60))]
    sent = np.linspace(0, duration, requests, endpoint=False).tolist()
    rows: list[Row] = [("poll", "hit", at, at + 0.04, "") for at in sent]
    return made(approach, occurred, [at + latency for at in occurred], rows, duration, **world)


def texts(figure: plots.Figure) -> list[str]:
    """Every visible text of a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.drawing.findobj(Text) if text.get_visible() and text.get_text()]


def hostile_log(*types: str) -> Log:
    """One event per minute for three days. By default one type is markup, and one rewrites a terminal."""
    names = types or (HOSTILE, "\x1b[31m\x1b]0;title\x07\u202e")
    return Log(HOSTILE, np.arange(3 * 1440) * 60_000_000, {name: 10 + n for n, name in enumerate(names)})


@cache
def every_picture() -> dict[str, plots.Figure]:
    """One figure per picture, with a hostile label; made once in a process."""
    hostile = polled(Hostile())
    slow = steady(Hostile(interval=60), 60, 30.0)
    return {
        "staircases": plots.staircases([hostile, pushed()]),
        "frontier": plots.frontier([slow, steady(Webhook(), 61, 0.02)], rejected={"webhook": "no"}, limit=60),
        "crossover": plots.crossover([slow, steady(Webhook(), 61, 0.02)]),
        "swim_lanes": plots.swim_lanes([hostile, pushed()], 0, 60),
        "timeline": plots.timeline([1.0], {HOSTILE: [(2.0, 2.1, True)]}, {"webhook": [(1.0, 1.1)]}),
        "latencies": plots.latencies([hostile, pushed()]),
        "survival": plots.survival([hostile, pushed()]),
        "request_bars": plots.request_bars([hostile, pushed()]),
        "intervals": plots.intervals(hostile),
        "overview": plots.overview(describe(hostile_log())),
        "load": plots.load([hostile, pushed()]),
    }
