"""A scenario and some approaches, compared: each is run under a lens, and the results are set side by side."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from labkit.approaches import Approach
from labkit.arrivals import Arrivals
from labkit.lenses.real import faster, run_real
from labkit.lenses.virtual import run_virtual
from labkit.result import Result
from labkit.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from labkit.plots import Figure


MOST_POLLS = 5_000_000
"""Polls of one approach in one run: about half an hour of work, and 600 MB of rows."""


@dataclass(frozen=True)
class Comparison:
    """Several approaches over one scenario, side by side."""

    scenario: Scenario
    results: tuple[Result, ...]

    def __getitem__(self, number: int) -> Result:
        return self.results[number]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def rows(self) -> list[dict[str, Any]]:
        """The table's rows as plain values: what `--json` writes under `results`."""
        return [result.row() for result in self.results]

    def table(self) -> "pd.DataFrame":
        """One row an approach, named by its label; `latency` and `staleness` spread over columns, in seconds."""
        import pandas as pd

        rows = []
        for result, row in zip(self.results, self.rows(), strict=True):
            flat = {key: value for key, value in row.items() if not isinstance(value, dict)}
            spread = {f"{key}_{part}": row[key][part] for key in ("latency", "staleness") for part in row[key]}
            rows.append({"label": result.label, **flat, **spread})
        return pd.DataFrame(rows).set_index("label")

    def plot(self) -> "Figure":
        """Requests an hour against mean latency, a point an approach."""
        from labkit import plots

        title = self.scenario.title()
        return plots.frontier(self.table(), self.scenario.duration, self.scenario.delay, title=title)


def compare(
    what: Arrivals | Scenario,
    approaches: Sequence[Approach],
    *,
    delay: float | None = None,
    seed: int | None = None,
    lens: Literal["virtual", "real"] = "virtual",
    speed: float = 1.0,
    workers: int | None = None,
    done: Callable[[Result], None] | None = None,
) -> Comparison:
    """Run approaches over the same events, and set their results side by side.

    `what` is a Scenario, or arrivals, which are put in a scenario with `delay` (0.02 s; none in the real lens) and
    `seed` (0). `done` is told of each result as it comes. In the virtual lens, all cores are used, and equal arguments
    give equal rows, whatever the machine and the number of `workers`. The real lens runs one approach after another,
    in real time, or `speed` times as fast: then the results are in the seconds that passed.
    """
    if lens not in ("virtual", "real"):
        raise ValueError(f"lens must be 'virtual' or 'real', got {lens!r}")
    if not isinstance(what, Arrivals | Scenario):
        raise TypeError(f"compare takes arrivals or a Scenario, such as earthquakes(), got {what!r:.80}")
    if isinstance(what, Arrivals):
        usual = Scenario.delay if lens == "virtual" else 0.0
        what = Scenario(what, usual if delay is None else delay, seed or 0)
    elif delay is not None or seed is not None:
        raise ValueError("a Scenario brings its own delay and seed: set them there")
    _check(what, approaches, lens)
    if lens == "virtual" and speed != 1:
        raise ValueError(f"speed is for the real lens, and simulated time is as fast as it can be; got {speed:g}")
    if lens == "real":
        pairs = [faster(what, approach, speed) for approach in approaches] if speed != 1 else None
        jobs = pairs or [(what, approach) for approach in approaches]
        what = jobs[0][0]
    else:
        jobs = [(what, approach) for approach in approaches]
    run, workers = (run_virtual, workers) if lens == "virtual" else (run_real, 1)
    results: dict[int, Result] = {}
    try:
        for number, result in _run_all(run, jobs, workers):
            results[number] = result
            if done is not None:
                done(result)
    except KeyboardInterrupt:
        if not results:
            raise
    return Comparison(what, tuple(results[number] for number in sorted(results)))


def sweep(
    scenarios: Sequence[Scenario], approaches: Sequence[Approach], workers: int | None = None
) -> list[Comparison]:
    """Compare the same approaches in each of several scenarios: all runs side by side on all cores."""
    for scenario in scenarios:
        _check(scenario, approaches, "virtual")
    if not scenarios:
        return []
    jobs = [(scenario, approach) for scenario in scenarios for approach in approaches]
    results = dict(_run_all(run_virtual, jobs, workers))
    width = len(approaches)
    return [
        Comparison(scenario, tuple(results[number * width + place] for place in range(width)))
        for number, scenario in enumerate(scenarios)
    ]


def _check(scenario: Scenario, approaches: Sequence[Approach], lens: str) -> None:
    """Refuse what would fail or never end, before anything has run."""
    if isinstance(approaches, str) or not isinstance(approaches, Sequence):
        raise TypeError(f"approaches must be a list, such as [Polling(interval=60)], got {approaches!r:.80}")
    if not approaches:
        raise ValueError("one approach at least is needed, such as Polling(interval=60)")
    for approach in approaches:
        if not isinstance(approach, Approach):
            raise TypeError(f"an approach is made with its parameters, such as Webhook(), got {approach!r:.80}")
        if lens not in approach.lenses:
            raise ValueError(f"{approach.name} is for the {' or '.join(approach.lenses)} lens, got {lens!r}")
        polls = scenario.duration / approach.idle_interval
        if polls > MOST_POLLS:
            raise ValueError(
                f"{approach} would poll {polls:,.0f} times in {scenario.duration:g} s, and {MOST_POLLS:,} is the most:"
                " a longer interval, or a shorter duration"
            )


def _run_all(
    run: Callable[[Scenario, Approach], Result], jobs: Sequence[tuple[Scenario, Approach]], workers: int | None
) -> Iterator[tuple[int, Result]]:
    """Each job's number and result, as it comes."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be >= 1, got {workers}")
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers == 1:
        for number, job in enumerate(jobs):
            yield number, run(*job)
        return
    from concurrent.futures import as_completed

    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, initializer=_ignore_interrupt)
    try:
        futures = {pool.submit(run, *job): number for number, job in enumerate(jobs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _ignore_interrupt() -> None:
    """Ctrl-C goes to every process of a terminal; the parent decides what becomes of its workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
