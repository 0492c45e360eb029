"""`labkit contest`: when would you poll next? Scores a student's strategy on traces that it has not seen."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.cli.output import check_format, check_target, print_table, write_json
from labkit.cli.terminal import terminal
from labkit.course import Contest, Disqualified, contest
from labkit.course.strategy import LIMIT

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN = 10
"""Lines of the strategy's output that are shown."""


@click.command("contest")
@click.argument("strategy", type=click.Path(exists=True, dir_okay=False), metavar="STRATEGY.py")
@click.option(
    "--seed",
    default="0",
    show_default=True,
    metavar="N|-",
    help="Seed of the traces; - reads it from standard input, where the strategy cannot see it.",
)
@click.option(
    "--limit", type=click.FloatRange(1, 3600), default=LIMIT, show_default=True, help="Seconds for all traces together."
)
@click.option("--json", "json_path", metavar="PATH|-", help="Write scores and outcomes as JSON; - is standard output.")
@click.option("--plot", "plot_path", metavar="PATH", help="Draw polls against latency, .png, .svg or .pdf.")
def contest_command(strategy: str, seed: str, limit: float, json_path: str | None, plot_path: str | None) -> None:
    """Score a file with `next_delay(history)`: the seconds until the next poll, given what the polls so far returned.

    The score compares J = polls + total latency / τ on 15 traces with the lowest J that is possible for somebody who
    knows the events. Seed 0 is for practice; a teacher scores with another one. If the strategy has no score, the exit
    status is 1 and the last line says why.
    """
    to_stdout = json_path == "-"
    check_target("--json", None if to_stdout else json_path)
    check_target("--plot", plot_path)
    check_format(plot_path)
    number = _seed(seed)
    console = terminal(stderr=to_stdout)
    result, reason = None, None
    try:
        with console.status(f"running {Path(strategy).name}", spinner="line"):
            result = contest(strategy, number, limit)
        printed = result.printed
    except Disqualified as error:
        reason, printed = str(error), error.printed
    if json_path is not None:
        write_json(_document(strategy, number, result, reason), json_path)
    if result is not None and not to_stdout:
        _print_table(result, Path(strategy).name, console)
    if printed:
        lines = printed.splitlines()
        more = f" (the first {SHOWN} lines)" if len(lines) > SHOWN else ""
        console.print(f"{Path(strategy).name} printed{more}:", highlight=False, markup=False)
        console.print("\n".join(f"    {line}" for line in lines[:SHOWN]), highlight=False, markup=False, style="dim")
    if result is None:
        click.echo(f"labkit: {' '.join(str(reason).split())}", err=True)
        raise SystemExit(1)
    if plot_path:
        result.plot().save(plot_path)
        console.print(f"Figure: {plot_path}", highlight=False, markup=False, soft_wrap=True)


def _seed(text: str) -> int:
    if text == "-":
        text = sys.stdin.readline().strip()
    if not text.isdecimal() or len(text) > 30:
        raise click.UsageError(f"--seed must be a whole number >= 0, got {text!r}")
    return int(text)


COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("polls", lambda row: f"{row['polls']:,}"),
    ("mean\nlatency, s", lambda row: f"{row['mean_latency']:,.1f}"),
    ("J", lambda row: f"{row['cost']:,.0f}"),
    ("J_opt", lambda row: f"{row['optimal_cost']:,.0f}"),
)
HEADINGS = {"yours": "J/J_opt\nyours", "fixed": "\nfixed", "aimd": "\naimd", "halve_double": "halve/\ndouble"}


def _print_table(result: Contest, name: str, console: "Console") -> None:
    console.print(f"{name}, seed {result.seed}", style="bold", highlight=False, markup=False)
    print_table(_table(result), console)
    own, fixed = result.score, result.scores["fixed"]
    compared = "better than" if own < fixed else "worse than" if own > fixed else "as good as"
    console.print(
        f"Score {own:.3f}, {compared} the fixed interval √(2τ/λ), which knows λ ({fixed:.3f})."
        " The optimum knows the events and has 1.",
        highlight=False,
        markup=False,
    )


def _table(result: Contest) -> "Table":
    from rich.table import Table

    rows = {(row["trace"], row["tau"], row["strategy"]): row for row in result.rows()}
    table = Table(show_footer=True)
    table.add_column("trace", "score")
    table.add_column("τ, s", justify="right", no_wrap=True)
    for heading, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for strategy, heading in HEADINGS.items():
        table.add_column(heading, f"{result.scores[strategy]:.3f}", justify="right", no_wrap=True)
    previous = None
    for (trace, tau, strategy), row in rows.items():
        if strategy == "yours":
            if previous not in (None, tau):
                table.add_section()
            previous = tau
            ratios = [f"{rows[trace, tau, other]['ratio']:.3f}" for other in HEADINGS]
            table.add_row(trace, f"{tau:,g}", *(cell(row) for _, cell in COLUMNS), *ratios)
    return table


def _document(strategy: str, seed: int, result: Contest | None, reason: str | None) -> dict[str, Any]:
    return {
        "strategy": Path(strategy).name,
        "verdict": "scored" if reason is None else reason,
        "score": None if result is None else result.score,
        "scores": None if result is None else result.scores,
        "outcomes": [] if result is None else result.rows(),
        "seed": seed,
    }
