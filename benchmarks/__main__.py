"""`python -m benchmarks`: every benchmark, in one table."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import click

from benchmarks import (
    advice,
    commit,
    describe,
    endpoints,
    hostile,
    models,
    observer,
    outbox,
    streams,
    subscribers,
    sweeps,
    virtual,
)
from benchmarks.line import Line, NotMeasured, table
from labkit.cli.output import check_target, print_table, terminal, write_json
from labkit.progress import progress

Benchmark = Callable[[bool], Iterator[Line]]
"""Yields its lines; True asks for small sizes and few repeats."""

BENCHMARKS: dict[str, Benchmark] = {
    "exchanges": virtual.exchanges,
    "memory": virtual.memory,
    "start": virtual.start,
    "model": models.model,
    "subscribers": subscribers.subscribers,
    "describe": describe.describe,
    "advise": advice.advise,
    "sweep": sweeps.sweep_on_two_processes,
    "ledger": observer.ledger,
    "beside": observer.beside,
    "webhook": outbox.webhook,
    "syncs": outbox.syncs,
    "black_hole": endpoints.black_hole,
    "deliveries": endpoints.deliveries,
    "streams": streams.streams,
    "hostile": hostile.hostile,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", "names", multiple=True, type=click.Choice([*BENCHMARKS]), help="Repeatable. [default: all]")
@click.option(
    "--short", is_flag=True, help="Small sizes and few repeats, to show that all run. Do not quote its figures."
)
@click.option("--against", metavar="COMMIT", help="Also time runs of the virtual lens against those of a commit.")
@click.option("--json", "json_path", metavar="PATH|-", help="Write the lines as JSON; - is standard output.")
def bench(names: Sequence[str], short: bool, against: str | None, json_path: str | None) -> None:
    """Measure speed and memory, each against a floor or a peer in the same run.

    A ratio is a figure divided by its peer's: the median of several rounds, and the lowest and highest of them.
    """
    check_target("--json", json_path)
    chosen = {name: BENCHMARKS[name] for name in names or BENCHMARKS}
    if against:
        chosen["commit"] = commit.against(against)
    records: list[dict[str, Any]] = []
    with suppress(KeyboardInterrupt), progress("benchmarks", len(chosen)) as advance:  # Ctrl-C keeps what is there
        for name, benchmark in chosen.items():
            try:
                for line in benchmark(short):
                    records.append({"benchmark": name, **line.record()})
            except NotMeasured as missing:
                records.append({"benchmark": name, "reason": str(missing)})
            advance()
    if json_path is not None:
        write_json({"short": short, "cores": os.cpu_count(), "lines": records}, json_path)
    if json_path != "-":
        print_table(table(records), terminal(), wide=True)


if __name__ == "__main__":
    bench(obj=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]))
