"""Picture 1: two staircases, of events that occurred and of events that were received. The gap is the latency."""

from itertools import pairwise
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, mark, style_axes
from labkit.plots.track import first_consumer, title_of
from labkit.plots.window import Window, window
from labkit.plots.words import short
from labkit.result import Result

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

CAPTION = (
    "Cumulative events: the black staircase climbs when an event occurs, the coloured one when it is received. At each"
    " moment the gap's height is how many are missing; its area is the total latency (Little's law). The axes run"
    " on until the last of these events is received."
)


def staircases(results: Results, start: float | None = None, end: float | None = None) -> Figure:
    """A panel for each result's first consumer: its events that occurred from `start` to before `end` (s).

    By default the busiest hour. The axes run on until the last of these events is received, so that no latency is cut
    short: 12 events, each 0.02 s late, leave an area of 0.24 s.
    """
    from matplotlib.ticker import MaxNLocator

    several = as_results(results)
    shown = window(several[0], start, end, 3600.0)
    frames = [first_consumer(result)[0] for result in several]
    frames = [frame[frame.occurred_at.between(shown.start, shown.end, inclusive="left")] for frame in frames]
    count = len(frames)
    columns = count if count < 4 else 2
    rows = -(-count // columns)
    drawing = canvas({1: 8.5, 2: 12.5, 3: 15.0}[columns], 5.2 * rows)
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten().tolist()
    last = max(shown.end, *(frame.received_at.dropna().max() for frame in frames))
    right = shown.at(last) + shown.length / 50
    panels[0].set(xlim=(0, right), ylim=(0, 1.05 * max(1, *map(len, frames))))
    lines: list[tuple[str, Line2D, Line2D]] = []
    for number, (axes, result, frame) in enumerate(zip(panels, several, frames, strict=False)):
        style_axes(axes, "", "", "events, cumulative" if number % columns == 0 else "")
        lines.append((title_of(result), *_panel(axes, result, frame, shown, right)))
        lowest = number + columns >= count
        axes.set_xlabel(shown.axis if lowest else "", fontsize=SIZE, parse_math=False)
        axes.tick_params(labelbottom=lowest)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels[count:]:
        axes.remove()
    gap = mark("the gap: how many are missing", marker="s", markersize=16, markerfacecolor="#55555555")
    received = mark("received", linestyle="-", linewidth=3)
    key(drawing, [mark("occurred", color="black", linestyle="-", linewidth=1.6), received, gap])

    def sentence() -> str:
        said = "; ".join(_said(title, real, told, shown.unit) for title, real, told in lines)
        return gettext("Of the events in {window}, {said}.", window=shown, said=said)

    return Figure(drawing, sentence, CAPTION)


def _panel(axes: "Axes", result: Result, frame: "pd.DataFrame", shown: Window, right: float) -> "tuple[Line2D, Line2D]":
    """Draw both staircases and the gap between them; returns the lines of what occurred and what was received."""
    import numpy as np

    look = result.approach.style
    instants = (frame[column].dropna().to_numpy(float) for column in ("occurred_at", "received_at"))
    occurred, received = (_steps(shown.at(each), right) for each in instants)
    grid = np.union1d(occurred[0], received[0])
    upper, lower = (y[np.searchsorted(x, grid, side="right") - 1] for x, y in (occurred, received))
    gap = axes.fill_between(grid, upper, lower, step="post", facecolor=f"{look.colour}55", edgecolor=look.colour)
    gap.set(hatch=look.hatch, linewidth=0)
    (told,) = axes.plot(*received, drawstyle="steps-post", color=look.colour, linewidth=3, label="received")
    (real,) = axes.plot(*occurred, drawstyle="steps-post", color="black", linewidth=1.6, label="occurred")
    area = "area so far = {area} s" if received[1][-1] < occurred[1][-1] else "area = total latency = {area} s"
    said = gettext(area, area=short(_area(real, told, shown.unit), 4))
    axes.set_title(f"{title_of(result)}\n{said}", fontsize=SIZE + 2, loc="left", parse_math=False)
    return real, told


def _steps(at: "NDArray[np.float64]", right: float) -> "list[NDArray[np.float64]]":
    """The corners of a staircase that climbs by 1 at each of these places on the axis."""
    import numpy as np

    x = np.concatenate([[0.0], np.sort(at), [right]])
    return [x, np.minimum(np.arange(len(x)), len(at)).astype(float)]


def _area(real: "Line2D", told: "Line2D", unit: float) -> float:
    """Event-seconds between two drawn staircases, summed over their climbs; what never came counts to the edge."""
    stairs = [drawn(line) for line in (real, told)]
    climbs = [sum(x * (up - low) for (_, low), (x, up) in pairwise([(0, 0), *corners])) for corners in stairs]
    (right, events), (_, received) = (corners[-1] for corners in stairs)
    return unit * (climbs[1] - climbs[0] + right * (events - received))


def _said(title: str, real: "Line2D", told: "Line2D", unit: float) -> str:
    events, received, area = drawn(real)[-1][1], drawn(told)[-1][1], _area(real, told, unit)
    if not events:
        return gettext("{title} received none, since none occurred", title=title)
    text = "{title} received {received} of {events} with a total latency of {area} s ({each} s per event)"
    if received < events:
        text = "{title} received {received} of {events}, an area of {area} s so far"
    counts = {"received": f"{received:,.0f}", "events": f"{events:,.0f}"}
    return gettext(text, title=title, area=short(area, 4), each=short(area / events), **counts)
