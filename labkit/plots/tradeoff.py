"""Picture 2: the frontier, what an approach costs against how late it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, log
from statistics import linear_regression
from textwrap import fill
from typing import TYPE_CHECKING, Any

from labkit.approaches import Polling, Style
from labkit.catalogue import gettext
from labkit.checks import number
from labkit.plots.chosen import Results, as_results, chosen, rate_of, theory_of
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, logarithmic, mark, style_axes
from labkit.plots.labels import along, around, place
from labkit.plots.words import listed, phrase
from labkit.policies import RateLimit
from labkit.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "Requests per hour against mean latency, both axes logarithmic: further left is cheaper, lower is sooner. A whisker"
    " runs from the mean to the 95th percentile. The dashed line is polling at every fixed interval, in theory;"
    " a hollow marker is what theory expects on average of events at random, from which one run differs. A grey point"
    " that would hide another one is drawn beside it."
)
GREY = "#8C8C8C"
BESIDE: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": SIZE}
"""How a horizontal line's name stands beside it, as `annotate` takes it."""


@dataclass(frozen=True)
class _Row:
    """A point: its requests per hour and its latency in seconds, measured and in theory, (0, 0) without theory."""

    title: str
    style: Style
    name: str
    measured: tuple[float, float]
    p95: float
    theory: tuple[float, float] = (0.0, 0.0)
    verdict: str = ""


def frontier(
    results: Results,
    rejected: Mapping[str, str] | None = None,
    show: Iterable[str] | None = None,
    limit: float | None = None,
) -> Figure:
    """Requests per hour against mean latency, a point for each result; 1,440 requests in a day are 60 per hour.

    `rejected` maps a result's label to a verdict: its point is grey, with the verdict beside it. `show` names the
    results that this step shows; the axes keep the limits of all, so that steps can be compared. Latencies above
    `limit` s are too late: the picture is grey there. The polling line and the hollow markers are the approaches' own
    closed forms (no hollow marker in a scenario with faults). A result without requests or receipts is left out, and
    the sentence says so.
    """
    several = as_results(results)
    if limit is not None:
        number("limit", limit, "seconds", above=0)
    verdicts = {id(result): verdict for label, verdict in (rejected or {}).items()
                for result in chosen(several, [label], "rejected")}  # fmt: skip
    every = [(result, _row(result, verdicts.get(id(result), ""))) for result in several]
    steps = chosen(several, show)
    rows = [row for result, row in every if result in steps and row is not None]
    left_out = [_why_not(result) for result, row in every if result in steps and row is None]
    scenario = several[0].scenario
    drawing = canvas(11, 7) if len(several) < 9 else canvas(13, 8)
    axes = drawing.add_subplot()
    known = [row for _, row in every if row is not None]
    points = [point for row in known for point in (row.measured, row.theory)]
    levels = [scenario.delay, limit or 0, *(late for _, late in points), *(row.p95 for row in known)]
    costs, lates = ([value for value in values if value > 0] for values in ([cost for cost, _ in points], levels))
    logarithmic(axes, 2.5, x=costs, y=lates)
    style_axes(axes, scenario.title(), "requests per hour (log scale)", "mean latency, seconds (log scale)")
    marks = [_Point(axes, row) for row in rows]
    line = _polling_line(axes, several)
    floor = axes.axhline(scenario.delay, color="#777777", linestyle=":", linewidth=2) if scenario.delay > 0 else None
    edge = None if limit is None else _too_late(axes, limit)
    lines = [*(point.whisker for point in marks), line, floor, edge]
    drawing.draw_without_rendering()
    _step_aside(marks)
    names = _names(axes, marks)
    if floor is not None:
        _name_floor(axes, scenario.delay, [*((x, y) for x, y, _ in names), *(point.theory for point in marks)])
    taken = [text.get_window_extent() for text in axes.texts]
    taken += around(axes, [point.theory for point in marks if point.hollow], 10)
    place(axes, names, [*taken, *(box for each in lines if each for box in along(each, 4))])
    if not marks:
        axes.text(0.5, 0.5, gettext("nothing was received"), transform=axes.transAxes, ha="center", fontsize=SIZE + 2)
    hollow = any(point.hollow for point in marks)
    entries = [
        (marks, mark("measured", marker="o", markersize=10)),
        (marks, mark("mean to p95", marker="_", linestyle="-", linewidth=2.5, markersize=12)),
        (hollow, mark("theory", marker="o", markersize=14, markerfacecolor="none")),
        (line, mark("polling at a fixed interval, theory", color=Polling.style.colour, linestyle="--", linewidth=1.8)),
        ([each for each in rows if each.verdict], mark("rejected", marker="o", markersize=10, color=GREY)),
    ]
    key(drawing, [entry for there, entry in entries if there])

    def sentence() -> str:
        said = [point.said() for point in marks] or [gettext("nothing was received")]
        slope = _slope([point.at for point in marks if point.row.name == Polling.name])
        if slope is not None:
            said.append(gettext("the polling points have the slope {slope:.2f} (log-log)", slope=slope))
        if floor is not None:
            said.append(phrase("the floor is the network's delay, {delay} s", delay=drawn(floor)[0][1]))
        if edge is not None:
            said.append(phrase("too late is above {limit} s", limit=drawn(edge)[0][1]))
        if left_out:
            said.append(gettext("left out: {names}", names=listed(left_out)))
        return gettext("By requests per hour and mean latency: {said}.", said="; ".join(said))

    return Figure(drawing, sentence, CAPTION)


def _row(result: Result, verdict: str) -> _Row | None:
    """A result's point, with what was lost beside its title; None if it cannot be drawn."""
    figures, scenario, approach = result.row(), result.scenario, result.approach
    mean, p95 = figures["latency"]["mean"], figures["latency"]["p95"]
    events, lost = figures["events"], figures["lost"]
    if mean is None or not figures["requests"]:
        return None
    losses = gettext(" (lost {lost} of {events})", lost=lost, events=events) if lost else ""
    cost = figures["requests"] * 3600 / scenario.duration
    ideal = 0.0, 0.0
    if not verdict and not scenario.faults and scenario.rate_limit == RateLimit():  # what a closed form describes
        law = theory_of(approach, rate_of(result), scenario.delay)
        if law is not None:
            ideal = law.requests(scenario.duration) * scenario.consumers * 3600 / scenario.duration, law.mean_latency
    return _Row(approach.title + losses, approach.style, approach.name, (cost, mean), p95, ideal, verdict)


def _why_not(result: Result) -> str:
    if result.row()["latency"]["mean"] is None:
        return gettext("{label} (it received nothing)", label=result.approach.title)
    return gettext("{label} (it sent no request)", label=result.approach.title)


class _Point:
    """What is drawn of one approach. A latency of 0 has no place on a log axis: it lies below."""

    def __init__(self, axes: "Axes", row: _Row) -> None:
        from matplotlib.patheffects import withStroke

        self.row, look, (cost, mean) = row, row.style, row.measured
        colour = GREY if row.verdict else look.colour
        self.whisker: Line2D | None = None
        if mean > 0 and row.p95 > mean:
            (self.whisker,) = axes.plot([cost, cost], [mean, row.p95], color=colour, linewidth=2.5, marker="_")
            self.whisker.set(markersize=12, markevery=[1], path_effects=[withStroke(linewidth=4, foreground="#555555")])
        (self.dot,) = axes.plot([cost], [mean], marker=look.marker, color=colour, linestyle="none")
        self.dot.set(markersize=11, markeredgecolor="black", markeredgewidth=0.8, zorder=4)
        if row.verdict:
            self.dot.set_zorder(3)
        if mean == 0:
            self.dot.set(transform=axes.get_xaxis_transform(), clip_on=False)
        self.hollow: Line2D | None = None
        if min(row.theory) > 0:
            (self.hollow,) = axes.plot(*row.theory, marker=look.marker, color=look.colour, linestyle="none")
            self.hollow.set(markersize=17, markerfacecolor="none", markeredgewidth=2, zorder=5)
            if mean > 0:
                ends = [cost, row.theory[0]], [mean, row.theory[1]]
                axes.plot(*ends, color=look.colour, linewidth=1, linestyle=":", zorder=2)

    def step_aside(self, pixels: float) -> None:
        """Draw the dot and its whisker this many pixels to the right; the values stay."""
        from matplotlib.transforms import Affine2D

        for line in filter(None, (self.dot, self.whisker)):
            line.set_transform(line.get_transform() + Affine2D().translate(pixels, 0))

    @property
    def pixels(self) -> tuple[float, float]:
        """Where the dot is on the drawing."""
        x, y = self.dot.get_transform().transform(self.at)
        return float(x), float(y)

    @property
    def at(self) -> tuple[float, float]:
        return drawn(self.dot)[0]

    @property
    def theory(self) -> tuple[float, float]:
        return drawn(self.hollow)[0] if self.hollow else self.at

    def said(self) -> str:
        cost, mean = self.at
        more = [phrase("p95 {late} s", late=drawn(self.whisker)[1][1])] if self.whisker else []
        if self.hollow:
            more.append(phrase("in theory {cost} per hour and {mean} s", cost=self.theory[0], mean=self.theory[1]))
        text = phrase("{title}: {cost} per hour, {mean} s late", title=self.row.title, cost=cost, mean=mean)
        text += f" ({', '.join(more)})" if more else ""
        return text + (gettext(", rejected: {verdict}", verdict=self.row.verdict) if self.row.verdict else "")


def _slope(points: list[tuple[float, float]]) -> float | None:
    """The least-squares slope through points on a log-log plot; None where they have none."""
    if len({cost for cost, _ in points}) < 2 or min(late for _, late in points) <= 0:
        return None
    costs, lates = zip(*points, strict=True)
    return linear_regression(list(map(log, costs)), list(map(log, lates))).slope


def _polling_line(axes: "Axes", results: Sequence[Result]) -> "Line2D | None":
    """Polling at the fixed intervals that the axes hold, by its closed form; None without an event or an interval."""
    import numpy as np

    scenario, rate = results[0].scenario, rate_of(results[0])
    if not rate:
        return None
    costs = np.geomspace(*axes.get_xlim(), 60).tolist()  # of all consumers
    intervals = [3600 * scenario.consumers / cost - 2 * scenario.delay for cost in costs]
    laws = [Polling(interval=T).theory(rate, scenario.delay) for T in intervals if T > 1e-3]
    points = [(3600 * scenario.consumers * rate * law.requests_per_event, law.mean_latency) for law in laws]
    if not points:
        return None
    (line,) = axes.plot(*zip(*points, strict=True), color=Polling.style.colour, linestyle="--", linewidth=1.8, zorder=2)
    return line


def _too_late(axes: "Axes", limit: float) -> "Line2D":
    """Grey above the latency that is allowed; its name in a corner, where no label is put."""
    axes.axhspan(limit, axes.get_ylim()[1], color="#EEEEEE", zorder=0)
    axes.annotate(gettext("too late"), (0.99, limit), (0, 5), ha="right", **BESIDE).set_in_layout(False)
    return axes.axhline(limit, color="black", linewidth=2)


def _name_floor(axes: "Axes", delay: float, points: list[tuple[float, float]]) -> None:
    """Name the floor at the left, or where it covers no point."""
    said = phrase("the network's delay, {delay} s", delay=delay)
    text = axes.annotate(said, (0.01, delay), (0, -6), color="#555555", va="top", **BESIDE)
    taken = around(axes, points, 14)
    for share, side in ((0.01, "left"), (0.99, "right"), (0.3, "center"), (0.5, "center"), (0.7, "center")):
        text.xy = share, delay
        text.set(ha=side)
        if not any(text.get_window_extent().overlaps(box) for box in taken):
            break


def _step_aside(marks: Sequence[_Point]) -> None:
    """Move each rejected point that would hide another to the right, until it hides none."""
    stay = [point.pixels for point in marks if not point.row.verdict]
    for point in (point for point in marks if point.row.verdict):
        x, y = point.pixels
        steps = next(n for n in range(len(marks)) if all(hypot(x + 25 * n - a, y - b) > 14 for a, b in stay))
        if steps:
            point.step_aside(25 * steps)
        stay.append(point.pixels)


def _names(axes: "Axes", marks: Sequence[_Point]) -> list[tuple[float, float, str]]:
    """A text for each point. Points within 3 pixels of each other share a text, with one name per line."""
    names: list[tuple[float, float, str]] = []
    for point in marks:
        row, mean = point.row, point.at[1]
        x, y = axes.transData.inverted().transform(point.pixels).tolist()
        text = row.title if mean > 0 else row.title + gettext(": 0 s, below the scale")
        if row.verdict:
            text += "\n" + fill(gettext("– rejected: {verdict}", verdict=row.verdict), 27)
        for group, (at, height, texts) in enumerate(names):
            (left, low), (right, high) = axes.transData.transform([(x, y), (at, height)])
            if max(abs(left - right), abs(low - high)) < 3:
                names[group] = at, height, f"{texts}\n{text}"
                break
        else:
            names.append((x, y, text))
    return names
