"""The lowest cost that is possible, for somebody who knows the events beforehand."""

from collections import deque
from collections.abc import Sequence


def optimum(events: Sequence[int], horizon: int, tau: int) -> list[int]:
    """The instants of polls that minimise polls · τ + total latency. All times are whole nanoseconds.

    An optimal poll is at the instant of an event, and receives all events since the poll before. So the polls divide
    the ordered events into groups. Let least(j) be the least cost of the first j events if the last poll is at
    event j, and S(j) the sum of their instants:

        least(j) = min over i < j of  least(i) + τ + (j - i) · at(j) - (S(j) - S(i))

    The last group may be left without a poll, and then waits until the horizon. For each i the minimised term is a
    straight line in at(j) with slope -i, so the lower hull of the lines so far gives each minimum: n steps, not n².

    Events at 0, 10 and 100 s: one poll at 10 s for the first two saves a poll and costs 10 s. At τ = 5 s a poll for
    each event is cheaper.

    >>> optimum([0, 10, 100], horizon=200, tau=20), optimum([0, 10, 100], horizon=200, tau=5)
    ([10, 100], [0, 10, 100])
    >>> optimum([0, 10, 100], horizon=110, tau=20)
    [10]
    """
    count = len(events)
    sums, least, before = [0], [0], [0]
    base = [0]  # least(i) + S(i): where the line of i starts
    hull = deque([0])

    def above(left: int, middle: int, right: int) -> bool:
        """Whether the line with the middle slope is nowhere below both others."""
        return (base[middle] - base[left]) * (right - left) >= (base[right] - base[left]) * (middle - left)

    for j, at in enumerate(events, start=1):
        sums.append(sums[-1] + at)
        while len(hull) > 1 and base[hull[0]] - hull[0] * at >= base[hull[1]] - hull[1] * at:
            hull.popleft()
        i = hull[0]
        before.append(i)
        least.append(base[i] - i * at + tau + j * at - sums[j])
        base.append(least[j] + sums[j])
        while len(hull) > 1 and above(hull[-2], hull[-1], j):
            hull.pop()
        hull.append(j)
    j = min(range(count + 1), key=lambda i: least[i] + (count - i) * horizon - (sums[count] - sums[i]))
    polls = []
    while j > 0:
        polls.append(events[j - 1])
        j = before[j]
    return polls[::-1]
