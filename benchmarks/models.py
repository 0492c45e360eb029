"""The model lens against the virtual lens, and against a SimPy program of the same scenario."""

from collections.abc import Iterator

import simpy_twin

from benchmarks.line import Line, seconds, turns
from labkit import ModelLens, Polling, Scenario, VirtualLens, compare, earthquakes, poisson
from labkit.cli.scenario import DEFAULT

DAY = 86_400.0
THIRTY = Polling(interval=30)


def model(short: bool) -> Iterator[Line]:
    hour, rounds = Scenario(poisson(per_hour=10, duration=3600)), 1 if short else 3
    ModelLens().run(hour, THIRTY).row()  # imports

    ten_days = hour if short else Scenario(poisson(per_hour=10, duration=10 * DAY))
    pairs = turns(
        lambda: seconds(lambda: ModelLens().run(ten_days, THIRTY).row()),
        lambda: seconds(lambda: VirtualLens().run(ten_days, THIRTY).row()),
        rounds,
    )
    yield Line("ten days polled every 30 s, model lens", "the virtual lens", "s", "less", pairs)

    week = Scenario(earthquakes(duration=3600 if short else 7 * DAY))
    tables = turns(
        lambda: seconds(lambda: compare(week, DEFAULT, lens="model").rows()),
        lambda: seconds(lambda: compare(week, DEFAULT).rows()),
        1,
    )
    yield Line("the default comparison, model lens", "the virtual lens, on all cores", "s", "less", tables)

    year = hour if short else Scenario(poisson(per_hour=1, duration=365 * DAY))
    instants = [event.occurred_at for event in year.arrivals.events]
    polls = ModelLens().run(year, THIRTY).row()["requests"]
    assert polls == simpy_twin.polling(instants, year.duration, year.delay, 30).requests
    rates = turns(
        lambda: polls / seconds(lambda: ModelLens().run(year, THIRTY).row()),
        lambda: polls / seconds(lambda: simpy_twin.polling(instants, year.duration, year.delay, 30)),
        rounds,
    )
    yield Line("a year polled every 30 s, model lens", "a SimPy program", "polls per s", "more", rates)
