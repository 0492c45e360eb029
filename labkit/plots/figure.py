"""A figure that describes itself, and what all pictures share: axes, keys, checks."""

import math
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.catalogue import gettext
from labkit.plots.words import short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

SIZE = 13
"""Size of the text in points; a title has 2 more. Nothing is below 12, so that the last row of a class can read it."""
FORMATS = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}
"""The suffixes that a figure can be saved with, and where the file's metadata has the sentence."""


class Figure:
    """A matplotlib figure that says what it shows.

    `sentence` is read from the artists at each access: if the picture is wrong, the sentence is wrong too.
    """

    def __init__(self, drawing: "Drawing", describe: Callable[[], str], caption: str) -> None:
        self.drawing, self.caption, self._describe = drawing, gettext(caption), describe

    @property
    def sentence(self) -> str:
        """What the picture shows, with its numbers."""
        return self._describe()

    def __repr__(self) -> str:
        return self.sentence

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture as PNG, SVG or PDF, by the path's suffix, and return the path. Creates its folder."""
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
        """What a notebook shows. There is no `image/png`, because that has no alternative text."""
        source = f"data:image/png;base64,{b64encode(self.png()).decode()}"
        html = (
            f'<figure style="margin: 0"><img alt="{escape(self.sentence)}" style="max-width: 100%" src="{source}">'
            f"<figcaption>{escape(self.caption)}</figcaption></figure>"
        )
        return {"text/plain": self.sentence, "text/html": html}


def canvas(width: float, height: float) -> "Drawing":
    """An empty drawing, `width` by `height` inches, that is not registered with pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawing)
    return drawing


def style_axes(axes: "Axes", title: str, x: str, y: str, **values: str) -> None:
    """Give the axes a title, as it is, and names, which are translated; in letters large enough to project."""
    axes.set_title(title, fontsize=SIZE + 2, loc="left", parse_math=False)
    for set_label, text in ((axes.set_xlabel, x), (axes.set_ylabel, y)):
        set_label(gettext(text, **values) if text else "", fontsize=SIZE, parse_math=False)
    axes.tick_params(labelsize=SIZE)
    axes.grid(True, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def logarithmic(axes: "Axes", margin: float, **values: Sequence[float]) -> None:
    """Make the axes x, y or both logarithmic, with plain numbers at the ticks: 1, 10, 100.

    An axis of less than three powers of 10 also has 2 and 5, 20 and 50.
    An axis runs from its least value / `margin` to its greatest × `margin`, or on to powers of 10 if it has none.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for name, shown in values.items():
        low, high = (min(shown) / margin, max(shown) * margin) if shown else (1.0, 10.0)
        if math.floor(math.log10(high)) - math.ceil(math.log10(low)) < 1:
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        axes.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
        axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        between = FuncFormatter(lambda value, _: short(value) if f"{value:e}"[0] in "25" else "")
        axis.set_minor_formatter(between if high / low < 1000 else NullFormatter())
        axis.set_tick_params(which="minor", labelsize=SIZE)


def mark(text: str, **look: Any) -> "Line2D":
    """An entry of a key: grey and without a line, unless `look` says otherwise."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=gettext(text), **{"color": "#555555", "linestyle": "none", **look})


def key(drawing: "Drawing", entries: Sequence["Line2D"], columns: int | None = None) -> None:
    """The key to a drawing, below its axes; in one line unless `columns` is given. Nothing if there are no entries."""
    if entries:
        ncols = columns or len(entries)
        drawing.legend(handles=entries, loc="outside lower center", ncols=ncols, fontsize=SIZE, frameon=False)


def drawn(line: "Line2D") -> list[tuple[float, float]]:
    """The points of a line, as it is drawn."""
    import numpy as np

    return [(x, y) for x, y in np.asarray(line.get_xydata(), dtype=float).tolist()]


def require_rows(frame: "pd.DataFrame", what: str, columns: Sequence[str]) -> None:
    """Raise ValueError if the frame has no row, or lacks one of these columns."""
    if missing := [name for name in columns if name not in frame.columns]:
        raise ValueError(f"{what} must have the columns {', '.join(columns)}; missing: {', '.join(missing)}")
    if frame.empty:
        raise ValueError(f"{what} must have at least one row, got none")
