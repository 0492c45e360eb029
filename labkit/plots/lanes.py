"""Picture 5: swim lanes, who called whom in a few minutes, and how long each event waited."""

from collections.abc import Mapping, Sequence
from math import isnan
from textwrap import fill
from typing import TYPE_CHECKING

from labkit.approaches import Polling, Webhook
from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, key, mark, style_axes
from labkit.plots.track import Call, Delivery, Track, first_consumer, track_by_hand, track_of
from labkit.plots.window import Window, window
from labkit.plots.words import counted, listed, phrase, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.lines import Line2D

CAPTION = (
    "Time runs to the right. An arrow up is a request to the source, and the thinner line beside it the answer; an"
    " arrow down is a webhook, and a thick line from its start is the time that the source waited for the answer. A bar"
    " is the time that an event waited, from its occurrence until it was received. A retry has the seconds since the"
    " attempt before it ended. Where the network is faster than the eye, an answer stands a little to the right."
)
Shaft = tuple[float, float, float, float]
"""A line from (start, low) to (end, high), in seconds and heights: start, end, low, high."""
BAND = 1.95
"""The height of one approach's lane: 1 for the arrows, the rest for the bars and the space to the next lane."""
LEVELS = (-0.22, -0.62)
"""Where the first and the last of a lane's bars are, below the consumer's line."""


def swim_lanes(results: Results, start: float | None = None, end: float | None = None) -> Figure:
    """What was exchanged from `start` to before `end` (s); by default ten minutes from the busiest hour's start.

    A row for the events, and a lane for each result's first consumer. Set-up is left out. The events are those of the
    first result.
    """
    several = as_results(results)
    shown = window(several[0], start, end, 600.0)
    receipts, _ = first_consumer(several[0])
    return _lanes(receipts.occurred_at.tolist(), [track_of(result, shown) for result in several], shown)


def timeline(
    occurred: Sequence[float],
    polls: Mapping[str, Sequence[tuple[float, float, object]]] | None = None,
    deliveries: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """The same picture of what was measured by hand, all in seconds from one origin.

    `occurred` are the events' instants; `polls` maps a label to (sent, answered, found), where `found` is true if the
    poll found something; `deliveries` maps a label to (sent, received).
    """
    polls, deliveries = polls or {}, deliveries or {}
    tracks = [track_by_hand(label, Polling.style, occurred, polls=rows) for label, rows in polls.items()]
    tracks += [track_by_hand(label, Webhook.style, occurred, (), rows) for label, rows in deliveries.items()]
    if not tracks:
        raise ValueError("a timeline needs polls or deliveries, got neither")
    ends = [call.answered for track in tracks for call in track.calls]
    ends += [each.ended for track in tracks for each in track.deliveries]
    last = max([*occurred, *ends, 0.0])
    return _lanes(occurred, tracks, Window(0.0, int(last) + 1.0, gettext("the start")))


def _lanes(occurred: Sequence[float], tracks: Sequence[Track], shown: Window) -> Figure:
    drawing = canvas(13, 1.9 + 1.75 * len(tracks))
    axes = drawing.add_subplot()
    at = [shown.at(instant) for instant in occurred if shown.start <= instant < shown.end]
    top = BAND * len(tracks)
    axes.axhline(top, color="#999999", linewidth=1, zorder=0)
    world = axes.vlines(at, top - 0.2, top + 0.2, color="black", linewidth=_thin(3, len(at)))
    foot = top - BAND * len(tracks) + 0.5 + LEVELS[1] - 0.15
    axes.vlines(at, foot, top, color="#CCCCCC", linewidth=_thin(1, len(at)), linestyle=":", zorder=0)
    lanes = [_Lane(axes, track, top - BAND * n - 1.45, shown) for n, track in enumerate(tracks)]
    style_axes(axes, "", "", "")
    axes.set_xlabel(shown.axis, fontsize=SIZE, parse_math=False)
    axes.grid(False)
    places = [(top, gettext("events")), *(place for lane in lanes for place in lane.places)]
    axes.set_yticks([y for y, _ in places], [text for _, text in places], parse_math=False)
    for text, (_, name) in zip(axes.get_yticklabels(), places, strict=True):
        text.set_color("#555555" if name in (gettext("source"), gettext("waits")) else "black")
    axes.set(xlim=(-0.012 * shown.length, 1.012 * shown.length), ylim=(foot, top + 0.35))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    entries = _entries(lanes)
    key(drawing, entries, columns=4 if len(entries) < 5 else 3)

    def sentence() -> str:
        happened = counted(len(world.get_segments()), "{number} event occurred", "{number} events occurred")
        said = "; ".join([happened, *(lane.said() for lane in lanes)])
        return gettext("In {window}: {said}.", window=shown, said=said)

    return Figure(drawing, sentence, CAPTION)


class _Lane:
    """One consumer's lane: the source's line 1 above its own, which is at height `y`, and the waits below."""

    def __init__(self, axes: "Axes", track: Track, y: float, shown: Window) -> None:
        self.axes, self.track, self.y, self.shown = axes, track, y, shown
        self.colour, self.least = track.style.colour, 0.007 * (shown.end - shown.start)
        self.marks: dict[str, PathCollection] = {}
        self.places = [(y + 1, gettext("source")), (y, fill(track.title, 17)), (y + sum(LEVELS) / 2, gettext("waits"))]
        for height in (y, y + 1):
            axes.axhline(height, color="#999999", linewidth=1, zorder=0)
        sent = [call for call in track.calls if call.sent >= shown.start]
        self.arrows = len(sent) + len(track.deliveries)
        self._call(sent)
        self._answer(track.calls)
        self._deliver(track.deliveries)
        self.waits = self._wait(track.waits)

    def _call(self, calls: Sequence[Call]) -> None:
        """An arrow up for each request: hollow if its answer brought nothing, a cross if it failed."""
        y = self.y
        self._shafts([(self._left(call), self._left(call), y, y + 1) for call in calls], 2.0, "-")
        for kind in ("poll", "fetch", "action"):
            for outcome in ("hit", "empty", "failed"):
                at = [self._left(call) for call in calls if (call.kind, call.outcome) == (kind, outcome)]
                hollow = kind == "poll" and outcome == "empty"
                self._mark(f"{kind} {outcome}", at, y + 1, "X" if outcome == "failed" else "^", hollow)

    def _left(self, call: Call) -> float:
        """Where a request stands: one that a webhook caused, a little to the right of it."""
        return call.sent if call.kind == "poll" else call.sent + self.least

    def _answer(self, calls: Sequence[Call]) -> None:
        """The line back of each answer, and a held request along the source's line until then."""
        y, end = self.y, self.shown.end
        held, brought, empty = list[Shaft](), list[float](), list[float]()
        for call in calls:
            if call.outcome == "failed":
                continue
            at = [max(instant, self._left(call) + self.least) for instant in call.brought or (call.answered,)]
            until = end if isnan(call.answered) else max(call.answered, self._left(call) + self.least)
            held.append((self._left(call), until, y + 1, y + 1))
            (brought if call.brought else empty).extend(instant for instant in at if instant < end)
        self._shafts(held, 3.0, "-")
        self.held = any(until - sent > 3 * self.least for sent, until, *_ in held)
        self._shafts([(at, at, y + 1, y) for at in brought], 1.1, "-")
        self._shafts([(at, at, y + 1, y) for at in empty], 0.8, ":")
        self._mark("answers", brought, y, "v", small=True)

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        """An arrow down for each webhook's attempt; a retry is dashed, with its gap."""
        y, first = self.y, [each for each in deliveries if isnan(each.gap)]
        retries = [each for each in deliveries if not isnan(each.gap)]
        self._shafts([(each.sent, each.ended, y + 1, y) for each in first], 2.0, "-")
        self.retried = self._shafts([(each.sent, each.ended, y + 1, y) for each in retries], 2.0, "--")
        waited = [(each.sent, each.answered, y + 1, y + 1) for each in deliveries]
        self.waited = self._shafts([row for row in waited if row[1] - row[0] > 3 * self.least], 3.0, "-")
        self._mark("webhooks", [each.ended for each in deliveries if not each.failed], y, "v")
        self._mark("failed webhooks", [each.ended for each in deliveries if each.failed], y, "X")
        free = dict.fromkeys((0.5, 0.75, 0.25), float("-inf"))
        for each in retries:
            at, text = self.shown.at(each.sent), phrase("+{gap} s", gap=each.gap)
            height = next((height for height, end in free.items() if at >= end), None)
            if height is not None:
                wide = 0.0095 * len(text) * self.shown.length
                side, ha = (-5, "right") if at + wide > self.shown.length else (5, "left")
                label = self.axes.annotate(text, (at, y + height), (side, 0), textcoords="offset points", va="center")
                label.set(ha=ha, in_layout=False, fontsize=SIZE, zorder=5)
                label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1})
                free[height] = at + wide

    def _wait(self, waits: Sequence[tuple[float, float]]) -> "LineCollection":
        """A bar for each event's wait, on the first level that is free; a tick where it begins."""
        shown, ends = self.shown, list[float]()
        bars = []
        for occurred, received in sorted(waits):
            until = shown.end if isnan(received) else received
            level = next((n for n, end in enumerate(ends) if end <= occurred), len(ends))
            ends[level : level + 1] = [until]
            bars.append((occurred, until, level))
        step = (LEVELS[1] - LEVELS[0]) / max(len(ends) - 1, 1) if len(ends) > 1 else 0.0
        heights = [self.y + (LEVELS[0] + step * level if len(ends) > 1 else sum(LEVELS) / 2) for *_, level in bars]
        width = max(1.0, min(9.0, 30 / max(len(ends), 1)))
        rows = [(start, until, y, y) for (start, until, _), y in zip(bars, heights, strict=True)]
        lines = self._shafts(rows, width, "-", exact=True)
        lines.set(alpha=0.55, capstyle="butt")
        half = width / 130
        at = [shown.at(start) for start, *_ in bars]
        ticks = self.axes.vlines(at, [y - half for y in heights], [y + half for y in heights], color="black")
        ticks.set(linewidth=_thin(1.6, len(at)), zorder=3)
        return lines

    def _shafts(self, rows: Sequence[Shaft], width: float, dashes: str, exact: bool = False) -> "LineCollection":
        from matplotlib.collections import LineCollection

        at, points = self.shown.at, width if exact else _thin(width, self.arrows)
        ends = [((at(start), low), (at(end), high)) for start, end, low, high in rows]
        lines = LineCollection(ends, colors=self.colour, linewidths=points, linestyles=dashes, zorder=2)
        self.axes.add_collection(lines)
        return lines

    def _mark(
        self, name: str, at: Sequence[float], y: float, shape: str, hollow: bool = False, small: bool = False
    ) -> None:
        """Arrowheads or crosses, whose tips touch the line at height `y`."""
        size = max(4.0, min(11.0, 420 / max(self.arrows, 1))) * (0.7 if small else 1)
        tip = {"^": -1, "v": 1}.get(shape, 0) * size / 150
        colour = "black" if shape == "X" else self.colour
        x, heights = [self.shown.at(instant) for instant in at], [y + tip] * len(at)
        face = "white" if hollow else colour
        self.marks[name] = self.axes.scatter(x, heights, marker=shape, facecolors=face, edgecolors=colour, zorder=4)
        self.marks[name].set(sizes=[size**2], linewidths=1.6)

    def count(self, *names: str) -> int:
        """How many marks with these names are drawn."""
        import numpy as np

        return sum(len(np.asarray(self.marks[name].get_offsets())) for name in names)

    def said(self) -> str:
        hits, empty, failed = (self.count(f"poll {outcome}") for outcome in ("hit", "empty", "failed"))
        said = []
        if polls := hits + empty + failed:
            times = counted(polls, "polled {number} time", "polled {number} times")
            text = "{times} ({hits:,} found something, {empty:,} empty, {failed:,} failed)"
            if not failed:
                text = "{times} ({hits:,} found something, {empty:,} empty)"
            said.append(gettext(text, times=times, hits=hits, empty=empty, failed=failed))
        elif self.held:
            one = "received {number} message over a held request"
            said.append(counted(self.count("answers"), one, "received {number} messages over a held request"))
        received, refused = self.count("webhooks"), self.count("failed webhooks")
        if received + refused:
            text = counted(received, "received {number} webhook", "received {number} webhooks")
            if refused:
                text += counted(refused, " ({number} more attempt failed)", " ({number} more attempts failed)")
            said.append(text + self._retries())
        if fetched := self.count("fetch hit", "fetch empty", "fetch failed"):
            said.append(counted(fetched, "fetched {number} event", "fetched {number} events"))
        if done := self.count("action hit", "action empty", "action failed"):
            said.append(counted(done, "sent {number} action", "sent {number} actions"))
        return f"{self.track.title}: {listed(said or [gettext('no request')])}{self._waited()}"

    def _retries(self) -> str:
        gaps = [each.gap for each in self.track.deliveries if not isnan(each.gap)]
        if not gaps:
            return ""
        different = list(dict.fromkeys(map(short, gaps)))
        few = listed(different) if len(different) < 4 else phrase("{low} to {high}", low=min(gaps), high=max(gaps))
        said = counted(len(gaps), ", {number} retry", ", {number} retries")
        return said + gettext(" {gaps} s after the previous attempt ended", gaps=few)

    def _waited(self) -> str:
        """The mean length of the bars that begin in the window, and how many events were not received by its end."""
        segments = [bar for bar in self.waits.get_segments() if 0 <= bar[0][0] < self.shown.length]
        if not segments:
            return ""
        never = len([1 for at, until in self.track.waits if at >= self.shown.start and isnan(until)])
        mean = float(sum(bar[1][0] - bar[0][0] for bar in segments)) / len(segments) * self.shown.unit
        text = phrase(", mean wait {mean} s", mean=mean)
        return text + (counted(never, ", {number} never received", ", {number} never received") if never else "")


def _thin(points: float, lines: int) -> float:
    """A line's width; beyond 100 lines they get thinner, so that even 1,000 can be told apart."""
    return points * min(1, 100 / max(lines, 1))


def _entries(lanes: Sequence[_Lane]) -> "list[Line2D]":
    """The key's entries: each kind of mark that at least one lane has."""

    def drawn(*names: str) -> bool:
        return any(lane.count(*names) for lane in lanes)

    waited = any(lane.waits.get_segments() for lane in lanes)
    waiting = any(lane.waited.get_segments() for lane in lanes)
    retried = any(lane.retried.get_segments() for lane in lanes)
    failed = drawn("poll failed", "fetch failed", "action failed", "failed webhooks")
    entries = [
        (drawn("poll hit"), mark("poll: found something", marker="^", markersize=11)),
        (drawn("poll empty"), mark("poll: empty", marker="^", markerfacecolor="white", markersize=11)),
        (any(lane.held for lane in lanes), mark("request held open", linestyle="-", linewidth=3)),
        (drawn("webhooks"), mark("webhook", marker="v", markersize=11)),
        (failed, mark("failed", color="black", marker="X", markersize=11)),
        (waiting, mark("the source waits for the answer", linestyle="-", linewidth=3)),
        (retried, mark("retry, + seconds since the previous attempt ended", linestyle="--", linewidth=2)),
        (waited, mark("an event's wait", linestyle="-", linewidth=8, alpha=0.55)),
    ]
    return [entry for there, entry in entries if there]
