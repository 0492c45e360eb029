"""Picture 2: the frontier, what an approach costs against how late it is."""

import math
from typing import TYPE_CHECKING, Any

from labkit.catalogue import gettext
from labkit.checks import number
from labkit.plots.figure import SIZE, Figure, canvas, drawn, listed, logarithmic, place, require, short, style_axes
from labkit.plots.styles import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

CAPTION = (
    "Requests an hour against mean latency, both axes logarithmic: further left is cheaper, lower is sooner. A whisker"
    " runs from the mean to the 95th percentile."
)

_Row = tuple[str, str, float, float, float]
"""(label, approach, requests an hour, mean latency, its 95th percentile)"""


def frontier(
    table: "pd.DataFrame",
    duration: float,
    delay: float,
    theory: "pd.DataFrame | None" = None,
    title: str = "",
    limit: float | None = None,
) -> Figure:
    """A point for each row of a Comparison's table, over `duration` seconds and a network of `delay` seconds one way.

    1,440 requests in a day are 60 an hour. Polling gets a line of slope -1, twice the requests for half the wait, where
    there are two polling points or theory has one. `theory` has the columns approach, label, requests_per_hour and
    mean_latency (s). A row without requests, or without anything received, is left out, and the sentence says so. Above
    `limit` seconds, if it is given, the picture is grey: too late.
    """
    require(table, "table", ["approach", "requests", "latency_mean", "latency_p95"])
    if table.empty:
        raise ValueError("table must have one row at least, got none")
    number("duration", duration, "seconds", above=0)
    number("delay", delay, "seconds", least=0)
    if limit is not None:
        number("limit", limit, "seconds", above=0)
    if theory is not None:
        require(theory, "theory", ["approach", "label", "requests_per_hour", "mean_latency"])
    points, left_out = _points(table, duration)
    expected = [] if theory is None else _expected(theory)
    drawing = canvas(11, 7)
    axes = drawing.add_subplot()
    levels = [delay, limit or 0, *(level for point in points for level in point[3:]), *(point[3] for point in expected)]
    logarithmic(axes, [point[2] for point in [*points, *expected]], [level for level in levels if level > 0], 2.5)
    style_axes(axes, title, gettext("requests an hour (log scale)"), gettext("mean latency, seconds (log scale)"))
    measured = [_Point(axes, *point) for point in points]
    ideal = [_Point(axes, *point, hollow=True) for point in expected]
    line = _polling_line(axes, measured, ideal)
    floor = axes.axhline(delay, color="#777777", linestyle=":", linewidth=2) if delay > 0 else None
    edge = None if limit is None else _too_late(axes, limit)
    _annotate(axes, measured, ideal, line, floor, edge)
    _key(axes, measured, ideal, line)

    def sentence() -> str:
        parts = ["; ".join(point.said() for point in measured) or gettext("nothing was received")]
        slope = _slope([point.at for point in measured if point.approach == "polling"])
        parts += (
            [] if slope is None else [gettext("polling's own points have the slope {slope:.2f} (log-log)", slope=slope)]
        )
        parts += (
            []
            if floor is None
            else [gettext("the floor is the network's delay, {delay} s", delay=short(drawn(floor)[0][1]))]
        )
        parts += [] if edge is None else [gettext("too late is above {limit} s", limit=short(drawn(edge)[0][1]))]
        parts += [gettext("in theory {said}", said="; ".join(point.said() for point in ideal))] if ideal else []
        parts += [gettext("left out: {names}", names=listed(left_out))] if left_out else []
        return gettext("By requests and mean latency, {said}.", said="; ".join(parts))

    return Figure(drawing, sentence, gettext(CAPTION))


def _points(table: "pd.DataFrame", duration: float) -> tuple[list[_Row], list[str]]:
    """The rows of a table that can be drawn, and those that cannot, with the reason."""
    points, left_out = [], []
    columns = table.index, table.approach, table.requests, table.latency_mean, table.latency_p95, _losses(table)
    for name, approach, requests, mean, p95, loss in zip(*columns, strict=True):
        label = f"{name}{loss}"
        if mean is None or math.isnan(mean):
            left_out.append(gettext("{label} (it received nothing)", label=label))
        elif requests == 0:
            left_out.append(gettext("{label} (it sent no request)", label=label))
        else:
            points.append((str(label), str(approach), requests * 3600 / duration, float(mean), float(p95)))
    return points, left_out


def _losses(table: "pd.DataFrame") -> list[str]:
    """What to add to each label: an early approach that loses events is not a good one."""
    if not {"lost", "events"} <= set(table):
        return [""] * len(table)
    return [
        gettext(" (lost {lost} of {events})", lost=lost, events=events) if lost else ""
        for lost, events in zip(table.lost, table.events, strict=True)
    ]


def _expected(theory: "pd.DataFrame") -> list[_Row]:
    """Theory's rows; a mean is all that they have, so it stands for the 95th percentile too."""
    columns = theory.label, theory.approach, theory.requests_per_hour, theory.mean_latency
    points = [
        (str(label), str(name), float(cost), float(mean), float(mean))
        for label, name, cost, mean in zip(*columns, strict=True)
    ]
    for label, _, cost, mean, _ in points:
        if not (0 < cost < math.inf and 0 <= mean < math.inf):
            raise ValueError(
                "theory must have requests_per_hour > 0 and mean_latency >= 0 seconds,"
                f" got {cost} and {mean} for {label!r}"
            )
    return points


class _Point:
    """What is drawn of one approach. A latency of 0, which no log axis has, lies on the frame's lower edge."""

    def __init__(
        self, axes: "Axes", label: str, approach: str, cost: float, mean: float, p95: float = 0.0, hollow: bool = False
    ) -> None:
        from matplotlib.patheffects import withStroke

        self.label, self.approach = label, approach
        look = style(approach)
        self.whisker: Line2D | None = None
        if mean > 0 and p95 > 0 and not hollow:
            (self.whisker,) = axes.plot(
                [cost, cost], [mean, p95], color=look.colour, linewidth=2.5, marker="_", markevery=[1]
            )
            self.whisker.set(markersize=12, path_effects=[withStroke(linewidth=4, foreground="#555555")])
        (self.dot,) = axes.plot(
            [cost],
            [mean],
            marker=look.marker,
            markersize=17 if hollow else 11,
            color=look.colour,
            markerfacecolor="none" if hollow else look.colour,
            markeredgecolor=look.colour if hollow else "black",
            markeredgewidth=2 if hollow else 0.8,
            linestyle="none",
            transform=axes.transData if mean > 0 else axes.get_xaxis_transform(),
            clip_on=mean > 0,
            zorder=5 if hollow else 4,
        )

    @property
    def at(self) -> tuple[float, float]:
        return drawn(self.dot)[0]

    def said(self) -> str:
        cost, mean = self.at
        said = gettext(
            "{label} at {cost} an hour is {mean} s late", label=self.label, cost=short(cost), mean=short(mean)
        )
        p95 = "" if self.whisker is None else gettext(" (p95 {late} s)", late=short(drawn(self.whisker)[1][1]))
        return f"{said}{p95}"


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
    through = [point.at for point in ideal if point.approach == "polling" and point.at[1] > 0]
    if not through:
        through = [point.at for point in measured if point.approach == "polling" and point.at[1] > 0]
        if len(through) < 2:
            return None
    product = math.exp(sum(math.log(cost * mean) for cost, mean in through) / len(through))
    ends = axes.get_xlim()
    (line,) = axes.plot(
        ends, [product / x for x in ends], color=style("polling").colour, linestyle="--", linewidth=1.8, zorder=2
    )
    return line


def _too_late(axes: "Axes", limit: float) -> "Line2D":
    """Grey above the latency that is allowed; in a corner, where no label is put."""
    axes.axhspan(limit, axes.get_ylim()[1], color="#EEEEEE", zorder=0)
    text = axes.annotate(
        gettext("too late"),
        (0.99, limit),
        (0, 5),
        ("axes fraction", "data"),
        "offset points",
        ha="right",
        fontsize=SIZE,
    )
    text.set_in_layout(False)
    return axes.axhline(limit, color="black", linewidth=2)


def _annotate(
    axes: "Axes",
    measured: list[_Point],
    ideal: list[_Point],
    line: "Line2D | None",
    floor: "Line2D | None",
    edge: "Line2D | None",
) -> None:
    """A name beside each point (beside theory's only where nothing measured has it), and one on the floor."""
    drawing = axes.get_figure(root=True)
    assert drawing is not None
    drawing.draw_without_rendering()
    names = {point.label for point in measured}
    points = [*measured, *(point for point in ideal if point.label not in names)]
    labels, bottom = [], axes.get_ylim()[0]
    for point in points:
        cost, mean = point.at
        zero = "" if mean > 0 else gettext(": 0 s, below the scale")
        labels.append((cost, mean or bottom, f"{point.label}{zero}"))
    labels = _gathered(axes, labels)
    taken = [_box(axes, end) for point in measured if point.whisker for end in _between(drawn(point.whisker))]
    taken += [_box(axes, end) for end in _between(drawn(line))] if line else []
    taken += [text.get_window_extent() for text in axes.texts]
    for level in (drawn(each)[0][1] for each in (floor, edge) if each):
        taken += [_box(axes, end) for end in _between([(x, level) for x in axes.get_xlim()])]
    if floor is not None:
        delay = drawn(floor)[0][1]
        text = axes.annotate(
            gettext("the network's delay, {delay} s", delay=short(delay)),
            (0.01, delay),
            xycoords=("axes fraction", "data"),
            xytext=(0, -6),
            textcoords="offset points",
        )
        text.set(fontsize=SIZE, color="#555555", va="top")
        if any(text.get_window_extent().overlaps(_box(axes, (x, y), 12)) for x, y, _ in labels):
            text.xy = 0.99, delay
            text.set(ha="right")
        taken.append(text.get_window_extent())
    place(axes, labels, taken)


def _gathered(axes: "Axes", labels: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """One text for points that lie on each other, within 3 pixels: a name a line."""
    gathered: list[tuple[float, float, str]] = []
    for x, y, text in labels:
        for group, (at, height, texts) in enumerate(gathered):
            (left, low), (right, high) = axes.transData.transform([(x, y), (at, height)])
            if max(abs(left - right), abs(low - high)) < 3:
                gathered[group] = at, height, f"{texts}\n{text}"
                break
        else:
            gathered.append((x, y, text))
    return gathered


def _between(ends: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Two ends and 99 points between them, evenly on log-log."""
    (x, y), (to_x, to_y) = ends
    return [(x * (to_x / x) ** (n / 100), y * (to_y / y) ** (n / 100)) for n in range(101)]


def _box(axes: "Axes", point: tuple[float, float], reach: float = 4) -> "Bbox":
    """A few pixels around a point."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform(point)
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


def _key(axes: "Axes", measured: list[_Point], ideal: list[_Point], line: "Line2D | None") -> None:
    """What filled, hollow, whisker and line mean, below the axes: of those that are there."""
    from matplotlib.lines import Line2D

    def mark(label: str, colour: Any = "#555555", **look: Any) -> Line2D:
        return Line2D([], [], label=label, color=colour, **look)

    key = []
    if measured:
        key.append(mark(gettext("measured"), marker="o", linestyle="none", markersize=10))
        key.append(mark(gettext("mean to p95"), marker="_", linewidth=2.5, markersize=12))
    else:
        axes.text(0.5, 0.5, gettext("nothing was received"), transform=axes.transAxes, ha="center", fontsize=SIZE + 2)
    if ideal:
        key.append(mark(gettext("theory"), marker="o", linestyle="none", markersize=14, markerfacecolor="none"))
    if line is not None:
        key.append(mark(gettext("slope -1: twice the requests, half the wait"), line.get_color(), linestyle="--"))
    if key:
        axes.figure.legend(handles=key, loc="outside lower center", ncols=len(key), fontsize=SIZE, frameon=False)
