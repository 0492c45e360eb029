"""`labkit describe`: what a log is like."""

from pathlib import Path
from typing import Any

import click

from labkit.cli.log import log_options, refuse, split
from labkit.cli.output import check_target, plot_target, save_plot, terminal, write_json
from labkit.description import describe
from labkit.log import read_log
from labkit.plots.account import sentences
from labkit.plots.glance import overview
from labkit.trace import earthquakes

PLOT = Path("out", "labkit-describe.png")


@click.command("describe")
@click.argument("logs", nargs=-1, required=True, metavar="LOG…")
@log_options
@click.option("--json", "json_path", metavar="PATH|-", help="Write the figures as JSON; - is standard output.")
@click.option("--plot", "plot_path", metavar="PATH",
              help=f"Where the figure goes: .png, .svg or .pdf. [default: {PLOT}]")  # fmt: skip
def describe_command(logs: tuple[str, ...], json_path: str | None, plot_path: str | None, **options: Any) -> None:
    """Say what a log is like: rate, gaps, dispersion by scale, busiest windows, rhythm and types.

    LOG is a file with CSV or JSON lines, or - for standard input; several are read in order. `earthquakes` is the real
    week that labkit brings along. docs/logs.md says which instants are read.
    """
    check_target("--json", json_path)
    plot_path = plot_target(plot_path, None if json_path == "-" else PLOT)
    reading, _ = split(options)
    if logs == ("earthquakes",):
        refuse(reading, "earthquakes")
        found = describe(earthquakes())
    else:
        found = describe(read_log(*logs, **reading))
    console = terminal(stderr=json_path == "-")
    for note in found.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    if json_path is not None:
        write_json(found.record(), json_path)
    if json_path != "-":
        console.print(found.name, style="bold")
        for sentence in sentences(found):
            console.print(sentence, soft_wrap=True)
    if plot_path:
        save_plot(overview(found), plot_path, console)
