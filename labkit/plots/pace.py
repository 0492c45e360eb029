"""An adaptive poller's interval over time, above the events that it adapts to."""

from labkit.catalogue import gettext
from labkit.plots.figure import SIZE, Figure, canvas, drawn, logarithmic, style_axes
from labkit.plots.track import first_consumer, title_of
from labkit.plots.window import window
from labkit.plots.words import counted, phrase
from labkit.result import Result

CAPTION = (
    "The seconds from each poll to the next one, on a logarithmic axis, and beneath them the events. A poller that"
    " adapts polls faster where events are dense."
)


def intervals(result: Result, start: float | None = None, end: float | None = None) -> Figure:
    """The gap between a poller's polls over time, from `start` to before `end` (s), with the events beneath.

    By default the whole run. Follow-up pages of a poll come at once, and count as polls. With polls at 0, 60 and 180 s
    the interval is 60 s until 60 s, and then 120 s.
    """
    import numpy as np

    horizon = result.scenario.duration
    shown = window(result, 0.0 if start is None else start, horizon if end is None else end, horizon)
    receipts, exchanges = first_consumer(result)
    sent = np.sort(exchanges.sent_at[exchanges.kind == "poll"].to_numpy(float))
    gaps, sent = np.diff(sent), sent[:-1]
    kept = (sent >= shown.start) & (sent < shown.end) & (gaps > 0)
    if not kept.any():
        raise ValueError(f"{result.label} has no two polls from {shown.start:g} to {shown.end:g} s")
    drawing = canvas(13, 5.4)
    above, beneath = drawing.subplots(2, 1, sharex=True, height_ratios=[6, 1])
    logarithmic(above, 1.4, y=gaps[kept].tolist())
    (line,) = above.plot(shown.at(sent[kept]), gaps[kept], drawstyle="steps-post", linewidth=2)
    line.set(color=result.approach.style.colour)
    style_axes(above, title_of(result), "", "interval, seconds (log scale)")
    occurred = receipts.occurred_at[receipts.occurred_at.between(shown.start, shown.end, inclusive="left")]
    ticks = beneath.vlines(shown.at(occurred.to_numpy(float)), 0, 1, color="black")
    ticks.set_linewidth(max(0.3, min(2.0, 300 / max(len(occurred), 1))))
    style_axes(beneath, "", "", "")
    beneath.set_xlabel(shown.axis, fontsize=SIZE, parse_math=False)
    beneath.set_yticks([0.5], [gettext("events")])
    beneath.set(xlim=(0, shown.length), ylim=(0, 1))
    for axes in (above, beneath):
        axes.grid(axes is above, axis="y")
    beneath.spines["left"].set_visible(False)
    beneath.tick_params(axis="y", length=0)

    def sentence() -> str:
        lengths = sorted(gap for _, gap in drawn(line))
        said = phrase(
            "{title}: {polls}, {low} to {high} s apart, half of them within {middle} s; {events}",
            title=title_of(result),
            polls=counted(len(lengths), "{number} poll", "{number} polls"),
            low=lengths[0],
            high=lengths[-1],
            middle=lengths[(len(lengths) - 1) // 2],
            events=counted(len(ticks.get_segments()), "{number} event occurred", "{number} events occurred"),
        )
        return gettext("In {window}: {said}.", window=shown, said=said)

    return Figure(drawing, sentence, CAPTION)
