"""Picture 3: the crossover, the load above which polling costs less than a webhook."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING

from labkit.approaches import Approach, Polling, Webhook
from labkit.catalogue import gettext
from labkit.plots.chosen import Results, as_results, chosen, rate_of, theory_of
from labkit.plots.figure import SIZE, Figure, canvas, drawn, key, logarithmic, mark, style_axes
from labkit.plots.labels import LEADER
from labkit.plots.words import listed, phrase, short
from labkit.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CAPTION = (
    "The cost of an event against the load, the events that occur in one polling interval (λT), both axes logarithmic."
    " The vertical rules stand where polling and the webhook cost the same. Points are measured, with a bar of ±1"
    " standard error; full lines are theory, and dotted lines join points that have no theory."
)
PANELS = {
    "requests": ("Requests per event", "requests per event (log scale)", "requests per event: {spans}"),
    "bytes": ("Bytes per event", "bytes per event (log scale)", "bytes per event: {spans}"),
}
Point = tuple[float, float, float]
"""A load, the cost of an event at it, and that cost's standard error."""
BLOCKS = 20
"""Parts of a run between which a standard error is estimated."""


def crossover(results: Results, show: Iterable[str] | None = None) -> Figure:
    """Requests and bytes per event over the load λT, with rules where polling and the webhook cost the same.

    T is the interval of the first polling result; λ is the rate at which each result's events were generated, or else
    occurred. There is a line for each approach, over all scenarios of its results. `show` names the approaches that
    this step shows; the axes keep the limits of all. Theory is the approaches' own closed forms. Results without an
    event are left out.
    """
    several = as_results(results)
    polling = [result.approach for result in several if isinstance(result.approach, Polling)]
    if not polling:
        raise ValueError(f"a crossover needs a result of polling, got {several[0].label!r} and {len(several) - 1} more")
    interval = polling[0].interval
    delays = {result.approach: result.scenario.delay for result in chosen(several, show)}
    drawing = canvas(15, 6.6)
    measured = {unit: points for unit in PANELS if (points := _measured(several, unit, interval))}
    if not measured:
        raise ValueError(f"a crossover needs a result with at least one event, got none in {len(several)}")
    panels = zip(drawing.subplots(1, len(measured), squeeze=False)[0], measured.items(), strict=True)
    lines = {unit: _panel(axes, unit, points, delays, interval) for axes, (unit, points) in panels}
    entries = [
        mark("measured (bar: ±1 standard error)", marker="o", markersize=9),
        mark("theory", linestyle="-", linewidth=2),
        mark("points joined", linestyle=":", linewidth=1.5),
        mark("polling and webhook cost the same", color="black", linestyle="--", linewidth=1.5),
    ]
    key(drawing, entries)

    def sentence() -> str:
        said = []
        for unit, drawn_lines in lines.items():
            spans = [_said(approach.title, line) for approach, line in drawn_lines.items()]
            said.append(gettext(PANELS[unit][2], spans=", ".join(spans) or gettext("none")) + _where(drawn_lines))
        text = "Against the load λT, T = {interval} s: {said}."
        return gettext(text, interval=short(interval, 9), said="; ".join(said))

    return Figure(drawing, sentence, CAPTION)


def _measured(results: Sequence[Result], unit: str, interval: float) -> dict[Approach, list[Point]]:
    """Each approach's points, by load; without results that have no event, or no bytes since the lens counts none."""
    found: dict[Approach, list[Point]] = {}
    for result in results:
        row = result.row()
        if row["events"] and (unit == "requests" or row["bytes_in"] is not None):
            sent = row["requests"] if unit == "requests" else row["bytes_out"] + row["bytes_in"]
            cost = sent / row["events"]
            found.setdefault(result.approach, []).append((_rate(result) * interval, cost, _error(result, unit, cost)))
    return {approach: sorted(points, key=lambda point: point[0]) for approach, points in found.items()}


def _rate(result: Result) -> float:
    """Events per second: the generator's if the arrivals have one, so that points scatter; else those measured."""
    given = result.scenario.arrivals.params.get("per_hour")
    return given / 3600 if isinstance(given, float) and not result.approach.types else rate_of(result)


def _error(result: Result, unit: str, ratio: float) -> float:
    """The standard error of cost ÷ events, a ratio estimator: √Σ(cost - ratio·events)² / Σevents over parts of the run.

    0 where each event costs the same; ratio/√events for polls at a fixed interval and Poisson events.
    """
    import numpy as np

    if result.frames is None:
        return 0.0
    edges = np.linspace(0, result.scenario.duration, BLOCKS + 1)
    sent, events = result.counted, result.receipts.occurred_at
    weights = None if unit == "requests" else (sent.bytes_out + sent.bytes_in).to_numpy(float)
    costs, _ = np.histogram(sent.sent_at, edges, weights=weights)
    occurred, _ = np.histogram(events, edges)
    return float(np.sqrt(((costs - ratio * occurred) ** 2).sum()) / len(events))


def _panel(
    axes: "Axes", unit: str, measured: Mapping[Approach, list[Point]], delays: Mapping[Approach, float], interval: float
) -> "dict[Approach, Line2D]":
    """One panel; returns the line of measured points of each approach that is shown, which are those with a delay."""
    import numpy as np

    title, name, _ = PANELS[unit]
    shown = [point for points in measured.values() for point in points if point[1] > 0]
    logarithmic(axes, 1.7, x=[x for x, *_ in shown], y=[cost for _, cost, _ in shown])
    style_axes(axes, gettext(title), "load λT, events per interval (log scale)", name)
    lines: dict[Approach, Line2D] = {}
    for approach in [each for each in measured if each in delays]:
        look = approach.style
        x, y, error = np.array(measured[approach]).T
        bars = axes.errorbar(x, y, error, color=look.colour, marker=look.marker, markeredgewidth=0.6, capsize=4)
        lines[approach] = bars.lines[0]
        loads = np.geomspace(*axes.get_xlim(), 40).tolist()
        laws = [theory_of(approach, load / interval, delays[approach]) for load in loads] if unit == "requests" else []
        curve = [law.requests_per_event if law else math.nan for law in laws]
        known = any(cost > 0 for cost in curve)
        bars.lines[0].set(markersize=8, markeredgecolor="black", linestyle="none" if known else ":")
        if known:
            axes.plot(loads, curve, color=look.colour, linewidth=2, zorder=1)
    low, high = axes.get_xlim()
    for place, at in enumerate(crossings(*_pair(lines))):
        axes.axvline(at, color="black", linestyle="--", linewidth=1.5, zorder=1)
        text = axes.text(at, 0.98 - 0.07 * place, phrase(" cross at λT = {load} ", load=at), fontsize=SIZE, va="top")
        text.set(transform=axes.get_xaxis_transform(), ha="left" if at < low**0.4 * high**0.6 else "right")
    gutter(axes, lines)
    return lines


def _pair(lines: "Mapping[Approach, Line2D]") -> "list[Line2D]":
    """The lines of the first polling approach and of the first webhook, as far as they are there."""
    found = [[line for approach, line in lines.items() if approach.name == kind.name] for kind in (Polling, Webhook)]
    return [line for same in found for line in same[:1]]


def crossings(*lines: "Line2D") -> list[float]:
    """The x at which two lines, as drawn on log-log, cross, over the x that both have. None without two lines.

    Polling with 2 and 0.5 requests per event at loads 0.5 and 2, and a webhook with 1, cross at 1.
    """
    if len(lines) < 2:
        return []
    first, second = (dict(drawn(line)) for line in lines)
    gaps = [(x, math.log(first[x] / second[x])) for x in sorted(first) if x in second]
    found = [x for x, gap in gaps if gap == 0]
    for (left, before), (right, after) in pairwise(gaps):
        if before * after < 0:
            share = before / (before - after)
            found.append(math.exp(math.log(left) + share * math.log(right / left)))
    return sorted(found)


def gutter(axes: "Axes", lines: "Mapping[Approach, Line2D]") -> None:
    """Each approach's title to the right of the axes, as high as its last point, but above the title below it."""
    ends = {approach: drawn(line)[-1] for approach, line in lines.items()}
    heights = {one: float(axes.transLimits.transform(axes.transScale.transform(end))[1]) for one, end in ends.items()}
    free = -0.03
    for one in sorted(heights, key=lambda one: heights[one]):
        title = fill(one.title, 16)
        half = 0.0275 * (1 + title.count("\n"))
        at = (1.03, max(heights[one], free + half))
        free = at[1] + half
        text = axes.annotate(title, ends[one], at, textcoords="axes fraction", va="center", arrowprops=LEADER)
        text.set(fontsize=SIZE, parse_math=False)


def _said(title: str, line: "Line2D") -> str:
    (first, low), *_, (last, high) = [*drawn(line)[:1], *drawn(line)]
    if first == last:
        return phrase("{title} {low} at {first}", title=title, low=low, first=first)
    text = "{title} from {low} at {first} to {high} at {last}"
    return phrase(text, title=title, low=low, first=first, high=high, last=last)


def _where(lines: "Mapping[Approach, Line2D]") -> str:
    if len(pair := _pair(lines)) < 2:
        return ""
    if not (found := crossings(*pair)):
        return gettext(", and polling and webhook do not cross")
    return gettext(", and polling and webhook cross at λT = {loads}", loads=listed(map(short, found)))
