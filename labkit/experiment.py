"""A scenario and some approaches, run: the one place where the parts are put together."""

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.approaches import Approach, Consumer
from labkit.arrivals import Arrivals
from labkit.clock import VirtualClock
from labkit.event import Event, timestamp
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork
from labkit.result import Result
from labkit.scenario import Scenario
from labkit.source import EventSource

if TYPE_CHECKING:
    import pandas as pd

    from labkit.plots import Figure


LONGEST_DRAIN = 7 * 86_400.0
"""Seconds after which a run that does not come to rest is ended: twice as long as any retry schedule."""


def run_virtual(scenario: Scenario, approach: Approach) -> Result:
    """Run one approach in simulated time: set-up before t = 0, events up to the horizon, then on until all rests."""
    ledger = Ledger()
    clock = VirtualClock(start=-1 - 20 * scenario.delay, epoch=scenario.arrivals.epoch)
    network = MemoryNetwork(clock, ledger, scenario.delay)
    source = EventSource(clock, network, random.Random(scenario.seed))
    source.app.config["PROPAGATE_EXCEPTIONS"] = True  # a bug in a view comes out of the run
    with closing(source.store), clock:
        names = [f"consumer-{number}" for number in range(1, scenario.consumers + 1)]
        consumers = [Consumer(name, source.url, clock, network, ledger) for name in names]
        for consumer in consumers:
            ledger.consumer(consumer.name)
            clock.spawn(approach.subscribe, consumer)
        clock.run(until=0)
        if ledger.in_flight:
            raise RuntimeError(f"set-up of {approach} was not done by t = 0")
        clock.spawn(emit_all, source, scenario.arrivals.events, ledger, urgent=True)
        for consumer in consumers:
            clock.spawn(approach.run, consumer)
        clock.run(until=scenario.duration)
        clock.run(until=scenario.duration + LONGEST_DRAIN, done=_rest(ledger, source))
    return Result(scenario, approach, "virtual", ledger)


def emit_all(source: EventSource, events: Iterable[Event], ledger: Ledger) -> None:
    """The emitter: each event enters the source's store at its moment, with no exchange and no delay."""
    clock = source.clock
    for event in events:
        clock.sleep_until(event.occurred_at)
        ledger.happened(event.id, event.occurred_at)
        source.emit(event.type, event.data, event.id, timestamp(clock.epoch + event.occurred_at))


def _rest(ledger: Ledger, source: EventSource) -> Callable[[], bool]:
    """What it is to be at rest, told at the horizon.

    The exchanges sent before it are answered, no delivery is pending, and each consumer holds every event, or has
    polled since and found nothing: whatever it still lacks then is lost.
    """
    horizon = len(ledger.status)
    pollers = {sender for sender, kind in zip(ledger.sender, ledger.kind, strict=True) if kind == "poll"}
    satisfied: set[str] = set()
    seen = horizon

    def at_rest() -> bool:
        nonlocal seen
        if source.pending or (ledger.in_flight and min(ledger.in_flight) < horizon):
            return False
        if ledger.complete():
            return True
        while seen < len(ledger.status) and seen not in ledger.in_flight:
            if ledger.kind[seen] == "poll":
                pollers.add(ledger.sender[seen])
            found_nothing = (
                ledger.kind[seen] == "poll" and ledger.status[seen] in (200, 304) and not ledger.new_events[seen]
            )
            if found_nothing:
                satisfied.add(ledger.sender[seen])
            seen += 1
        return bool(pollers) and satisfied >= pollers

    return at_rest


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

        return plots.frontier(self.table(), self.scenario.duration, self.scenario.delay)


def compare(
    what: Arrivals | Scenario,
    approaches: Sequence[Approach],
    *,
    delay: float | None = None,
    seed: int | None = None,
    lens: str = "virtual",
    workers: int | None = None,
    done: Callable[[Result], None] | None = None,
) -> Comparison:
    """Run approaches over the same events, side by side on all cores, and set their results side by side.

    `what` is a Scenario, or arrivals, which are put in a scenario with `delay` (0.02 s) and `seed` (0). `done` is told
    of each result as it comes. Equal arguments give equal rows, whatever the machine and the number of `workers`.
    """
    if isinstance(what, Arrivals):
        given = {name: value for name, value in (("delay", delay), ("seed", seed)) if value is not None}
        what = Scenario(what, **given)  # type: ignore[arg-type]
    elif delay is not None or seed is not None:
        raise ValueError("a Scenario brings its own delay and seed: set them there")
    if lens != "virtual":
        raise ValueError(f"lens must be 'virtual', got {lens!r}")
    if not approaches:
        raise ValueError("compare needs one approach at least, such as Polling(interval=60)")
    results: dict[int, Result] = {}
    try:
        for number, result in _run_all([(what, approach) for approach in approaches], workers):
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
    jobs = [(scenario, approach) for scenario in scenarios for approach in approaches]
    results = dict(_run_all(jobs, workers))
    width = len(approaches)
    return [
        Comparison(scenario, tuple(results[number * width + place] for place in range(width)))
        for number, scenario in enumerate(scenarios)
    ]


def _run_all(jobs: Sequence[tuple[Scenario, Approach]], workers: int | None) -> Iterator[tuple[int, Result]]:
    """Each job's number and result, as it comes."""
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers == 1:
        for number, job in enumerate(jobs):
            yield number, run_virtual(*job)
        return
    from concurrent.futures import as_completed

    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, initializer=_ignore_interrupt)
    try:
        futures = {pool.submit(run_virtual, *job): number for number, job in enumerate(jobs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _ignore_interrupt() -> None:
    """Ctrl-C goes to every process of a terminal; the parent decides what becomes of its workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
