"""The model lens against the virtual lens, and against a SimPy program of the same scenario."""

from collections.abc import Iterator

import simpy_twin

from benchmarks.line import Line, cpu_seconds, seconds, turns
from labkit import ModelLens, Polling, Scenario, VirtualLens, compare, earthquakes, poisson
from labkit.cli.scenario import DEFAULT

DAY = 86_400.0
THIRTY = Polling(interval=30)


def model(short: bool) -> Iterator[Line]:
    hour, rounds = Scenario(poisson(per_hour=10, duration=3600)), 1 if short else 3
    ModelLens().run(hour, THIRTY).row()  # imports

    ten_days = hour if short else Scenario(poisson(per_hour=10, duration=10 * DAY))
    pairs = turns(
        lambda: cpu_seconds(lambda: ModelLens().run(ten_days, THIRTY).row()),
        lambda: cpu_seconds(lambda: VirtualLens().run(ten_days, THIRTY).row()),
        rounds,
    )
    yield Line("ten days polled every 30 s, model lens", "the virtual lens", "CPU-seconds", "less", pairs)

    week = Scenario(earthquakes(duration=3600 if short else 7 * DAY))
    rows = {}

    def table(lens: str) -> float:
        return seconds(
            lambda: rows.update({lens: [each | {"lens": ""} for each in compare(week, DEFAULT, lens=lens).rows()]})
        )

    tables = turns(lambda: table("model"), lambda: table("virtual"), 1)
    assert rows["model"] == rows["virtual"]
    yield Line("the default comparison, model lens", "the virtual lens, on all cores", "s", "less", tables)

    for what, days, interval in (("a year polled every 30 s", 365, 30), ("ten days polled every second", 10, 1)):
        hourly = Scenario(poisson(per_hour=1, duration=3600 if short else days * DAY))
        yield against_simpy(f"{what}, model lens", hourly, interval, rounds)
    many = Scenario(poisson(per_hour=10, duration=3600), consumers=10 if short else 10_000)
    yield against_simpy(f"an hour of {many.consumers:,} subscribers, polled every 30 s, model lens", many, 30, 1)


def against_simpy(what: str, scenario: Scenario, interval: float, rounds: int) -> Line:
    instants = [event.occurred_at for event in scenario.arrivals.events]

    def model() -> int:
        return ModelLens().run(scenario, Polling(interval)).row()["requests"]

    def simpy() -> int:
        every = (instants, scenario.duration, scenario.delay, interval)
        return sum(simpy_twin.polling(*every).requests for _ in range(scenario.consumers))

    polls = model()
    assert polls == simpy()
    rates = turns(lambda: polls / cpu_seconds(model), lambda: polls / cpu_seconds(simpy), rounds)
    return Line(what, "a SimPy program", "polls per CPU-second", "more", rates)
