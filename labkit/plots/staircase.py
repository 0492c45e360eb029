"""Picture 1: two staircases, of events that occurred and of events that were received. The gap is the latency."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, drawn, style_axes
from labkit.plots.styles import style
from labkit.plots.window import busiest, cut
from labkit.plots.words import counted, short

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
    """A panel for each result; the busiest hour by default."""
    several = as_results(results)
    start = busiest(several[0])[0] if start is None else start
    receipts = {result.approach.title: result.receipts for result in several}
    return _staircases(receipts, start, start + 3600 if end is None else end)


def _staircases(receipts: Mapping[str, "pd.DataFrame"], start: float, end: float) -> Figure:
    """A panel for each label's receipts (as `Ledger.receipts`): the events that occurred from `start` to before `end`.

    The axes run on until the last of these is received, so that no latency is cut short: 12 events, each 0.02 s late,
    leave an area of 0.24 s.
    """
    from matplotlib.ticker import MaxNLocator

    shown = cut(receipts, "receipts", ["occurred_at", "received_at"], start, end)
    count = len(shown)
    columns = count if count < 4 else 2
    rows = -(-count // columns)
    drawing = canvas({1: 8.5, 2: 12.5, 3: 15.0}[columns], 5.0 * rows)
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten().tolist()
    right = max(end, *(frame.received_at.dropna().max() for frame in shown.values())) + (end - start) / 50
    panels[0].set(xlim=(0, (right - start) / 60), ylim=(0, 1.05 * max(1, *map(len, shown.values()))))
    lines: dict[str, tuple[Line2D, Line2D]] = {}
    for number, (axes, (label, frame)) in enumerate(zip(panels, shown.items(), strict=False)):
        lines[label] = _panel(axes, label, frame, start, right)
        lowest, leftmost = number + columns >= count, number % columns == 0
        x, y = "minutes after t = {start} s" if lowest else "", "events, cumulative" if leftmost else ""
        style_axes(axes, label, x, y, start=short(start, 7))
        axes.tick_params(labelbottom=lowest)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels[count:]:
        axes.remove()

    def sentence() -> str:
        minutes = counted((end - start) / 60, "{number} minute", "{number} minutes")
        said = "; ".join(_said(label, *pair) for label, pair in lines.items())
        text = "Of the events of {minutes} from t = {start} s, {said}."
        return gettext(text, minutes=minutes, start=short(start, 7), said=said)

    return Figure(drawing, sentence, CAPTION)


def _panel(axes: "Axes", label: str, frame: "pd.DataFrame", start: float, right: float) -> "tuple[Line2D, Line2D]":
    """Draw both staircases and the gap between them; returns the lines of what occurred and what was received."""
    import numpy as np

    look = style(label)
    occurred, received = (_steps(frame[column], start, right) for column in ("occurred_at", "received_at"))
    grid = np.union1d(occurred[0], received[0])
    upper, lower = (y[np.searchsorted(x, grid, side="right") - 1] for x, y in (occurred, received))
    gap = axes.fill_between(grid, upper, lower, step="post", facecolor=f"{look.colour}55", edgecolor=look.colour)
    gap.set(hatch=look.hatch, linewidth=0)
    (told,) = axes.plot(*received, drawstyle="steps-post", color=look.colour, linewidth=3, label="received")
    (real,) = axes.plot(*occurred, drawstyle="steps-post", color="black", linewidth=1.6, label="occurred")
    area = "area so far = {area} s" if received[1][-1] < occurred[1][-1] else "area = total latency = {area} s"
    texts = [gettext("occurred"), gettext("received"), gettext(area, area=short(_area(real, told), 4))]
    late = frame.occurred_at.median() > (start + right) / 2
    axes.legend([real, told, gap], texts, loc="upper left" if late else "lower right", fontsize=SIZE - 1)
    return real, told


def _steps(times: "pd.Series[float]", start: float, right: float) -> "list[NDArray[np.float64]]":
    """The corners of a staircase that climbs by 1 at each instant: minutes after `start`, and heights."""
    import numpy as np

    instants = np.sort(times.dropna().to_numpy(float))
    x = np.concatenate([[start], instants, [right]])
    return [(x - start) / 60, np.minimum(np.arange(len(x)), len(instants)).astype(float)]


def _area(real: "Line2D", told: "Line2D") -> float:
    """Event-seconds between two drawn staircases, summed over their climbs; what never came counts to the edge."""
    stairs = [drawn(line) for line in (real, told)]
    climbs = [sum(x * (up - low) for (_, low), (x, up) in pairwise([(0, 0), *corners])) for corners in stairs]
    (right, events), (_, received) = (corners[-1] for corners in stairs)
    return 60 * (climbs[1] - climbs[0] + right * (events - received))


def _said(label: str, real: "Line2D", told: "Line2D") -> str:
    events, received, area = drawn(real)[-1][1], drawn(told)[-1][1], _area(real, told)
    if not events:
        return gettext("{label} received none, since none occurred", label=label)
    text = "{label} received {received} of {events} with a total latency of {area} s ({each} s an event)"
    if received < events:
        text = "{label} received {received} of {events}, an area of {area} s so far"
    counts = {"received": f"{received:,.0f}", "events": f"{events:,.0f}"}
    return gettext(text, label=label, area=short(area, 4), each=short(area / events), **counts)
