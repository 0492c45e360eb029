"""A figure that describes itself, and what all pictures share: axes, numbers, labels, checks."""

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from html import escape
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.catalogue import gettext, ngettext

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

SIZE = 13
"""Points of the text in a picture; titles have 2 more, and nothing less than 12, so that the last row can read it."""
FORMATS = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}
"""The suffixes a figure is saved by, with the place for its sentence in the file's own metadata."""


class Figure:
    """A matplotlib figure that says what it shows.

    `sentence` is read off the artists each time it is asked for: a picture drawn wrong has a sentence that is wrong.
    """

    def __init__(self, drawing: "Drawing", describe: Callable[[], str], caption: str) -> None:
        self.drawing, self.caption = drawing, caption
        self._describe = describe

    @property
    def sentence(self) -> str:
        """What the picture shows, with its numbers."""
        return self._describe()

    def __repr__(self) -> str:
        return self.sentence

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture as its suffix says, PNG, SVG or PDF, and return the path. Its folder is made if need be."""
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in FORMATS:
            raise ValueError(f"a figure's path must end in {', '.join(FORMATS)}, got {str(path)!r}")
        undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(kind, {})
        path.parent.mkdir(parents=True, exist_ok=True)
        self.drawing.savefig(path, format=kind[1:], metadata={FORMATS[kind]: self.sentence, **undated})
        return path

    def png(self) -> bytes:
        """The picture as PNG."""
        file = BytesIO()
        self.drawing.savefig(file, format="png", metadata={FORMATS[".png"]: self.sentence})
        return file.getvalue()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What a notebook shows; no `image/png`, which has no place for an alternative text."""
        source = f"data:image/png;base64,{b64encode(self.png()).decode()}"
        html = (
            f'<figure style="margin: 0"><img alt="{escape(self.sentence)}" style="max-width: 100%" src="{source}">'
            f"<figcaption>{escape(self.caption)}</figcaption></figure>"
        )
        return {"text/plain": self.sentence, "text/html": html}


def canvas(width: float, height: float) -> "Drawing":
    """An empty drawing, so many inches wide and high, that no pyplot knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawing)
    return drawing


def style_axes(axes: "Axes", title: str, x: str, y: str) -> None:
    """Name the axes, with their units, in letters large enough to project."""
    axes.set_title(title, fontsize=SIZE + 2, loc="left", parse_math=False)
    axes.set_xlabel(x, fontsize=SIZE, parse_math=False)
    axes.set_ylabel(y, fontsize=SIZE, parse_math=False)
    axes.tick_params(labelsize=SIZE)
    axes.grid(True, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def short(value: float, digits: int = 3) -> str:
    """A number in so many significant digits, as people write it, and equal on every machine.

    >>> short(29.938), short(0.02), short(1763.25), short(0), short(2.5e-9)
    ('29.9', '0.02', '1,760', '0', '2.5e-09')
    """
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0 or not math.isfinite(rounded):
        return f"{rounded + 0:g}"
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent < -6 or exponent > 12:
        return f"{rounded:g}"
    text = f"{rounded:,.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(number: float, one: str, many: str) -> str:
    """A number of things.

    >>> counted(1, "{number} event", "{number} events"), counted(1707, "{number} event", "{number} events")
    ('1 event', '1,707 events')
    """
    return ngettext(one, many, number, number=short(number, 9))


def listed(parts: Iterable[str]) -> str:
    """One thing after the other.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = parts
    return gettext("{most} and {last}", most=", ".join(most), last=last) if most else last


def drawn(line: "Line2D") -> list[tuple[float, float]]:
    """The points of a line, as it is drawn."""
    import numpy as np

    return [(x, y) for x, y in np.asarray(line.get_xydata(), dtype=float).tolist()]


def logarithmic(axes: "Axes", x: Sequence[float], y: Sequence[float], margin: float) -> None:
    """Make both axes logarithmic, `margin` times as far as these positive values, with plain numbers at the ticks."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, values, limit in ((axes.xaxis, x, axes.set_xlim), (axes.yaxis, y, axes.set_ylim)):
        low, high = (min(values) / margin, max(values) * margin) if values else (1.0, 10.0)
        if math.floor(math.log10(high)) - math.ceil(math.log10(low)) < 1:
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        limit(low, high)
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axis.set_minor_formatter(NullFormatter())


BESIDE = [
    (12, 0, "left", "center"),
    (-12, 0, "right", "center"),
    (0, 12, "center", "bottom"),
    (0, -12, "center", "top"),
]
FARTHER = [
    (side * right, rise * up, "left" if side > 0 else "right", "center")
    for up in range(16, 400, 8)
    for right in (12, 30)
    for side in (1, -1)
    for rise in (1, -1)
]


def place(axes: "Axes", points: Sequence[tuple[float, float, str]], taken: list["Bbox"]) -> None:
    """Write a text beside each point, where it hides no point, no text and nothing of what is `taken` (pixels).

    Where there is no room beside its point, a text stands farther off, with a line to it. The layout must be settled.
    """
    from matplotlib.transforms import Bbox

    pixels = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [*taken, *(Bbox.from_extents(x - 9, y - 9, x + 9, y + 9) for x, y in pixels)]
    inside = axes.get_window_extent()
    for x, y, text in points:
        label = axes.annotate(
            text, (x, y), (0, 0), textcoords="offset points", fontsize=SIZE, parse_math=False, zorder=6
        )
        label.set_in_layout(False)
        for right, up, ha, va in [*BESIDE, *FARTHER, BESIDE[0]]:
            label.set(position=(right, up), ha=ha, va=va)
            box = label.get_window_extent().padded(2)
            within = inside.containsx(box.x0) and inside.containsx(box.x1) and inside.containsy(box.y0)
            if within and inside.containsy(box.y1) and not any(box.overlaps(other) for other in taken):
                break
        if abs(up) > 12:
            leader = {"arrowstyle": "-", "color": "#777777", "shrinkA": 0, "shrinkB": 6}
            axes.annotate("", (x, y), (right, up), textcoords="offset points", arrowprops=leader).set_in_layout(False)
        taken.append(box)


def require(frame: "pd.DataFrame", what: str, columns: Sequence[str]) -> None:
    """Refuse a frame without these columns."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"{what} must have the columns {', '.join(columns)}; missing: {', '.join(missing)}")


def require_window(start: float, end: float) -> None:
    if not -math.inf < start < end < math.inf:
        raise ValueError(f"end must be > start, both in seconds after t = 0, got start={start} and end={end}")


def one_consumer(frame: "pd.DataFrame", what: str) -> None:
    consumers = frame.consumer.unique()
    if len(consumers) > 1:
        raise ValueError(
            f"{what} must be of one consumer, got {len(consumers)}: choose frame[frame.consumer == {consumers[0]!r}]"
        )
