"""`labkit compare`: approaches over the same events, side by side."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

import labkit
from labkit import arrivals, trace
from labkit.approaches import APPROACHES, Approach, Polling, Webhook
from labkit.arrivals import Arrivals
from labkit.cli.terminal import terminal
from labkit.experiment import Comparison, compare
from labkit.plots.figure import FORMATS
from labkit.scenario import Scenario

if TYPE_CHECKING:
    from rich.console import Console

MADE = {
    "poisson": arrivals.poisson,
    "bursty": arrivals.bursty,
    "daily": arrivals.daily,
    "switching": arrivals.switching,
}
DEFAULT: tuple[Approach, ...] = (Polling(interval=10), Polling(interval=60), Polling(interval=300), Webhook())
PLOT = "labkit-compare.png"


@click.command("compare")
@click.option(
    "--trace",
    "what",
    default="earthquakes",
    metavar="NAME|FILE.csv",
    show_default=True,
    help=f"What happens: earthquakes, {', '.join(MADE)}, or a CSV file of your own with a column of instants.",
)
@click.option("--time-column", metavar="NAME", help="The column of instants in FILE.csv, if it is not found by itself.")
@click.option("--min-magnitude", type=float, metavar="M", help="Only events of this magnitude and more.")
@click.option("--rate", type=float, metavar="EVENTS_PER_HOUR", help="Mean rate of made events. [default: 10]")
@click.option("--duration", type=float, metavar="SECONDS", help="Events end here. [default: a week, or FILE.csv's own]")
@click.option("--delay", type=float, metavar="SECONDS", help="Of the network, each way. [default: 0.02; real: none]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option(
    "--lens",
    type=click.Choice(["virtual", "real"]),
    default="virtual",
    show_default=True,
    help="How time runs: simulated, or the machine's, on loopback sockets.",
)
@click.option("--speed", type=float, default=1.0, metavar="X", help="Real lens: divide every time by X.")
@click.option(
    "--approach",
    "chosen",
    multiple=True,
    metavar="NAME[:key=value,…]",
    help="Can be given again. [default: polling at 10, 60 and 300 s, and webhook; see `labkit approaches`]",
)
@click.option("--json", "json_path", metavar="PATH|-", help="Write scenario and results as JSON; - is standard output.")
@click.option("--csv", "csv_folder", metavar="DIR", help="Write every exchange and every receipt, and the table.")
@click.option(
    "--plot", "plot_path", metavar="PATH", help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]"
)
def compare_command(what: str, time_column: str | None, min_magnitude: float | None, rate: float | None,
                    duration: float | None, delay: float | None, seed: int, lens: Literal["virtual", "real"],
                    speed: float, chosen: tuple[str, ...], json_path: str | None, csv_folder: str | None,
                    plot_path: str | None) -> None:  # fmt: skip
    """Run approaches over the same events, side by side, and show what each cost and how late it was.

    With no option: a real week of earthquakes, 20 ms each way, polled every 10, 60 and 300 s, and told by webhook.
    """
    for option, path in (("--json", json_path), ("--plot", plot_path)):
        if path not in (None, "-") and not Path(str(path)).absolute().parent.is_dir():
            raise click.UsageError(f"{option} {path}: there is no folder {Path(str(path)).parent}: make it first")
    if plot_path and Path(plot_path).suffix.lower() not in FORMATS:
        raise click.UsageError(f"--plot {plot_path}: a figure's path ends in {', '.join(FORMATS)}")
    approaches = tuple(parse_approach(text) for text in chosen) or DEFAULT
    if delay is None:
        delay = Scenario.delay if lens == "virtual" else 0.0
    scenario = Scenario(_arrivals(what, time_column, min_magnitude, rate, duration, seed), delay, seed)
    comparison = _with_progress(scenario, approaches, lens, speed)
    to_stdout = json_path == "-"
    console = terminal(stderr=to_stdout)
    for note in scenario.arrivals.notes:
        console.print(f"Note: {note}", highlight=False, markup=False)
    if json_path is not None:
        document = json.dumps(_document(comparison, lens), indent=2, allow_nan=False) + "\n"
        sys.stdout.write(document) if to_stdout else Path(json_path).write_text(document, encoding="utf-8")
    if csv_folder is not None:
        _write_csv(comparison, Path(csv_folder))
    if not to_stdout:
        _print_table(comparison, lens, console)
    if plot_path or not to_stdout:
        figure = comparison.plot()
        figure.save(plot_path or PLOT)
        console.print(f"Figure: {plot_path or PLOT}", highlight=False, markup=False, soft_wrap=True)
    if len(comparison) < len(approaches):
        console.print(f"Interrupted: {len(comparison)} of {len(approaches)} approaches were finished.", highlight=False)
        raise SystemExit(130)


def parse_approach(text: str) -> Approach:
    """An approach as the command line writes it.

    >>> parse_approach("polling:interval=30,fixed=rate")
    Polling(interval=30.0, fixed='rate', first_at=0.0, limit=100, types=(), filtered='source')

    Raises click.UsageError that names the word that is wrong.
    """
    name, _, settings = text.partition(":")
    approach = APPROACHES.get(name)
    if approach is None:
        raise click.UsageError(f"--approach {text}: there is no approach {name!r}; there are: {', '.join(APPROACHES)}")
    known = [field.name for field in fields(approach)]
    values: dict[str, str | list[str]] = {}
    for setting in settings.split(",") if settings else []:
        key, equals, value = setting.partition("=")
        if not equals or key not in known or key in values:
            reason = (
                "is given twice" if key in values else f"is not key=value with a key of: {', '.join(known) or 'none'}"
            )
            raise click.UsageError(f"--approach {text}: {setting!r} {reason}")
        values[key] = value.split("+") if key == "types" else value
    try:
        made: Approach = msgspec.convert(values, approach, strict=False)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"--approach {text}: {error}") from None
    return made


def _arrivals(what: str, time_column: str | None, min_magnitude: float | None, rate: float | None,
              duration: float | None, seed: int) -> Arrivals:  # fmt: skip
    """The arrivals that the options name; an option that does not go with them is an error."""
    from_file = what not in MADE and what != "earthquakes"
    if rate is not None and what not in MADE:
        raise click.UsageError(
            f"--rate {rate:g}: a recorded trace has a rate of its own; it goes with {', '.join(MADE)}"
        )
    if min_magnitude is not None and what in MADE:
        raise click.UsageError(f"--min-magnitude {min_magnitude:g}: {what} events have none; use --trace earthquakes")
    if time_column is not None and not from_file:
        raise click.UsageError(f"--time-column {time_column}: it goes with --trace FILE.csv, not with {what}")
    length = {} if duration is None else {"duration": duration}
    if from_file:
        if not what.lower().endswith(".csv") and not Path(what).exists():
            raise click.UsageError(
                f"--trace {what}: there are earthquakes, {', '.join(MADE)}, or the path of a CSV file"
            )
        return trace.from_csv(what, time_column=time_column, min_magnitude=min_magnitude, **length)
    if what == "earthquakes":
        return trace.earthquakes(min_magnitude=min_magnitude, **length)
    rates = {} if rate is None else {"per_hour": rate}
    if what == "switching" and rate is not None:  # equal times quiet and busy, 60 times as many events when busy
        rates = {"quiet_per_hour": 2 * rate / 61, "busy_per_hour": 120 * rate / 61}
    made: Arrivals = MADE[what](seed=seed, **rates, **length)  # type: ignore[operator]
    return made


def _with_progress(
    scenario: Scenario, approaches: Sequence[Approach], lens: Literal["virtual", "real"], speed: float
) -> Comparison:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("approaches", total=len(approaches))
        return compare(scenario, approaches, lens=lens, speed=speed, done=lambda result: progress.advance(task))


def _print_table(comparison: Comparison, lens: str, console: "Console") -> None:
    from rich.table import Table

    scenario = comparison.scenario
    count = len(scenario.arrivals.events)
    made = f"{count:,} event{'' if count == 1 else 's'} in {scenario.duration / 3600:,.6g} h"
    title = (
        f"{scenario.arrivals.name}: {made}, {scenario.delay * 1000:g} ms each way, {lens} lens, seed {scenario.seed}"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("approach", no_wrap=True)
    for column in ("requests", "empty", "requests\nper event", "kB", "latency, s\nmean", "\np50", "\np95", "\nmax",
                   "current", "missing", "lost", "twice"):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    for result, row in zip(comparison, comparison.rows(), strict=True):
        latency = [_figure(row["latency"][name], ",.3f") for name in ("mean", "p50", "p95", "max")]
        table.add_row(
            result.label, f"{row['requests']:,}", _figure(row["empty_share"], ".1%"),
            _figure(row["requests_per_event"], ",.2f"), f"{(row['bytes_out'] + row['bytes_in']) / 1000:,.0f}",
            *latency, _figure(row["current_share"], ".2%"), f"{row['missing']:,}", f"{row['lost']:,}",
            f"{row['duplicates']:,}",
        )  # fmt: skip
    console.print(table)


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _document(comparison: Comparison, lens: str) -> dict[str, Any]:
    return {
        "scenario": comparison.scenario.record() | {"lens": lens},
        "results": comparison.rows(),
        "seed": comparison.scenario.seed,
        "command": " ".join(["labkit", *sys.argv[1:]]),
        "labkit": labkit.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _write_csv(comparison: Comparison, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    comparison.table().to_csv(folder / "table.csv", lineterminator="\n")
    for number, result in enumerate(comparison, start=1):
        result.exchanges.to_csv(folder / f"{number}-{result.approach.name}-exchanges.csv", lineterminator="\n")
        result.receipts.to_csv(
            folder / f"{number}-{result.approach.name}-receipts.csv", index=False, lineterminator="\n"
        )
