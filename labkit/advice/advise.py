"""The recommendation: the option that meets a need for the least money, or the fewest requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from labkit.advice.confirm import confirm
from labkit.advice.events import SAMPLE, SEED, Events
from labkit.advice.limits import Limit, limits_of
from labkit.advice.measured import Log
from labkit.advice.need import Need
from labkit.advice.numbers import numbers
from labkit.advice.options import FEWEST_INTERVALS, Option, best, good, options
from labkit.advice.relax import Relaxation, relaxations
from labkit.advice.rules import Rule, deciding
from labkit.approaches import Batched, Hybrid, OnDemand, Polling
from labkit.arrivals import Arrivals
from labkit.wire import PAGE

if TYPE_CHECKING:
    import pandas as pd

FEW_EVENTS = 30
"""Of fewer events, an answer says that there are few."""


@dataclass(frozen=True)
class Advice:
    """What to use for a need. `recommendation` is None if nothing meets it; then `relax` says what would help.

    `runners_up` are the other options, those that meet the need first, each with the reason for which it is not the
    recommendation.
    """

    need: Need
    events: Arrivals
    recommendation: Option | None
    runners_up: Sequence[tuple[Option, str]]
    rule: Rule | None
    assumed: Sequence[str]
    limits: Sequence[Limit] = ()
    steady: Sequence[str] = ()
    """The numbers that were moved without finding another answer; and several consumers, who cost the same each."""
    relax: Sequence[Relaxation] = ()
    confirmed: Mapping[str, int] = field(default_factory=dict)
    """The options that the virtual lens has confirmed, and on how many events."""

    def __repr__(self) -> str:
        found = self.recommendation.approach.label if self.recommendation else "nothing meets the need"
        return f"<Advice {self.events.name}: {found}>"

    @property
    def considered(self) -> Sequence[tuple[Option, str]]:
        """Each option, the recommendation first, with "recommended" or the reason for which it is not."""
        return [*([(self.recommendation, "recommended")] if self.recommendation else []), *self.runners_up]

    def table(self) -> "pd.DataFrame":
        """The options, the recommendation first: their figures, and why each other one is not recommended."""
        import pandas as pd

        rows = {option.approach.label: _figures(option, self.need) | {"why": reason}
                for option, reason in self.considered}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index")

    def record(self) -> dict[str, Any]:
        """As plain values."""
        chosen = self.recommendation
        others = [option.record() | {"reason": reason, "expected": dict(option.expected) or None}
                  for option, reason in self.runners_up]  # fmt: skip
        return {
            "recommendation": chosen and chosen.record(),
            "expected": chosen and dict(chosen.expected),
            "runners_up": others,
            "rule": self.rule and self.rule._asdict(),
            "limits": [each._asdict() | {"direction": each.direction} for each in self.limits],
            "steady": list(self.steady),
            "relax": [each._asdict() for each in self.relax],
            "confirmed": dict(self.confirmed),
            "assumed": list(self.assumed),
            "need": self.need.record(),
        }


def advise(need: Need, events: Arrivals | float, *, thorough: bool = True) -> Advice:
    """Recommend an approach for events: recorded ones, or generated ones (Poisson) at a rate per hour.

    The requirements come first; then money if the need has prices, otherwise requests per hour; then the mean latency.
    `thorough`: whether to find how far each number could move, and to confirm the best two by the virtual lens, which
    takes most of the time. Raises DisagreementError if the lenses disagree, which is to be reported.

    >>> advise(Need(deadline=30, without=("batched",)), 300, thorough=False)
    <Advice poisson: polling interval=31.3>
    """
    asked = Events(events)
    log = asked.log(need)
    found = options(need, log)
    meeting = good(found, need)
    chosen = meeting[0] if meeting else None
    bad = [(option, option.short) for option in found if option.short]
    runners = [(option, _dearer(option, meeting[0], need)) for option in meeting[1:]]
    assumed = _assumed(need, log, found, events)
    if chosen is None:
        return Advice(need, log.arrivals, None, bad, None, assumed, relax=relaxations(need, asked))
    rule = deciding(chosen, [option for option in found if option is not chosen], need)
    answer = Advice(need, log.arrivals, chosen, [*runners, *bad], rule, assumed)
    return _thorough(answer, asked, meeting[:2]) if thorough else answer


def _thorough(answer: Advice, asked: Events, finalists: Sequence[Option]) -> Advice:
    """The same answer with its limits, and with what the virtual lens has confirmed."""
    need, approach, assumed = answer.need, finalists[0].approach, [*answer.assumed]
    far, steady, sample = list[Limit](), list[str](), asked.sample()
    if sample is not asked:
        assumed.append(f"How far each number can move is computed on {SAMPLE:,} events in a row, at the rate of all.")
    if (option := best(need, sample.log(need))) and type(option.approach) is type(approach):
        far = [*limits_of(need, sample, approach)]
        moved = {limit.number for limit in far}
        steady = [number.name for number in numbers(need, sample) if number.name not in moved]
        steady += ["consumers"] * (need.consumers > 1)
    else:
        assumed.append("For these events alone the answer is another, so how far each number can move is left out.")
    log = asked.log(need)
    slices = {option.approach.label: confirm(option.approach, need, log) for option in finalists}
    confirmed = {label: events for label, events in slices.items() if events}
    return replace(answer, assumed=assumed, limits=far, steady=steady, confirmed=confirmed)


def _figures(option: Option, need: Need) -> dict[str, float | None]:
    """The figures that decide; None where there are none."""
    expected = option.expected
    latency = expected["latency"]["mean"] if expected else None
    figures = {"per_hour": expected.get("requests_per_hour"), "in_time": expected.get("within_deadline"),
               "latency_mean": latency}  # fmt: skip
    return figures | ({"cost_per_month": expected.get("cost_per_month")} if need.priced else {})


def _dearer(option: Option, chosen: Option, need: Need) -> str:
    """Why an option that meets the need is not the recommendation."""
    name, unit = ("cost_per_month", "per month") if need.priced else ("requests_per_hour", "requests per hour")
    mine, best = option.expected[name], chosen.expected[name]
    if option.objective(need.priced)[0] > chosen.objective(need.priced)[0]:
        return f"{mine:,.4g} {unit}, against {best:,.4g}"
    return f"as many, and later: {option.expected['latency']['mean']:.3g} s on average"


def _assumed(need: Need, log: Log, found: Sequence[Option], events: Arrivals | float) -> list[str]:
    """What the user did not say, although the answer depends on it."""
    kinds, said = {type(option.approach) for option in found if option.expected}, []
    if not isinstance(events, Arrivals):
        said.append(
            f"Events come at random (Poisson): {len(log.arrivals.events):,} of them are generated, with seed {SEED}."
        )
    said.append(f"The network takes {need.delay:g} s each way.")
    if need.retries is None:
        said.append("The source retries as Standard Webhooks suggests.")
    elif need.retries.assumed:
        said.append(
            f"The retries of {need.retries.name} are published only in part; assumed: {need.retries.assumptions()}."
        )
    if Batched in kinds:
        said.append("The source offers batches: --without batched if not.")
    if Polling in kinds:
        said.append(f"A poll returns up to {PAGE} events, of all types in one list.")
    span, count = log.arrivals.duration, len(log.arrivals.events)
    if count < FEW_EVENTS:
        many = "There is only 1 event" if count == 1 else f"There are only {count} events"
        said.append(f"{many}, so the figures may be chance.")
    if need.deadline > (most := span / FEWEST_INTERVALS):
        said.append(f"The events span {span:,.6g} s, so no interval longer than {most:,.6g} s was tried.")
    if need.outage:
        start = log.busiest(need.outage)
        said.append(f"The receiver is down where most events are: from {start:,.6g} s on, for {need.outage:,.6g} s.")
        if need.outage > span:
            said.append(f"The events span only {span:,.6g} s: what the rest of the outage loses is not counted.")
    if Hybrid in kinds:
        said.append("A hybrid polls once per length of the outage: what was lost is known at most that long after it.")
    if OnDemand in kinds:
        said.append("Reads come at random; their bytes are those of polling as often.")
    if need.rate_limit.requests:
        said.append("The source limits each consumer by itself, and not its own calls.")
    if need.priced:
        said.append("A month has 30 days; a price that was not given is 0.")
    return said
