"""Ten million subscribers that poll for a day, computed; against one of them, simulated."""

import math
from collections.abc import Iterator

from benchmarks.line import Line, cpu_seconds, traced, turns
from labkit import ModelLens, Polling, Scenario, VirtualLens, earthquakes

SUBSCRIBERS, INTERVAL, PHASES = 10_000_000, 30.0, 50


def subscribers(short: bool) -> Iterator[Line]:
    """The subscribers are spread evenly over phases that are 0.6 s apart; those of one phase poll together."""
    day = earthquakes(duration=3600 if short else 86_400)

    def computed() -> None:
        group, lens, period = Scenario(day, consumers=SUBSCRIBERS // PHASES), ModelLens(), INTERVAL + 2 * Scenario.delay
        for first in (phase * INTERVAL / PHASES for phase in range(PHASES)):
            requests = lens.run(group, Polling(INTERVAL, initial_delay=first)).row()["requests"]
            assert requests == group.consumers * math.ceil((day.duration - first) / period)

    def simulated() -> None:
        VirtualLens().run(Scenario(day), Polling(INTERVAL)).row()

    peer = "one subscriber by the virtual lens"
    what = f"a day of {SUBSCRIBERS:,} subscribers at {PHASES} phases, by the model lens"
    computed(), simulated()
    pairs = turns(lambda: cpu_seconds(computed), lambda: cpu_seconds(simulated), 1 if short else 3)
    yield Line(what, peer, "CPU-seconds", "less", pairs)
    yield Line("peak memory of the same", peer, "MB", "less", [(traced(computed)[1] / 1e6, traced(simulated)[1] / 1e6)])
