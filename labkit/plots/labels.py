"""Texts beside points, where they hide nothing."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from labkit.plots.figure import SIZE, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

LEADER = {"arrowstyle": "-", "color": "#777777", "shrinkA": 0, "shrinkB": 6}
"""The line from a point to its text, as matplotlib's `arrowprops`."""
NEAR = [(12, 0, "left", "center"), (-12, 0, "right", "center"), (0, 12, "center", "bottom"), (0, -12, "center", "top")]
"""Places beside a point: points of type to the right and up, and which edge of the text stands there."""
FAR = [
    (side * right, rise * up, "left" if side > 0 else "right", "center")
    for rights in ((12, 30), (80, 160))
    for up in range(16, 400, 8)
    for right in rights
    for side in (1, -1)
    for rise in (1, -1)
]


def place(axes: "Axes", points: Sequence[tuple[float, float, str]], taken: Iterable["Bbox"] = ()) -> None:
    """Write a text beside each point, where it covers no point, no other text and no box in `taken` (pixels).

    Where there is no room beside its point, a text stands farther off, with a line to it. The layout must be settled:
    call `draw_without_rendering` first.
    """
    taken = [*taken, *around(axes, [(x, y) for x, y, _ in points], 9)]
    inside = axes.get_window_extent()
    for x, y, text in points:
        label = axes.annotate(text, (x, y), (0, 0), textcoords="offset points", fontsize=SIZE, parse_math=False)
        label.set(in_layout=False, zorder=6)
        for right, up, ha, va in [*NEAR, *FAR, NEAR[0]]:
            label.set(position=(right, up), ha=ha, va=va)
            box = label.get_window_extent().padded(2)
            within = inside.contains(*box.min) and inside.contains(*box.max)
            if within and not any(box.overlaps(other) for other in taken):
                break
        if abs(up) > 12:
            axes.annotate("", (x, y), (right, up), textcoords="offset points", arrowprops=LEADER).set_in_layout(False)
        taken.append(box)


def around(axes: "Axes", points: Iterable[tuple[float, float]], reach: float) -> "list[Bbox]":
    """A box around each point, which reaches this many pixels to each side."""
    return _boxes((axes.transData.transform(point).tolist() for point in points), reach)


def along(line: "Line2D", reach: float, gap: float | None = None) -> "list[Bbox]":
    """Boxes along a line as it is drawn, which reach this many pixels to each side: 101, or one every `gap` pixels."""
    import numpy as np

    x, y = np.asarray(line.get_transform().transform(drawn(line))).T
    length = np.concatenate([[0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    steps = np.arange(0, length[-1], gap) if gap else np.linspace(0, length[-1], 101)
    return _boxes(zip(np.interp(steps, length, x).tolist(), np.interp(steps, length, y).tolist(), strict=True), reach)


def _boxes(pixels: Iterable[tuple[float, float]], reach: float) -> "list[Bbox]":
    from matplotlib.transforms import Bbox

    return [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in pixels]
