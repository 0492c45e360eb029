"""Picture 1: two staircases, of events that occurred and of events that were received. The gap is the latency."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.checks import number
from labkit.plots.figure import (
    SIZE,
    Figure,
    canvas,
    counted,
    drawn,
    one_consumer,
    require,
    require_window,
    short,
    style_axes,
)
from labkit.plots.styles import style

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

CAPTION = (
    "Cumulative events: the black staircase climbs when an event occurs, the coloured one when it is received. At each"
    " moment the gap's height is how many are missing; its area is the total latency (Little's law). The axes run"
    " on until the last of these events is received."
)


def busiest(receipts: "pd.DataFrame", seconds: float = 3600.0) -> tuple[float, float]:
    """The (start, end) of the window, half-open and so many seconds long, with most events; the first of several.

    It starts with an event: with events at 0, 50, 60 and 100 s, the busiest 51 s are (50, 101), with three of them.
    """
    import numpy as np

    require(receipts, "receipts", ["event_id", "occurred_at"])
    number("seconds", seconds, above=0)
    if receipts.empty:
        raise ValueError("receipts must hold one event at least to have a busiest window, got none")
    occurred = np.sort(receipts.drop_duplicates("event_id").occurred_at.to_numpy(dtype=float))
    within = np.searchsorted(occurred, occurred + seconds, side="left") - np.arange(len(occurred))
    start = float(occurred[np.argmax(within)])
    return start, start + seconds


def staircases(receipts: Mapping[str, "pd.DataFrame"], start: float, end: float) -> Figure:
    """A panel for each label's receipts (as `Ledger.receipts`): the events that occurred from `start` to before `end`.

    The axes run on until the last of these is received, so that no latency is cut short: 12 events, each 0.02 s late,
    leave an area of 0.24 s.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    require_window(start, end)
    if not receipts:
        raise ValueError("staircases needs the receipts of one approach at least, got none")
    instants: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for label, frame in receipts.items():
        require(frame, f"the receipts of {label!r}", ["consumer", "occurred_at", "received_at"])
        one_consumer(frame, f"the receipts of {label!r}")
        within = frame[(frame.occurred_at >= start) & (frame.occurred_at < end)]
        instants[label] = (
            np.sort(within.occurred_at.to_numpy(float)),
            np.sort(within.received_at.dropna().to_numpy(float)),
        )
    right = max([end, *(float(received[-1]) for _, received in instants.values() if len(received))])
    columns = len(instants) if len(instants) < 4 else 2
    highest = max(1, *(len(occurred) for occurred, _ in instants.values()))
    right += (end - start) / 50
    rows = -(-len(instants) // columns)
    drawing = canvas({1: 8.5, 2: 12.5, 3: 15.0}[columns], 5.0 * rows)
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panel_lines = []
    for panel, (axes, label) in enumerate(zip(panels.flat, instants, strict=False)):
        occurred, received = instants[label]
        look = style(label)
        steps = [_steps(times, start, right) for times in (occurred, received)]
        grid = np.union1d(steps[0][0], steps[1][0])
        heights = [y[np.searchsorted(x, grid, side="right") - 1] for x, y in steps]
        axes.fill_between(
            grid,
            *heights,
            step="post",
            facecolor=f"{look.colour}55",
            edgecolor=look.colour,
            hatch=look.hatch,
            linewidth=0,
        )
        (told,) = axes.plot(*steps[1], drawstyle="steps-post", color=look.colour, linewidth=3, label="received")
        (real,) = axes.plot(*steps[0], drawstyle="steps-post", color="black", linewidth=1.6, label="occurred")
        panel_lines.append((label, real, told))
        lowest = panel + columns >= len(instants)
        x = gettext("minutes after t = {start} s", start=short(start, 7)) if lowest else ""
        style_axes(axes, label, x, "" if panel % columns else gettext("events, cumulative"))
        axes.tick_params(labelbottom=lowest)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        late = np.median(occurred) > (start + right) / 2 if len(occurred) else False
        so_far = len(received) < len(occurred)
        area = short(_area(real, told), 4)
        named = (
            gettext("area so far = {area} s", area=area)
            if so_far
            else gettext("area = total latency = {area} s", area=area)
        )
        handles = [real, told, axes.collections[0]]
        axes.legend(
            handles,
            [gettext("occurred"), gettext("received"), named],
            loc="upper left" if late else "lower right",
            fontsize=SIZE - 1,
        )
        axes.set_xlim(0, (right - start) / 60)
        axes.set_ylim(0, 1.05 * highest)
    for axes in panels.flat[len(instants) :]:
        axes.remove()

    def sentence() -> str:
        said = [_said(label, real, told) for label, real, told in panel_lines]
        minutes = counted((end - start) / 60, "{number} minute", "{number} minutes")
        return gettext(
            "Of the events of {minutes} from t = {start} s, {said}.",
            minutes=minutes,
            start=short(start, 7),
            said="; ".join(said),
        )

    return Figure(drawing, sentence, gettext(CAPTION))


def _steps(
    times: "NDArray[np.float64]", start: float, right: float
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """The corners of a staircase that climbs by 1 at each instant: minutes after `start`, and heights."""
    import numpy as np

    x = np.concatenate([[start], times, [right]])
    y = np.concatenate([np.arange(len(times) + 1.0), [len(times)]])
    return (x - start) / 60, y


def _area(real: "Line2D", told: "Line2D") -> float:
    """Event-seconds between two drawn staircases, summed over their climbs; what never came counts to the edge."""
    stairs = [drawn(line) for line in (real, told)]
    climbs = [sum(x * (up - low) for (_, low), (x, up) in pairwise([(0, 0), *corners])) for corners in stairs]
    (right, events), (_, received) = (corners[-1] for corners in stairs)
    return 60 * (climbs[1] - climbs[0] + right * (events - received))


def _said(label: str, real: "Line2D", told: "Line2D") -> str:
    events, received = drawn(real)[-1][1], drawn(told)[-1][1]
    if not events:
        return gettext("{label} received none, since none occurred", label=label)
    area = _area(real, told)
    counts = {"received": f"{received:,.0f}", "events": f"{events:,.0f}", "area": short(area, 4)}
    if received < events:
        return gettext("{label} received {received} of {events}, an area of {area} s so far", label=label, **counts)
    return gettext(
        "{label} received {received} of {events} with a total latency of {area} s ({each} s an event)",
        label=label,
        each=short(area / events),
        **counts,
    )
