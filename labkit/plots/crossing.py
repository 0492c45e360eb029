"""Picture 3: the crossover, where asking becomes cheaper than being told."""

import math
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.figure import SIZE, Figure, canvas, counted, drawn, listed, logarithmic, require, short, style_axes
from labkit.plots.styles import style

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


def crossover(measured: "pd.DataFrame", theory: "pd.DataFrame | None" = None, events: int | None = None) -> Figure:
    """Requests, and bytes, an event of each approach over the load λT, with rules where polling and webhook cross.

    `measured` has the columns approach, load, requests_per_event, requests_se, bytes_per_event, bytes_se (standard
    errors; NaN: no bar), `theory` approach, load, requests_per_event and, where it has it, bytes_per_event. `events` is
    how many each point was measured over. A crossing is interpolated on log-log between measured points: polling with 2
    and 0.5 requests an event at loads 0.5 and 2, and a webhook with 1, cross at 1.
    """
    require(
        measured,
        "measured",
        ["approach", "load", *(f"{unit}_{part}" for unit in PANELS for part in ("per_event", "se"))],
    )
    if theory is not None:
        require(theory, "theory", ["approach", "load", "requests_per_event"])
    if measured.empty:
        raise ValueError("measured must have one row at least, got none")
    twice = measured[measured.duplicated(["approach", "load"])]
    if len(twice):
        again = twice.iloc[0]
        raise ValueError(
            f"measured must have one row for an approach and load, got two for {again.approach} at {again.load}"
        )
    if not measured.load.between(0, math.inf, inclusive="neither").all():
        raise ValueError(f"load must be > 0 events an interval, got {measured.load.min()}")
    drawing = canvas(15, 6.4)
    series = {}
    for axes, unit in zip(drawing.subplots(1, len(PANELS)), PANELS, strict=True):
        series[unit] = _panel(axes, unit, measured, theory)

    def sentence() -> str:
        said = []
        for unit, lines in series.items():
            spans = [_said(approach, line) for approach, line in lines.items()]
            said.append(gettext(PANELS[unit][2], spans=", ".join(spans) or gettext("none")) + _where(lines))
        if events is None:
            return gettext("Against the load λT: {said}.", said="; ".join(said))
        over = counted(events, "{number} event a point", "{number} events a point")
        return gettext("Against the load λT, {over}: {said}.", over=over, said="; ".join(said))

    return Figure(drawing, sentence, gettext(CAPTION))


def crossings(x: list[float], first: list[float], second: list[float]) -> list[float]:
    """Where two series over the same loads cross, straight lines being drawn between their points on log-log.

    >>> [round(at, 9) for at in crossings([0.5, 2], [2, 0.5], [1, 1])]
    [1.0]
    """
    gaps = [math.log(a / b) for a, b in zip(first, second, strict=True)]
    found = [at for at, gap in zip(x, gaps, strict=True) if gap == 0]
    for left, right, before, after in zip(x, x[1:], gaps, gaps[1:], strict=False):
        if before * after < 0:
            share = before / (before - after)
            found.append(math.exp(math.log(left) + share * math.log(right / left)))
    return sorted(found)


def _panel(axes: "Axes", unit: str, measured: "pd.DataFrame", theory: "pd.DataFrame | None") -> "dict[str, Line2D]":
    """One panel; returns the line of measured points of each approach."""
    column = f"{unit}_per_event"
    shown = measured[measured[column] > 0].sort_values("load")
    ideal = None
    if theory is not None and column in theory:
        ideal = theory[(theory[column] > 0) & (theory.load > 0)].sort_values("load")
    parts = [shown] if ideal is None else [shown, ideal]
    logarithmic(axes, [x for part in parts for x in part.load], [y for part in parts for y in part[column]], 1.7)
    title, name, _ = PANELS[unit]
    style_axes(axes, gettext(title), gettext("load λT, events an interval (log scale)"), gettext(name))
    lines: dict[str, Line2D] = {}
    for approach, rows in shown.groupby("approach", sort=False):
        look = style(str(approach))
        bars = axes.errorbar(
            rows.load.to_numpy(float),
            rows[column].to_numpy(float),
            yerr=rows[f"{unit}_se"].to_numpy(float),
            color=look.colour,
            marker=look.marker,
            markersize=8,
            markeredgecolor="black",
            markeredgewidth=0.6,
            linestyle=":" if ideal is None else "none",
            capsize=4,
            label=str(approach),
        )
        lines[str(approach)] = bars.lines[0]
    if ideal is not None:
        for approach, rows in ideal.groupby("approach", sort=False):
            axes.plot(rows.load, rows[column], color=style(str(approach)).colour, linewidth=2, zorder=1)
    for number, at in enumerate(_crossings(lines)):
        axes.axvline(at, color="black", linestyle="--", linewidth=1.5, zorder=1)
        low, high = axes.get_xlim()
        axes.text(
            at,
            0.98 - 0.07 * number,
            gettext(" cross at λT = {load} ", load=short(at)),
            transform=axes.get_xaxis_transform(),
            fontsize=SIZE,
            va="top",
            ha="left" if at < low**0.4 * high**0.6 else "right",
        )
    _gutter(axes, lines)
    return lines


def _gutter(axes: "Axes", lines: "dict[str, Line2D]") -> None:
    """Each approach's name right of the axes, at the height where its points end, and never on another name."""
    ends = {name: drawn(line)[-1] for name, line in lines.items()}
    heights = {name: float(axes.transLimits.transform(axes.transScale.transform(end))[1]) for name, end in ends.items()}
    free = 0.0
    for name in sorted(heights, key=lambda name: heights[name]):
        height = max(heights[name], free)
        free = height + 0.055
        axes.annotate(
            name,
            ends[name],
            xytext=(1.03, height),
            textcoords="axes fraction",
            fontsize=SIZE,
            va="center",
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": "#777777", "shrinkA": 0, "shrinkB": 6},
        )


def _crossings(lines: "dict[str, Line2D]") -> list[float]:
    """The loads at which the two drawn lines cross, over the loads that both have."""
    if not lines.keys() >= set(BETWEEN):
        return []
    first, second = (dict(drawn(lines[name])) for name in BETWEEN)
    loads = [load for load in first if load in second]
    return crossings(loads, [first[load] for load in loads], [second[load] for load in loads])


def _said(approach: str, line: "Line2D") -> str:
    (first, low), *_, (last, high) = [*drawn(line)[:1], *drawn(line)]
    if first == last:
        return gettext("{approach} {low} at {first}", approach=approach, low=short(low), first=short(first))
    return gettext(
        "{approach} from {low} at {first} to {high} at {last}",
        approach=approach,
        low=short(low),
        first=short(first),
        high=short(high),
        last=short(last),
    )


def _where(lines: "dict[str, Line2D]") -> str:
    if not lines.keys() >= set(BETWEEN):
        return ""
    found = _crossings(lines)
    if not found:
        return gettext(", and {names} do not cross", names=listed(BETWEEN))
    return gettext(
        ", and {names} cross at λT = {loads}", names=listed(BETWEEN), loads=listed(short(at) for at in found)
    )
