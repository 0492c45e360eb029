"""`labkit compare`: approaches over the same events, side by side."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from labkit import arrivals, trace
from labkit.approaches import APPROACHES, Approach, Polling, Webhook
from labkit.arrivals import Arrivals
from labkit.cli.named import parse_named
from labkit.cli.output import check_format, check_target, print_table, write_json
from labkit.cli.rate_limit import rate_limit_of, source_options
from labkit.cli.table import print_machines, table_of
from labkit.cli.terminal import terminal
from labkit.experiment import Comparison, RunError, compare
from labkit.faults import FAULTS
from labkit.lenses import LENSES, Lens
from labkit.result import Result
from labkit.scenario import Scenario

MADE = {
    "poisson": arrivals.poisson,
    "bursty": arrivals.bursty,
    "daily": arrivals.daily,
    "switching": arrivals.switching,
}
DEFAULT: tuple[Approach, ...] = (Polling(interval=10), Polling(interval=60), Polling(interval=300), Webhook())
PLOT = Path("out", "labkit-compare.png")


@click.command("compare")
@click.option(
    "--trace",
    "what",
    default="earthquakes",
    metavar="NAME|FILE.csv",
    show_default=True,
    help=f"The events: earthquakes, {', '.join(MADE)}, or a CSV file of your own with a column of instants.",
)
@click.option("--time-column", metavar="NAME", help="The column of instants in FILE.csv, if it is not found by itself.")
@click.option("--min-magnitude", type=float, metavar="M", help="Only events of magnitude M or more.")
@click.option("--rate", type=float, metavar="EVENTS_PER_HOUR", help="Mean rate of generated events. [default: 10]")
@click.option("--duration", type=float, metavar="SECONDS", help="Events end here. [default: a week, or FILE.csv's own]")
@click.option("--delay", type=float, metavar="SECONDS", help="Network delay, each way. [default: 0.02; real: none]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--lens",
    default="virtual",
    metavar="|".join(LENSES),
    show_default=True,
    help="Simulated time, or loopback sockets and the machine's own clock.",
)
@click.option("--speed", type=float, default=1.0, metavar="X", help="Real lens: divide every time by X.")
@click.option(
    "--approach",
    "chosen",
    multiple=True,
    metavar="NAME[:key=value,…]",
    help="Repeatable; `all` is every approach. [default: polling every 10, 60 and 300 s, and webhook; see labkit"
    " approaches]",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:key=value,…]",
    help=f"What breaks, such as outage:start=3600,duration=1200; repeatable: {', '.join(FAULTS)}.",
)
@source_options
@click.option("--wide", is_flag=True, help="Show all columns, however wide the terminal is.")
@click.option("--json", "json_path", metavar="PATH|-", help="Write scenario and results as JSON; - is standard output.")
@click.option("--csv", "csv_folder", metavar="DIR", help="Write the table, and every exchange and receipt, as CSV.")
@click.option(
    "--plot", "plot_path", metavar="PATH", help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]"
)
def compare_command(what: str, time_column: str | None, min_magnitude: float | None, rate: float | None,
                    duration: float | None, delay: float | None, seed: int, lens: str, speed: float,
                    chosen: tuple[str, ...], faults: tuple[str, ...], rate_limit: str, poll_interval: float, wide: bool,
                    json_path: str | None, csv_folder: str | None, plot_path: str | None) -> None:  # fmt: skip
    """Run approaches over the same events and show, side by side, what each costs and how late it is.

    Without options: a real week of earthquakes, 20 ms each way, polled every 10, 60 and 300 s, and notified by webhook.
    """
    to_stdout = json_path == "-"
    check_target("--json", None if to_stdout else json_path)
    check_target("--csv", csv_folder, folder=True)
    if plot_path is None and not to_stdout:
        plot_path = str(PLOT)
        check_target("--plot", str(PLOT.parent), folder=True)
    else:
        check_target("--plot", plot_path)
        check_format(plot_path)
    made = _lens(lens, speed)
    approaches = [approach for text in chosen for approach in _parsed(text, lens)] or DEFAULT
    arrivals = _arrivals(what, time_column, min_magnitude, rate, duration, seed)
    scenario = Scenario(
        arrivals,
        made.delay if delay is None else delay,
        seed,
        rate_limit=rate_limit_of(rate_limit, poll_interval),
        faults=tuple(parse_named("--fault", text, FAULTS) for text in faults),
    )
    comparison, problems, status = _compared(scenario, approaches, made, frames=csv_folder is not None)
    rows, console = comparison.rows(), terminal(stderr=to_stdout)
    for note in scenario.arrivals.notes:
        console.print(f"Note: {note}", highlight=False, markup=False)
    if json_path is not None:
        write_json(_document(comparison, rows, lens), json_path)
    if csv_folder is not None:
        _write_csv(comparison, Path(csv_folder))
    if not to_stdout:
        console.print(f"{comparison.scenario.title()}, {lens} lens", style="bold", highlight=False, markup=False)
        print_table(table_of([result.label for result in comparison], rows, wide), console, wide)
        print_machines(comparison, console)
        if not wide:
            console.print("More columns: --wide, --json, --csv.", style="dim", highlight=False)
    if plot_path:
        try:
            if plot_path == str(PLOT):
                PLOT.parent.mkdir(parents=True, exist_ok=True)
            comparison.plot().save(plot_path)
        except OSError as error:
            raise click.UsageError(f"--plot {plot_path}: {error.strerror}; use another path") from None
        console.print(f"Figure: {plot_path}", highlight=False, markup=False, soft_wrap=True)
    for problem in problems:
        console.print(problem, highlight=False, markup=False, soft_wrap=True)
    if status:
        raise SystemExit(status)


def _parsed(text: str, lens: str) -> list[Approach]:
    """The approach that `--approach` names; `all` is every approach that the lens can run, with its defaults."""
    if text == "all":
        return [approach() for approach in APPROACHES.values() if lens in approach.lenses]
    return [parse_named("--approach", text, APPROACHES)]


def _arrivals(what: str, time_column: str | None, min_magnitude: float | None, rate: float | None,
              duration: float | None, seed: int) -> Arrivals:  # fmt: skip
    """The arrivals that the options describe; an option that does not apply to them is an error."""
    from_file = what not in MADE and what != "earthquakes"
    if rate is not None and not 0 < rate < math.inf:
        raise click.UsageError(f"--rate must be > 0 events per hour, got {rate:g}")
    if rate is not None and what not in MADE:
        raise click.UsageError(f"--rate {rate:g}: a recorded trace has its own rate; --rate is for {', '.join(MADE)}")
    if min_magnitude is not None and what in MADE:
        raise click.UsageError(
            f"--min-magnitude {min_magnitude:g}: {what} events have no magnitude; use --trace earthquakes"
        )
    if time_column is not None and not from_file:
        raise click.UsageError(f"--time-column {time_column}: it is for --trace FILE.csv, not for {what}")
    length = {} if duration is None else {"duration": duration}
    if from_file:
        if not what or (not what.lower().endswith(".csv") and not Path(what).exists()):
            names = ", ".join(MADE)
            raise click.UsageError(f"--trace must be earthquakes, {names} or the path of a CSV file, got {what!r}")
        return trace.from_csv(what, time_column=time_column, min_magnitude=min_magnitude, **length)
    if what == "earthquakes":
        return trace.earthquakes(min_magnitude=min_magnitude, **length)
    rates = {} if rate is None else {"per_hour": rate}
    if what == "switching" and rate is not None:  # half the time quiet, half busy at 60 times the rate
        rates = {"quiet_per_hour": 2 * rate / 61, "busy_per_hour": 120 * rate / 61}
    made: Arrivals = MADE[what](seed=seed, **rates, **length)  # type: ignore[operator]
    return made


def _lens(name: str, speed: float) -> Lens:
    """A lens with its options. `LENSES[name]` refuses an option that it does not have."""
    if name not in LENSES:
        raise click.UsageError(f"--lens must be {' or '.join(LENSES)}, got {name!r}")
    try:
        return LENSES[name](**({} if speed == 1 else {"speed": speed}))
    except TypeError:
        raise click.UsageError(f"--speed {speed:g}: the {name} lens has no speed; use --lens real") from None


def _compared(
    scenario: Scenario, approaches: Sequence[Approach], lens: Lens, frames: bool
) -> tuple[Comparison, list[str], int]:
    """Compare under a progress bar; returns also what went wrong, and the exit status.

    After Ctrl-C, and if runs failed, it has the results that are finished, in the order of `approaches`.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console, finished = terminal(stderr=True), list[Result]()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("approaches", total=len(approaches))

        def done(result: Result) -> None:
            finished.append(result)
            progress.advance(task)

        try:
            return compare(scenario, approaches, lens=lens, frames=frames, done=done), [], 0
        except KeyboardInterrupt:
            if not finished:
                raise
            problems, status = [f"Interrupted: {len(finished)} of {len(approaches)} approaches were finished."], 130
        except RuntimeError as error:  # of the only run, or of several
            runs = error.failures.values() if isinstance(error, RunError) else [((scenario, approaches[0]), error)]
            problems, status = [f"{failed.label} failed: {reason}" for (_, failed), reason in runs], 1
            if not finished:
                raise click.ClickException("; ".join(problems)) from error
    place = {approach: number for number, approach in enumerate(approaches)}
    finished.sort(key=lambda result: place.get(result.approach, 0))  # `speed` changes them, but keeps their order
    return Comparison(finished[0].scenario, tuple(finished)), problems, status


def _document(comparison: Comparison, rows: Sequence[dict[str, Any]], lens: str) -> dict[str, Any]:
    return {
        "scenario": comparison.scenario.record() | {"lens": lens},
        "results": [
            row if result.machine is None else row | {"machine": asdict(result.machine)}
            for result, row in zip(comparison, rows, strict=True)
        ],
        "seed": comparison.scenario.seed,
    }


def _write_csv(comparison: Comparison, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    comparison.table().to_csv(folder / "table.csv", lineterminator="\n")
    for number, result in enumerate(comparison, start=1):
        result.exchanges.to_csv(folder / f"{number}-{result.approach.name}-exchanges.csv", lineterminator="\n")
        result.receipts.to_csv(
            folder / f"{number}-{result.approach.name}-receipts.csv", index=False, lineterminator="\n"
        )
