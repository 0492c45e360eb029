"""The recommendation in sentences."""

from collections.abc import Iterator
from typing import Any

from labkit.advice.advise import Advice
from labkit.advice.limits import TIE
from labkit.advice.options import Option
from labkit.approaches import Batched
from labkit.catalogue import duration

VALUES = {
    "events_per_hour": "{} events per hour",
    "deadline": "a deadline of {} s",
    "share": "a share of {}",
    "reads": "{} reads per hour",
    "outage": "an outage of {} s",
    "may_lose": "{} events that may be lost",
    "rate_limit": "a rate limit of {} requests",
    "price_per_million": "a price of {} per million requests",
    "price_per_gb": "a price of {} per GB",
}
"""What a number counts."""
NAMES = {
    "events_per_hour": "the rate of the events",
    "deadline": "the deadline",
    "share": "the share of the events in time (0.5 to 1)",
    "reads": "the rate of reads",
    "outage": "the outage",
    "may_lose": "how many events may be lost",
    "rate_limit": "the rate limit",
    "price_per_million": "the price of requests",
    "price_per_gb": "the price of bytes",
    "consumers": "the number of consumers",
}
SWITCHES = {"hold": "a connection may stay open", "unreachable": "the source can call the consumers"}


def sentences(advice: Advice) -> Iterator[str]:
    """The recommendation, what to expect of it, the rule that decided, and how far each number could move."""
    chosen = advice.recommendation
    if chosen is None:
        yield "Nothing that was tried meets the need."
        yield from relaxed(advice)
        return
    yield f"Recommended: {chosen.approach.title} ({chosen.approach.label})"
    yield from _expected(chosen.expected, advice)
    yield from _alternative(chosen, advice)
    if advice.rule:
        yield f"Rule: {advice.rule}"
    for label, events in advice.confirmed.items():
        many = "1 event" if events == 1 else f"{events:,} events"
        yield f"Confirmed by the virtual lens: {label}, on {many} around the busiest hour."
    for limit in advice.limits:
        value, more = VALUES[limit.number].format(_shown(limit.changes)), limit.direction == "upwards"
        other = limit.approach or "nothing meets the need"
        if limit.unknown:
            other = f"unknown, since {chosen.approach.name} was {limit.unknown}; of the others, {other}"
        yield f"{'From' if more else 'At'} {value} {'on' if more else 'or less'} (now {_shown(limit.now)}): {other}."
    if advice.steady:
        names = ", ".join(NAMES[name] for name in advice.steady)
        yield f"No other option saves more than {TIE:.0%} if one of these changes by a factor of up to 100: {names}."


def _alternative(chosen: Option, advice: Advice) -> Iterator[str]:
    """What is best without batches, and the first runner-up if the answer saves less than 5% (nearly a tie)."""
    others = [option for option, _ in advice.runners_up if not option.short]
    if not others:
        return
    if isinstance(chosen.approach, Batched):
        yield f"If the source offers no batches: {others[0].approach.title} ({others[0].approach.label})."
    pair = chosen, others[0]
    cost, other = (option.objective(advice.need.priced)[0] for option in pair)
    if cost > (1 - TIE) * other > 0:
        late, later = (f"{option.expected['latency']['mean']:,.3g} s" for option in pair)
        reads = any(option.expected["within_deadline"] is None for option in pair)  # a read is never late
        waits = "" if reads or late == later else f", and is {late} late on average instead of {later}"
        yield f"Nearly a tie: it saves only {1 - cost / other:.1%} against {others[0].approach.label}{waits}."
        yield f"Below, the answer counts as changed only where another option saves more than {TIE:.0%}."


def relaxed(advice: Advice) -> Iterator[str]:
    """What would help if nothing meets the need."""
    if not advice.relax:
        yield "Relaxing a single requirement is not enough: relax several, or drop a --without."
        return
    yield "It is enough to relax one requirement:"
    for each in advice.relax:
        changed = SWITCHES.get(each.requirement) or VALUES[each.requirement].format(_shown(each.value))
        yield f"- {changed}: {each.approach}"


def _expected(expected: Any, advice: Advice) -> Iterator[str]:
    """The figures."""
    latency, need = expected["latency"], advice.need
    yield (
        f"Expect {few(expected['requests_per_hour'])} requests and {expected['bytes_per_hour']:,.0f} bytes per hour,"
        f" {expected['busiest_minute']:,} in the busiest minute,"
        f" and {_open(expected['connections'])} open connections on average."
    )
    if expected["within_deadline"] is None:
        yield f"Each read is answered with the current state, after {2 * need.delay:g} s."
    else:
        figures = ", ".join(f"{name} {latency[name]:,.4g}" for name in ("mean", "p50", "p95", "p99", "max"))
        share = f"{expected['within_deadline']:.1%} of the events within {need.deadline:g} s"
        yield f"Latency in seconds: {figures}; {share}, and {100 * need.share:g}% must be."
    if need.priced:
        yield f"It costs {expected['cost_per_month']:,.4g} per month."
    if outage := expected["outage"]:
        latest = outage["latest"]
        late = "" if latest is None else f", and the latest of the others is {duration(latest)} late"
        yield f"An outage of {duration(need.outage)} loses {outage['lost']:,} events per consumer{late}."


def few(value: float) -> str:
    """A rate with one decimal, or with two significant digits if it is less than 1.

    >>> few(113.79), few(2.0), few(0.04381), few(0)
    ('113.8', '2.0', '0.044', '0.0')
    """
    return f"{value:,.1f}" if value >= 1 or not value else f"{value:.2g}"


def _open(connections: float) -> str:
    """
    >>> _open(0.00018), _open(1.0)
    ('fewer than 0.01', '1')
    """
    return "fewer than 0.01" if connections < 0.01 else f"{connections:,.3g}"


def _shown(value: float) -> str:
    """Four significant digits, and no exponent.

    >>> _shown(0.0301), _shown(10.1607), _shown(104_713.0)
    ('0.0301', '10.16', '104,713')
    """
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
