"""The command line: `labkit compare`, `labkit approaches`, `labkit doctor`."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

import labkit
from labkit import arrivals, trace
from labkit.approaches import APPROACHES, Approach, Polling, Webhook
from labkit.arrivals import Arrivals
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(labkit.__version__, prog_name="labkit")
def cli() -> None:
    """Measure what it costs to know that something happened, and how late you know."""


@cli.command("compare")
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
@click.option(
    "--delay", type=float, default=0.020, metavar="SECONDS", show_default=True, help="Of the network, each way."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--lens", type=click.Choice(["virtual"]), default="virtual", show_default=True, help="How time runs.")
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
                    duration: float | None, delay: float, seed: int, lens: str, chosen: tuple[str, ...],
                    json_path: str | None, csv_folder: str | None, plot_path: str | None) -> None:  # fmt: skip
    """Run approaches over the same events, side by side, and show what each cost and how late it was.

    With no option: a real week of earthquakes, 20 ms each way, polled every 10, 60 and 300 s, and told by webhook.
    """
    for option, path in (("--json", json_path), ("--plot", plot_path)):
        if path not in (None, "-") and not Path(str(path)).absolute().parent.is_dir():
            raise click.UsageError(f"{option} {path}: there is no folder {Path(str(path)).parent}: make it first")
    if plot_path and Path(plot_path).suffix.lower() not in FORMATS:
        raise click.UsageError(f"--plot {plot_path}: a figure's path ends in {', '.join(FORMATS)}")
    approaches = tuple(parse_approach(text) for text in chosen) or DEFAULT
    scenario = Scenario(_arrivals(what, time_column, min_magnitude, rate, duration, seed), delay, seed)
    comparison = _with_progress(scenario, approaches, lens)
    to_stdout = json_path == "-"
    console = _console(stderr=to_stdout)
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


@cli.command("approaches")
def approaches_command() -> None:
    """List the approaches, with their parameters and defaults."""
    console = _console()
    for name, approach in APPROACHES.items():
        sentence = " ".join((approach.__doc__ or "").split("\n\n")[0].split())
        console.print(f"[bold]{name}[/]  {sentence}", highlight=False)
        for field in fields(approach):
            console.print(f"    {field.name}={field.default}", highlight=False, markup=False)


@cli.command("doctor")
def doctor_command() -> None:
    """Say what this machine has: versions, the clock's resolution, and what is missing."""
    import sqlite3

    from labkit.clock import resolution

    console = _console()
    rows = [("labkit", labkit.__version__), ("Python", platform.python_version()), ("platform", platform.platform())]
    missing = []
    for name in ("flask", "werkzeug", "httpx", "greenlet", "numpy", "pandas", "matplotlib", "click", "rich", "loky",
                 "msgspec", "jupyterlab", "ipykernel", "nbval", "pytest"):  # fmt: skip
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            extra = {"jupyterlab": "lab", "ipykernel": "lab"}.get(name, "test")
            missing.append(
                f"{name}: pip install 'webhook-lab[{extra}]'" if name in _EXTRAS else f"{name}: reinstall labkit"
            )
    rows += [("SQLite", sqlite3.sqlite_version), ("clock's resolution", f"{resolution() * 1e9:,.0f} ns")]
    for name, value in rows:
        console.print(f"{name:<20}{value}", highlight=False, markup=False)
    for line in missing or ["nothing"]:
        console.print(f"{'missing':<20}{line}", highlight=False, markup=False)


_EXTRAS = ("jupyterlab", "ipykernel", "nbval", "pytest")


def parse_approach(text: str) -> Approach:
    """An approach as the command line writes it.

    >>> parse_approach("polling:interval=30,fixed=rate")
    Polling(interval=30.0, fixed='rate', first_at=0.0, limit=100)

    Raises click.UsageError that names the word that is wrong.
    """
    name, _, settings = text.partition(":")
    approach = APPROACHES.get(name)
    if approach is None:
        raise click.UsageError(f"--approach {text}: there is no approach {name!r}; there are: {', '.join(APPROACHES)}")
    known = [field.name for field in fields(approach)]
    values: dict[str, str] = {}
    for setting in settings.split(",") if settings else []:
        key, equals, value = setting.partition("=")
        if not equals or key not in known or key in values:
            reason = (
                "is given twice" if key in values else f"is not key=value with a key of: {', '.join(known) or 'none'}"
            )
            raise click.UsageError(f"--approach {text}: {setting!r} {reason}")
        values[key] = value
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


def _with_progress(scenario: Scenario, approaches: Sequence[Approach], lens: str) -> Comparison:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("approaches", total=len(approaches))
        return compare(scenario, approaches, lens=lens, done=lambda result: progress.advance(task))


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


def _console(stderr: bool = False) -> "Console":
    """A terminal's own width; wide enough to cut nothing where the output is a file or a pipe."""
    from rich.console import Console

    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=200)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. A usage error is one line on standard error, and exit status 2."""
    try:
        cli.main(arguments, prog_name="labkit", standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
    except click.ClickException as error:
        _complain(error.format_message())
    except (ValueError, OSError) as error:
        _complain(str(error))


def _complain(message: str) -> None:
    click.echo(f"labkit: {' '.join(message.split())}", err=True)
    sys.exit(2)
