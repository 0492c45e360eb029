"""`labkit compare`: approaches over the same events, side by side."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import click
import msgspec

from labkit import arrivals, trace
from labkit.approaches import APPROACHES, Approach, Polling, Webhook
from labkit.arrivals import Arrivals
from labkit.cli.limits import rate_limit_of, source_options
from labkit.cli.output import Column, check_format, check_target, fitting, write_json
from labkit.cli.terminal import terminal
from labkit.experiment import Comparison, compare
from labkit.lenses import LENSES, Lens
from labkit.scenario import Scenario

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

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
    type=click.Choice(list(LENSES)),
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
    help="Can be given again; `all`: every one. [default: polling at 10, 60, 300 s, webhook; see labkit approaches]",
)
@source_options
@click.option("--json", "json_path", metavar="PATH|-", help="Write scenario and results as JSON; - is standard output.")
@click.option("--csv", "csv_folder", metavar="DIR", help="Write every exchange and every receipt, and the table.")
@click.option(
    "--plot", "plot_path", metavar="PATH", help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]"
)
def compare_command(what: str, time_column: str | None, min_magnitude: float | None, rate: float | None,
                    duration: float | None, delay: float | None, seed: int, lens: str,
                    speed: float, chosen: tuple[str, ...], rate_limit: str, poll_interval: float,
                    json_path: str | None, csv_folder: str | None, plot_path: str | None) -> None:  # fmt: skip
    """Run approaches over the same events, side by side, and show what each cost and how late it was.

    With no option: a real week of earthquakes, 20 ms each way, polled every 10, 60 and 300 s, and told by webhook.
    """
    to_stdout = json_path == "-"
    drawn = plot_path if plot_path is not None or to_stdout else PLOT
    check_target("--json", None if to_stdout else json_path)
    check_target("--plot", drawn)
    check_target("--csv", csv_folder, folder=True)
    check_format(drawn)
    approaches = tuple(approach for text in chosen for approach in _parsed(text, lens)) or DEFAULT
    if delay is None:
        delay = LENSES[lens].delay
    arrivals = _arrivals(what, time_column, min_magnitude, rate, duration, seed)
    scenario = Scenario(arrivals, delay, seed, rate_limit=rate_limit_of(rate_limit, poll_interval))
    comparison = _with_progress(scenario, approaches, lens, speed, frames=csv_folder is not None)
    console = terminal(stderr=to_stdout)
    for note in scenario.arrivals.notes:
        console.print(f"Note: {note}", highlight=False, markup=False)
    if json_path is not None:
        write_json(_document(comparison, lens), json_path)
    if csv_folder is not None:
        _write_csv(comparison, Path(csv_folder))
    if not to_stdout:
        _print_table(comparison, lens, console)
    if drawn:
        try:
            comparison.plot().save(drawn)
        except OSError as error:
            raise click.UsageError(f"--plot {drawn}: {error.strerror}: give another path") from None
        console.print(f"Figure: {drawn}", highlight=False, markup=False, soft_wrap=True)
    if len(comparison) < len(approaches):
        console.print(f"Interrupted: {len(comparison)} of {len(approaches)} approaches were finished.", highlight=False)
        raise SystemExit(130)


def _parsed(text: str, lens: str) -> list[Approach]:
    """`all` is every approach that the lens can run, with its defaults."""
    if text == "all":
        return [approach() for approach in APPROACHES.values() if lens in approach.lenses]
    return [parse_approach(text)]


def parse_approach(text: str) -> Approach:
    """An approach as the command line writes it.

    >>> parse_approach("long_polling:wait=10")
    LongPolling(wait=10.0, pause=0.0, limit=100)

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
        values[key] = [type for type in value.split("+") if type] if key == "types" else value
    try:
        made: Approach = msgspec.convert(values, approach, strict=False)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"--approach {text}: {_complaint(approach, values, str(error))}") from None
    return made


def _complaint(approach: type[Approach], values: dict[str, str | list[str]], said: str) -> str:
    """What is wrong with a setting: msgspec names its place, and the approach itself says the rest."""
    key = said.rpartition("$.")[2].rstrip("`").partition("[")[0]
    kind = get_type_hints(approach).get(key)
    if key not in values or kind is None:
        return said
    names = {float: "a number", int: "a whole number", bool: "true or false"}
    wanted = names.get(kind) or " or ".join(str(choice) for choice in get_args(kind))
    return f"{key} must be {wanted}, got {values[key]!r}"


def _arrivals(what: str, time_column: str | None, min_magnitude: float | None, rate: float | None,
              duration: float | None, seed: int) -> Arrivals:  # fmt: skip
    """The arrivals that the options name; an option that does not go with them is an error."""
    from_file = what not in MADE and what != "earthquakes"
    if rate is not None and not 0 < rate < float("inf"):
        raise click.UsageError(f"--rate must be > 0 events per hour, got {rate:g}")
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
        if not what or (not what.lower().endswith(".csv") and not Path(what).exists()):
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
    scenario: Scenario, approaches: Sequence[Approach], lens: str, speed: float, frames: bool
) -> Comparison:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("approaches", total=len(approaches))
        made = _lens(lens, speed)
        return compare(scenario, approaches, lens=made, frames=frames, done=lambda result: progress.advance(task))


def _lens(name: str, speed: float) -> Lens:
    """A lens with its options. `LENSES[name]` refuses one that it does not have."""
    try:
        return LENSES[name](**({} if speed == 1 else {"speed": speed}))
    except TypeError:
        raise click.UsageError(f"--speed {speed:g}: the {name} lens has none, it is as fast as it can be") from None


COLUMNS: tuple[Column, ...] = (
    ("requests", 0, lambda row: f"{row['requests']:,}"),
    ("empty", 0, lambda row: _figure(row["empty_share"], ".1%")),
    ("errors", 0, lambda row: f"{row['error_requests']:,}"),
    ("per\nevent", 0, lambda row: _figure(row["requests_per_event"], ",.2f")),
    ("kB", 3, lambda row: f"{(row['bytes_out'] + row['bytes_in']) / 1000:,.0f}"),
    ("latency, s\nmean", 0, lambda row: _figure(row["latency"]["mean"], ",.3f")),
    ("\np50", 5, lambda row: _figure(row["latency"]["p50"], ",.3f")),
    ("\np95", 1, lambda row: _figure(row["latency"]["p95"], ",.3f")),
    ("\nmax", 4, lambda row: _figure(row["latency"]["max"], ",.3f")),
    ("freshness", 2, lambda row: _figure(row["freshness"], ".2%")),
    ("pending", 6, lambda row: f"{row['pending']:,}"),
    ("lost", 0, lambda row: f"{row['lost']:,}"),
    ("duplicates", 3, lambda row: f"{row['duplicates']:,}"),
    ("recovered", 3, lambda row: f"{row['recovered']:,}"),
    ("connected\nseconds", 5, lambda row: f"{row['connection_seconds']:,.0f}"),
)

IF_ANY = {"errors": "error_requests", "recovered": "recovered"}
"""Columns that are shown only where there is something in them."""


def _print_table(comparison: Comparison, lens: str, console: "Console") -> None:
    """The table, with as many columns as the terminal has room for."""
    rows = [(result.label, row) for result, row in zip(comparison, comparison.rows(), strict=True)]
    bare = {heading for heading, key in IF_ANY.items() if not any(row[key] for _, row in rows)}
    widest = [column for column in COLUMNS if column[0] not in bare]
    columns = fitting(widest, lambda columns: _table(rows, columns), console)
    console.print(f"{comparison.scenario.title()}, {lens} lens", style="bold", highlight=False, markup=False)
    console.print(_table(rows, columns))
    for result in comparison:
        if result.machine is not None:
            console.print(
                f"{result.label}: the source's clock was {result.machine.clock_offset * 1e6:+.0f} µs off, give or take"
                f" {result.machine.clock_offset_error * 1e6:.0f}; events were stored"
                f" {result.machine.emit_lag_mean * 1e3:.1f} ms after their moment,"
                f" {result.machine.emit_lag_max * 1e3:.1f} at the most",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    if len(columns) < len(widest):
        console.print("A wider terminal shows more columns; --json and --csv have all of them.", highlight=False)


def _table(rows: Sequence[tuple[str, dict[str, Any]]], columns: Sequence[Column]) -> "Table":
    from rich.table import Table

    table = Table()
    table.add_column("approach", no_wrap=True)
    for heading, _, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for label, row in rows:
        table.add_row(label, *(cell(row) for _, _, cell in columns))
    return table


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _document(comparison: Comparison, lens: str) -> dict[str, Any]:
    return {
        "scenario": comparison.scenario.record() | {"lens": lens},
        "results": [
            row if result.machine is None else row | {"machine": asdict(result.machine)}
            for result, row in zip(comparison, comparison.rows(), strict=True)
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
