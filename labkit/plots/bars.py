"""Picture 7: requests as bars, split by what they brought."""

from typing import TYPE_CHECKING

from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, key, mark, style_axes

if TYPE_CHECKING:
    from matplotlib.container import BarContainer

CAPTION = (
    "The requests that count (without set-up, up to the horizon), split by what came of them. A request is empty if"
    " it brought no new event; it failed if it had no answer, or an error as its answer."
)
OUTCOMES = {
    "found": (("hit",), "brought an event", "{number} brought an event"),
    "empty": (("empty",), "empty", "{number} empty"),
    "failed": (("error", "throttled"), "failed", "{number} failed"),
    "done": (("done",), "action done", "{number} actions done"),
}
FACES = {"found": "#555555", "empty": "white", "failed": "black", "done": "#BBBBBB"}
"""The colours of the key. A bar of requests that found something has its approach's own."""


def request_bars(results: Results) -> Figure:
    """A bar for each result: how many of its counted requests brought an event, were empty, failed, or did an action.

    One week of earthquakes, polled every 60 s: 10,074 requests, of which 1,567 brought an event and 8,507 were empty.
    """
    several = as_results(results)
    drawing = canvas(12, 1.9 + 0.75 * len(several))
    axes = drawing.add_subplot()
    bars: dict[str, BarContainer] = {}
    places, titles = list(range(len(several))), [result.approach.title for result in several]
    colours = [result.approach.style.colour for result in several]
    ends = [0] * len(several)
    for name, (outcomes, *_) in OUTCOMES.items():
        counts = [int(result.counted.outcome.isin(outcomes).sum()) for result in several]
        face, hatch = colours if name == "found" else FACES[name], "//" if name == "done" else ""
        bars[name] = axes.barh(
            places, counts, 0.56, left=ends, color=face, hatch=hatch, edgecolor=colours, linewidth=1.8
        )
        ends = [end + count for end, count in zip(ends, counts, strict=True)]
    style_axes(axes, several[0].scenario.title(), "requests", "")
    axes.grid(False, axis="y")
    axes.set_yticks(places, titles, parse_math=False)
    axes.set(xlim=(0, 1.02 * max([*ends, 1])), ylim=(len(several) - 0.6, -0.8))
    axes.xaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.locator_params(axis="x", integer=True)

    def parts(place: int) -> str:
        counts = {name: round(bars[name][place].get_width()) for name in OUTCOMES}
        shown = [name for name, count in counts.items() if count] or ["empty"]
        said = ", ".join(gettext(OUTCOMES[name][2], number=f"{counts[name]:,}") for name in shown)
        return f"{sum(counts.values()):,} ({said})" if len(shown) > 1 else said

    square = {"marker": "s", "markersize": 15, "markeredgecolor": "#555555"}
    there = [name for name in OUTCOMES if any(bar.get_width() for bar in bars[name])]
    key(drawing, [mark(OUTCOMES[name][1], markerfacecolor=FACES[name], **square) for name in there])

    for place in places:
        axes.annotate(parts(place), (0, place - 0.28), (0, 6), textcoords="offset points", fontsize=SIZE)

    def sentence() -> str:
        said = "; ".join(f"{title}: {parts(place)}" for place, title in zip(places, titles, strict=True))
        return gettext("Requests: {said}.", said=said)

    return Figure(drawing, sentence, CAPTION)
