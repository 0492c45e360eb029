"""`labkit faults`: which approach holds under which fault and which retries, held against what is expected."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit import plots
from labkit.approaches import APPROACHES, Approach
from labkit.cli.named import pairs, parse_named
from labkit.cli.output import check_target, command, plot_target, print_table, save_plot, terminal, write_json
from labkit.cli.report import Section, assumptions, check_report, report_option, write_report
from labkit.cli.retries import retries_of
from labkit.cli.table import cells
from labkit.policies import RetryProfile
from labkit.progress import progress
from labkit.verdicts import CASES, PROFILES, Row, matrix, outage_results, prepared, scenario_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from labkit.plots import Figure

PLOT = Path("out", "labkit-faults.png")
SEED = 0
READING = """\
A cell: ok = holds: nothing was lost, and no effect happened twice. 70% = cannot: by nature it loses this share of
all events; the reason is below. FAIL = not what is expected. – = not in this lens."""


@click.command("faults")
@click.option("--retries", "given", multiple=True, metavar="NAME",
              help="Repeatable: how the source retries; see labkit retries."
              f" [default: {', '.join(PROFILES)}]")  # fmt: skip
@click.option("--approach", "chosen", multiple=True, metavar="NAME[:key=value,…]",
              help="Repeatable; these approaches are shown in full. [default: all, in short]")  # fmt: skip
@click.option("--json", "json_path", metavar="PATH|-", help="Write every verdict as JSON; - is standard output.")
@click.option("--plot", "plot_path", metavar="PATH",
              help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]")  # fmt: skip
@report_option
def faults_command(
    given: tuple[str, ...], chosen: tuple[str, ...], json_path: str | None, plot_path: str | None,
    report_path: str | None,
) -> None:  # fmt: skip
    """Run every approach under every fault, and say which holds, which cannot, and which fails.

    Simulated: 12 events per hour (Poisson) for 6 hours, one consumer, polls and the relay every 60 s, and then as long
    as the source can still retry. Exit status 1 if a verdict is not the expected one, or a run failed.
    """
    to_stdout = json_path == "-"
    check_target("--json", json_path)
    check_report(report_path)
    plot_path = plot_target(plot_path, None if to_stdout else PLOT)
    profiles = {name: retries_of(name) for name in given or PROFILES}
    approaches = [_parsed(text) for text in chosen] or [prepared(each) for each in APPROACHES.values()]
    names = [approach.name for approach in approaches]
    if twice := {name for name in names if names.count(name) > 1}:
        raise click.UsageError(f"--approach {', '.join(sorted(twice))}: given twice; run labkit faults once for each")
    profiled = sum(approach.called for approach in approaches)
    total = len(CASES) * (len(approaches) + profiled * (len(profiles) - 1))
    rows, stopped = list[Row](), False
    try:
        with progress("verdicts", total) as advance:
            for row in matrix(approaches, profiles, SEED):
                rows.append(row)
                advance()
    except KeyboardInterrupt:
        stopped = True
    console = terminal(stderr=to_stdout)
    if json_path is not None and not stopped:
        scenario = scenario_of("", RetryProfile(), SEED).record()
        document = {"scenario": scenario, "seed": SEED, "faults": CASES, "results": [row.record() for row in rows]}
        write_json(document, json_path)
    if not to_stdout:
        _print(rows, approaches, profiles, console, in_full=bool(chosen))
    failed = [
        f"FAIL: {row.approach}, {row.case}{f', retries of {row.profile}' if row.profile else ''}: {row.reason}"
        for row in rows if row.verdict == "fails"
    ]  # fmt: skip
    for line in failed:
        console.print(line, soft_wrap=True)
    if stopped:
        console.print(f"Interrupted: {len(rows)} of {total} verdicts were finished.")
        raise SystemExit(130)
    if plot_path or report_path:
        figure = plots.survival(outage_results(profiles))
        if plot_path:
            save_plot(figure, plot_path, console)
        if report_path:
            sections = [*_sections(rows, approaches, profiles, failed, figure, in_full=bool(chosen))]
            write_report(report_path, "Which approach holds under which fault", sections, console, SEED)
    if failed:
        raise SystemExit(1)


def _sections(
    rows: Sequence[Row], approaches: Sequence[Approach], profiles: Mapping[str, RetryProfile], failed: Sequence[str],
    figure: "Figure", in_full: bool,
) -> Iterator[Section]:  # fmt: skip
    """The report's: verdicts, cases, grids, reasons, what was measured, the picture and assumptions."""
    yield Section("Verdicts", [f"{_counts(rows)}.", *failed])
    yield Section("How to read the tables", [READING, "The number of each case heads its column:", *_cases()])
    for title, grid in _grids(rows, approaches, profiles):
        yield Section(title, table=grid)
    yield Section("Why an approach cannot hold", _reasons(rows))
    if in_full:
        yield Section("What was measured", table=_details(rows))
    yield Section("An outage of 20 minutes", [figure.sentence], figure=figure)
    yield assumptions([scenario_of("", each, SEED) for each in profiles.values()], approaches, "virtual")


def _parsed(text: str) -> Approach:
    """The approach that `--approach` names; without settings, as the matrix runs it."""
    return prepared(APPROACHES[text]) if text in APPROACHES else parse_named("--approach", text, APPROACHES)


def _print(
    rows: Sequence[Row], approaches: Sequence[Approach], profiles: Iterable[str],
    console: "Console", in_full: bool,
) -> None:  # fmt: skip
    """The grids, the reasons, and in full what was measured."""
    console.print(f"{len(CASES)} cases; the number of each heads its column:", style="bold")
    for line in _cases():
        console.print(line, soft_wrap=True)
    console.print(READING)
    for title, grid in _grids(rows, approaches, profiles):
        console.print(title, style="bold")
        print_table(grid, console)
    for line in _reasons(rows):
        console.print(line, soft_wrap=True)
    if in_full:
        console.print(_details(rows))
    console.print(_counts(rows), style="bold")
    console.print(f"Seed {SEED}. The same again: {command()}", style="dim", soft_wrap=True)


def _cases() -> list[str]:
    """The number of each case, its fault and the settings."""
    numbered = enumerate(CASES.items(), start=1)
    return [f"{number:>3} {case.partition(':')[0]}: {pairs(settings)}" for number, (case, settings) in numbered]


def _counts(rows: Sequence[Row]) -> str:
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("holds", "cannot", "fails")}
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items())


def _grids(
    rows: Sequence[Row], approaches: Sequence[Approach], profiles: Iterable[str]
) -> Iterator[tuple[str, "Table"]]:
    """A grid per profile that has rows, and its title."""
    for profile in ("", *profiles):
        if mine := [row for row in rows if row.profile == profile]:
            title = f"Retries of {profile}" if profile else "Without a retry profile: the source calls nobody"
            yield title, _grid(mine, approaches)


def _number(case: str) -> int:
    return list(CASES).index(case) + 1


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why approaches cannot hold, and in which cases, by their numbers."""
    places: dict[tuple[str, int], dict[str, None]] = {}
    for row in rows:
        if row.verdict == "cannot":
            places.setdefault((row.reason, _number(row.case)), {})[row.approach] = None
    cases: dict[tuple[str, str], list[str]] = {}
    for (reason, number), approaches in places.items():
        cases.setdefault((reason, ", ".join(approaches)), []).append(str(number))
    return [f"Cannot in {', '.join(numbers)}: {who}: {reason}." for (reason, who), numbers in cases.items()]


def _grid(rows: Sequence[Row], approaches: Sequence[Approach]) -> "Table":
    """One line per approach, one column per case."""
    from rich.table import Table

    table = Table(padding=(0, 0), pad_edge=False)
    table.add_column("approach", no_wrap=True)
    for number in range(1, len(CASES) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    for approach in approaches:
        shown = {row.case: _cell(row) for row in rows if row.approach == approach.name}
        if shown:
            table.add_row(approach.name, *(shown.get(case, "") for case in CASES))
    return table


def _cell(row: Row) -> str:
    if row.verdict == "cannot":
        return f"{row.lost / row.events:.0%}"
    return {"holds": "ok", "fails": "FAIL", "not in this lens": "–"}[row.verdict]


def _details(rows: Sequence[Row]) -> "Table":
    """One line per run: what was lost, doubled and late, what brought it, and what somebody could have seen."""
    from rich.table import Table

    table = Table()
    table.add_column("approach, case, retries", overflow="fold")
    for heading in ("verdict", "lost", "doubled", "late", "mean, s", "max, s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("brought late by", overflow="fold")
    table.add_column("could be noticed by", overflow="fold")
    shown = sorted(rows, key=lambda row: (row.approach, row.profile, _number(row.case)))
    means, most = cells([row.latency_mean for row in shown], "s"), cells([row.latency_max for row in shown], "s")
    for row, mean, longest in zip(shown, means, most, strict=True):
        name = ", ".join(filter(None, (row.approach, f"{_number(row.case)} {row.case}", row.profile)))
        late = row.affected - row.lost
        table.add_row(name, row.verdict, f"{row.lost}", f"{row.doubled}", f"{late}", mean, longest,
                      row.recovered_by, row.noticed)  # fmt: skip
    return table
