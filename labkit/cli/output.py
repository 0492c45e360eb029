"""What a command makes, and where it goes: documents, tables, and the paths that it was given."""

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import labkit
from labkit.plots.figure import FORMATS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Column = tuple[str, int, Callable[[dict[str, Any]], str]]
"""Heading, how soon it is left out where the terminal is narrow (0: never; otherwise the largest first), the cell."""


def check_target(option: str, path: str | None, folder: bool = False) -> None:
    """Refuse a place that cannot be written to, before the work is done."""
    if path is None:
        return
    target = Path(path).absolute()
    home = target if folder and target.exists() else target.parent
    while folder and not home.exists():
        home = home.parent
    if not path or (target.is_dir() if not folder else target.exists() and not target.is_dir()):
        raise click.UsageError(f"{option} {path!r}: give the path of a {'folder' if folder else 'file'}")
    if not home.is_dir():
        raise click.UsageError(f"{option} {path}: there is no folder {home}: make it first")
    if not os.access(home, os.W_OK):
        raise click.UsageError(f"{option} {path}: {home} cannot be written to: give another path")


def check_format(path: str | None) -> None:
    """Refuse a figure's path that says no format."""
    if path and Path(path).suffix.lower() not in FORMATS:
        raise click.UsageError(f"--plot {path}: a figure's path ends in {', '.join(FORMATS)}")


def write_json(document: dict[str, Any], path: str) -> None:
    """Write a document with what it was made by; to standard output where the path is "-"."""
    made_by = {
        "command": " ".join(["labkit", *sys.argv[1:]]),
        "labkit": labkit.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    text = json.dumps(document | made_by, indent=2, allow_nan=False) + "\n"
    sys.stdout.write(text) if path == "-" else Path(path).write_text(text, encoding="utf-8")


def fitting(
    columns: Sequence[Column], table: Callable[[Sequence[Column]], "Table"], console: "Console"
) -> Sequence[Column]:
    """As many of a table's columns as the terminal has room for."""
    for patience in range(max(column[1] for column in columns), 0, -1):
        if console.measure(table(columns), options=console.options.update(width=1000)).maximum <= console.width:
            break
        columns = [column for column in columns if column[1] != patience]
    return columns
