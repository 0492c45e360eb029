"""`labkit compare`: approaches over the same events, side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from labkit.approaches import Approach
from labkit.cli.named import parse_named
from labkit.cli.output import check_target, command, plot_target, print_table, save_plot, terminal, write_json
from labkit.cli.report import Section, assumptions, check_report, report_option, write_report
from labkit.cli.retries import source_of
from labkit.cli.scenario import approaches_of, lens_of, scenario_of, scenario_options
from labkit.cli.table import machine_lines, reading, table_of
from labkit.experiment import Comparison, RunError, compare, flat
from labkit.faults import FAULTS
from labkit.lenses import Lens
from labkit.progress import progress
from labkit.result import Result
from labkit.scenario import Scenario

PLOT = Path("out", "labkit-compare.png")


@click.command("compare")
@scenario_options(float)
@click.option("--wide", is_flag=True, help="Show all columns, however wide the terminal is.")
@click.option("--json", "json_path", metavar="PATH|-", help="Write scenario and results as JSON; - is standard output.")
@click.option("--csv", "csv_folder", metavar="DIR", help="Write the table, and every exchange and receipt, as CSV.")
@click.option("--plot", "plot_path", metavar="PATH",
              help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]")  # fmt: skip
@report_option
def compare_command(lens: str, speed: float, chosen: tuple[str, ...], faults: tuple[str, ...], wide: bool,
                    json_path: str | None, csv_folder: str | None, plot_path: str | None,
                    report_path: str | None, **world: Any) -> None:  # fmt: skip
    """Run approaches over the same events and show, side by side, what each costs and how late it is.

    Without options: a real week of earthquakes, 20 ms each way, polled every 10, 60 and 300 s, and notified by webhook.
    """
    to_stdout = json_path == "-"
    check_target("--json", json_path)
    check_target("--csv", csv_folder, folder=True)
    check_report(report_path)
    plot_path = plot_target(plot_path, None if to_stdout else PLOT)
    made = lens_of(lens, speed)
    approaches = approaches_of(chosen, lens)
    breaks = tuple(parse_named("--fault", text, FAULTS) for text in faults)
    scenario = scenario_of(made, faults=breaks, **world)
    comparison, problems, status = _compared(scenario, approaches, made, frames=csv_folder is not None)
    if csv_folder is not None and any(result.totals for result in comparison):
        raise click.UsageError(f"--csv: the {lens} lens has a row per approach and no exchanges: leave it out, or use"
                               " the virtual lens")  # fmt: skip
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
        for line in machine_lines(comparison):
            console.print(line, soft_wrap=True)
        if not wide:
            console.print("More columns: --wide, --json.", style="dim")
        console.print(f"Seed {scenario.seed}. The same again: {command()}", style="dim", soft_wrap=True)
    if plot_path:
        save_plot(comparison.plot(), plot_path, console)
    if report_path is not None:
        sections = [*_sections(scenario, comparison, problems, wide), assumptions([scenario], approaches, lens, speed)]
        write_report(report_path, f"{comparison.scenario.title()}, {lens} lens", sections, console, scenario.seed)
    for problem in problems:
        console.print(problem, soft_wrap=True)
    if status:
        raise SystemExit(status)


def _compared(
    scenario: Scenario, approaches: Sequence[Approach], lens: Lens, frames: bool
) -> tuple[Comparison, list[str], int]:
    """Compare under a progress bar; returns also what went wrong, and the exit status.

    After Ctrl-C, and if runs failed, it has the results that are finished, in the order of `approaches`.
    """
    finished = list[Result]()
    with progress("approaches", len(approaches)) as advance:

        def done(result: Result) -> None:
            finished.append(result)
            advance()

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


def _sections(scenario: Scenario, comparison: Comparison, problems: Sequence[str], wide: bool) -> Iterator[Section]:
    """The report's: results and events. A run with `speed` divides the comparison's times, and not the scenario's."""
    from labkit.description import describe
    from labkit.plots import overview, sentences

    figure, table = comparison.plot(), table_of(comparison, wide)
    said = [*problems, _verdict(comparison), figure.sentence, *machine_lines(comparison)]
    yield Section("Results", said, table, figure)
    yield Section("How to read the table", reading(table))
    if scenario.arrivals.events:
        events = describe(scenario.arrivals)
        yield Section("The events", sentences(events), figure=overview(events))


def _verdict(comparison: Comparison) -> str:
    """The cheapest approach, the soonest one, and what was lost: those with the same figure are all named."""
    rows = {result.label: flat(result.row()) for result in comparison}
    said = []
    for text, key, unit in (("Fewest requests", "requests", ""), ("Lowest mean latency", "latency_mean", " s")):
        values = {label: row[key] for label, row in rows.items() if row[key] is not None}
        if values:
            least = min(values.values())
            best = ", ".join(label for label, value in values.items() if value == least)
            said.append(f"{text}: {best} ({least:,.4g}{unit}).")
    lost = [f"{label} {row['lost']:,}" for label, row in rows.items() if row["lost"]]
    said.append(f"Lost events: {', '.join(lost) or 'none'}.")
    return " ".join(said)


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
