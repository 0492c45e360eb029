"""Pictures to turn a knob by: theory's curves, and on them the points where you stand."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.checks import number
from labkit.plots.figure import Figure, canvas, drawn, logarithmic, style_axes
from labkit.plots.labels import along, place
from labkit.plots.styles import style
from labkit.plots.words import listed, phrase, short
from labkit.theory import Polling

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

PRICE = (
    "The price of a fixed interval, by theory. Left: requests per hour against mean latency, both axes logarithmic."
    " Right: the share of the polls that find nothing, against the interval on a logarithmic axis."
)
INTERVALS = tuple(range(10, 3601, 10))
"""The intervals of a curve, in seconds."""
LOOK = style("polling")


def interact(picture: Callable[..., Figure], **knobs: Sequence[float]) -> Figure | None:
    """Show a picture, and for each of these arguments a slider over the values given, in seconds.

    The sliders start at the arguments' defaults. The picture is an ordinary output, so it is stored with the notebook.
    Without ipywidgets a message says so, and the picture is returned as it starts.
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
    wide = {"description_width": "initial"}
    sliders = {
        name: SelectionSlider(options=list(values), value=start[name], description=f"{name}, s", style=wide)
        for name, values in knobs.items()
    }
    bundle = VBox(list(sliders.values()))._repr_mimebundle_()
    display({**bundle, "text/plain": gettext("Run this cell for its sliders.")}, raw=True)
    shown = display(picture(), display_id=True)
    for slider in sliders.values():
        slider.observe(lambda _: shown.update(picture(**{name: each.value for name, each in sliders.items()})), "value")
    return None


def price(interval: float = 60.0, mean_gap: float = 354.0, delay: float = 0.02) -> Figure:
    """The price of polling every `interval` s: a point on theory's curve of all intervals from 10 s to 1 h.

    Events are Poisson, one every `mean_gap` s on average; the network takes `delay` s each way. At 60 s, with one event
    every 354 s: 60 requests per hour, 30 s late, 84% of the polls empty. ValueError for an interval or gap <= 0.
    """
    number("mean_gap", mean_gap, "seconds", above=0)
    here, *laws = (Polling(1 / mean_gap, seconds, delay) for seconds in (interval, *INTERVALS))
    drawing = canvas(11, 4.6)
    left, right = drawing.subplots(1, 2)
    costs, waits = [3600 / law.period for law in laws], [law.mean_latency for law in laws]
    logarithmic(left, 1.7, x=costs, y=waits)
    style_axes(left, gettext("What polling costs"), "requests per hour (log scale)", "mean latency, s (log scale)")
    logarithmic(right, 1.7, x=INTERVALS)
    right.set_ylim(-0.05, 1.05)
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    style_axes(right, gettext("Polls that are empty"), "interval, s (log scale)", "polls that are empty")
    curves = _curve(left, costs, waits), _curve(right, INTERVALS, [law.empty_share for law in laws])
    dots = _dot(left, 3600 / here.period, here.mean_latency), _dot(right, interval, here.empty_share)

    def said(text: str) -> str:
        (cost, late), (every, empty) = map(_at, dots)
        return phrase(text, cost=cost, late=late, every=short(every, 9), empty=f"{empty:.0%}")

    drawing.draw_without_rendering()
    texts = "{cost} per hour,\n{late} s late", "{empty} empty"
    for axes, curve, dot, text in zip((left, right), curves, dots, texts, strict=True):
        place(axes, [(*_at(dot), said(text))], along(curve, 3, gap=4))
    sentence = "Polling every {every} s: requests per hour {cost}, mean latency {late} s, empty share {empty}."
    return Figure(drawing, lambda: said(sentence), PRICE)


def _curve(axes: "Axes", x: Sequence[float], y: Sequence[float]) -> "Line2D":
    return axes.plot(x, y, color=LOOK.colour, linewidth=2, zorder=2)[0]


def _dot(axes: "Axes", x: float, y: float) -> "Line2D":
    (dot,) = axes.plot([x], [y], marker=LOOK.marker, color=LOOK.colour, markeredgecolor="black", linestyle="none")
    dot.set(markersize=14, zorder=4)
    return dot


def _at(dot: "Line2D") -> tuple[float, float]:
    return drawn(dot)[0]
