"""Picture 5: swim lanes, who spoke to whom in a few minutes."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import Figure, canvas, key, mark, require, style_axes
from labkit.plots.styles import style
from labkit.plots.window import busiest, cut
from labkit.plots.words import counted, listed, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "Time runs to the right. Events occur in the world and stand in the source at once. Who asks, asks upwards; a"
    " source that delivers calls downwards, and its arrows lean, more than the network makes them, to show which way"
    " they go."
)
LEAN = 0.008
"""The least lean of an arrow, as a share of the window."""


def swim_lanes(results: Results, start: float | None = None, end: float | None = None) -> Figure:
    """What was exchanged from `start` to before `end` (s); ten minutes from the start of the busiest hour by default."""
    shown = as_results(results)
    receipts = shown[0].receipts
    start = busiest(shown[0])[0] if start is None else start
    exchanges = {result.approach.title: result.exchanges for result in shown}
    return _lanes(receipts, exchanges, start, start + 600 if end is None else end)


def timeline(
    occurred: Sequence[float],
    polls: Mapping[str, Sequence[tuple[float, float, object]]] | None = None,
    deliveries: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """The same picture of what was measured by hand: instants in seconds."""
    import pandas as pd

    frames = {
        label: pd.DataFrame(
            [("you", "poll", "hit" if found else "empty", sent, answered) for sent, answered, found in rows],
            columns=["consumer", "kind", "outcome", "sent_at", "answered_at"],
        )
        for label, rows in (polls or {}).items()
    }
    for label, arrived in (deliveries or {}).items():
        rows = [("you", "delivery", "hit", sent, received) for sent, received in arrived]
        frames[label] = pd.DataFrame(rows, columns=["consumer", "kind", "outcome", "sent_at", "answered_at"])
    events = pd.DataFrame({"event_id": [str(n) for n in range(len(occurred))], "occurred_at": list(occurred)})
    last = max([*occurred, *(at for frame in frames.values() for at in frame.answered_at)])
    return _lanes(events, frames, 0, math.ceil(last + 1e-9))


def _lanes(receipts: "pd.DataFrame", exchanges: Mapping[str, "pd.DataFrame"], start: float, end: float) -> Figure:
    """What was exchanged from `start` to before `end`: lanes for the world, the source, and each label's consumer.

    `receipts` say when the events occurred, for any consumer; `exchanges` are as `Ledger.exchanges`, by label. If these
    have a column `attempt`, it counts a delivery's attempts from 1: later ones are dashed. Set-up is left out. The axis
    is in minutes, or in seconds if the window is shorter than one minute.
    """
    shown = cut(exchanges, "exchanges", ["sent_at", "kind", "outcome", "answered_at"], start, end)
    require(receipts, "receipts", ["event_id", "occurred_at"])
    occurred = receipts.drop_duplicates("event_id").occurred_at
    size = 60.0 if end - start >= 60 else 1.0
    at = (occurred[occurred.between(start, end, inclusive="left")].to_numpy(float) - start) / size
    drawing = canvas(13, 3.2 + 1.1 * len(shown))
    axes = drawing.add_subplot()
    source, width = len(shown), (end - start) / size
    world = axes.vlines(at, source + 0.75, source + 1.25, color="black", linewidth=_thin(2.5, len(at)), label="event")
    axes.vlines(at, source, source + 0.75, color="#BBBBBB", linewidth=_thin(1, len(at)), zorder=1)
    axes.vlines(at, source - 0.12, source + 0.12, color="black", linewidth=_thin(2.5, len(at)))
    lanes = []
    for y, (label, frame) in zip(range(source - 1, -1, -1), shown.items(), strict=True):
        frame = frame.assign(sent_at=(frame.sent_at - start) / size, answered_at=(frame.answered_at - start) / size)
        lanes.append(_Lane(axes, label, frame[frame.kind != "setup"], y, source, LEAN * width))
    after = "minutes after t = {start} s" if size == 60 else "seconds after t = {start} s"
    style_axes(axes, "", after, "", start=short(start, 7))
    axes.grid(False, axis="y")
    for y in range(source + 2):
        axes.axhline(y, color="#999999", linewidth=1, zorder=0)
    names = [f"{_role(label, frame)}\n{label}" for label, frame in exchanges.items()]
    axes.set_yticks(range(source + 1, -1, -1), [gettext("world"), gettext("source"), *names], parse_math=False)
    axes.set(xlim=(-0.012 * width, 1.012 * width), ylim=(-0.5, source + 1.5))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    key(drawing, _entries(lanes))

    def sentence() -> str:
        happened = counted(len(world.get_segments()), "{number} event occurred", "{number} events occurred")
        units = ("{number} minute", "{number} minutes") if size == 60 else ("{number} second", "{number} seconds")
        said = "; ".join([happened, *(lane.said() for lane in lanes)])
        window = counted(width, *units)
        return gettext("In {window} from t = {start} s: {said}.", window=window, start=short(start, 7), said=said)

    return Figure(drawing, sentence, CAPTION)


class _Lane:
    """One consumer's lane, at height `y`: its polls and other requests, and the deliveries to it."""

    def __init__(self, axes: "Axes", label: str, frame: "pd.DataFrame", y: int, source: int, lean: float) -> None:
        from matplotlib.collections import LineCollection

        self.label, self.look, colour = label, style(label), style(label).colour
        told, hit, failed = frame.kind == "delivery", frame.outcome == "hit", frame.outcome.isin(["error", "throttled"])
        later = frame["attempt"] > 1 if "attempt" in frame else told & False
        sent = frame.sent_at
        tip = frame.answered_at.fillna(sent + lean).clip(lower=sent + lean)
        self.shafts = []
        for which, dashes in ((told & ~later, "-"), (told & later, "--")):
            ends = [((x, source), (to, y)) for x, to in zip(sent[which], tip[which], strict=True)]
            width = _thin(1.8, len(ends))
            self.shafts.append(LineCollection(ends, colors=colour, linewidths=width, linestyles=dashes, zorder=2))
            axes.add_collection(self.shafts[-1])
        asked = sent[~told]
        axes.vlines(asked, y, source, color=colour, linewidth=_thin(1.6, len(asked)), alpha=0.6, zorder=1)
        marks = {
            "empty": (sent[~told & ~hit & ~failed], self.look.marker, "white", colour),
            "hits": (sent[~told & hit], self.look.marker, colour, colour),
            "delivered": (tip[told & ~failed], "v", colour, colour),
            "failed polls": (sent[~told & failed], "X", "black", "black"),
            "failed deliveries": (tip[told & failed], "X", "black", "black"),
        }
        self.marks = {}
        for name, (x, shape, fill, edge) in marks.items():
            self.marks[name] = axes.scatter(x, [y] * len(x), marker=shape, facecolors=fill, edgecolors=edge, zorder=4)
            self.marks[name].set(sizes=[190 if fill == "black" else 110], linewidths=1.8)

    def count(self, name: str) -> int:
        """How many marks of this name are drawn."""
        return len(self.marks[name].get_offsets())  # type: ignore[arg-type]

    def said(self) -> str:
        hits, empty, failed, refused = map(self.count, ("hits", "empty", "failed polls", "failed deliveries"))
        first, later = (len(shafts.get_segments()) for shafts in self.shafts)
        said = []
        if asked := hits + empty + failed:
            times = counted(asked, "{number} time", "{number} times")
            text = "asked {times} ({hits:,} found something, {empty:,} found nothing, {failed:,} failed)"
            said.append(gettext(text, times=times, hits=hits, empty=empty, failed=failed))
        if first + later:
            attempts = counted(first + later, "{number} attempt", "{number} attempts")
            text = "was told by {attempts} ({failed:,} failed, {later:,} retried)"
            said.append(gettext(text, attempts=attempts, failed=refused, later=later))
        return f"{self.label} {listed(said) if said else gettext('neither asked nor was told')}"


def _thin(points: float, lines: int) -> float:
    """A line's width; beyond 100 lines they get thinner, so that even 1,000 can be told apart."""
    return points * min(1, 100 / max(lines, 1))


def _role(label: str, exchanges: "pd.DataFrame") -> str:
    roles = {("poll",): "poller", ("delivery",): "receiver"}
    return gettext(style(label).role or roles.get(tuple(set(exchanges.kind) - {"setup"}), "consumer"))


def _entries(lanes: list[_Lane]) -> "list[Line2D]":
    """The key's entries: an event, and each kind of mark that at least one lane has."""
    looks = {lane.look.marker for lane in lanes if lane.count("empty") + lane.count("hits")}
    poll = looks.pop() if len(looks) == 1 else "o"
    entries = [
        (["empty"], mark("found nothing", marker=poll, markerfacecolor="white", markersize=10)),
        (["hits"], mark("found something", marker=poll, markersize=10)),
        (["delivered"], mark("delivered", marker="v", markersize=10)),
        (["failed polls", "failed deliveries"], mark("failed", color="black", marker="X", markersize=11)),
    ]
    shown = [entry for names, entry in entries if any(lane.count(name) for lane in lanes for name in names)]
    if any(lane.shafts[1].get_segments() for lane in lanes):
        shown.append(mark("a later attempt", linestyle="--"))
    return [mark("event", color="black", marker="|", markersize=14, markeredgewidth=2.5), *shown]
