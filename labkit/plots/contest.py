"""The contest's picture: one panel per kind of trace, one point per strategy and τ."""

from typing import TYPE_CHECKING

from labkit.approaches.approach import Approach, Style
from labkit.catalogue import gettext
from labkit.plots.figure import SIZE, Figure, canvas, drawn, listed, logarithmic, place, require, short, style_axes
from labkit.plots.styles import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
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
COLUMNS = ["strategy", "trace", "tau", "polls_per_hour", "mean_latency"]


def contest(outcomes: "pd.DataFrame") -> Figure:
    """Plot strategies, one panel per trace. `outcomes` has the columns strategy, trace, tau (s), polls_per_hour and
    mean_latency (s), with one row per strategy, trace and τ.

    The line is a fixed interval, whatever the events: 60 polls per hour are 60 s apart, and the mean latency is 30 s. A
    mean latency of 0, which has no place on a log axis, is drawn on the lower edge.
    """
    require(outcomes, "outcomes", COLUMNS)
    if outcomes.empty:
        raise ValueError("outcomes must have at least one row, got none")
    if (outcomes.polls_per_hour <= 0).any() or (outcomes.mean_latency < 0).any():
        raise ValueError("outcomes must have polls_per_hour > 0 and mean_latency >= 0 seconds")
    kinds = list(dict.fromkeys(outcomes.trace))
    columns = min(3, len(kinds))
    lines = -(-len(kinds) // columns)
    drawing = canvas(5 * columns + 1, 4.4 * lines + 0.8)
    panels = drawing.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flatten().tolist()
    late = outcomes.mean_latency[outcomes.mean_latency > 0].tolist()
    logarithmic(panels[0], outcomes.polls_per_hour.tolist(), late, 1.6)
    series: dict[str, dict[str, Line2D]] = {}
    for axes, kind in zip(panels, kinds, strict=False):
        style_axes(axes, kind, gettext("polls per hour (log scale)"), gettext("mean latency, s (log scale)"))
        axes.tick_params(labelleft=True, labelbottom=True)
        _fixed_line(axes)
        series[kind] = {
            str(name): _line(axes, str(name), rows.sort_values("tau"))
            for name, rows in outcomes[outcomes.trace == kind].groupby("strategy", sort=False)
        }
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    drawing.draw_without_rendering()
    for axes, kind in zip(panels, kinds, strict=False):
        _name_points(axes, outcomes[outcomes.trace == kind].sort_values("tau"), series[kind])
    _key(panels[-1] if len(panels) > len(kinds) else None, drawing, list(series[kinds[0]].values()))

    def sentence() -> str:
        parts = [gettext("on {trace}, {part}", trace=kind, part=_describe(lines)) for kind, lines in series.items()]
        return gettext("Polls and mean latency, for τ from small to large: {parts}.", parts="; ".join(parts))

    return Figure(drawing, sentence, gettext(CAPTION))


def _line(axes: "Axes", name: str, rows: "pd.DataFrame") -> "Line2D":
    look = _look(name)
    own = name not in NAMES
    bottom = axes.get_ylim()[0]
    (line,) = axes.plot(
        rows.polls_per_hour.to_numpy(float),
        rows.mean_latency.to_numpy(float).clip(min=bottom),
        color=look.colour,
        marker=look.marker,
        markersize=18 if own else 9,
        markerfacecolor="white" if name == "optimal" else look.colour,
        markeredgecolor=look.colour if name == "optimal" else "black",
        linestyle="none",
        label=gettext(NAMES[name]) if name in NAMES else name,
        clip_on=False,
        zorder=3 if own else 4,
    )
    return line


def _name_points(axes: "Axes", rows: "pd.DataFrame", lines: "dict[str, Line2D]") -> None:
    """Write τ beside each point of the first strategy, where it hides no point."""
    from matplotlib.transforms import Bbox

    first = next(iter(lines))
    pixels = [axes.transData.transform(point) for line in lines.values() for point in drawn(line)]
    taken = [Bbox.from_extents(x - 8, y - 8, x + 8, y + 8) for x, y in pixels]
    names = [f"τ = {short(tau)} s" for tau in rows[rows.strategy == first].tau]
    place(axes, [(*point, name) for point, name in zip(drawn(lines[first]), names, strict=True)], taken)


def _look(name: str) -> Style:
    if name == "optimal":
        return Style("black", "D", "")
    if name not in NAMES:
        return Style(Approach.style.colour, "*", Approach.style.hatch)
    return style("polling" if name == "fixed" else name)


def _fixed_line(axes: "Axes") -> None:
    """A fixed interval of 3600/x seconds has a mean latency of half of it."""
    low, high = axes.get_xlim()
    axes.plot(
        [low, high],
        [1800 / low, 1800 / high],
        color=style("polling").colour,
        linestyle="--",
        linewidth=1.5,
        zorder=2,
        scalex=False,
        scaley=False,
    )


def _describe(lines: "dict[str, Line2D]") -> str:
    """The first strategy's figures, and each one's latency over that of a fixed interval with as many polls."""
    first, others = next(iter(lines)), list(lines)[1:]
    points = {
        name: [(cost, late if late > line.axes.get_ylim()[0] else 0.0) for cost, late in drawn(line)]
        for name, line in lines.items()
        if line.axes is not None
    }
    costs, lates = (listed(short(value) for value in values) for values in zip(*points[first], strict=True))
    times = {name: listed(short(cost * late / 1800) for cost, late in pairs) for name, pairs in points.items()}
    rest = "; ".join(f"{name} {times[name]}" for name in others)
    text = "{strategy} at {costs} polls per hour has a mean latency of {lates} s, {times} times a fixed interval's"
    own = gettext(text, strategy=first, costs=costs, lates=lates, times=times[first])
    return f"{own} ({rest})" if rest else own


def _key(spare: "Axes | None", drawing: "Drawing", lines: "list[Line2D]") -> None:
    """What the markers mean: in the place of an unused panel, or below."""
    from matplotlib.lines import Line2D

    law = Line2D([], [], color=style("polling").colour, linestyle="--", label=gettext("any fixed interval"))
    if spare is not None:
        spare.legend(handles=[*lines, law], loc="center", fontsize=SIZE + 1, frameon=False, labelspacing=0.9)
    else:
        drawing.legend(handles=[*lines, law], loc="outside lower center", ncols=3, fontsize=SIZE, frameon=False)
