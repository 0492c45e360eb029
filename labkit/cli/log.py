"""The options that say how to read a log of your own: those of `--trace FILE`, and of `labkit describe`."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from labkit.log import Reading

LOG_OPTIONS = [
    click.option("--time-column", metavar="NAME", help="The log's column of instants, if it is not found by itself."),
    click.option("--type-column", metavar="NAME", help="The log's column of types. [default: type, if it has one]"),
    click.option("--time-format", metavar="FORMAT", help="Form of the instants: iso, s, ms, us, ns, or as '%m/%d/%Y'."),
    click.option("--day-first", is_flag=True, default=None,
                 help="Dates have the day first: 31/01/2026, 31.1.2026 12:00."),
    click.option("--time-zone", metavar="ZONE",
                 help="Zone of instants that have no UTC offset: Europe/Madrid. [default: UTC]"),
]  # fmt: skip
SUFFIXES = (".csv", ".tsv", ".txt", ".log", ".json", ".jsonl", ".ndjson")
"""A path that ends like this is a log's, whether the file exists or not."""


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options."""
    for option in reversed(LOG_OPTIONS):
        command = option(command)
    return command


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of the options that were given, in two parts: how to read a log, and the others."""
    names = {field.name for field in fields(Reading)}
    given = {name: value for name, value in options.items() if value is not None}
    return {n: v for n, v in given.items() if n in names}, {n: v for n, v in given.items() if n not in names}


def refuse(reading: Mapping[str, Any], what: str) -> None:
    """Raise UsageError if one of these options was given for events that do not come from a log."""
    for name, value in reading.items():
        option = f"--{name.replace('_', '-')}{'' if value is True else f' {value}'}"
        raise click.UsageError(f"{option}: it is for a log of your own, not for {what}")


def is_log(path: str) -> bool:
    """Whether this is a log's path, or "-" for standard input."""
    return path == "-" or (bool(path) and (path.lower().endswith(SUFFIXES) or Path(path).exists()))
