"""A sweep's means: requests and mean latency of each approach in each scenario, with confidence intervals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labkit.approaches import Approach
from labkit.catalogue import gettext
from labkit.plots.crossing import gutter
from labkit.plots.figure import Figure, canvas, drawn, logarithmic, require_rows, style_axes
from labkit.plots.words import phrase

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.lines import Line2D

CAPTION = (
    "Requests and mean latency of each approach, by scenario; both vertical axes are logarithmic. A bar at a point is"
    " the confidence interval of the mean over the repeats."
)
PANELS = {"requests": "requests (log scale)", "latency_mean": "mean latency, seconds (log scale)"}


def swept(means: "pd.DataFrame", approaches: Sequence[Approach]) -> Figure | None:
    """The means of `confidence_intervals(sweep, "requests", "latency_mean")`, a line for each approach.

    The horizontal axis is the number in which the scenarios differ, such as the rate, or the scenario's number in the
    table if they differ in several. Zeros have no place on a log axis. None if no mean is above zero.
    """
    require_rows(means, "means", ["scenario", "label", *PANELS])
    name, places = _places(means)
    drawing = canvas(13, 6)
    panels = dict(zip(PANELS, drawing.subplots(1, 2, sharex=True), strict=True))
    lines: dict[str, dict[Approach, Line2D]] = {}
    for figure, axes in panels.items():
        style_axes(axes, "", name, PANELS[figure])
        axes.margins(x=0.08)
        shown = means[means[figure] > 0]
        ends = shown[[figure, f"{figure}_low", f"{figure}_high"]].to_numpy().ravel()
        logarithmic(axes, 1.7, y=ends[ends > 0].tolist())
        lines[figure] = {}
        for approach in approaches:
            rows = shown[shown.label == approach.label]
            if rows.empty:
                continue
            error = (rows[f"{figure}_high"] - rows[figure]).fillna(0.0)
            look = approach.style
            at = places[rows.index]
            bars = axes.errorbar(at, rows[figure], error, color=look.colour, marker=look.marker, capsize=4)
            bars.lines[0].set(markersize=8, markeredgecolor="black")
            lines[figure][approach] = bars.lines[0]
    if not any(lines.values()):
        return None
    if places.nunique() < 12:
        panels["requests"].set_xticks(sorted(set(places)))
    for figure, axes in panels.items():
        gutter(axes, lines[figure])

    def sentence() -> str:
        said = []
        for approach in approaches:
            there = [(figure, lines[figure][approach]) for figure in PANELS if approach in lines[figure]]
            parts = [_said(name, figure, drawn(line)) for figure, line in there]
            said += [f"{approach.title}: {', '.join(parts)}"] if parts else []
        return gettext("By scenario: {said}.", said="; ".join(said))

    return Figure(drawing, sentence, CAPTION)


def _places(means: "pd.DataFrame") -> "tuple[str, pd.Series[float]]":
    """The horizontal axis's name, and the place of each row on it."""
    worlds = means.columns[1 : means.columns.get_loc("label")]
    if len(worlds) == 1 and means[worlds[0]].map(lambda value: isinstance(value, int | float)).all():
        return str(worlds[0]), means[worlds[0]].astype(float)
    return gettext("scenario, as in the table"), means.scenario.astype(float)


def _said(name: str, figure: str, points: Sequence[tuple[float, float]]) -> str:
    """The first and the last point of a line."""
    text = "{mean} requests at {name} {at}" if figure == "requests" else "{mean} s late at {name} {at}"
    (first, low), (last, high) = points[0], points[-1]
    said = phrase(text, mean=low, name=name, at=first)
    more = "" if first == last else phrase(" and {mean} at {at}", mean=high, at=last)
    return said + more
