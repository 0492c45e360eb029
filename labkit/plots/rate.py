"""The source's load over time: requests per interval, a panel for each result or each way to spread the polls."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labkit.approaches import Approach
from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, logarithmic, style_axes
from labkit.plots.window import Window
from labkit.plots.words import phrase, short

if TYPE_CHECKING:
    import pandas as pd

CAPTION = (
    "The requests that the source is sent, or sends, in each interval of time. All panels have the same scale. The"
    " dashed line is the mean."
)


def load(what: "Results | Mapping[str, pd.Series[float]]", seconds: float = 1.0, log: bool = False) -> Figure:
    """The load of each result, in intervals of `seconds`; or loads by their names, as `FanOut.load` computes them.

    Sixty consumers that poll every 60 s, all at once: a peak of 60 requests per second, and a mean of 1. With `log` the
    scale is logarithmic from 1 on, so that a peak does not hide the rest.
    """
    if isinstance(what, Mapping):
        loads, colours = dict(what), [Approach.style.colour] * len(what)
    else:
        several = as_results(what)
        loads = {result.approach.title: result.load(seconds) for result in several}
        colours = [result.approach.style.colour for result in several]
    if not loads or min(map(len, loads.values())) < 2:
        raise ValueError("a picture of loads needs at least one load, and each needs at least 2 intervals")
    steps = {name: float(each.index[1]) for name, each in loads.items()}
    if len(set(steps.values())) > 1:
        raise ValueError(f"all loads must have intervals of the same length, got {steps} seconds")
    step = next(iter(steps.values()))
    shown = Window(0, max(len(each) for each in loads.values()) * step, gettext("t = {start} s", start=0))
    drawing = canvas(13, 1.2 + 1.9 * len(loads))
    panels = drawing.subplots(len(loads), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    drawn = {}
    for axes, (name, each), colour in zip(panels, loads.items(), colours, strict=True):
        edges = [shown.at(number * step) for number in range(len(each) + 1)]
        drawn[name] = axes.stairs(each.to_numpy(float), edges, fill=True, color=colour, edgecolor=colour, linewidth=1.5)
        style_axes(axes, "", "", "")
        axes.axhline(float(each.mean()), color="black", linestyle="--", linewidth=1.2)
        axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    highest = max(float(each.max()) for each in loads.values())
    if log:
        logarithmic(panels[0], 1.5, y=[1.5, max(highest, 15)])
    else:
        panels[0].set_ylim(0, 1.1 * max(highest, 1))
        panels[0].locator_params(axis="y", nbins=4)
    panels[-1].set_xlabel(shown.axis, fontsize=SIZE, parse_math=False)
    panels[-1].set_xlim(-0.005 * shown.length, shown.length)
    label = gettext("requests per second") if step == 1 else gettext("requests per {step} s", step=short(step))
    label = gettext("{label} (log scale)", label=label) if log else label
    drawing.supylabel(label, fontsize=SIZE, parse_math=False)

    def said(name: str) -> str:
        counts = drawn[name].get_data().values
        return phrase("{name}: at most {peak}, {mean} on average", name=name, peak=counts.max(), mean=counts.mean())

    for axes, name in zip(panels, drawn, strict=True):
        axes.set_title(said(name), fontsize=SIZE, loc="left", parse_math=False)

    def sentence() -> str:
        return gettext("Load, in {label}: {said}.", label=label, said="; ".join(map(said, drawn)))

    return Figure(drawing, sentence, CAPTION)
