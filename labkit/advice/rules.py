"""The rule that decided, and the cell of a notebook that measured it."""

from typing import NamedTuple

from labkit.advice.need import Need
from labkit.advice.options import Option, throttled
from labkit.approaches import Approach, Batched, Hybrid, LongPolling, OnDemand, Polling, Relay, Stream, Webhook


class Rule(NamedTuple):
    """A rule, and where it was measured: a notebook's number and a cell's id."""

    text: str
    notebook: str
    cell: str

    def __str__(self) -> str:
        return f"{self.text} (notebook {self.notebook}, cell `{self.cell}`)"


RULES: dict[type[Approach], Rule] = {
    OnDemand: Rule("There are fewer reads than requests of anything else, and a read is never late.", "09", "query"),
    Polling: Rule("One poll brings several events: λT > 1 for its interval T.", "03", "crossover"),
    Webhook: Rule("Events are rare for the deadline (λT < 1): most polls would be empty.", "03", "crossover"),
    Hybrid: Rule("Nothing may be missing after an outage: a webhook and reconciliation.", "09", "both"),
    Batched: Rule("Events may wait for each other: one delivery brings several.", "04", "batch"),
    LongPolling: Rule("A connection may stay open: the source answers when there is an event.", "04", "held"),
    Stream: Rule("A connection may stay open: one request, and its answer brings all events.", "04", "held"),
    Relay: Rule("Nothing can call the consumer, and the source limits its polls: poll a relay.", "02", "relay"),
}
UNREACHABLE = Rule("Nothing can call the consumer: it calls.", "09", "nat")
LIMITED = Rule("For a poller, a rate limit is an interval; the source's own calls are not limited.", "09", "limit")


def deciding(chosen: Option, others: list[Option], need: Need) -> Rule:
    """The rule for a recommendation, given the other options."""
    kind = type(chosen.approach)
    polling = next((option for option in others if isinstance(option.approach, Polling)), None)
    if kind is Polling and need.unreachable:
        return UNREACHABLE
    if kind is Webhook and polling and throttled(polling.expected, need):
        return LIMITED
    return RULES[kind]
