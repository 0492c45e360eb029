"""Where a command's results go: the terminal, the paths that it was given, JSON documents and lines, tables."""

import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import labkit
from labkit.plots.figure import FORMATS, Figure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LABEL_WIDTH = 16
"""Characters to which a table's first column may be narrowed: `conditional_feed` in one piece."""


def terminal(stderr: bool = False) -> "Console":
    """A console that prints text as it is. In a file or a pipe, it is wide enough to cut nothing."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    return console


def command() -> str:
    """The command that is running, as a shell would take it again."""
    given: str = click.get_current_context().find_root().obj
    return given


def check_target(option: str, path: str | None, folder: bool = False) -> None:
    """Refuse a path that cannot be written to, before the work is done. None is no path; - is standard output."""
    if path is None or path == "-":
        return
    target = Path(path).absolute()
    home = next(each for each in (target, *target.parents) if each.exists()) if folder else target.parent
    if not path or (target.exists() and target.is_dir() != folder):
        raise click.UsageError(f"{option} must be the path of a {'folder' if folder else 'file'}, got {path!r}")
    if not home.is_dir():
        raise click.UsageError(f"{option} {path}: there is no folder {home}; create it first")
    if not os.access(home, os.W_OK):
        raise click.UsageError(f"{option} {path}: {home} is not writable; use another path")


def check_plot(path: str | None) -> None:
    """Refuse a figure's path that cannot be written to, or whose ending is no format."""
    check_target("--plot", path)
    if path and Path(path).suffix.lower() not in FORMATS:
        raise click.UsageError(f"--plot must end in {', '.join(FORMATS)}, got {path}")


def plot_target(path: str | None, default: Path | None) -> str | None:
    """Where a figure goes: the given path, or the default one, in a folder that is made; None is nowhere."""
    check_plot(path)
    if path is not None or default is None:
        return path
    check_target("--plot", str(default.parent), folder=True)
    return str(default)


def save_plot(figure: Figure, path: str, console: "Console") -> None:
    """Write a figure, and say where it is."""
    try:
        figure.save(path)
    except OSError as error:
        raise click.UsageError(f"--plot {path}: {error.strerror}; use another path") from None
    console.print(f"Figure: {path}", soft_wrap=True)


def made_by() -> dict[str, str]:
    """The command that is running, and the versions that run it."""
    return {
        "command": command(),
        "labkit": labkit.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def write_json(document: dict[str, Any], path: str) -> None:
    """Write a document, with the versions that made it; to standard output if the path is "-"."""
    text = json.dumps(document | made_by(), indent=2, allow_nan=False) + "\n"
    sys.stdout.write(text) if path == "-" else Path(path).write_text(text, encoding="utf-8")


def print_json_line(document: object) -> None:
    """Print a document as one line, at once, for a pipe to `jq`."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def print_table(table: "Table", console: "Console", wide: bool = False) -> None:
    """Print a table. Where it is wider than the terminal, its texts fold; a figure is never cut.

    Texts are in the first column, and in those that have a `min_width`. `wide`: as wide as it is, for a terminal that
    scrolls or for `less -S`.
    """
    texts = [table.columns[0], *(each for each in table.columns[1:] if each.min_width)]
    if not wide and _width(table, console) > console.width:
        for column in texts:
            column.width = column.min_width or LABEL_WIDTH
    console.width = max(console.width, _width(table, console))
    texts[-1].width = None  # it has what the others leave
    console.print(table)
    for column in texts:
        column.width = None


def _width(table: "Table", console: "Console") -> int:
    """How wide a table is, on a terminal of any width."""
    return console.measure(table, options=console.options.update(width=1000)).maximum
