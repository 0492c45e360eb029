"""Pictures to turn a knob by: theory's curves, and on them the points where you stand."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.crossing import BETWEEN, crossings
from labkit.plots.figure import Figure, canvas, drawn, listed, logarithmic, place, require, short, style_axes
from labkit.plots.styles import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

PRICE = (
    "The price of a fixed interval, by theory. Left: requests an hour against mean latency, both axes logarithmic."
    " Right: the share of the polls that find nothing, against the interval on a logarithmic axis."
)
BALANCE = (
    "Polling beside a webhook, by theory, all axes with numbers logarithmic. Left: requests an hour against events an"
    " hour; the marks are where you stand, and the dashed rule is where both send the same. Right: mean latency."
)


def interact(picture: Callable[..., Figure], **knobs: Sequence[float]) -> Figure | None:
    """Show a picture, and a slider for each of these arguments, in seconds, over the values given.

    They start at the arguments' defaults. The picture is an output like any other, so that it is stored with the
    notebook. Without ipywidgets it says so, and returns the picture as it starts.
    """
    start = {name: signature(picture).parameters[name].default for name in knobs}
    try:
        from IPython.display import display
        from ipywidgets import SelectionSlider, VBox
    except ModuleNotFoundError:
        stands = listed(f"{name} = {short(value, 9)}" for name, value in start.items())
        said = "No sliders without ipywidgets (pip install ipywidgets): the picture stands at {values}."
        print(gettext(said, values=stands))
        return picture()
    sliders = {
        name: SelectionSlider(
            options=list(values), value=start[name], description=f"{name}, s", style={"description_width": "initial"}
        )
        for name, values in knobs.items()
    }
    bundle = VBox(list(sliders.values()))._repr_mimebundle_()
    display({**bundle, "text/plain": gettext("Run this cell for its sliders.")}, raw=True)
    shown = display(picture(), display_id=True)

    def redraw(change: object) -> None:
        shown.update(picture(**{name: slider.value for name, slider in sliders.items()}))

    for slider in sliders.values():
        slider.observe(redraw, "value")
    return None


def price(theory: "pd.DataFrame", interval: float) -> Figure:
    """What polling every `interval` seconds costs, on the curve of all the intervals that `theory` has.

    `theory` has the columns interval (s), requests_per_hour, mean_latency (s) and empty_share, and one row for
    `interval`. At 60 s, with an event every 354 s: 60 an hour, 30 s late, 84 % of them empty.
    """
    require(theory, "theory", ["interval", "requests_per_hour", "mean_latency", "empty_share"])
    rows = theory.sort_values("interval")
    drawing = canvas(11, 4.6)
    left, right = drawing.subplots(1, 2)
    logarithmic(left, rows.requests_per_hour.tolist(), rows.mean_latency.tolist(), 1.7)
    style_axes(
        left,
        gettext("What asking costs"),
        gettext("requests an hour (log scale)"),
        gettext("mean latency, s (log scale)"),
    )
    logarithmic(right, rows.interval.tolist(), [], 1.7)
    right.set_yscale("linear")
    right.set_ylim(-0.05, 1.05)
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    style_axes(
        right, gettext("What finds nothing"), gettext("interval, s (log scale)"), gettext("polls that are empty")
    )
    curves, dots = [], []
    for axes, x, y in (left, "requests_per_hour", "mean_latency"), (right, "interval", "empty_share"):
        curves.append(_curve(axes, "polling", rows[x], rows[y]))
        dots.append(_dot(axes, "polling", *_here(rows, "interval", interval, x, y)))

    def said() -> dict[str, str]:
        (cost, late), (every, empty) = map(_at, dots)
        return {"cost": short(cost), "late": short(late), "every": short(every, 9), "empty": f"{empty:.0%}"}

    drawing.draw_without_rendering()
    texts = "{cost} an hour,\n{late} s late", "{empty} empty"
    for axes, curve, dot, text in zip((left, right), curves, dots, texts, strict=True):
        place(axes, [(*_at(dot), gettext(text, **said()))], _along(curve))
    sentence = "Polling every {every} s: requests an hour {cost}, mean latency {late} s, empty share {empty}."
    return Figure(drawing, lambda: gettext(sentence, **said()), gettext(PRICE))


def balance(theory: "pd.DataFrame", events_per_hour: float) -> Figure:
    """What each approach sends, and how late it is, at `events_per_hour`, on the curves of the rates that `theory` has.

    `theory` has the columns approach (polling, webhook), events_per_hour, requests_per_hour and mean_latency (s), and a
    row of both for `events_per_hour`. Polling at 60 s sends 59.96 requests an hour, and a webhook at as many events.
    """
    require(theory, "theory", ["approach", "events_per_hour", "requests_per_hour", "mean_latency"])
    rows = theory.sort_values("events_per_hour")
    drawing = canvas(11, 4.6)
    left, right = drawing.subplots(1, 2, width_ratios=[2, 1])
    logarithmic(left, rows.events_per_hour.tolist(), rows.requests_per_hour.tolist(), 1.5)
    style_axes(
        left, gettext("What each sends"), gettext("events an hour (log scale)"), gettext("requests an hour (log scale)")
    )
    logarithmic(right, [], [0.01, 3600, *rows.mean_latency], 1.5)
    right.set_xscale("linear")
    style_axes(right, gettext("How late it is"), "", gettext("mean latency, s (log scale)"))
    curves: dict[str, Line2D] = {}
    sent: dict[str, Line2D] = {}
    late: dict[str, Line2D] = {}
    for name in BETWEEN:
        part = rows[rows.approach == name]
        curves[name] = _curve(left, name, part.events_per_hour, part.requests_per_hour)
        cost, wait = _here(part, "events_per_hour", events_per_hour, "requests_per_hour", "mean_latency")
        sent[name] = _dot(left, name, events_per_hour, cost)
        late[name] = _dot(right, name, len(late), wait)
    right.set_xlim(-0.5, len(late) - 0.5)
    right.set_xticks(range(len(late)), list(late), parse_math=False)
    for at in _equal(curves):
        left.axvline(at, color="black", linestyle="--", linewidth=1.5, zorder=1)
    drawing.draw_without_rendering()
    names = [(*_at(dot), f"{name}: {short(_at(dot)[1])}") for name, dot in sent.items()]
    names += [(at, 1.4 * left.get_ylim()[0], gettext("the same at {rate}", rate=short(at))) for at in _equal(curves)]
    place(left, names, [box for curve in curves.values() for box in _along(curve)])
    place(right, [(*_at(dot), f"{short(_at(dot)[1])} s") for dot in late.values()], [])

    def sentence() -> str:
        costs = [gettext("{label} sends {cost}", label=name, cost=short(_at(dot)[1])) for name, dot in sent.items()]
        waits = [gettext("{label} is {wait} s late", label=name, wait=short(_at(dot)[1])) for name, dot in late.items()]
        same = [short(at) for at in _equal(curves)] or [gettext("no rate that is drawn")]
        return gettext(
            "Requests an hour where events an hour are {rate}: {costs}; they send the same at {same}; {waits}.",
            rate=short(_at(sent["polling"])[0]),
            costs=listed(costs),
            same=listed(same),
            waits=listed(waits),
        )

    return Figure(drawing, sentence, gettext(BALANCE))


def _curve(axes: "Axes", name: str, x: "pd.Series[float]", y: "pd.Series[float]") -> "Line2D":
    (line,) = axes.plot(x.to_numpy(float), y.to_numpy(float), color=style(name).colour, linewidth=2, zorder=2)
    return line


def _dot(axes: "Axes", name: str, x: float, y: float) -> "Line2D":
    look = style(name)
    (dot,) = axes.plot([x], [y], marker=look.marker, color=look.colour, markeredgecolor="black", linestyle="none")
    dot.set(markersize=14, zorder=4)
    return dot


def _at(dot: "Line2D") -> tuple[float, float]:
    return drawn(dot)[0]


def _along(curve: "Line2D") -> "list[Bbox]":
    """A few pixels around every fourth or so that a curve passes."""
    import numpy as np
    from matplotlib.transforms import Bbox

    x, y = np.asarray(curve.get_transform().transform(drawn(curve))).T
    length = np.concatenate([[0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    steps = np.arange(0, length[-1], 4)
    points = zip(np.interp(steps, length, x).tolist(), np.interp(steps, length, y).tolist(), strict=True)
    return [Bbox.from_extents(x - 3, y - 3, x + 3, y + 3) for x, y in points]


def _here(rows: "pd.DataFrame", column: str, value: float, *wanted: str) -> list[float]:
    """What the one row with this value has in the wanted columns."""
    here = rows[rows[column] == value]
    if len(here) != 1:
        raise ValueError(f"theory must have one row with {column} = {short(value, 9)}, got {len(here)}")
    return [float(here[name].iloc[0]) for name in wanted]


def _equal(curves: "Mapping[str, Line2D]") -> list[float]:
    """The events an hour at which the two drawn curves cross."""
    (x, first), (_, second) = (zip(*drawn(curves[name]), strict=True) for name in BETWEEN)
    return crossings(list(x), list(first), list(second))
