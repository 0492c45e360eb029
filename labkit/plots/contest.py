"""The contest on the frontier: a panel for each kind of trace, a point for each player and worth of a poll."""

from typing import TYPE_CHECKING

from labkit.approaches.approach import Approach, Style
from labkit.catalogue import gettext
from labkit.plots.figure import (
    SIZE,
    Figure,
    canvas,
    drawn,
    listed,
    logarithmic,
    place,
    require,
    short,
    style_axes,
)
from labkit.plots.styles import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

CAPTION = (
    "Polls an hour against mean latency, both axes logarithmic: further left is cheaper, lower is sooner. A player has"
    " a point for each worth of a poll, τ, on a trace of its own. The dashed line is polling at a fixed interval, any"
    " interval: below it, a rule has made something of what it saw."
)
NAMES = {
    "fixed": "fixed at √(2τ/λ)",
    "aimd": "AIMD",
    "halve_double": "halve/double",
    "optimal": "optimal, knowing the events",
}
COLUMNS = ["player", "trace", "tau", "polls_per_hour", "mean_latency"]


def contest(outcomes: "pd.DataFrame") -> Figure:
    """Where each player stands, a panel a trace. `outcomes` has the columns player, trace, tau (s), polls_per_hour and
    mean_latency (s), and no player twice on one trace at one τ.

    The line is the law of a fixed interval, whatever the events: 60 polls an hour come every 60 s, and wait 30 s. A
    mean latency of 0, which no log axis has, lies on the frame's lower edge.
    """
    require(outcomes, "outcomes", COLUMNS)
    if outcomes.empty:
        raise ValueError("outcomes must have one row at least, got none")
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
        style_axes(axes, kind, gettext("polls an hour (log scale)"), gettext("mean latency, s (log scale)"))
        axes.tick_params(labelleft=True, labelbottom=True)
        _fixed_line(axes)
        series[kind] = {
            str(player): _line(axes, str(player), rows.sort_values("tau"))
            for player, rows in outcomes[outcomes.trace == kind].groupby("player", sort=False)
        }
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    drawing.draw_without_rendering()
    for axes, kind in zip(panels, kinds, strict=False):
        _name_points(axes, outcomes[outcomes.trace == kind].sort_values("tau"), series[kind])
    _key(panels[-1] if len(panels) > len(kinds) else None, drawing, list(series[kinds[0]].values()))

    def sentence() -> str:
        said = "; ".join(gettext("on {trace} {said}", trace=kind, said=_said(lines)) for kind, lines in series.items())
        return gettext("By polls and mean latency, τ from small to large: {said}.", said=said)

    return Figure(drawing, sentence, gettext(CAPTION))


def _line(axes: "Axes", player: str, rows: "pd.DataFrame") -> "Line2D":
    look = _look(player)
    own = player not in NAMES
    bottom = axes.get_ylim()[0]
    (line,) = axes.plot(
        rows.polls_per_hour.to_numpy(float),
        rows.mean_latency.to_numpy(float).clip(min=bottom),
        color=look.colour,
        marker=look.marker,
        markersize=18 if own else 9,
        markerfacecolor="white" if player == "optimal" else look.colour,
        markeredgecolor=look.colour if player == "optimal" else "black",
        linestyle="none",
        label=gettext(NAMES[player]) if player in NAMES else player,
        clip_on=False,
        zorder=3 if own else 4,
    )
    return line


def _name_points(axes: "Axes", rows: "pd.DataFrame", lines: "dict[str, Line2D]") -> None:
    """Write its τ beside each point of the first player, where it hides nobody's."""
    from matplotlib.transforms import Bbox

    first = next(iter(lines))
    pixels = [axes.transData.transform(point) for line in lines.values() for point in drawn(line)]
    taken = [Bbox.from_extents(x - 8, y - 8, x + 8, y + 8) for x, y in pixels]
    names = [f"τ = {short(tau)} s" for tau in rows[rows.player == first].tau]
    place(axes, [(*point, name) for point, name in zip(drawn(lines[first]), names, strict=True)], taken)


def _look(player: str) -> Style:
    if player == "optimal":
        return Style("black", "D", "")
    if player not in NAMES:
        return Style(Approach.style.colour, "*", Approach.style.hatch)
    return style("polling" if player == "fixed" else player)


def _fixed_line(axes: "Axes") -> None:
    """A fixed interval of 3600/x seconds waits half of it on average."""
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


def _said(lines: "dict[str, Line2D]") -> str:
    """Where the first player stands, and how late everybody is beside a fixed interval with as many polls."""
    first, others = next(iter(lines)), list(lines)[1:]
    stands = {
        name: [(cost, late if late > line.axes.get_ylim()[0] else 0.0) for cost, late in drawn(line)]
        for name, line in lines.items()
        if line.axes is not None
    }
    costs, lates = (listed(short(value) for value in values) for values in zip(*stands[first], strict=True))
    beside = {name: listed(short(cost * late / 1800) for cost, late in points) for name, points in stands.items()}
    rest = "; ".join(f"{name} {beside[name]}" for name in others)
    said = gettext(
        "{player} at {costs} an hour is {lates} s late, {times} times a fixed interval's",
        player=first,
        costs=costs,
        lates=lates,
        times=beside[first],
    )
    return f"{said} ({rest})" if rest else said


def _key(spare: "Axes | None", drawing: "Drawing", lines: "list[Line2D]") -> None:
    """What the markers mean: in the place of a panel that is not needed, or else below."""
    from matplotlib.lines import Line2D

    law = Line2D([], [], color=style("polling").colour, linestyle="--", label=gettext("any fixed interval"))
    if spare is not None:
        spare.legend(handles=[*lines, law], loc="center", fontsize=SIZE + 1, frameon=False, labelspacing=0.9)
    else:
        drawing.legend(handles=[*lines, law], loc="outside lower center", ncols=3, fontsize=SIZE, frameon=False)
