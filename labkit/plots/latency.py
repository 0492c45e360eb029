"""Picture 6: the latency's distribution, one line per approach."""

from textwrap import fill
from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, logarithmic, mark, style_axes
from labkit.plots.words import percent, phrase
from labkit.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "The share of the events that were received within a latency, on a logarithmic axis: a line further left is sooner,"
    " and a steep one is regular. The marks are the median (filled) and the 95th percentile (hollow). A line that ends"
    " below 100% has lost events."
)
DASHES = ("-", "--", "-.", ":")
MARKED = (0.5, 0.95)


def latencies(results: Results) -> Figure:
    """The empirical distribution of the latency, one line per result, with its median and 95th percentile.

    Of 20 events of which 19 arrived within 60 s and one never, 95% were received within 60 s.
    """
    several = as_results(results)
    drawing = canvas(13, max(6.0, 0.5 * len(several)))
    axes = drawing.add_subplot()
    held = [result.receipts.latency.dropna() for result in several]
    above = [float(value) for each in held for value in (each[each > 0].min(), each.max()) if value > 0]
    logarithmic(axes, 1.7, x=above)
    style_axes(axes, several[0].scenario.title(), "latency, seconds (log scale)", "share of events received")
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_formatter(lambda share, _: percent(share))
    for share in MARKED:
        axes.axhline(share, color="#777777", linestyle=":", linewidth=1.2, zorder=1)
    lines = [_Line(axes, result, DASHES[number % len(DASHES)]) for number, result in enumerate(several)]
    ordered = sorted(lines, key=lambda line: line.within().get(0.5, float("inf")))
    entries = [line.entry() for line in ordered]
    drawing.legend(handles=entries, loc="outside right upper", fontsize=SIZE, frameon=False, title_fontsize=SIZE,
                   title=gettext("median latency"), alignment="left", handlelength=5)  # fmt: skip
    median = mark("median", marker="o", markersize=10)
    key(drawing, [median, mark("95th percentile", marker="o", markersize=10, markerfacecolor="white")])

    def sentence() -> str:
        said = "; ".join(line.said() for line in lines)
        return gettext("Latencies: {said}.", said=said)

    return Figure(drawing, sentence, CAPTION)


class _Line:
    """One approach's line, and the marks on it; a share that was never received has no mark."""

    def __init__(self, axes: "Axes", result: Result, dashes: str) -> None:
        import numpy as np

        self.title, self.look = result.approach.title, result.approach.style
        self.events = len(result.receipts)
        latency = np.sort(result.receipts.latency.dropna().to_numpy(float))
        self.lost = self.events - len(latency)
        x = np.clip(np.concatenate([latency[:1], latency]), axes.get_xlim()[0], None)
        (self.line,) = axes.plot(x, np.arange(len(x)) / max(self.events, 1), drawstyle="steps-post", zorder=3)
        self.line.set(color=self.look.colour, linewidth=2.5, linestyle=dashes)
        self.marks: dict[float, Line2D] = {}
        for share, face in zip(MARKED, (self.look.colour, "white"), strict=True):
            place = int(np.ceil(round(share * self.events, 9))) - 1
            if 0 <= place < len(latency):
                (dot,) = axes.plot([latency[place]], [share], marker=self.look.marker, linestyle="none", zorder=4)
                dot.set(color=self.look.colour, markerfacecolor=face, markersize=11, markeredgewidth=1.8)
                self.marks[share] = dot

    def within(self) -> dict[float, float]:
        """The latency (s) within which each marked share was received, as drawn."""
        return {share: drawn(dot)[0][0] for share, dot in self.marks.items()}

    def entry(self) -> "Line2D":
        """Its line in the key, with the median."""
        middle = phrase("{late} s", late=self.within()[0.5]) if 0.5 in self.marks else gettext("never")
        line = mark("", color=self.look.colour, marker=self.look.marker, markersize=10)
        line.set_label(f"{fill(self.title, 28)}: {middle}")
        line.set(linestyle=self.line.get_linestyle(), linewidth=2.5)
        return line

    def said(self) -> str:
        within = self.within()
        half, most = (phrase("{late} s", late=within[share]) if share in within else "" for share in MARKED)
        if not half:
            said = gettext("less than half received")
        elif not most:
            said = gettext("half within {half}, 95% never", half=half)
        else:
            said = gettext("half within {half}, 95% within {most}", half=half, most=most)
        lost = gettext(", lost {lost} of {events}", lost=self.lost, events=self.events) if self.lost else ""
        return f"{self.title}: {said}{lost}"
