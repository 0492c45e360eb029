"""A sweep on two processes against the same sweep on one."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

from benchmarks.line import Line, seconds, turns
from labkit import Polling, Scenario, poisson, sweep
from labkit.workers import OwnWorkers


def sweep_on_two_processes(short: bool) -> Iterator[Line]:
    """The start of the two processes is included."""
    repeats, duration = (2, 3600) if short else (100, 43_200)
    scenarios = [Scenario(poisson(per_hour=60, duration=duration))]
    approaches = [Polling(interval=120), Polling(interval=240)]

    def on(executor: Executor) -> float:
        with executor:
            return seconds(lambda: sweep(scenarios, approaches, repeats=repeats, executor=executor))

    pairs = turns(lambda: on(OwnWorkers(2)), lambda: on(ThreadPoolExecutor(1)), 1 if short else 2)
    yield Line(f"a sweep of {2 * repeats} runs on two processes", "the same on one", "s", "less", pairs)
