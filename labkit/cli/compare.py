"""`labkit compare`: approaches over the same events, side by side."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from labkit import trace
from labkit.approaches import APPROACHES, Approach, Polling, Webhook
from labkit.arrivals import Arrivals, bursty, daily, poisson, switching
from labkit.checks import number
from labkit.cli.named import parse_named
from labkit.cli.output import check_plot, check_target, command, print_table, save_plot, terminal, write_json
from labkit.cli.rate_limit import poll_interval_option, rate_limit_of, rate_limit_option
from labkit.cli.retries import retention_option, retries_of, retries_option, source_of
from labkit.cli.table import print_machines, table_of
from labkit.experiment import Comparison, RunError, compare
from labkit.faults import FAULTS
from labkit.lenses import LENSES, Lens
from labkit.result import Result
from labkit.scenario import Scenario

MADE: dict[str, Any] = {"poisson": poisson, "bursty": bursty, "daily": daily, "switching": switching}
DEFAULT: tuple[Approach, ...] = (Polling(interval=10), Polling(interval=60), Polling(interval=300), Webhook())
PLOT = Path("out", "labkit-compare.png")


@click.command("compare")
@click.option(
    "--trace", "what", default="earthquakes", metavar="NAME|FILE.csv", show_default=True,
    help=f"The events: earthquakes, {', '.join(MADE)}, or a CSV file of your own with a column of instants.",
)  # fmt: skip
@click.option("--time-column", metavar="NAME", help="The column of instants in FILE.csv, if it is not found by itself.")
@click.option("--min-magnitude", type=float, metavar="M", help="Only events of magnitude M or more.")
@click.option("--rate", type=float, metavar="EVENTS_PER_HOUR", help="Mean rate of generated events. [default: 10]")
@click.option("--duration", type=float, metavar="SECONDS", help="Events end here. [default: a week, or FILE.csv's own]")
@click.option("--delay", type=float, metavar="SECONDS", help="Network delay, each way. [default: 0.02; real: none]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--lens", default="virtual", metavar="|".join(LENSES), show_default=True,
              help="Simulated time, loopback sockets and the machine's own clock, or arithmetic.")  # fmt: skip
@click.option("--speed", type=float, default=1.0, metavar="X", help="Real lens: divide every time by X.")
@click.option("--approach", "chosen", multiple=True, metavar="NAME[:key=value,…]",
              help="Repeatable; `all` is every approach."
              " [default: polling every 10, 60 and 300 s, and webhook; see labkit approaches]")  # fmt: skip
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME[:key=value,…]",
    help=f"What breaks, such as outage:start=3600,duration=1200; repeatable: {', '.join(FAULTS)}.",
)  # fmt: skip
@rate_limit_option
@poll_interval_option
@retries_option
@retention_option
@click.option("--wide", is_flag=True, help="Show all columns, however wide the terminal is.")
@click.option("--json", "json_path", metavar="PATH|-", help="Write scenario and results as JSON; - is standard output.")
@click.option("--csv", "csv_folder", metavar="DIR", help="Write the table, and every exchange and receipt, as CSV.")
@click.option("--plot", "plot_path", metavar="PATH",
              help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]")  # fmt: skip
def compare_command(what: str, delay: float | None, seed: int, lens: str, speed: float, chosen: tuple[str, ...],
                    faults: tuple[str, ...], rate_limit: str, poll_interval: float, retries: str | None,
                    retention: float | None, wide: bool, json_path: str | None,
                    csv_folder: str | None, plot_path: str | None, **events: Any) -> None:  # fmt: skip
    """Run approaches over the same events and show, side by side, what each costs and how late it is.

    Without options: a real week of earthquakes, 20 ms each way, polled every 10, 60 and 300 s, and notified by webhook.
    """
    to_stdout = json_path == "-"
    check_target("--json", json_path)
    check_target("--csv", csv_folder, folder=True)
    check_plot(plot_path)
    if plot_path is None and not to_stdout:
        plot_path = str(PLOT)
        check_target("--plot", str(PLOT.parent), folder=True)
    made = _lens(lens, speed)
    approaches = [approach for text in chosen for approach in _parsed(text, lens)] or DEFAULT
    scenario = Scenario(
        _arrivals(what, seed, **events),
        made.delay if delay is None else delay,
        seed,
        retries=retries_of(retries),
        rate_limit=rate_limit_of(rate_limit, poll_interval),
        retention=retention,
        faults=tuple(parse_named("--fault", text, FAULTS) for text in faults),
    )
    comparison, problems, status = _compared(scenario, approaches, made, frames=csv_folder is not None)
    console = terminal(stderr=to_stdout)
    for note in scenario.arrivals.notes:
        console.print(f"Note: {note}")
    if note := source_of(scenario.retries):
        console.print(note, soft_wrap=True)
    if json_path is not None:
        write_json(_document(comparison, lens), json_path)
    if csv_folder is not None:
        _write_csv(comparison, Path(csv_folder))
    if not to_stdout:
        console.print(f"{comparison.scenario.title()}, {lens} lens", style="bold")
        print_table(table_of(comparison, wide), console, wide)
        print_machines(comparison, console)
        if not wide:
            console.print("More columns: --wide, --json, --csv.", style="dim")
        console.print(f"Seed {seed}. The same again: {command()}", style="dim", soft_wrap=True)
    if plot_path:
        save_plot(comparison.plot(), plot_path, console)
    for problem in problems:
        console.print(problem, soft_wrap=True)
    if status:
        raise SystemExit(status)


def _parsed(text: str, lens: str) -> list[Approach]:
    """The approach that `--approach` names; `all` is every approach that the lens can run, with its defaults."""
    if text == "all":
        able = [approach() for approach in APPROACHES.values() if lens in approach.lenses]
        if not able:
            raise click.UsageError(f"--approach all: no approach names the {lens} lens among its `lenses`; name some")
        return able
    return [parse_named("--approach", text, APPROACHES)]


def _arrivals(what: str, seed: int, **options: Any) -> Arrivals:
    """The arrivals that the options describe; an option that does not apply to them is an error."""
    given = {name: value for name, value in options.items() if value is not None}
    if "time_column" in given and (what in MADE or what == "earthquakes"):
        raise click.UsageError(f"--time-column {given['time_column']}: it is for --trace FILE.csv, not for {what}")
    rate = given.pop("rate", None)
    if what in MADE:
        if "min_magnitude" in given:
            refused = f"--min-magnitude {given['min_magnitude']:g}"
            raise click.UsageError(f"{refused}: {what} events have no magnitude; use --trace earthquakes")
        if rate is not None:
            number("--rate", rate, "events per hour", above=0)
            # switching is quiet half the time; the other half it is busy, at 60 times the quiet rate
            quiet_and_busy = {"quiet_per_hour": 2 * rate / 61, "busy_per_hour": 120 * rate / 61}
            given |= quiet_and_busy if what == "switching" else {"per_hour": rate}
        made: Arrivals = MADE[what](seed=seed, **given)
        return made
    names = ", ".join(MADE)
    if rate is not None:
        raise click.UsageError(f"--rate {rate:g}: a recorded trace has its own rate; --rate is for {names}")
    if what == "earthquakes":
        return trace.earthquakes(**given)
    if not what or (not what.lower().endswith(".csv") and not Path(what).exists()):
        raise click.UsageError(f"--trace must be earthquakes, {names} or the path of a CSV file, got {what!r}")
    return trace.from_csv(what, **given)


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
            problems, status = [f"Interrupted: {len(finished)} of {len(approaches)} approaches were finished."], 130
            if not finished:
                raise
        except RuntimeError as error:  # of the only run, or of several
            runs = error.failures.values() if isinstance(error, RunError) else [((scenario, approaches[0]), error)]
            problems, status = [f"{failed.label} failed: {reason}" for (_, failed), reason in runs], 1
            if not finished:
                raise click.ClickException("; ".join(problems)) from error
    place = {approach: number for number, approach in enumerate(approaches)}
    finished.sort(key=lambda result: place.get(result.approach, 0))  # `speed` changes them, but keeps their order
    return Comparison(finished[0].scenario, tuple(finished)), problems, status


def _document(comparison: Comparison, lens: str) -> dict[str, Any]:
    scenario = comparison.scenario.record() | {"lens": lens}
    rows = [each.row() | ({"machine": asdict(each.machine)} if each.machine else {}) for each in comparison]
    return {"scenario": scenario, "results": rows, "seed": comparison.scenario.seed}


def _write_csv(comparison: Comparison, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    comparison.table().to_csv(folder / "table.csv", lineterminator="\n")
    for place, result in enumerate(comparison, start=1):
        stem = folder / f"{place}-{result.approach.name}"
        result.exchanges.to_csv(f"{stem}-exchanges.csv", lineterminator="\n")
        result.receipts.to_csv(f"{stem}-receipts.csv", index=False, lineterminator="\n")
