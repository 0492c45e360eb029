"""`labkit sweep`: approaches over many scenarios, repeated, on this machine's cores or on a cluster."""

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.checks import number
from labkit.cli.named import parse_all
from labkit.cli.output import check_target, command, print_table, terminal, write_json
from labkit.cli.report import Section, assumptions, check_report, report_option, write_report
from labkit.cli.scenario import approaches_of, arrivals_of, lens_of, scenario_of, scenario_options
from labkit.cli.table import COLUMNS, reading, table_of_sweep
from labkit.experiment import sweep
from labkit.faults import FAULTS
from labkit.lenses import Lens
from labkit.plots.means import swept
from labkit.scenario import Scenario
from labkit.tidy import confidence_intervals
from labkit.workers import OwnWorkers

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

Values = tuple[float, ...] | None

CONNECT_SECONDS = 10
"""How long a Dask scheduler may take to answer."""


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers joined by commas: `12,60,360`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            return tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(f"it must be numbers joined by commas, such as 12,60,360, got {value!r}", param, ctx)


@click.command("sweep")
@scenario_options(Numbers(), ",…")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True,
              help="Runs of each approach in each scenario; repeat r adds r to the seed.")  # fmt: skip
@click.option("--out", metavar="FILE.jsonl",
              help="Append each row as it comes; the same command goes on from it after a crash.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), metavar="N",
              help="Processes of this machine. [default: one per core]")  # fmt: skip
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster with this scheduler: tcp://HOST:8786.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Of the confidence intervals.")
@click.option("--json", "json_path", metavar="PATH|-", help="Write scenarios and rows as JSON; - is standard output.")
@click.option("--csv", "csv_folder", metavar="DIR", help="Write the rows, and means with intervals, as CSV.")
@report_option
def sweep_command(lens: str, speed: float, chosen: tuple[str, ...], faults: tuple[str, ...], repeats: int,
                  out: str | None, workers: int | None, dask: str | None, level: float, json_path: str | None,
                  csv_folder: str | None, report_path: str | None, **world: Any) -> None:  # fmt: skip
    """Run approaches in every combination of the given values, and show means with confidence intervals.

    \b
    labkit sweep --trace poisson --rate 12,60,360 --approach polling:interval=10+60+300 --approach webhook
                 --repeats 20 --out sweep.jsonl

    Rates and delays are joined by commas, the values of an approach's or a fault's parameter by `+`.
    """
    number("--level", level, above=0, below=1)
    check_target("--out", out)
    check_target("--json", json_path)
    check_target("--csv", csv_folder, folder=True)
    check_report(report_path)
    made, approaches = lens_of(lens, speed), approaches_of(chosen, lens)
    scenarios = _scenarios(made, faults, **world)
    rows, total, problem, status = list[dict[str, Any]](), len(scenarios) * len(approaches) * repeats, "", 0
    try:
        with _executor(workers, dask, made) as executor:
            sweep(scenarios, approaches, repeats=repeats, lens=made, executor=executor, out=out, done=rows.append)
    except (KeyboardInterrupt, BrokenExecutor) as ended:
        interrupted = isinstance(ended, KeyboardInterrupt)
        again = f"the same command goes on from {out}" if out else "with --out FILE they would have been kept"
        reason = "Interrupted" if interrupted else f"The workers' pool broke ({type(ended).__name__}: {ended})"
        problem, status = f"{reason}: {len(rows)} of {total} runs were finished; {again}.", 130 if interrupted else 1
    place = {approach.label: number for number, approach in enumerate(approaches)}
    rows.sort(key=lambda row: (row["scenario"], place[row["label"]], row["repeat"]))
    failed = [row for row in rows if row["error"]]
    status = status or bool(failed)
    about = {"scenarios": [each.record() for each in scenarios], "lens": lens,
             "repeats": repeats, "level": level, "seed": world["seed"]}  # fmt: skip
    title = f"{len(scenarios)} scenarios, {repeats} repeats, {lens} lens; mean ± the {level:.0%} confidence interval"
    table, means = _show(rows, title, json_path, csv_folder, about)
    problems = [f"{row['label']}, scenario {row['scenario']}, repeat {row['repeat']} failed: {row['error']}"
                for row in failed[:10]]  # fmt: skip
    problems += filter(None, (f"{len(failed)} of {total} runs failed." if failed else "", problem))
    console = terminal(stderr=True)
    for line in problems:
        console.print(line, soft_wrap=True)
    if report_path is not None:
        said = problems or [f"All {total} runs finished."]
        explained = [Section("How to read the table", reading(table))] if table else []
        assumed = assumptions(scenarios, approaches, lens, speed)
        figure = swept(means, approaches) if table else None
        sections = [Section("Results", said, table, figure), *explained, assumed]
        write_report(report_path, title, sections, terminal(stderr=json_path == "-"), world["seed"])
    if status:
        raise SystemExit(int(status))


def _scenarios(lens: Lens, faults: tuple[str, ...], rate: Values, delay: Values, **world: Any) -> list[Scenario]:
    """Every combination of a rate, a delay, and one of each fault's variants."""
    variants = product(*(parse_all("--fault", text, FAULTS) for text in faults))
    world["arrivals"] = cache(arrivals_of)  # standard input can be read once
    combinations = product(rate or [None], delay or [None], variants)
    return [scenario_of(lens, rate=rate, delay=delay, faults=breaks, **world) for rate, delay, breaks in combinations]


def _show(
    rows: list[dict[str, Any]], title: str, json_path: str | None, csv_folder: str | None, about: dict[str, Any]
) -> "tuple[Table | None, pd.DataFrame]":
    """Write and print the rows; returns the table of their means, if there is any, and the means."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    figures = [column.key for column in COLUMNS if column.key in frame]
    means = confidence_intervals(frame, *figures, level=about["level"]) if figures else pd.DataFrame()
    if json_path is not None:
        write_json(about | {"results": rows, "intervals": _plain(means)}, json_path)
    if csv_folder is not None:
        Path(csv_folder).mkdir(parents=True, exist_ok=True)
        frame.to_csv(Path(csv_folder, "runs.csv"), index=False, lineterminator="\n")
        means.to_csv(Path(csv_folder, "intervals.csv"), index=False, lineterminator="\n")
    table = table_of_sweep(means) if figures else None
    if json_path != "-" and table:
        console = terminal()
        console.print(title, style="bold", soft_wrap=True)
        print_table(table, console)
        console.print("All figures: --json, --csv.", style="dim")
        console.print(f"Seed {about['seed']}. The same again: {command()}", style="dim", soft_wrap=True)
    return table, means


def _plain(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """A frame's rows as plain values, None for NaN."""
    rows = frame.to_dict("records")
    return [{str(name): None if value != value else value for name, value in row.items()} for row in rows]


@contextmanager
def _executor(workers: int | None, dask: str | None, lens: Lens) -> Iterator[Executor | None]:
    if workers and dask:
        raise click.UsageError(f"--workers {workers} is for this machine: leave it out with --dask {dask}")
    given = f"--workers {workers}" if workers else f"--dask {dask}"
    if (workers or dask) and not lens.parallel:  # before it waits for the scheduler
        raise click.UsageError(f"the {lens.name} lens runs its approaches one after another: leave {given} out")
    if workers:
        with OwnWorkers(workers) as pool:
            yield pool
    elif dask:
        try:
            from distributed import Client
        except ImportError:
            raise click.UsageError(f"--dask {dask}: Dask is missing; run pip install 'webhook-lab[dask]'") from None
        with Client(dask, timeout=CONNECT_SECONDS) as client:
            yield client.get_executor()
    else:
        yield None
