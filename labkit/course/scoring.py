"""One trace played, and what it cost."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.clock import NANO
from labkit.course.strategy_process import Fault, Poll, seconds
from labkit.course.traces import Trace

MOST_POLLS = 50_000
"""Polls on one trace: one every 12 s for a week."""


@dataclass(frozen=True)
class Outcome:
    """What one player's polls cost on one trace: J = polls + total latency / τ. Latency is in nanoseconds.

    Two polls, and events that waited 30 and 90 s in all, at τ = 60 s: 2 + 120 / 60 = 4.

    >>> Outcome("fixed", Trace.of("door", 60, 200, [30, 40]), polls=2, latency=120 * NANO).cost
    4.0
    """

    player: str
    trace: Trace
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
        """In seconds; an event that was not received by the horizon has waited until then."""
        return self.latency / NANO / max(len(self.trace.events), 1)


def play(trace: Trace, ask: Callable[[Poll], object], player: str = "yours") -> Outcome:
    """Poll at 0, and then whenever `ask`, told of each poll as it is made, says; up to the half-open horizon.

    A poll brings every event up to and at its instant, and takes no time. Raises ValueError for a delay that is no
    number of seconds >= 0.001, and for more than 50,000 polls.

    >>> door = Trace.of("door", tau=60, horizon=200, events=[30, 40, 199])
    >>> play(door, lambda poll: 50).cost  # at 0, 50, 100 and 150; the events wait 20, 10 and, unheard, 1 s
    4.516666666666667
    """
    polls: list[int] = []
    at = received = 0
    while at < trace.horizon:
        if len(polls) == MOST_POLLS:
            raise Fault(
                "polled {polls} times by {at} s of {horizon} s, the most on one trace: return longer delays",
                polls=f"{MOST_POLLS:,}",
                at=f"{at / NANO:,.0f}",
                horizon=f"{trace.horizon / NANO:,.0f}",
            )
        polls.append(at)
        upto = bisect_right(trace.events, at, received)
        fresh = tuple(occurred / NANO for occurred in trace.events[received:upto])
        delay = min(seconds(ask(Poll(at / NANO, fresh))), trace.horizon / NANO)
        at, received = at + round(delay * NANO), upto
    return outcome(trace, polls, player)


def outcome(trace: Trace, polls: Sequence[int], player: str) -> Outcome:
    """What polls at these instants cost, in whole nanoseconds and in order."""
    received = latency = 0
    for at in polls:
        upto = bisect_right(trace.events, at, received)
        latency += sum(at - occurred for occurred in trace.events[received:upto])
        received = upto
    latency += sum(trace.horizon - occurred for occurred in trace.events[received:])
    return Outcome(player, trace, len(polls), latency)
