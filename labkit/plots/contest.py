"""The contest's picture: one panel per kind of trace, one point per strategy and τ."""

from typing import TYPE_CHECKING

from labkit.approaches.approach import Approach, Style
from labkit.catalogue import gettext
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, logarithmic, require_rows, style_axes
from labkit.plots.labels import around, place
from labkit.plots.styles import style
from labkit.plots.words import listed, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "Polls per hour against mean latency, both axes logarithmic: further left is cheaper, lower is faster. Each"
    " strategy has one point per τ, the latency that costs as much as a poll, each on a trace of its own. The dashed"
    " line is polling at any fixed interval. A strategy below it has used what its polls returned."
)
NAMES = {
    "fixed": "fixed at √(2τ/λ)",
    "aimd": "AIMD",
    "halve_double": "halve/double",
    "optimal": "optimal, knowing the events",
}


def contest(outcomes: "pd.DataFrame") -> Figure:
    """Plot strategies, one panel per trace. `outcomes` has the columns strategy, trace, tau (s), polls_per_hour and
    mean_latency (s), with one row per strategy, trace and τ.

    The line is a fixed interval, whatever the events: 60 polls per hour are 60 s apart, and the mean latency is 30 s. A
    mean latency of 0, which has no place on a log axis, is drawn on the lower edge.
    """
    require_rows(outcomes, "outcomes", ["strategy", "trace", "tau", "polls_per_hour", "mean_latency"])
    if (outcomes.polls_per_hour <= 0).any() or (outcomes.mean_latency < 0).any():
        raise ValueError("outcomes must have polls_per_hour > 0 and mean_latency >= 0 seconds")
    kinds = list(dict.fromkeys(outcomes.trace))
    columns = min(3, len(kinds))
    rows = -(-len(kinds) // columns)
    drawing = canvas(5 * columns + 1, 4.4 * rows + 0.8)
    panels = drawing.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten().tolist()
    late = outcomes.mean_latency[outcomes.mean_latency > 0]
    logarithmic(panels[0], 1.6, x=outcomes.polls_per_hour.tolist(), y=late.tolist())
    (low, high), bottom = panels[0].get_xlim(), panels[0].get_ylim()[0]
    series: dict[str, dict[str, Line2D]] = {}
    for axes, kind in zip(panels, kinds, strict=False):
        style_axes(axes, kind, "polls per hour (log scale)", "mean latency, s (log scale)")
        axes.tick_params(which="both", labelleft=True, labelbottom=True, labelsize=SIZE)
        law = axes.plot([low, high], [1800 / low, 1800 / high], color=style("polling").colour, linestyle="--")[0]
        law.set(label=gettext("any fixed interval"), zorder=2)
        strategies = outcomes[outcomes.trace == kind].groupby("strategy", sort=False)
        series[kind] = {str(name): _line(axes, str(name), part.sort_values("tau")) for name, part in strategies}
    spare = panels[len(kinds) :]
    for axes in spare:
        axes.set_axis_off()
    drawing.draw_without_rendering()
    for axes, (kind, lines) in zip(panels, series.items(), strict=False):
        first, own = next(iter(lines.items()))
        taus = sorted(outcomes[(outcomes.trace == kind) & (outcomes.strategy == first)].tau)
        names = [(*point, f"τ = {short(tau)} s") for point, tau in zip(drawn(own), taus, strict=True)]
        place(axes, names, around(axes, [point for line in lines.values() for point in drawn(line)], 8))
    entries = [*series[kinds[0]].values(), law]
    if spare:
        spare[-1].legend(handles=entries, loc="center", fontsize=SIZE + 1, frameon=False, labelspacing=0.9)
    else:
        key(drawing, entries, columns=3)

    def sentence() -> str:
        parts = [gettext("on {trace}, {part}", trace=kind, part=_said(lines, bottom)) for kind, lines in series.items()]
        return gettext("Polls and mean latency, for τ from small to large: {parts}.", parts="; ".join(parts))

    return Figure(drawing, sentence, CAPTION)


def _line(axes: "Axes", name: str, rows: "pd.DataFrame") -> "Line2D":
    look = _look(name)
    late = rows.mean_latency.to_numpy(float).clip(min=axes.get_ylim()[0])
    (line,) = axes.plot(rows.polls_per_hour.to_numpy(float), late, color=look.colour, marker=look.marker)
    line.set(linestyle="none", clip_on=False, markeredgecolor="black")
    if name in NAMES:
        line.set(label=gettext(NAMES[name]), markersize=9, zorder=4)
    else:
        line.set(label=name, markersize=18, zorder=3)
    if name == "optimal":
        line.set_markerfacecolor("white")
    return line


def _look(name: str) -> Style:
    if name == "optimal":
        return Style("black", "D", "")
    if name not in NAMES:
        return Style(Approach.style.colour, "*", Approach.style.hatch)
    return style("polling" if name == "fixed" else name)


def _said(lines: "dict[str, Line2D]", bottom: float) -> str:
    """The first strategy's figures, and each one's latency over that of a fixed interval with as many polls."""
    points = {name: [(x, y if y > bottom else 0.0) for x, y in drawn(line)] for name, line in lines.items()}
    times = {name: listed(short(cost * late / 1800) for cost, late in pairs) for name, pairs in points.items()}
    first, *others = times
    costs, lates = (listed(map(short, values)) for values in zip(*points[first], strict=True))
    text = "{strategy} at {costs} polls per hour has a mean latency of {lates} s, {times} times a fixed interval's"
    own = gettext(text, strategy=first, costs=costs, lates=lates, times=times[first])
    return own + (f" ({'; '.join(f'{name} {times[name]}' for name in others)})" if others else "")
