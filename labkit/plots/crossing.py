"""Picture 3: the crossover, the load above which polling costs less than a webhook."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results, chosen
from labkit.plots.figure import SIZE, Figure, canvas, drawn, logarithmic, require, require_rows, style_axes
from labkit.plots.labels import LEADER
from labkit.plots.styles import style
from labkit.plots.words import counted, listed, phrase, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "The cost of an event against the load, the events that occur in one interval (λT), both axes logarithmic. The"
    " vertical rules stand where polling and the webhook cost the same. Bars are ±1 standard error; lines are theory,"
    " or where none is given, dotted, join the points."
)
PANELS = {
    "requests": ("Requests an event", "requests an event (log scale)", "requests an event: {spans}"),
    "bytes": ("Bytes an event", "bytes an event (log scale)", "bytes an event: {spans}"),
}
BETWEEN = ("polling", "webhook")


def crossover(results: Results, show: Iterable[str] | None = None) -> Figure:
    """Requests and bytes per event of each approach over the load λT."""
    import pandas as pd

    rows = []
    interval = 60.0
    for result in chosen(as_results(results), show):
        row = result.row()
        name, load = result.approach.name, interval * row["events"] / result.scenario.duration
        size = (row["bytes_out"] + row["bytes_in"]) / row["events"]
        rows.append((name, load, row["requests_per_event"], math.nan, size, math.nan))
    columns = ["approach", "load", "requests_per_event", "requests_se", "bytes_per_event", "bytes_se"]
    return _crossover(pd.DataFrame(rows, columns=columns))


def _crossover(measured: "pd.DataFrame", theory: "pd.DataFrame | None" = None, events: int | None = None) -> Figure:
    """Requests and bytes per event of each approach over the load λT, with rules where polling and webhook cross.

    `measured` has the columns approach, load, requests_per_event, requests_se, bytes_per_event, bytes_se (standard
    errors; NaN: no bar), `theory` approach, load, requests_per_event and optionally bytes_per_event. `events` is the
    number of events behind each point.
    """
    costs = [f"{unit}_{part}" for unit in PANELS for part in ("per_event", "se")]
    require_rows(measured, "measured", ["approach", "load", *costs])
    if theory is not None:
        require(theory, "theory", ["approach", "load", "requests_per_event"])
    for again in measured[measured.duplicated(["approach", "load"])].itertuples():
        named = f"{again.approach} at {again.load}"
        raise ValueError(f"measured must have one row for an approach and load, got two for {named}")
    if not measured.load.between(0, math.inf, inclusive="neither").all():
        raise ValueError(f"load must be > 0 events an interval, got {measured.load.min()}")
    drawing = canvas(15, 6.4)
    panels = zip(drawing.subplots(1, len(PANELS)), PANELS, strict=True)
    series = {unit: _panel(axes, unit, measured, theory) for axes, unit in panels}

    def sentence() -> str:
        said = []
        for unit, lines in series.items():
            spans = [_said(approach, line) for approach, line in lines.items()]
            said.append(gettext(PANELS[unit][2], spans=", ".join(spans) or gettext("none")) + _where(lines))
        if events is None:
            return gettext("Against the load λT: {said}.", said="; ".join(said))
        over = counted(events, "{number} event a point", "{number} events a point")
        return gettext("Against the load λT, {over}: {said}.", over=over, said="; ".join(said))

    return Figure(drawing, sentence, CAPTION)


def crossings(lines: "Mapping[str, Line2D]") -> list[float]:
    """The x at which the lines of polling and webhook, as drawn on log-log, cross, over the x that both have.

    Polling with 2 and 0.5 requests per event at loads 0.5 and 2, and a webhook with 1, cross at 1.
    """
    if not lines.keys() >= set(BETWEEN):
        return []
    first, second = (dict(drawn(lines[name])) for name in BETWEEN)
    gaps = [(x, math.log(first[x] / second[x])) for x in first if x in second]
    found = [x for x, gap in gaps if gap == 0]
    for (left, before), (right, after) in pairwise(gaps):
        if before * after < 0:
            share = before / (before - after)
            found.append(math.exp(math.log(left) + share * math.log(right / left)))
    return sorted(found)


def _panel(axes: "Axes", unit: str, measured: "pd.DataFrame", theory: "pd.DataFrame | None") -> "dict[str, Line2D]":
    """One panel; returns the line of measured points of each approach."""
    (title, name, _), column = PANELS[unit], f"{unit}_per_event"
    given = theory is not None and column in theory
    shown, ideal = (
        part[(part[column] > 0) & (part.load > 0)].sort_values("load")
        for part in (measured, theory if theory is not None and given else measured[:0])
    )
    logarithmic(axes, 1.7, x=[*shown.load, *ideal.load], y=[*shown[column], *ideal[column]])
    style_axes(axes, gettext(title), "load λT, events an interval (log scale)", name)
    lines: dict[str, Line2D] = {}
    for approach, rows in shown.groupby("approach", sort=False):
        look = style(str(approach))
        x, y, error = (rows[each].to_numpy(float) for each in ("load", column, f"{unit}_se"))
        bars = axes.errorbar(x, y, error, color=look.colour, marker=look.marker, markeredgewidth=0.6, capsize=4)
        lines[str(approach)] = bars.lines[0]
        bars.lines[0].set(markersize=8, markeredgecolor="black", linestyle="none" if given else ":")
    for approach, rows in ideal.groupby("approach", sort=False):
        axes.plot(rows.load, rows[column], color=style(str(approach)).colour, linewidth=2, zorder=1)
    low, high = axes.get_xlim()
    for number, at in enumerate(crossings(lines)):
        rule(axes, at)
        text = axes.text(at, 0.98 - 0.07 * number, phrase(" cross at λT = {load} ", load=at), fontsize=SIZE, va="top")
        text.set(transform=axes.get_xaxis_transform(), ha="left" if at < low**0.4 * high**0.6 else "right")
    _gutter(axes, lines)
    return lines


def rule(axes: "Axes", at: float) -> None:
    """A vertical rule where polling and the webhook cost the same."""
    axes.axvline(at, color="black", linestyle="--", linewidth=1.5, zorder=1)


def _gutter(axes: "Axes", lines: "dict[str, Line2D]") -> None:
    """Each approach's name to the right of the axes, as high as its last point, but above the name below it."""
    ends = {name: drawn(line)[-1] for name, line in lines.items()}
    heights = {name: float(axes.transLimits.transform(axes.transScale.transform(end))[1]) for name, end in ends.items()}
    free = 0.0
    for name in sorted(heights, key=lambda name: heights[name]):
        at = (1.03, max(heights[name], free))
        free = at[1] + 0.055
        text = axes.annotate(name, ends[name], at, textcoords="axes fraction", va="center", arrowprops=LEADER)
        text.set(fontsize=SIZE, parse_math=False)


def _said(approach: str, line: "Line2D") -> str:
    (first, low), *_, (last, high) = [*drawn(line)[:1], *drawn(line)]
    if first == last:
        return phrase("{approach} {low} at {first}", approach=approach, low=low, first=first)
    text = "{approach} from {low} at {first} to {high} at {last}"
    return phrase(text, approach=approach, low=low, first=first, high=high, last=last)


def _where(lines: "dict[str, Line2D]") -> str:
    if not lines.keys() >= set(BETWEEN):
        return ""
    if not (found := crossings(lines)):
        return gettext(", and {names} do not cross", names=listed(BETWEEN))
    return gettext(", and {names} cross at λT = {loads}", names=listed(BETWEEN), loads=listed(map(short, found)))
