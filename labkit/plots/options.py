"""The options that `advise` has compared, in one picture."""

from labkit.advice import Advice
from labkit.approaches import OnDemand
from labkit.lenses import ModelLens
from labkit.plots.figure import Figure
from labkit.plots.tradeoff import frontier
from labkit.policies import RetryProfile
from labkit.scenario import Scenario


def advised(advice: Advice) -> Figure | None:
    """Requests per hour against mean latency, a point for each option; None if no option has a point.

    An option that does not meet the need is grey, with the reason beside it. Above the deadline the picture is grey.
    Reading on demand has no point, since nobody waits for an event.
    """
    need, every = advice.need, [option for option, _ in advice.considered]
    drawn = [option for option in every if option.expected and not isinstance(option.approach, OnDemand)]
    if not drawn:
        return None
    retries = need.retries or RetryProfile()
    scenario = Scenario(advice.events, need.delay, retries=retries, consumers=need.consumers)
    results = [ModelLens().run(scenario, option.approach) for option in drawn]
    rejected = {option.approach.label: option.short for option in drawn if option.short}
    return frontier(results, rejected, limit=need.deadline)
