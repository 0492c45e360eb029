"""A log at a glance: events over time, gaps, dispersion by scale, rhythm and types."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.catalogue import duration, gettext
from labkit.description import Description
from labkit.plots.account import MOST_TYPES
from labkit.plots.figure import SIZE, Figure, canvas, drawn, logarithmic, style_axes
from labkit.plots.window import DAYS, Window, date
from labkit.plots.words import counted, phrase, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

CAPTION = (
    "Top: events over time. Left: the gaps between events, and (dashed) those of a Poisson stream of the same rate;"
    " and how much the counts per window vary: inside the grey band they vary as a Poisson stream's counts do."
    " Right: the rate by weekday and hour, and the most frequent types."
)
BLUE, ORANGE = "#0072B2", "#D55E00"
TICKS = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 21_600, 86_400, 604_800, 2_592_000)
LONGEST_NAME = 28


def overview(description: Description) -> Figure:
    """What a log is like, in up to five pictures; those for which it is too short are left out.

    One week of earthquakes: 10.2 per hour, gaps as a Poisson stream's, and counts as a Poisson stream's at every scale.
    """
    drawing = canvas(14, 11)
    cells = [["time", "time"], ["gaps", "week"], ["dispersion", "types"]]
    hours = description.rhythm is not None and description.resolution <= 3600
    shown = {"time": 1, "gaps": description.gap_counts.size, "dispersion": len(description.dispersion),
             "week": hours, "types": len(description.types)}  # fmt: skip
    kept: list[list[Any]] = [[name if shown[name] else "." for name in row] for row in cells]
    axes = drawing.subplot_mosaic([row for row in kept if set(row) != {"."}], width_ratios=[1, 1.15])
    pictures = {"time": _over_time, "gaps": _gaps, "dispersion": _dispersion, "week": _week, "types": _types}
    parts = [draw(axes[name], description) for name, draw in pictures.items() if name in axes]
    return Figure(drawing, lambda: " ".join(part() for part in parts), CAPTION)


def _over_time(axes: "Axes", found: Description) -> Callable[[], str]:
    bin = duration(found.bin)
    span = Window(0.0, found.bin * len(found.counts), date(found.first, found.zone))
    edges = [span.at(found.bin * n) for n in range(len(found.counts) + 1)]
    bars = axes.stairs(found.counts, edges, fill=True, color=BLUE)
    title = printable(found.name, 60)
    style_axes(axes, title, "", "events per {bin}", bin=bin)
    axes.set_xlabel(span.axis, fontsize=SIZE, parse_math=False)
    axes.set(xlim=(0, span.length), ylim=(0, None))
    axes.locator_params(axis="y", integer=True)

    def said() -> str:
        values = bars.get_data()[0]
        events = counted(int(values.sum()), "{number} event", "{number} events")
        text = "{log}: {events} in {window}, at most {most} per {bin}."
        return phrase(text, log=title, events=events, window=str(span), most=float(values.max()), bin=bin)

    return said


def _gaps(axes: "Axes", found: Description) -> Callable[[], str]:
    import numpy as np
    from matplotlib.ticker import PercentFormatter

    edges, total = found.gap_edges, found.events - 1
    logarithmic(axes, 1.2, x=edges.tolist())
    bars = axes.stairs(found.gap_counts / total, edges, fill=True, facecolor=f"{BLUE}55", edgecolor=BLUE, linewidth=2)
    left = np.exp(-edges * (found.rate or 0.0))
    middles = np.sqrt(edges[:-1] * edges[1:])
    (line,) = axes.plot(middles, left[:-1] - left[1:], color="black", linestyle="--", linewidth=2.5)
    style_axes(axes, gettext("gaps (dashed: Poisson)"), "gap, seconds (log scale)", "share of the gaps")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, None)

    def said() -> str:
        shares, edges, _ = bars.get_data()
        most, expected = int(shares.argmax()), max(drawn(line), key=lambda point: point[1])[0]
        text = "Most frequent gaps: {low} to {high} s; in a Poisson stream about {expected} s."
        return phrase(text, low=float(edges[most]), high=float(edges[most + 1]), expected=expected)

    return said


def _dispersion(axes: "Axes", found: Description) -> Callable[[], str]:
    scales = found.dispersion
    windows = [scale.window for scale in scales]
    shown = [(scale.window, max(scale.ratio, 0.01)) for scale in scales]
    lows = [max(scale.low, 0.01) for scale in scales]
    logarithmic(axes, 1.5, x=windows)
    logarithmic(axes, 1.5, y=[*lows, *(scale.high for scale in scales), *(ratio for _, ratio in shown)])
    axes.fill_between(windows, lows, [scale.high for scale in scales], color="#CCCCCC", linewidth=0, zorder=1)
    axes.axhline(1, color="black", linestyle="--", linewidth=1.5, zorder=2)
    axes.plot(*zip(*shown, strict=True), color=BLUE, linewidth=2, zorder=3)
    marks = []
    for inside, marker, colour in ((True, "o", BLUE), (False, "s", ORANGE)):
        points = [at for at, scale in zip(shown, scales, strict=True) if (scale.verdict == "poisson") == inside]
        x, y = [x for x, _ in points], [y for _, y in points]
        marks += axes.plot(x, y, marker, color=colour, markersize=9, zorder=4)
    title = gettext("counts per window (grey: Poisson)")
    style_axes(axes, title, "length of the window (log scale)", "variance / mean (log scale)")
    axes.minorticks_off()
    low, high = axes.get_xlim()
    ticks = list[float]()
    for at in TICKS:
        if low <= at <= high and (not ticks or at / ticks[-1] > (high / low) ** 0.14):
            ticks.append(at)
    axes.set_xticks(ticks, [duration(at) for at in ticks])

    def said() -> str:
        inside, outside = (len(drawn(each)) for each in marks)
        text = "Counts per window are within a Poisson stream's range at {inside} of {all} scales."
        return phrase(text, inside=inside, all=inside + outside)

    return said


def _week(axes: "Axes", found: Description) -> Callable[[], str]:
    import numpy as np

    assert found.rhythm is not None
    image = axes.imshow(found.rhythm.week, aspect="auto", cmap="cividis", vmin=0, extent=(0, 24, 7, 0))
    style_axes(axes, gettext("rhythm"), "hour of the day ({zone})", "", zone=str(found.zone))
    axes.grid(False)
    axes.set_xticks(range(0, 25, 3))
    axes.set_yticks([day + 0.5 for day in range(7)], [gettext(day) for day in DAYS])
    axes.set_facecolor("#EEEEEE")
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(gettext("events per hour"), fontsize=SIZE)
    bar.ax.tick_params(labelsize=SIZE)

    def said() -> str:
        rates: NDArray[np.float64] = np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), np.nan)
        day, hour = divmod(int(np.nanargmax(rates)), 24)
        text = "The rate is highest on {day} from {hour}:00: {rate} per hour."
        return phrase(text, day=gettext(DAYS[day]), hour=str(hour), rate=float(rates[day, hour]))

    return said


def _types(axes: "Axes", found: Description) -> Callable[[], str]:
    shown = list(found.types.items())[:MOST_TYPES]
    names = [printable(name, LONGEST_NAME) or '""' for name, _ in shown]
    bars = axes.barh(range(len(shown)), [number for _, number in shown], 0.6, color=BLUE)
    style_axes(axes, gettext("types"), "events", "")
    axes.grid(False, axis="y")
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_ylim(max(len(shown), 4) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.locator_params(axis="x", nbins=5, integer=True)

    def said() -> str:
        parts = [f"{name} {bar.get_width():,.0f}" for name, bar in zip(names, bars, strict=True)]
        return gettext("Types: {parts}.", parts=", ".join(parts))

    return said
