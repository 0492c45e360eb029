"""What a swim lane shows of one approach: its requests, the webhooks that it received, and how long events waited."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import TYPE_CHECKING, Literal

from labkit.approaches import Style
from labkit.catalogue import gettext
from labkit.plots.window import Window
from labkit.result import Result

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["hit", "empty", "failed"]


@dataclass(frozen=True)
class Call:
    """A request of the consumer's, and the instants (s) at which its answer brought something."""

    kind: str
    sent: float
    answered: float
    outcome: Outcome
    brought: tuple[float, ...] = ()


@dataclass(frozen=True)
class Delivery:
    """A webhook's attempt: sent, arrived or failed at `ended`, and `answered` when the source stopped waiting (s).

    `gap` is the seconds since the source stopped waiting for the attempt before it, NaN for the first. An attempt at
    60 s whose answer is lost is `answered` at 90 s; its retry at 95 s has the gap 5.
    """

    sent: float
    ended: float
    failed: bool = False
    gap: float = nan
    answered: float = nan


@dataclass(frozen=True)
class Track:
    """One consumer's exchanges that touch a window, and its events' waits: (occurred, received), NaN if never."""

    title: str
    style: Style
    calls: list[Call] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)


def track_of(result: Result, window: Window) -> Track:
    """The track of a result's first consumer."""
    receipts, exchanges = first_consumer(result)
    start, end = window.start, window.end
    brought = receipts[receipts.received_at >= start]
    arrived = {number: tuple(sorted(set(rows.received_at))) for number, rows in brought.groupby("exchange")}
    calls, deliveries = [], []
    last: dict[str, float] = {}
    about = exchanges["event_id"] if "event_id" in exchanges else [""] * len(exchanges)
    columns = (exchanges.index, exchanges.kind, exchanges.outcome, exchanges.sent_at, exchanges.answered_at, about)
    for number, kind, outcome, sent, answered, event in zip(*columns, strict=True):
        failed = outcome in ("error", "throttled")
        if kind == "delivery":
            ended = sent if isnan(answered) else answered
            if start <= sent < end:
                gap = sent - last[event] if event in last else nan
                deliveries.append(Delivery(sent, arrived.get(number, (ended,))[0], failed, gap, ended))
            if event:
                last[event] = ended
        elif sent < end and (start <= sent or number in arrived or answered >= start or isnan(answered)):
            found: Outcome = "failed" if failed else "hit" if outcome == "hit" else "empty"
            calls.append(Call(str(kind), sent, answered, found, arrived.get(number, ())))
    touching = receipts[(receipts.occurred_at < end) & ~(receipts.received_at < start)]
    waits = list(zip(touching.occurred_at.tolist(), touching.received_at.tolist(), strict=True))
    return Track(title_of(result), result.approach.style, calls, deliveries, waits)


def first_consumer(result: Result) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The receipts and the exchanges, set-up left out, of a result's first consumer."""
    receipts, exchanges = result.receipts, result.exchanges[result.exchanges.kind != "setup"]
    name = next(iter([*receipts.consumer[:1], *exchanges.consumer[:1]]), "")
    return receipts[receipts.consumer == name], exchanges[exchanges.consumer == name]


def title_of(result: Result) -> str:
    """The approach's title; it says so if the picture is of one consumer of several."""
    title, several = result.approach.title, result.scenario.consumers
    return gettext("{title}, 1 of {several} consumers", title=title, several=several) if several > 1 else title


def track_by_hand(
    title: str,
    style: Style,
    occurred: Sequence[float],
    polls: Iterable[tuple[float, float, object]] = (),
    deliveries: Iterable[tuple[float, float]] = (),
) -> Track:
    """The track of exchanges that were measured by hand: (sent, answered, found), or (sent, received).

    An event waits until the first poll that found something, or the first delivery not yet taken, from then on.

    >>> track_by_hand("poll", Style("k", "o", "/"), [1.0], polls=[(0.0, 0.1, 0), (2.0, 2.1, 1)]).waits
    [(1.0, 2.1)]
    """
    calls = [
        Call("poll", sent, answered, "hit" if found else "empty", (answered,) if found else ())
        for sent, answered, found in polls
    ]
    made = [Delivery(sent, received) for sent, received in deliveries]
    found_at = sorted(call.answered for call in calls if call.outcome == "hit")
    received = sorted(each.ended for each in made)
    waits = []
    for at in sorted(occurred):
        until = min((instant for instant in (*found_at, *received) if instant >= at), default=nan)
        if until in received:
            received.remove(until)
        waits.append((at, until))
    return Track(title, style, calls, made, waits)
