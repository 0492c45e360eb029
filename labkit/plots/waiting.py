"""Two pictures of unexpected waits: the phase between polls and events, and the inspection paradox."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from labkit.approaches import Polling
from labkit.catalogue import gettext
from labkit.checks import number
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, logarithmic, mark, style_axes
from labkit.plots.latency import DASHES
from labkit.plots.words import counted, phrase, short

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

PHASE = (
    "Each event's wait against the moment of the interval at which it occurred. The lines are what a poller waits at"
    " each moment: nothing just before it polls, a whole interval just after."
)
INSPECTION = (
    "How long the gaps between events are, on a logarithmic axis, and how long the gap is into which a random moment"
    " falls: a long gap is hit more often than a short one, in proportion to its length."
)
MARKERS = ("o", "s", "^", "D", "v", "P")


def phase(results: Results) -> Figure:
    """Each event's wait against its moment within the interval, for pollers that each poll at one phase.

    The results are of `Polling` at one interval. For events in the first second of each minute, the mean wait is 0.5 s
    for polls at second 1 and 29.5 s for polls at second 30.
    """
    import numpy as np

    several = as_results(results)
    every = {result.approach.interval for result in several if isinstance(result.approach, Polling)}
    if len(every) != 1 or not all(isinstance(result.approach, Polling) for result in several):
        raise ValueError(f"results must be of Polling at one interval, got {', '.join(each.label for each in several)}")
    (interval,) = every
    drawing = canvas(11, 5.6)
    axes = drawing.add_subplot()
    moment = "moment of the {interval} s at which an event occurs, seconds"
    style_axes(axes, "", moment, "wait, seconds", interval=short(interval, 9))
    axes.set(xlim=(-0.01 * interval, interval), ylim=(-0.03 * interval, 1.08 * interval))
    entries, dots = [], []
    shades = ["#D55E00", "#000000", "#0072B2", "#777777"]
    for place, result in enumerate(several):
        colour, dashes = shades[place % len(shades)], DASHES[place % len(DASHES)]
        look: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.5}
        polls = result.exchanges.sent_at[result.exchanges.kind == "poll"].to_numpy(float)
        at = float(polls[0]) % interval
        steady = bool(np.allclose((polls - polls[0] + interval / 2) % interval, interval / 2, atol=interval / 100))
        if steady:
            axes.plot([0, at, at, interval], [at, 0, interval, at], zorder=1, **look)
        moments = result.receipts.occurred_at.to_numpy(float) % interval
        (line,) = axes.plot(moments, result.receipts.latency, marker=MARKERS[place % len(MARKERS)], zorder=3)
        line.set(color=colour, markersize=9, linestyle="none", alpha=0.5, markeredgecolor="black")
        name = phrase("polls at second {at}", at=at) if steady else result.approach.title
        dots.append((name, line))
        entries.append(mark(name, marker=line.get_marker(), markersize=9, **look))
    key(drawing, entries, columns=min(4, len(entries)))

    def sentence() -> str:
        said = []
        for name, line in dots:
            points = [(x, y) for x, y in drawn(line) if y == y]
            moments, waits = zip(*points, strict=True) if points else ((0.0,), (0.0,))
            text = "{name}: mean wait {mean} s of {events} at seconds {first} to {last}"
            events = counted(len(points), "{number} event", "{number} events")
            mean = sum(waits) / len(waits)
            said.append(phrase(text, name=name, mean=mean, events=events, first=min(moments), last=max(moments)))
        return gettext("In each {interval} s: {said}.", interval=short(interval, 9), said="; ".join(said))

    return Figure(drawing, sentence, PHASE)


def inspection(gaps: Sequence[float]) -> Figure:
    """The inspection paradox: how long gaps (s) are, and how long the gap is into which a random moment falls.

    Of gaps of 10 and 90 s the mean is 50 s, but a random moment is in the long one with probability 0.9: 82 s.
    """
    import numpy as np

    lengths = np.array([gap for gap in gaps if number("gap", gap, "seconds", least=0) > 0], dtype=float)
    if not len(lengths):
        raise ValueError(f"gaps must have one of > 0 seconds, got {list(gaps)[:5]}")
    drawing = canvas(11, 5.6)
    axes = drawing.add_subplot()
    logarithmic(axes, 2.0, x=[float(lengths.min()), float(lengths.max())])
    edges = np.geomspace(*axes.get_xlim(), 31)
    looks = [
        (None, "#999999", "-", "", "every gap", "mean gap {mean} s"),
        (lengths, "#0072B2", "--", "//", "the gap around a random moment", "mean around a random moment {mean} s"),
    ]
    means, entries = [], []
    for place, (weights, colour, dashes, hatch, name, text) in enumerate(looks):
        shares, _ = np.histogram(lengths, edges, weights=weights)
        shares = shares / shares.sum()
        axes.stairs(shares, edges, fill=True, facecolor=f"{colour}55", edgecolor=colour, hatch=hatch, linewidth=2)
        mean = float(np.average(lengths, weights=weights))
        line = axes.axvline(mean, color="black" if place else "#555555", linestyle=dashes, linewidth=2.5)
        means.append((line, text))
        entries.append(mark(name, marker="s", markersize=16, markerfacecolor=f"{colour}55", markeredgecolor=colour))
    style_axes(axes, "", "gap, seconds (log scale)", "share")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_ylim(0, 1.4 * axes.get_ylim()[1])

    def said(line: "Line2D", text: str) -> str:
        return phrase(text, mean=drawn(line)[0][0])

    for (line, text), ha, aside in zip(means, ("right", "left"), (0.95, 1.05), strict=True):
        words = fill(said(line, text), 16)
        label = axes.text(aside * drawn(line)[0][0], 0.98, words, transform=axes.get_xaxis_transform())
        label.set(ha=ha, va="top", fontsize=SIZE, in_layout=False)
    key(drawing, entries)

    def sentence() -> str:
        listed_means = ", ".join(said(line, text) for line, text in means)
        gaps_said = counted(len(lengths), "{number} gap", "{number} gaps")
        return gettext("Of {gaps}: {means}.", gaps=gaps_said, means=listed_means)

    return Figure(drawing, sentence, INSPECTION)
