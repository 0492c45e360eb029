"""`labkit approaches` and `labkit doctor`: what can be compared, and what is installed."""

import platform
import sqlite3
from dataclasses import fields
from importlib import metadata

import click

import labkit
from labkit.approaches import APPROACHES
from labkit.cli.output import terminal
from labkit.clock import resolution

REQUIRED = ("flask", "werkzeug", "jinja2", "httpx", "wsproto", "simple-websocket", "greenlet", "numpy", "pandas",
            "matplotlib", "click", "rich", "loky", "msgspec")  # fmt: skip
EXTRAS = {"jupyterlab": "lab", "ipykernel": "lab", "ipywidgets": "lab", "nbval": "test", "pytest": "test",
          "distributed": "dask"}  # fmt: skip


@click.command("approaches")
def approaches_command() -> None:
    """List the approaches, with their parameters and defaults."""
    console = terminal()
    for name, approach in APPROACHES.items():
        sentence = " ".join((approach.__doc__ or "").split("\n\n")[0].split())
        only = "" if len(approach.lenses) > 1 else f" ({approach.lenses[0]} lens only)"
        console.print(f"[bold]{name}[/]{only}  {sentence}", markup=True)
        for field in fields(approach):
            unit = field.metadata.get("unit", "")
            console.print(f"    {field.name}={field.default}{unit and f' {unit}'}")


@click.command("doctor")
def doctor_command() -> None:
    """Show the installed versions, the clock's resolution, and what is missing."""
    rows = [("labkit", labkit.__version__), ("Python", platform.python_version()), ("platform", platform.platform())]
    missing = []
    for name in (*REQUIRED, *EXTRAS):
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            optional = f"optional: run pip install -e '.[{EXTRAS.get(name)}]' in the checkout"
            missing.append(f"{name} ({optional if name in EXTRAS else 'required: reinstall labkit'})")
    rows += [("SQLite", sqlite3.sqlite_version), ("clock's resolution", f"{resolution() * 1e9:,.0f} ns")]
    rows += [("missing", line) for line in missing or ["nothing"]]
    console = terminal()
    for name, value in rows:
        console.print(f"{name:<20}{value}")
