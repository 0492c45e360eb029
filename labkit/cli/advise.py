"""`labkit advise`: which approach to use, and why."""

import re
from typing import TYPE_CHECKING, Any

import click

from labkit.advice import Advice, DisagreementError, Need, advise
from labkit.advice.sentences import few, relaxed, sentences
from labkit.arrivals import Arrivals
from labkit.cli.log import log_options, refuse, split
from labkit.cli.output import check_target, print_table, terminal, write_json
from labkit.cli.rate_limit import rate_limit_of, rate_limit_option
from labkit.cli.report import Section, check_report, report_option, write_report
from labkit.cli.retries import retries_of, source_of
from labkit.plots.options import advised
from labkit.trace import earthquakes, from_log

if TYPE_CHECKING:
    from rich.table import Table

REASON_WIDTH = 20
"""Characters to which the reasons may be narrowed, so that a table without prices fits a terminal of 80."""
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


class Time(click.ParamType[float]):
    """A time: `90`, `90s`, `20min`, `5h`, `4d`; in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?) ?(s|min|h|d)?", str(value))
        if not found:
            self.fail(f"it must be a time such as 90, 20min, 5h or 4d, got {value!r}", param, ctx)
        return float(found[1]) * UNITS[found[2] or "s"]


@click.command("advise")
@click.argument("logs", nargs=-1, metavar="[LOG…]")
@click.option("--rate", type=float, metavar="EVENTS_PER_HOUR", help="Instead of a log: random events at this rate.")
@click.option("--deadline", type=Time(), required=True, metavar="TIME", help="Later is too late: 30, 20min, 5h or 1d.")
@click.option("--share", type=float, default=Need.share, show_default=True, help="Of the events, in time.")
@click.option("--reads", type=float, default=0.0, metavar="PER_HOUR", help="How often somebody reads the state.")
@click.option("--consumers", type=int, default=1, show_default=True, metavar="N", help="How many need every event.")
@click.option("--unreachable", is_flag=True, help="Nothing can call the consumers, as behind NAT.")
@click.option("--hold", is_flag=True, help="A connection may stay open, and the source offers that.")
@rate_limit_option
@click.option("--retries", metavar="NAME|SECONDS,…", help="The source's: see labkit retries. [default: assumed]")
@click.option("--outage", type=Time(), default=0.0, metavar="TIME", help="The longest of the receiver to survive.")
@click.option("--may-lose", type=int, default=0, show_default=True, metavar="N", help="Events, in that outage.")
@click.option("--price-per-million", type=float, metavar="MONEY", help="Of requests.")
@click.option("--price-per-gb", type=float, metavar="MONEY", help="Of bytes, in either direction.")
@click.option("--delay", type=float, default=Need.delay, show_default=True, metavar="SECONDS", help="Each way.")
@click.option("--without", multiple=True, metavar="NAME", help="Repeatable: what the source does not offer.")
@log_options
@click.option("--json", "json_path", metavar="PATH|-", help="Write the answer as JSON; - is standard output.")
@report_option
def advise_command(logs: tuple[str, ...], rate: float | None, rate_limit: str, retries: str | None,
                   json_path: str | None, report_path: str | None, **options: Any) -> None:  # fmt: skip
    """Recommend an approach for your events and your need, and say what to expect and why.

    LOG is a file with CSV or JSON lines, or - for standard input; several are read in order. `earthquakes` is the real
    week that labkit brings along. docs/advise.md explains the answer.
    """
    check_target("--json", json_path)
    check_report(report_path)
    profile = None if retries is None else retries_of(retries)
    reading, needed = split(options)
    need = Need(**needed, rate_limit=rate_limit_of(rate_limit, 0.0), retries=profile)
    try:
        found = advise(need, _events(logs, rate, reading))
    except DisagreementError as error:
        raise click.ClickException(str(error)) from error
    console = terminal(stderr=json_path == "-")
    for note in found.events.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    if profile and (note := source_of(profile)):
        console.print(note, soft_wrap=True)
    if json_path is not None:
        write_json(found.record(), json_path)
    if json_path != "-":
        first, *others = sentences(found)
        console.print(first, style="bold", soft_wrap=True)
        for sentence in others:
            console.print(sentence, soft_wrap=True)
        print_table(_table(found), console)
        console.print("Assumed:")
        for sentence in found.assumed:
            console.print(f"- {sentence}", soft_wrap=True)
    if report_path is not None:
        sections = [Section("Recommendation", [*sentences(found)], _table(found), advised(found)),
                    Section("Assumed", [*found.events.notes, *found.assumed])]  # fmt: skip
        write_report(report_path, f"Which approach for {found.events.name}?", sections, console)
    if found.recommendation is None:
        for sentence in relaxed(found) if json_path == "-" else ():
            console.print(sentence, soft_wrap=True)
        raise SystemExit(1)


def _events(logs: tuple[str, ...], rate: float | None, reading: dict[str, Any]) -> Arrivals | float:
    if bool(logs) == (rate is not None):
        raise click.UsageError(f"give a LOG or --rate EVENTS_PER_HOUR, got {'both' if logs else 'neither'}")
    if rate is not None:
        refuse(reading, "generated events")
        return rate
    if logs == ("earthquakes",):
        refuse(reading, "earthquakes")
        return earthquakes()
    return from_log(*logs, **reading)


def _table(found: Advice) -> "Table":
    """The recommendation and the others, with the figures that decide."""
    from rich.table import Table

    table = Table()
    table.add_column("approach", overflow="fold")
    headings = ["per hour", "in time", "mean, s", *(["per month"] if found.need.priced else [])]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why not", overflow="fold", min_width=REASON_WIDTH)
    for option, reason in found.considered:
        table.add_row(option.approach.label, *_cells(option.expected, found.need.priced), reason)
    return table


def _cells(expected: Any, priced: bool) -> list[str]:
    if not expected:
        return ["–"] * (3 + priced)
    within = expected["within_deadline"]
    cells = [few(expected["requests_per_hour"]), "–" if within is None else f"{within:.1%}"]
    cells.append("–" if within is None else f"{expected['latency']['mean']:,.2f}")
    return cells + ([f"{expected['cost_per_month']:,.4g}"] if priced else [])
