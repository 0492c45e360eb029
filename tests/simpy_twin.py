"""The same scenarios as an independent SimPy program: it shares no line with labkit, and knows no HTTP.

Time is whole nanoseconds. It gives when each request was sent and how many events each brought, drain included, and
when each event was received.
"""

from bisect import bisect_right
from dataclasses import dataclass

import simpy


@dataclass(frozen=True)
class Outcome:
    duration: int
    occurred: list[int]
    received: list[int]
    sent: list[int]
    found: list[int]

    @property
    def requests(self):
        """Those sent before the horizon."""
        return sum(at < self.duration for at in self.sent)

    @property
    def empty(self):
        return sum(found == 0 for found in self.found[: self.requests])

    @property
    def latencies(self):
        """In seconds, in order of occurrence."""
        return [(b - a) / 1e9 for a, b in zip(self.occurred, self.received, strict=True)]


def nano(seconds):
    return round(seconds * 1e9)


def polling(occurred, duration, delay, interval, fixed="delay", initial_delay=0.0, limit=100):
    """One poller, who goes on after the horizon until it holds everything."""
    env, transit, horizon = simpy.Environment(), nano(delay), nano(duration)
    events, received, sent, found = [nano(at) for at in occurred], [], [], []

    def poll():
        more = True
        while more:
            sent.append(env.now)
            yield env.timeout(transit)
            visible = bisect_right(events, env.now)  # an event of this very instant is there
            page = min(limit, visible - len(received))
            more = len(received) + page < visible
            yield env.timeout(transit)
            received.extend([env.now] * page)
            found.append(page)

    def poller():
        yield env.timeout(nano(initial_delay))
        number = 0
        while env.now < horizon or len(received) < len(events):
            yield env.process(poll())
            if fixed == "delay":
                yield env.timeout(nano(interval))
            else:
                number += 1
                while nano(initial_delay + number * interval) < env.now:
                    number += 1
                yield env.timeout(nano(initial_delay + number * interval) - env.now)

    env.process(poller())
    env.run()
    return Outcome(horizon, events, received, sent, found)


def webhook(occurred, duration, delay):
    """One POST an event, at once."""
    env, transit = simpy.Environment(), nano(delay)
    events, received, sent = [nano(at) for at in occurred], [], []

    def post(at):
        yield env.timeout(at)
        sent.append(env.now)
        yield env.timeout(transit)
        received.append(env.now)

    for at in events:
        env.process(post(at))
    env.run()
    return Outcome(nano(duration), events, received, sent, [1] * len(sent))
