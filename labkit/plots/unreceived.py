"""Picture 4: survival, the share of the events that are still not received, against the time since they occurred."""

from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from labkit.catalogue import duration, gettext, ngettext
from labkit.faults import Outage
from labkit.plots.chosen import Results, as_results
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, mark, style_axes
from labkit.plots.words import percent, short
from labkit.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "The share of the events that are still not received, against the time since they occurred; both axes are"
    " logarithmic. A line that falls further left is sooner. The hollow marks on a line are the source's retries. A"
    " line that reaches the band on the right has lost that share of the events."
)
SHORTEST, LONGEST = 0.01, 345_600.0
"""The time axis (s): from 10 ms to 4 days, or longer if an event is later."""
TIMES = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, LONGEST, 1_728_000.0)
BAND = 20.0
"""The band for what never arrives runs from the end of the axis to so many times that."""
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (7, 1.5, 1, 1.5)), (0, (2.5, 1)), (0, (4, 1, 1, 1, 1, 1)))
SHADES = (0.0, -0.55, 0.3, -0.3, 0.5, -0.8)
"""Lines of one approach differ by dashes, and by its colour: darker (negative) or lighter, as a share."""
MARKERS = ("v", "s", "D", "^", "P", "X")


def survival(results: Results) -> Figure:
    """A step line for each result, with the source's retries on it, and what never arrives in a band on the right.

    The results may differ in the source's retry profile. Of 121 events in an outage of 1,200 s, a poller every 60 s
    has the last one within 20 min; by webhook with the retries of Slack, 85 never arrive: the line ends at 70%.
    """
    several = as_results(results)
    drawing = canvas(13, max(6.2, 1.6 + 0.75 * len(several)))
    axes = drawing.add_subplot()
    latest = max((float(late) for result in several for late in result.receipts.latency.dropna()), default=0.0)
    end = 1.2 * latest if latest > LONGEST else LONGEST
    least = 1 / max(10, *(len(result.receipts) for result in several))
    axes.set(xscale="log", yscale="log", xlim=(SHORTEST, end * BAND), ylim=(0.6 * least, 1.4))
    style_axes(
        axes,
        several[0].scenario.title(),
        "time since the event occurred (log scale)",
        "share of events not yet received (log scale)",
    )
    axes.minorticks_off()
    times = [at for at in TIMES if at <= end]
    axes.set_xticks(times, [_time(at) for at in times])
    shares = [first / 10**power for power in range(7) for first in (1.0, 0.5, 0.2)]
    shares = [share for share in shares if share >= 0.9 * axes.get_ylim()[0]]
    axes.set_yticks(shares, [percent(share) for share in shares])
    axes.axvspan(end, end * BAND, color="#E6E6E6", zorder=0)
    _mark_outage(axes, several)
    turns: Counter[type] = Counter()
    lines = []
    for result in several:
        lines.append(_Line(axes, result, turns[type(result.approach)], end))
        turns[type(result.approach)] += 1
    drawing.draw_without_rendering()
    _name_band(axes, lines, end)
    entries = [line.entry() for line in sorted(lines, key=lambda line: (line.lost(), line.last() or 0))]
    title = gettext("last event received after, share lost")
    drawing.legend(handles=entries, loc="outside right upper", fontsize=SIZE, frameon=False, title_fontsize=SIZE,
                   title=title, alignment="left", handlelength=3.6)  # fmt: skip
    if any(line.retries for line in lines):
        key(drawing, [mark("retry of the source", marker="s", markersize=9, markerfacecolor="white")])

    def sentence() -> str:
        return gettext("Time until received: {said}.", said="; ".join(line.said() for line in lines))

    return Figure(drawing, sentence, CAPTION)


def label_of(result: Result) -> str:
    """The approach's title; if the source delivers to it, with its retries: `webhook, retries of Svix`."""
    title, retries = result.approach.title, result.scenario.retries
    if not (result.exchanges.kind == "delivery").any():
        return title
    if retries.name:
        return gettext("{title}, retries of {name}", title=title, name=retries.title or retries.name)
    if not retries.waits:
        return gettext("{title}, no retries", title=title)
    one, many = "{title}, {number} retry in {span}", "{title}, {number} retries in {span}"
    number = len(retries.waits)
    return ngettext(one, many, number, title=title, number=number, span=duration(sum(retries.waits)))


class _Line:
    """One result's line, and its retries; `turn` is its place among the lines of the same approach."""

    def __init__(self, axes: "Axes", result: Result, turn: int, end: float) -> None:
        import numpy as np

        self.label, look = label_of(result), result.approach.style
        self.events = len(result.receipts)
        late = np.sort(result.receipts.latency.dropna().to_numpy(float)).clip(SHORTEST)
        left = 1 - np.arange(len(late) + 1) / max(self.events, 1)
        left[-1] = 0.0 if len(late) == self.events else left[-1]
        (self.line,) = axes.plot([SHORTEST, *late], left, drawstyle="steps-post", zorder=3)
        self.look: dict[str, Any] = {
            "color": _shade(look.colour, SHADES[turn % 6]),
            "linestyle": DASHES[turn % 6],
            "linewidth": 2.8,
        }
        self.line.set(**self.look)
        self.marker = MARKERS[turn % 6] if turn else look.marker
        if self.lost():
            (self.band,) = axes.plot([self.last() or SHORTEST, end], [self.lost()] * 2, **self.look)
            self.band.set(marker=self.marker, markevery=[1], markersize=11, markeredgecolor="black", zorder=4)
        self.retries = self._retries(axes, result)

    def _retries(self, axes: "Axes", result: Result) -> "list[Line2D]":
        """A hollow mark for each retry, at the top of the step that it causes."""
        marks = []
        for after in retries_after(result):
            at = after + result.scenario.delay
            waiting = [y for x, y in drawn(self.line) if x < 0.999 * at][-1:]
            if waiting and waiting[0] > 0 and at < axes.get_xlim()[1] / BAND:
                marks += axes.plot([max(at, SHORTEST)], waiting, marker=self.marker, markerfacecolor="white", zorder=5)
                marks[-1].set(color=self.look["color"], markersize=9, markeredgewidth=1.8, linestyle="none")
        return marks

    def lost(self) -> float:
        """The share that never arrives, as drawn."""
        return drawn(self.line)[-1][1]

    def within(self, share: float) -> float | None:
        """The time (s) within which this share was received, as drawn; None if never."""
        return next((x for x, y in drawn(self.line) if y <= 1 - share + 1e-9), None)

    def last(self) -> float | None:
        """The latency of the last one received, as drawn; None if none was."""
        points = drawn(self.line)
        return points[-1][0] if len(points) > 1 else None

    def entry(self) -> "Line2D":
        """Its line in the key, with its last latency and what is lost."""
        last, lost = self.last(), self.lost()
        parts = [] if last is None else [duration(last)]
        parts += [gettext("{share} lost", share=percent(lost))] if lost else []
        line = mark("", marker=self.marker, markersize=9, **self.look)
        line.set_label(f"{fill(self.label, 30)}:\n{', '.join(parts) or gettext('no event')}")
        return line

    def said(self) -> str:
        half, last, lost = self.within(0.5), self.last(), round(self.lost() * self.events)
        if last is None:
            said = gettext("none of {events} received", events=self.events)
        elif half is None:
            said = gettext("less than half received, the last within {last}", last=duration(last))
        else:
            said = gettext("half within {half}, the last within {last}", half=duration(half), last=duration(last))
        part = gettext(", lost {lost} of {events}", lost=lost, events=self.events) if lost and last is not None else ""
        return f"{self.label}: {said}{part}"


def retries_after(result: Result) -> list[float]:
    """For each retry that was made, the seconds since the first attempt: their median over the deliveries."""
    sent = result.exchanges[result.exchanges.kind == "delivery"]
    if not len(sent):
        return []
    deliveries = sent.groupby(["consumer", "event_id"]).sent_at
    after = (sent.sent_at - deliveries.transform("min")).groupby(deliveries.cumcount()).median()
    return [float(each) for each in after.tolist()[1:]]


def _mark_outage(axes: "Axes", results: Sequence[Result]) -> None:
    """A rule at the outage's duration, if all results have the same one."""
    lasted = {fault.duration for result in results for fault in result.scenario.faults if isinstance(fault, Outage)}
    if len(lasted) == 1 and (length := lasted.pop()) < axes.get_xlim()[1]:
        axes.axvline(length, color="#555555", linestyle=":", linewidth=2, zorder=1)
        said = gettext("the outage: {length} ", length=duration(length))
        text = axes.text(length, 0.02, said, ha="right", transform=axes.get_xaxis_transform(), fontsize=SIZE)
        text.set_in_layout(False)


def _name_band(axes: "Axes", lines: "Sequence[_Line]", end: float) -> None:
    """The band's name, and in it what each line has lost: a mark, and a number.

    Marks that would cover each other stand side by side; a number that would cover another is left out.
    """
    style: dict[str, Any] = {"fontsize": SIZE, "in_layout": False}
    axes.text(end * BAND**0.5, 1.5, gettext("never"), ha="center", va="bottom", **style)
    losing = [(line, float(axes.transData.transform((1, line.lost()))[1])) for line in lines if line.lost()]
    for number, (line, height) in enumerate(losing):
        before = sum(abs(height - other) < 16 for _, other in losing[:number])
        line.band.set_xdata([drawn(line.band)[0][0], end * BAND ** (0.12 + 0.16 * before)])
    used: list[float] = []
    for line, height in sorted(losing, key=lambda each: -each[1]):
        if all(abs(height - other) > 18 for other in used):
            axes.text(end * BAND * 0.95, line.lost(), percent(line.lost()), ha="right", va="center", **style)
            used.append(height)


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else gettext("{number} ms", number=short(1000 * seconds))


def _shade(colour: str, share: float) -> tuple[float, ...]:
    """The colour, mixed with so much black (negative) or white.

    >>> _shade("#808080", -0.5)[0] < _shade("#808080", 0)[0] < _shade("#808080", 0.5)[0]
    True
    """
    from matplotlib.colors import to_rgb

    return tuple(part * (1 - abs(share)) + max(share, 0.0) for part in to_rgb(colour))
