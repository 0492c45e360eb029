"""Picture 5: swim lanes, who spoke to whom in a few minutes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labkit.approaches.approach import Marker
from labkit.catalogue import gettext
from labkit.plots.figure import (
    SIZE,
    Figure,
    canvas,
    counted,
    listed,
    one_consumer,
    require,
    require_window,
    short,
    style_axes,
)
from labkit.plots.styles import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection

CAPTION = (
    "Time runs to the right. Events occur in the world and stand in the source at once. Who asks, asks upwards; a"
    " source that delivers calls downwards, and its arrows lean, more than the network makes them, to show which way"
    " they go."
)
COLUMNS = ["consumer", "kind", "outcome", "sent_at", "answered_at"]
LEAN = 0.008
"""The least lean of an arrow, as a share of the window."""


def swim_lanes(receipts: "pd.DataFrame", exchanges: Mapping[str, "pd.DataFrame"], start: float, end: float) -> Figure:
    """What was exchanged from `start` to before `end`: lanes for the world, the source, and each label's consumer.

    `receipts` says when the events occurred, whoever received them; `exchanges` are as `Ledger.exchanges`, by label. A
    column `attempt` in these, where there is one, counts a delivery's attempts from 1: later ones are dashed. Set-up is
    left out. The axis is in minutes, or in seconds where there is less than one.
    """
    require_window(start, end)
    require(receipts, "receipts", ["event_id", "occurred_at"])
    if not exchanges:
        raise ValueError("swim_lanes needs the exchanges of one approach at least, got none")
    shown = {}
    for label, frame in exchanges.items():
        require(frame, f"the exchanges of {label!r}", COLUMNS)
        one_consumer(frame, f"the exchanges of {label!r}")
        shown[label] = frame[(frame.kind != "setup") & (frame.sent_at >= start) & (frame.sent_at < end)]
    events = receipts.drop_duplicates("event_id")
    events = events[(events.occurred_at >= start) & (events.occurred_at < end)]
    drawing = canvas(13, 3.2 + 1.1 * len(shown))
    axes = drawing.add_subplot()
    source = len(shown)
    size = 60.0 if end - start >= 60 else 1.0
    at = (events.occurred_at.to_numpy(float) - start) / size
    world = axes.vlines(at, source + 0.75, source + 1.25, color="black", linewidth=_width(2.5, len(at)), label="event")
    axes.vlines(at, source, source + 0.75, color="#BBBBBB", linewidth=_width(1, len(at)), zorder=1)
    axes.vlines(at, source - 0.12, source + 0.12, color="black", linewidth=_width(2.5, len(at)))
    lanes = [
        _Lane(axes, label, _role(label, exchanges[label]), frame, (start, end, size), source - 1 - number, source)
        for number, (label, frame) in enumerate(shown.items())
    ]
    after = "minutes after t = {start} s" if size == 60 else "seconds after t = {start} s"
    style_axes(axes, "", gettext(after, start=short(start, 7)), "")
    axes.grid(False, axis="y")
    for y in range(source + 2):
        axes.axhline(y, color="#999999", linewidth=1, zorder=0)
    axes.set_yticks(
        [source + 1, source, *(lane.y for lane in lanes)],
        [gettext("world"), gettext("source"), *(lane.name for lane in lanes)],
    )
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    width = (end - start) / size
    axes.set_xlim(-0.012 * width, 1.012 * width)
    axes.set_ylim(-0.5, source + 1.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _key(axes, lanes)

    def sentence() -> str:
        happened = counted(len(world.get_segments()), "{number} event occurred", "{number} events occurred")
        units = ("{number} minute", "{number} minutes") if size == 60 else ("{number} second", "{number} seconds")
        return gettext(
            "In {window} from t = {start} s: {said}.",
            window=counted(width, *units),
            start=short(start, 7),
            said="; ".join([happened, *(lane.said() for lane in lanes)]),
        )

    return Figure(drawing, sentence, gettext(CAPTION))


class _Lane:
    """One consumer's lane, at height `y` below the source's: what it asked, and what it was told."""

    def __init__(
        self,
        axes: "Axes",
        label: str,
        role: str,
        frame: "pd.DataFrame",
        window: tuple[float, float, float],
        y: int,
        source: int,
    ) -> None:
        self.axes, self.y, self.source, self.look = axes, float(y), float(source), style(label)
        self.label, self.name = label, f"{role}\n{label}"
        start, end, size = window
        told, hit = frame.kind == "delivery", frame.outcome == "hit"
        failed = frame.outcome.isin(["error", "throttled"])
        later = frame["attempt"] > 1 if "attempt" in frame else told & False
        sent = (frame.sent_at - start) / size
        least = sent + LEAN * (end - start) / size
        tip = ((frame.answered_at - start) / size).fillna(least).clip(lower=least)
        self.first = self._shafts(sent[told & ~later], tip[told & ~later], "-")
        self.retries = self._shafts(sent[told & later], tip[told & later], "--")
        axes.vlines(
            sent[~told],
            y,
            source,
            color=self.look.colour,
            linewidth=_width(1.6, int((~told).sum())),
            alpha=0.6,
            zorder=1,
        )
        self.empty = self._marks(sent[~told & ~hit & ~failed], self.look.marker, "white")
        self.hits = self._marks(sent[~told & hit], self.look.marker, self.look.colour)
        self.tips = self._marks(tip[told & ~failed], "v", self.look.colour)
        self.failed_polls = self._marks(sent[~told & failed], "X", "black")
        self.failed_deliveries = self._marks(tip[told & failed], "X", "black")

    def _marks(self, at: "pd.Series[float]", marker: Marker, fill: str) -> "PathCollection":
        edge = "black" if fill == "black" else self.look.colour
        return self.axes.scatter(
            at,
            [self.y] * len(at),
            s=190 if fill == "black" else 110,
            marker=marker,
            facecolors=fill,
            edgecolors=edge,
            linewidths=1.8,
            zorder=4,
        )

    def _shafts(self, sent: "pd.Series[float]", tip: "pd.Series[float]", dashes: str) -> "LineCollection":
        from matplotlib.collections import LineCollection

        ends = [((a, self.source), (b, self.y)) for a, b in zip(sent, tip, strict=True)]
        shafts = LineCollection(
            ends, colors=self.look.colour, linewidths=_width(1.8, len(ends)), linestyles=dashes, zorder=2
        )
        self.axes.add_collection(shafts)
        return shafts

    def said(self) -> str:
        said = []
        hits, empty, failed = _count(self.hits), _count(self.empty), _count(self.failed_polls)
        if asked := hits + empty + failed:
            said.append(
                gettext(
                    "asked {times} ({hits:,} found something, {empty:,} found nothing, {failed:,} failed)",
                    times=counted(asked, "{number} time", "{number} times"),
                    hits=hits,
                    empty=empty,
                    failed=failed,
                )
            )
        later = len(self.retries.get_segments())
        if attempts := len(self.first.get_segments()) + later:
            failed = _count(self.failed_deliveries)
            said.append(
                gettext(
                    "was told by {attempts} ({failed:,} failed, {later:,} retried)",
                    attempts=counted(attempts, "{number} attempt", "{number} attempts"),
                    failed=failed,
                    later=later,
                )
            )
        return f"{self.label} {listed(said) if said else gettext('neither asked nor was told')}"


def _width(points: float, lines: int) -> float:
    """A line's width; beyond 100 lines they get finer, so that 1,000 are still told apart."""
    return points * min(1, 100 / max(lines, 1))


def _role(label: str, exchanges: "pd.DataFrame") -> str:
    kinds = set(exchanges.kind) - {"setup"}
    if role := style(label).role:
        return gettext(role)
    return {("poll",): gettext("poller"), ("delivery",): gettext("receiver")}.get(tuple(kinds), gettext("consumer"))


def _count(marks: "PathCollection") -> int:
    return len(marks.get_offsets())  # type: ignore[arg-type]


def _key(axes: "Axes", lanes: list[_Lane]) -> None:
    """What the marks mean, below the axes: of those that are there."""
    from matplotlib.lines import Line2D

    def mark(label: str, marker: Marker, fill: str) -> Line2D:
        return Line2D(
            [], [], color="#555555", marker=marker, markerfacecolor=fill, markersize=10, ls="none", label=label
        )

    asking = {lane.look.marker for lane in lanes if _count(lane.empty) + _count(lane.hits)}
    poll = asking.pop() if len(asking) == 1 else "o"
    key = [
        Line2D(
            [],
            [],
            color="black",
            marker="|",
            markersize=14,
            markeredgewidth=2.5,
            linestyle="none",
            label=gettext("event"),
        )
    ]
    if any(_count(lane.empty) for lane in lanes):
        key.append(mark(gettext("found nothing"), poll, "white"))
    if any(_count(lane.hits) for lane in lanes):
        key.append(mark(gettext("found something"), poll, "#555555"))
    if any(_count(lane.tips) for lane in lanes):
        key.append(mark(gettext("delivered"), "v", "#555555"))
    if any(_count(lane.failed_polls) + _count(lane.failed_deliveries) for lane in lanes):
        key.append(Line2D([], [], color="black", marker="X", markersize=11, linestyle="none", label=gettext("failed")))
    if any(len(lane.retries.get_segments()) for lane in lanes):
        key.append(Line2D([], [], color="#555555", linestyle="--", label=gettext("a later attempt")))
    axes.figure.legend(handles=key, loc="outside lower center", ncols=len(key), fontsize=SIZE, frameon=False)
