"""`--report FILE.html`: what a command found, as one page to hand to a colleague."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.approaches import Approach
from labkit.cli.named import as_option, pairs
from labkit.cli.output import check_target, made_by
from labkit.cli.retries import facts, source_of
from labkit.plots.figure import Figure
from labkit.policies import RateLimit
from labkit.scenario import Scenario

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column, Table

report_option = click.option(
    "--report", "report_path", metavar="FILE.html",
    help="Write one page to hand to a colleague: sentences, tables, pictures, assumptions.",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A part of a report: a heading, paragraphs, and below them a table and a picture if there are any."""

    heading: str
    sentences: Sequence[str] = ()
    table: "Table | None" = None
    figure: Figure | None = None


def check_report(path: str | None) -> None:
    """Refuse a page's path that cannot be written to, or does not end in .html."""
    check_target("--report", path)
    if path is not None and Path(path).suffix.lower() != ".html":
        raise click.UsageError(f"--report must end in .html, got {path}")


def write_report(
    path: str, title: str, sections: Sequence[Section], console: "Console", seed: int | None = None
) -> None:
    """Write the page, and say where it is. It has no script, no link, and nothing that is loaded from elsewhere.

    Every text is escaped, whatever a log holds; half of a surrogate pair, as a file's name can have, is written as
    `\\udcff`.
    """
    from jinja2 import Environment, StrictUndefined

    template = files("labkit.cli").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(template).render(
        title=title, sections=sections, seed=seed, made_by=made_by(), rows=_rows,
        base64=lambda picture: b64encode(picture).decode(),
    )  # fmt: skip
    try:
        Path(path).write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(f"--report {path}: {error.strerror}; use another path") from None
    console.print(f"Report: {path}", soft_wrap=True)


def _rows(table: "Table") -> Iterator[tuple[tuple["Column", object], ...]]:
    """A table's rows: each cell beside its column."""
    for row in zip(*(column.cells for column in table.columns), strict=True):
        yield tuple(zip(table.columns, row, strict=True))


def assumptions(
    scenarios: Sequence[Scenario], approaches: Sequence[Approach], lens: str, speed: float = 1.0
) -> Section:
    """What was assumed: each scenario, its source's policies, and every parameter of the approaches; nothing twice."""
    lines = dict.fromkeys([*map(_world, scenarios), *(line for each in scenarios for line in _policies(each))])
    given = [(each.name, {key: value for key, value in asdict(each).items() if value != ()}) for each in approaches]
    settings = (f"{name} ({pairs(values)})" if values else name for name, values in given)
    faster = "" if speed == 1 else f", with all times divided by {speed:g}"
    return Section("Assumptions", [*lines, f"Approaches: {'; '.join(settings)}.", f"Lens: {lens}{faster}."])


def _world(scenario: Scenario) -> str:
    faults = "; ".join(as_option(fault.record()) for fault in scenario.faults) or "none"
    drawn = pairs({key: value for key, value in scenario.arrivals.params.items() if value is not None})
    return f"{scenario.title()}{f' ({drawn})' if drawn else ''}. Faults: {faults}. Consumers: {scenario.consumers:,}."


def _policies(scenario: Scenario) -> Iterator[str]:
    yield from scenario.arrivals.notes
    policy = ", ".join(f"{name} {value}" for name, value in facts(scenario.retries).items())
    yield f"The source's retries: {policy}."
    if note := source_of(scenario.retries):
        yield note
    limits = "none" if scenario.rate_limit == RateLimit() else pairs(asdict(scenario.rate_limit))
    yield f"The source's rate limit: {limits}."
    kept = "for ever" if scenario.retention is None else f"for {scenario.retention:g} s"
    yield f"The source keeps events {kept}."
