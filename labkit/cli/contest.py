"""`labkit contest`: when would you poll next? Scores a student's strategy on traces that it has not seen."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.catalogue import escaped
from labkit.cli.output import check_plot, check_target, print_table, save_plot, terminal, write_json
from labkit.course import Contest, Disqualified, contest
from labkit.course.strategy import LIMIT

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN = 10
"""Lines of the strategy's output that are shown."""


@click.command("contest")
@click.argument("strategy", type=click.Path(exists=True, dir_okay=False), metavar="STRATEGY.py")
@click.option("--seed", default="0", show_default=True, metavar="N|-",
              help="Seed of the traces; - reads it from standard input, where the strategy cannot see it.")  # fmt: skip
@click.option("--limit", type=click.FloatRange(1, 3600), default=LIMIT, show_default=True,
              help="Seconds for all traces together.")  # fmt: skip
@click.option("--json", "json_path", metavar="PATH|-", help="Write scores and outcomes as JSON; - is standard output.")
@click.option("--plot", "plot_path", metavar="PATH", help="Draw polls against latency, .png, .svg or .pdf.")
def contest_command(strategy: str, seed: str, limit: float, json_path: str | None, plot_path: str | None) -> None:
    """Score a file with `next_delay(history)`: the seconds until the next poll, given what the polls so far returned.

    The score compares J = polls + total latency / τ on 15 traces with the lowest J that is possible for somebody who
    knows the events. Seed 0 is for practice; a teacher scores with another one. If the strategy has no score, the exit
    status is 1 and the last line says why.
    """
    to_stdout = json_path == "-"
    check_target("--json", json_path)
    check_plot(plot_path)
    name, number, console = escaped(Path(strategy).name), _seed(seed), terminal(stderr=to_stdout)
    outcome: Contest | Disqualified
    try:
        with console.status(f"running {name}", spinner="line"):
            outcome = contest(strategy, number, limit)
    except Disqualified as error:
        outcome = error
    if json_path is not None:
        write_json({"strategy": name} | _record(outcome) | {"seed": number}, json_path)
    if isinstance(outcome, Contest) and not to_stdout:
        _print_scores(outcome, name, console)
    if outcome.printed:
        lines = outcome.printed.splitlines()
        more = f" (the first {SHOWN} lines)" if len(lines) > SHOWN else ""
        console.print(f"{name} printed{more}:")
        console.print("\n".join(f"    {escaped(line)}" for line in lines[:SHOWN]), style="dim")
    if isinstance(outcome, Disqualified):
        raise click.ClickException(str(outcome))
    if plot_path:
        save_plot(outcome.plot(), plot_path, console)


def _seed(text: str) -> int:
    if text == "-":
        text = sys.stdin.readline().strip()
    if not text.isdecimal() or len(text) > 30:
        raise click.UsageError(f"--seed must be a whole number >= 0, got {text!r}")
    return int(text)


COLUMNS = (
    ("polls", "polls", ","),
    ("mean_latency", "mean\nlatency, s", ",.1f"),
    ("cost", "J", ",.0f"),
    ("optimal_cost", "J_opt", ",.0f"),
)
"""Keys of a row, headings and formats."""
HEADINGS = {"yours": "J/J_opt\nyours", "fixed": "\nfixed", "aimd": "\naimd", "halve_double": "halve/\ndouble"}


def _print_scores(result: Contest, name: str, console: "Console") -> None:
    console.print(f"{name}, seed {result.seed}", style="bold")
    print_table(_table(result), console)
    own, fixed = result.score, result.scores["fixed"]
    compared = "better than" if own < fixed else "worse than" if own > fixed else "as good as"
    score = f"Score {own:.3f}, {compared} the fixed interval √(2τ/λ), which knows λ ({fixed:.3f})."
    console.print(f"{score} The optimum knows the events and has 1.")


def _table(result: Contest) -> "Table":
    from rich.table import Table

    rows = {(row["trace"], row["tau"], row["strategy"]): row for row in result.rows()}
    table = Table(show_footer=True)
    table.add_column("trace", "score")
    for heading in ("τ, s", *(heading for _, heading, _ in COLUMNS)):
        table.add_column(heading, justify="right", no_wrap=True)
    for strategy, heading in HEADINGS.items():
        table.add_column(heading, f"{result.scores[strategy]:.3f}", justify="right", no_wrap=True)
    previous = result.outcomes[0].trace.tau
    for (trace, tau, strategy), row in rows.items():
        if strategy == "yours":
            if tau != previous:
                table.add_section()
            previous = tau
            ratios = [f"{rows[trace, tau, other]['ratio']:.3f}" for other in HEADINGS]
            table.add_row(trace, f"{tau:,g}", *(format(row[key], form) for key, _, form in COLUMNS), *ratios)
    return table


def _record(outcome: Contest | Disqualified) -> dict[str, Any]:
    if isinstance(outcome, Disqualified):
        return {"verdict": str(outcome), "score": None, "scores": None, "outcomes": []}
    return {"verdict": "scored", "score": outcome.score, "scores": outcome.scores, "outcomes": outcome.rows()}
