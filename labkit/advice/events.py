"""The events to advise on: recorded ones, or generated ones of an exact rate; and the same at another rate."""

from dataclasses import replace
from functools import lru_cache

from labkit.advice.measured import Log
from labkit.advice.need import Need
from labkit.arrivals import Arrivals, poisson
from labkit.checks import number
from labkit.policies import RetryProfile

SEED = 0
LEAST_EVENTS, MOST_EVENTS = 1_000, 20_000
SAMPLE = 2_000
"""Events of a long log on which limits are computed."""
FEWEST, LONGEST = 10, 100 * 8_766.0
"""Rare events are generated for 100 years (in hours), but at least ten. The model lens computes up to 146 years."""
DEADLINES, OUTAGES = 20, 4
"""Generated events span at least this many deadlines and outages, unless that is too many events."""


class Events:
    """Recorded arrivals, or a rate in events per hour. It keeps what the lens has computed for them."""

    def __init__(self, given: Arrivals | float, like: "Events | None" = None) -> None:
        """`like` has the same recorded events with other gaps."""
        self.recorded = given if isinstance(given, Arrivals) else None
        rate = given.rate * 3600 if isinstance(given, Arrivals) else given
        self.per_hour = number("events", rate, "per hour", above=0)
        self._like = like
        self._logs: dict[tuple[object, ...], Log] = {}
        self._others: dict[float, Events] = {}

    def log(self, need: Need) -> Log:
        """The events, with the lens's runs on them; generated events are as many as the need requires."""
        span = max(DEADLINES * need.deadline, OUTAGES * need.outage)
        count = round(min(max(self.per_hour / 3600 * span, LEAST_EVENTS), MOST_EVENTS))
        count = max(min(count, int(self.per_hour * LONGEST)), FEWEST)
        key = need.delay, need.retries, None if self.recorded else count
        if key not in self._logs:
            arrivals = self.recorded or _at_rate(self.per_hour, count)
            like = self._like.log(need) if self._like else None
            self._logs[key] = Log(arrivals, need.delay, need.retries or RetryProfile(), like)
        return self._logs[key]

    @property
    def slowest(self) -> float:
        """The lowest rate to try: at it the events span 100 years."""
        count = len(self.recorded.events) if self.recorded else FEWEST
        return min(self.per_hour, count / LONGEST)

    def sample(self) -> "Events":
        """2,000 of many recorded events in a row: those whose rate is nearest to the log's, stretched to that rate."""
        if self.recorded is None or len(self.recorded.events) <= MOST_EVENTS:
            return self
        every, mean = self.recorded.events, SAMPLE / self.recorded.rate
        starts = range(0, len(every) - SAMPLE, SAMPLE // 2)
        spans = {n: span for n in starts if (span := every[n + SAMPLE].occurred_at - every[n].occurred_at)}
        if not spans:  # all are at one instant
            return self
        first = min(spans, key=lambda n: abs(spans[n] - mean))
        begins = every[first].occurred_at
        part = tuple(replace(each, occurred_at=each.occurred_at - begins) for each in every[first : first + SAMPLE])
        sampled = replace(
            self.recorded, events=part, duration=spans[first], epoch=self.recorded.epoch + begins, rule=None
        )
        return Events(_stretched(sampled, mean / spans[first], dict(self.recorded.params)))

    def at(self, per_hour: float) -> "Events":
        """The same pattern at another rate."""
        if per_hour not in self._others:
            if self.recorded:
                given = _stretched(self.recorded, self.per_hour / per_hour, dict(self.recorded.params))
                self._others[per_hour] = Events(given, like=self)
            else:
                self._others[per_hour] = Events(per_hour)
        return self._others[per_hour]


def _at_rate(per_hour: float, count: int) -> Arrivals:
    """About `count` Poisson events at exactly this rate: the same pattern at each rate, stretched."""
    drawn = _pattern(count)
    return _stretched(drawn, 3600 * drawn.rate / per_hour, {"per_hour": per_hour, "seed": SEED})


def _stretched(arrivals: Arrivals, factor: float, params: dict[str, object]) -> Arrivals:
    """The same events, with each gap multiplied by the factor."""
    events = tuple(replace(each, occurred_at=round(each.occurred_at * factor, 6)) for each in arrivals.events)
    return replace(arrivals, events=events, duration=arrivals.duration * factor, params=params, rule=None)


@lru_cache(8)
def _pattern(count: int) -> Arrivals:
    return poisson(per_hour=3600, duration=count, seed=SEED)
