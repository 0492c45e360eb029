"""Picture 2: the frontier, what an approach costs against how late it is."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.catalogue import gettext
from labkit.checks import number
from labkit.plots.chosen import Results, as_results, chosen
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, logarithmic, mark, require, require_rows, style_axes
from labkit.plots.labels import along, around, place
from labkit.plots.styles import style
from labkit.plots.words import listed, phrase

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "Requests an hour against mean latency, both axes logarithmic: further left is cheaper, lower is sooner. A whisker"
    " runs from the mean to the 95th percentile."
)
BESIDE: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": SIZE}
"""How a horizontal line's name stands beside it, as `annotate` takes it."""


class _Row(NamedTuple):
    """A point: its requests per hour and its latency in seconds. Theory has no 95th percentile."""

    label: str
    approach: str
    cost: float
    mean: float
    p95: float = 0.0


def frontier(
    results: Results,
    rejected: Mapping[str, str] | None = None,
    show: Iterable[str] | None = None,
    limit: float | None = None,
) -> Figure:
    """A point for each result."""
    import pandas as pd

    from labkit.experiment import flat

    several = as_results(results)
    scenario = several[0].scenario
    rows = [{"label": result.approach.title, **flat(result.row())} for result in chosen(several, show)]
    table = pd.DataFrame(rows).set_index("label")
    return _frontier(table, scenario.duration, scenario.delay, title=scenario.title(), limit=limit)


def _frontier(
    table: "pd.DataFrame",
    duration: float,
    delay: float,
    theory: "pd.DataFrame | None" = None,
    title: str = "",
    limit: float | None = None,
) -> Figure:
    """A point for each row of a Comparison's table, measured over `duration` s with a one-way network delay (s).

    1,440 requests in a day are 60 per hour. Polling gets a line of slope -1 (half the wait costs twice the requests)
    if there are two polling points or theory has one. `theory` has the columns approach, label, requests_per_hour and
    mean_latency (s). A row without requests or receipts is left out, and the sentence says so. Latencies above
    `limit` s, if it is given, are too late: the picture is grey there.
    """
    require_rows(table, "table", ["approach", "requests", "latency_mean", "latency_p95"])
    number("duration", duration, "seconds", above=0)
    number("delay", delay, "seconds", least=0)
    if limit is not None:
        number("limit", limit, "seconds", above=0)
    rows, left_out = _measured(table, duration)
    expected = [] if theory is None else _expected(theory)
    drawing = canvas(11, 7)
    axes = drawing.add_subplot()
    shown = [*rows, *expected]
    levels = [delay, limit or 0, *(row.mean for row in shown), *(row.p95 for row in shown)]
    logarithmic(axes, 2.5, x=[row.cost for row in shown], y=[level for level in levels if level > 0])
    style_axes(axes, title, "requests an hour (log scale)", "mean latency, seconds (log scale)")
    measured, ideal = [_Point(axes, row) for row in rows], [_Point(axes, row, hollow=True) for row in expected]
    line = _polling_line(axes, measured, ideal)
    floor = axes.axhline(delay, color="#777777", linestyle=":", linewidth=2) if delay > 0 else None
    edge = None if limit is None else _too_late(axes, limit)
    lines = [*(point.whisker for point in measured), line, floor, edge]
    drawing.draw_without_rendering()
    names = _names(axes, measured, ideal)
    if floor is not None:
        _name_floor(axes, delay, names)
    taken = [text.get_window_extent() for text in axes.texts]
    place(axes, names, [*taken, *(box for each in lines if each for box in along(each, 4))])
    if not measured:
        axes.text(0.5, 0.5, gettext("nothing was received"), transform=axes.transAxes, ha="center", fontsize=SIZE + 2)
    entries = [
        (measured, mark("measured", marker="o", markersize=10)),
        (measured, mark("mean to p95", marker="_", linestyle="-", linewidth=2.5, markersize=12)),
        (ideal, mark("theory", marker="o", markersize=14, markerfacecolor="none")),
        (line, mark("slope -1: twice the requests, half the wait", color=style("polling").colour, linestyle="--")),
    ]
    key(drawing, [entry for there, entry in entries if there])

    def sentence() -> str:
        said = [point.said() for point in measured] or [gettext("nothing was received")]
        slope = _slope([point.at for point in measured if point.approach == "polling"])
        if slope is not None:
            said.append(gettext("polling's own points have the slope {slope:.2f} (log-log)", slope=slope))
        if floor is not None:
            said.append(phrase("the floor is the network's delay, {delay} s", delay=drawn(floor)[0][1]))
        if edge is not None:
            said.append(phrase("too late is above {limit} s", limit=drawn(edge)[0][1]))
        if ideal:
            said.append(gettext("in theory {said}", said="; ".join(point.said() for point in ideal)))
        if left_out:
            said.append(gettext("left out: {names}", names=listed(left_out)))
        return gettext("By requests and mean latency, {said}.", said="; ".join(said))

    return Figure(drawing, sentence, CAPTION)


def _measured(table: "pd.DataFrame", duration: float) -> tuple[list[_Row], list[str]]:
    """The rows that can be drawn, and the labels of those that cannot, with the reason. A label says what was lost."""
    rows, left_out = [], []
    columns = ["approach", "requests", "latency_mean", "latency_p95", "lost", "events"]
    for label, approach, requests, mean, p95, lost, events in table.reindex(columns=columns).itertuples():
        losses = gettext(" (lost {lost} of {events})", lost=lost, events=events) if lost > 0 and events > 0 else ""
        label = f"{label}{losses}"
        if mean is None or math.isnan(mean):
            left_out.append(gettext("{label} (it received nothing)", label=label))
        elif requests == 0:
            left_out.append(gettext("{label} (it sent no request)", label=label))
        else:
            rows.append(_Row(label, str(approach), requests * 3600 / duration, float(mean), float(p95)))
    return rows, left_out


def _expected(theory: "pd.DataFrame") -> list[_Row]:
    columns = ["approach", "label", "requests_per_hour", "mean_latency"]
    require(theory, "theory", columns)
    rows = []
    for name, label, *numbers in theory[columns].itertuples(index=False):
        cost, mean = map(float, numbers)
        if not (0 < cost < math.inf and 0 <= mean < math.inf):
            bounds = "requests_per_hour > 0 and mean_latency >= 0 seconds"
            raise ValueError(f"theory must have {bounds}, got {cost} and {mean} for {str(label)!r}")
        rows.append(_Row(str(label), str(name), cost, mean))
    return rows


class _Point:
    """What is drawn of one approach; hollow for theory. A latency of 0 has no place on a log axis: it lies below."""

    def __init__(self, axes: "Axes", row: _Row, hollow: bool = False) -> None:
        from matplotlib.patheffects import withStroke

        self.label, self.approach, cost, mean, p95 = row
        look = style(row.approach)
        self.whisker: Line2D | None = None
        if mean > 0 and p95 > 0:
            (self.whisker,) = axes.plot([cost, cost], [mean, p95], color=look.colour, linewidth=2.5, marker="_")
            self.whisker.set(markersize=12, markevery=[1], path_effects=[withStroke(linewidth=4, foreground="#555555")])
        (self.dot,) = axes.plot([cost], [mean], marker=look.marker, color=look.colour, linestyle="none")
        if hollow:
            self.dot.set(markersize=17, markerfacecolor="none", markeredgewidth=2, zorder=5)
        else:
            self.dot.set(markersize=11, markeredgecolor="black", markeredgewidth=0.8, zorder=4)
        if mean == 0:
            self.dot.set(transform=axes.get_xaxis_transform(), clip_on=False)

    @property
    def at(self) -> tuple[float, float]:
        return drawn(self.dot)[0]

    def said(self) -> str:
        cost, mean = self.at
        said = phrase("{label} at {cost} an hour is {mean} s late", label=self.label, cost=cost, mean=mean)
        return said if self.whisker is None else said + phrase(" (p95 {late} s)", late=drawn(self.whisker)[1][1])


def _slope(points: list[tuple[float, float]]) -> float | None:
    """The least-squares slope through points on a log-log plot; None where they have none."""
    import numpy as np

    x, y = np.array(points).reshape(-1, 2).T
    if len(set(x.tolist())) < 2 or not (y > 0).all():
        return None
    x, y = np.log(x) - np.log(x).mean(), np.log(y) - np.log(y).mean()
    return float((x * y).sum() / (x * x).sum())


def _polling_line(axes: "Axes", measured: list[_Point], ideal: list[_Point]) -> "Line2D | None":
    """The line of slope -1 through theory's polling points, or else through two or more measured ones."""
    real, through = (
        [each.at for each in part if each.approach == "polling" and each.at[1] > 0] for part in (measured, ideal)
    )
    if not through and len(real) < 2:
        return None
    products = [cost * mean for cost, mean in through or real]
    product = math.exp(sum(map(math.log, products)) / len(products))
    ends, colour = axes.get_xlim(), style("polling").colour
    return axes.plot(ends, [product / x for x in ends], color=colour, linestyle="--", linewidth=1.8, zorder=2)[0]


def _too_late(axes: "Axes", limit: float) -> "Line2D":
    """Grey above the latency that is allowed; its name in a corner, where no label is put."""
    axes.axhspan(limit, axes.get_ylim()[1], color="#EEEEEE", zorder=0)
    axes.annotate(gettext("too late"), (0.99, limit), (0, 5), ha="right", **BESIDE).set_in_layout(False)
    return axes.axhline(limit, color="black", linewidth=2)


def _name_floor(axes: "Axes", delay: float, names: list[tuple[float, float, str]]) -> None:
    """Name the floor at the left, or at the right if it would cover a point there."""
    said = phrase("the network's delay, {delay} s", delay=delay)
    text = axes.annotate(said, (0.01, delay), (0, -6), color="#555555", va="top", **BESIDE)
    if any(text.get_window_extent().overlaps(box) for box in around(axes, [(x, y) for x, y, _ in names], 12)):
        text.xy = 0.99, delay
        text.set(ha="right")


def _names(axes: "Axes", measured: list[_Point], ideal: list[_Point]) -> list[tuple[float, float, str]]:
    """A text for each point; for theory's only where no measured point has that label.

    Points within 3 pixels of each other share a text, with one name per line.
    """
    known = {point.label for point in measured}
    names: list[tuple[float, float, str]] = []
    for point in [*measured, *(point for point in ideal if point.label not in known)]:
        x, mean = point.at
        y = mean or axes.get_ylim()[0]
        text = point.label if mean > 0 else point.label + gettext(": 0 s, below the scale")
        for group, (at, height, texts) in enumerate(names):
            (left, low), (right, high) = axes.transData.transform([(x, y), (at, height)])
            if max(abs(left - right), abs(low - high)) < 3:
                names[group] = at, height, f"{texts}\n{text}"
                break
        else:
            names.append((x, y, text))
    return names
