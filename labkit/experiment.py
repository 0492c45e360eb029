"""Compare approaches in a scenario: each is run under a lens, in parallel if the lens allows it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.approaches import Approach
from labkit.arrivals import Arrivals
from labkit.checks import whole
from labkit.lenses import LENSES, Lens
from labkit.progress import progress
from labkit.result import Machine, Result
from labkit.scenario import Scenario
from labkit.sweep_file import SweepFile, identity
from labkit.tidy import run_names
from labkit.workers import OwnWorkers, finished

if TYPE_CHECKING:
    import pandas as pd

    from labkit.plots import Figure

Job = tuple[Scenario, Approach]
FEW_EXCHANGES = 5000
"""Below this, a comparison runs in this process: starting workers would take longer."""


@dataclass(frozen=True)
class Comparison:
    """Several approaches in one scenario, side by side."""

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
        """One row per approach, named by its label; `latency` and `staleness` spread over columns, in seconds."""
        import pandas as pd

        rows = [{"label": result.label, **flat(result.row())} for result in self.results]
        return pd.DataFrame(rows).set_index("label")

    def plot(self) -> "Figure":
        """Requests per hour against mean latency, one point per approach."""
        from labkit import plots

        return plots.frontier(self)


class RunError(RuntimeError):
    """Some runs failed. `failures` and `results` map each job's place, from 0, to its failure or its result."""

    def __init__(self, failures: Mapping[int, tuple[Job, BaseException]], results: Mapping[int, Result]) -> None:
        (scenario, approach), error = failures[min(failures)]
        others = f"; {len(failures) - 1} more failed" if len(failures) > 1 else ""
        failed = f"{approach.label} in {scenario.title()} failed: {type(error).__name__}: {error}{others}"
        super().__init__(f"{failed}; {len(results)} finished: they are in the error's `results`")
        self.failures, self.results = dict(sorted(failures.items())), dict(sorted(results.items()))


def compare(
    what: Arrivals | Scenario,
    approaches: Sequence[Approach],
    *,
    delay: float | None = None,
    seed: int | None = None,
    lens: str | Lens = "virtual",
    executor: Executor | None = None,
    frames: bool = True,
    done: Callable[[Result], None] | None = None,
) -> Comparison:
    """Run approaches over the same events, and compare their results.

    `what` is a Scenario, or arrivals, which are put in a scenario with `delay` seconds each way (default 0.02 s; 0 in
    the real lens) and `seed` (0). `lens` is "virtual", "real", "model", or a lens with options, such as
    `RealLens(speed=60)`. Runs in the virtual lens go in parallel in the workers of `executor`, any
    `concurrent.futures.Executor`; without one, on all cores. Equal arguments give equal rows with any executor. With
    `frames=False` workers send back rows alone, which are much smaller. `done` is called with each result as it
    arrives.

    Raises RunError if a run of several fails, once the others have finished; the only run raises its own exception.
    """
    lens = _lens(lens)
    if not isinstance(what, Arrivals | Scenario):
        raise TypeError(f"compare takes arrivals or a Scenario, such as earthquakes(), got {what!r:.80}")
    if isinstance(what, Arrivals):
        what = Scenario(what, lens.delay if delay is None else delay, seed or 0)
    elif delay is not None or seed is not None:
        raise ValueError("a Scenario has its own delay and seed: set them there")
    _check(lens, [what], approaches, executor)
    jobs = [(what, approach) for approach in approaches]
    results: dict[int, Result] = {}
    failures: dict[int, tuple[Job, BaseException]] = {}
    for number, result in run_all(lens, jobs, executor, frames):
        if isinstance(result, Result):
            results[number] = result
            if done is not None:
                done(result)
        else:
            failures[number] = jobs[number], result
    if failures:
        first = failures[min(failures)][1]
        if len(jobs) == 1:
            raise first
        raise RunError(failures, results) from first
    ordered = tuple(results[number] for number in range(len(jobs)))
    return Comparison(ordered[0].scenario, ordered)


def sweep(
    scenarios: Sequence[Scenario],
    approaches: Sequence[Approach],
    *,
    repeats: int = 1,
    lens: str | Lens = "virtual",
    executor: Executor | None = None,
    out: str | Path | None = None,
    done: Callable[[dict[str, Any]], None] | None = None,
) -> "pd.DataFrame":
    """Every approach in every scenario, `repeats` times: a tidy frame, ordered by scenario, approach and repeat.

    The columns `scenario` (its place, from 0), `label` and `repeat` (from 0) name a run. What differs between the
    scenarios, and between the approaches, has a column too, such as `delay`, `per_hour` and `interval`. The others are
    those of `Comparison.table()`. Repeat r adds r to the seeds of the scenario, of its arrivals unless they were
    recorded, and of the approach. A run that fails has its message in `error`, which is "" elsewhere, and no figures.

    Equal arguments give equal rows with any executor, such as Dask's `client.get_executor()`. Each row is appended to
    the file `out` as its run finishes, and a sweep with the same file goes on from it: with 5 repeats in the file, 20
    repeats run 15. `done` is called with each row, those of the file first. A terminal shows a progress bar.

    Raises ValueError if `out` is the file of another sweep, OSError while another driver has it, and BrokenExecutor if
    the workers' pool broke. A run that was lost with its worker is not in the file, and has the reason in `error`.
    """
    import pandas as pd

    lens = _lens(lens)
    whole("repeats", repeats, 1)
    _check(lens, scenarios, approaches, executor)
    names = run_names(scenarios, approaches)
    runs = [(*where, repeat) for where in names for repeat in range(repeats)]
    wanted, rows = set(runs), dict[tuple[int, str, int], dict[str, Any]]()

    def run_of(row: dict[str, Any]) -> tuple[int, str, int]:
        return row["scenario"], row["label"], row["repeat"]

    def add(row: dict[str, Any]) -> None:
        rows[run_of(row)] = row
        if done is not None:
            done(row)

    with ExitStack() as stack:
        file = stack.enter_context(closing(SweepFile(out, identity(lens, scenarios, approaches)))) if out else None
        for row in file.rows if file else ():
            if run_of(row) in wanted and run_of(row) not in rows:  # two copies of a file may have been joined
                add(row)
        labelled = {approach.label: approach for approach in approaches}
        left = [run for run in runs if run not in rows]
        advance = stack.enter_context(progress("runs", len(runs), len(rows)))
        jobs = [(scenarios[number], labelled[label]) for number, label, _ in left]
        workers = stack.enter_context(_workers(lens, jobs, executor))
        repeated = ((lens, *job, repeat) for job, (_, _, repeat) in zip(jobs, left, strict=True))
        for number, future in finished(_repeat, repeated, workers):
            scenario, label, repeat = left[number]
            named = {**names[scenario, label], "repeat": repeat}
            try:
                row = named | future.result()
                if file:
                    file.append(row)
            except BrokenExecutor:
                raise
            except Exception as lost:
                row = named | _failure(lost)
            add(row)
            advance()
    return pd.DataFrame([rows[run] for run in runs])


def _repeat(lens: Lens, scenario: Scenario, approach: Approach, repeat: int) -> dict[str, Any]:
    """A worker's part of a row: its figures, or why it failed."""
    try:
        return {"error": "", **flat(_run(lens, scenario.repeated(repeat), approach.repeated(repeat)).row())}
    except Exception as error:
        return _failure(error)


def _failure(error: BaseException) -> dict[str, Any]:
    return {"error": f"{type(error).__name__}: {error}"}


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with `latency` and `staleness` spread over columns.

    >>> flat({"params": {"interval": 60}, "lost": 0, "staleness": {"mean": 1.6}})
    {'lost': 0, 'staleness_mean': 1.6}
    """
    single = {key: value for key, value in row.items() if not isinstance(value, dict)}
    spread = {f"{key}_{part}": row[key][part] for key in ("latency", "staleness") for part in row.get(key, ())}
    return single | spread


def _lens(lens: str | Lens) -> Lens:
    if isinstance(lens, str) and lens in LENSES:
        return LENSES[lens]()
    if isinstance(lens, str | type) or not isinstance(lens, Lens):
        known = " or ".join(map(repr, LENSES))
        members = "name, delay, parallel, check and run, such as RealLens(speed=60)"
        raise ValueError(f"lens must be {known}, or an object with {members}, got {lens!r:.80}")
    return lens


def _check(
    lens: Lens, scenarios: Sequence[Scenario], approaches: Sequence[Approach], executor: Executor | None
) -> None:
    """Refuse what would fail or never end, before any run starts."""
    if not isinstance(scenarios, Sequence) or not all(isinstance(each, Scenario) for each in scenarios):
        raise TypeError(f"scenarios must be a list, such as [Scenario(earthquakes())], got {scenarios!r:.80}")
    if not isinstance(approaches, Sequence) or not all(isinstance(each, Approach) for each in approaches):
        raise TypeError(f"approaches must be a list of objects, such as [Webhook()], got {approaches!r:.80}")
    if not approaches:
        raise ValueError("at least one approach is needed, such as Polling(interval=60)")
    if executor is not None and not lens.parallel:
        raise ValueError(f"the {lens.name} lens runs its approaches one after another: leave the executor out")
    if not isinstance(executor, Executor | None):
        raise TypeError(f"executor must be an Executor, such as ThreadPoolExecutor(2), got {executor!r:.80}")
    for scenario, approach in product(scenarios, approaches):
        lens.check(scenario, approach)


def run_all(
    lens: Lens, jobs: Sequence[Job], executor: Executor | None, frames: bool
) -> Iterator[tuple[int, Result | BaseException]]:
    """Each job's number with its result or its exception, as the job finishes."""
    with _workers(lens, jobs, executor) as workers:
        if workers is None:
            for number, here in finished(_run, [(lens, *job) for job in jobs], None):
                yield number, here.exception() or here.result()
            return
        for number, there in finished(partial(_work, frames=frames), [(lens, *job) for job in jobs], workers):
            if failure := there.exception():
                yield number, failure
            else:
                row, brought, machine = there.result()
                yield number, Result(*jobs[number], lens.name, brought, machine, row)


@contextmanager
def _workers(lens: Lens, jobs: Sequence[Job], executor: Executor | None) -> Iterator[Executor | None]:
    """The given executor, or one process per core; None where the jobs had better run in this process."""
    if executor is not None or not lens.parallel or len(jobs) < 2 or _exchanges(jobs) < FEW_EXCHANGES:
        yield executor
    else:
        with OwnWorkers(min(os.cpu_count() or 1, len(jobs))) as workers:
            yield workers


def _run(lens: Lens, scenario: Scenario, approach: Approach) -> Result:
    result = lens.run(scenario, approach)
    if not isinstance(result, Result):
        raise TypeError(f"run of the {lens.name} lens must return a labkit.Result, got {result!r:.80}")
    return result


def _work(
    lens: Lens, scenario: Scenario, approach: Approach, frames: bool
) -> "tuple[dict[str, Any], tuple[pd.DataFrame, pd.DataFrame] | None, Machine | None]":
    """What a worker sends back of a run: its row, its frames if wanted, and what the machine did."""
    result = _run(lens, scenario, approach)
    return result.row(), result.frames if frames else None, result.machine


def _exchanges(jobs: Sequence[Job]) -> float:
    """About how many exchanges the jobs have."""
    return sum(each.duration / approach.idle_interval + len(each.arrivals.events) for each, approach in jobs)
