"""What a strategy costs on one trace."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.clock import NANO
from labkit.course.strategy_process import Poll, StrategyError, checked_delay
from labkit.course.traces import ContestTrace

MOST_POLLS = 50_000
"""Per trace: one poll every 12 s for a week."""


@dataclass(frozen=True)
class Outcome:
    """What a strategy's polls cost on one trace: J = polls + total latency / τ. `latency` is the total in nanoseconds.

    Two polls, and events that waited 30 s and 90 s, at τ = 60 s: 2 + 120 / 60 = 4.

    >>> Outcome("fixed", ContestTrace.of("door", 60, 200, [30, 40]), polls=2, latency=120 * NANO).cost
    4.0
    """

    strategy: str
    trace: ContestTrace
    polls: int
    latency: int

    @property
    def scaled(self) -> int:
        """J · τ in whole nanoseconds, exactly."""
        return self.polls * round(self.trace.tau * NANO) + self.latency

    @property
    def cost(self) -> float:
        return self.scaled / NANO / self.trace.tau

    @property
    def polls_per_hour(self) -> float:
        return self.polls * 3600 * NANO / self.trace.horizon

    @property
    def mean_latency(self) -> float:
        """In seconds. An event that was not received by the horizon counts as received then."""
        return self.latency / NANO / max(len(self.trace.events), 1)


def simulate(trace: ContestTrace, next_delay: Callable[[Poll], object], strategy: str = "yours") -> Outcome:
    """Poll at 0 and then after each delay that `next_delay` returns, up to the half-open horizon.

    A poll returns all new events up to and including its instant, and takes no time. Raises StrategyError for a delay
    that is not a number of seconds >= 0.001, and for more than 50,000 polls.

    >>> door = ContestTrace.of("door", tau=60, horizon=200, events=[30, 40, 199])
    >>> simulate(door, lambda poll: 50).cost  # at 0, 50, 100 and 150; the events wait 20 s, 10 s and, unreceived, 1 s
    4.516666666666667
    """
    polls: list[int] = []
    at = received = 0
    while at < trace.horizon:
        if len(polls) == MOST_POLLS:
            text = "polled {polls} times by {at} s of {horizon} s, the most on one trace: return longer delays"
            seconds = {"at": f"{at / NANO:,.0f}", "horizon": f"{trace.horizon / NANO:,.0f}"}
            raise StrategyError(text, polls=f"{MOST_POLLS:,}", **seconds)
        polls.append(at)
        upto = bisect_right(trace.events, at, received)
        new = tuple(occurred / NANO for occurred in trace.events[received:upto])
        delay = min(checked_delay(next_delay(Poll(at / NANO, new))), trace.horizon / NANO)
        at, received = at + round(delay * NANO), upto
    return outcome(trace, polls, strategy)


def outcome(trace: ContestTrace, polls: Sequence[int], strategy: str) -> Outcome:
    """What polls at these instants cost; in whole nanoseconds and in order."""
    received = latency = 0
    for at in polls:
        upto = bisect_right(trace.events, at, received)
        latency += sum(at - occurred for occurred in trace.events[received:upto])
        received = upto
    latency += sum(trace.horizon - occurred for occurred in trace.events[received:])
    return Outcome(strategy, trace, len(polls), latency)
