"""`labkit approaches` and `labkit doctor`: what can be compared, and what is installed."""

import platform
from dataclasses import fields
from importlib import metadata

import click

import labkit
from labkit.approaches import APPROACHES
from labkit.cli.terminal import terminal


@click.command("approaches")
def approaches_command() -> None:
    """List the approaches, with their parameters and defaults."""
    console = terminal()
    for name, approach in APPROACHES.items():
        sentence = " ".join((approach.__doc__ or "").split("\n\n")[0].split())
        only = "" if len(approach.lenses) > 1 else f" ({approach.lenses[0]} lens only)"
        console.print(f"[bold]{name}[/]{only}  {sentence}", highlight=False)
        for field in fields(approach):
            unit = field.metadata.get("unit", "")
            console.print(f"    {field.name}={field.default}{unit and f' {unit}'}", highlight=False, markup=False)


@click.command("doctor")
def doctor_command() -> None:
    """Show the installed versions, the clock's resolution, and what is missing."""
    import sqlite3

    from labkit.clock import resolution

    console = terminal()
    rows = [("labkit", labkit.__version__), ("Python", platform.python_version()), ("platform", platform.platform())]
    missing = []
    for name in ("flask", "werkzeug", "httpx", "greenlet", "numpy", "pandas", "matplotlib", "click", "rich", "loky",
                 "msgspec", "jupyterlab", "ipykernel", "nbval", "pytest"):  # fmt: skip
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            extra = _EXTRAS.get(name, "")
            remedy = (
                f"optional: run pip install -e '.[{extra}]' in the checkout" if extra else "required: reinstall labkit"
            )
            missing.append(f"{name} ({remedy})")
    rows += [("SQLite", sqlite3.sqlite_version), ("clock's resolution", f"{resolution() * 1e9:,.0f} ns")]
    for name, value in rows:
        console.print(f"{name:<20}{value}", highlight=False, markup=False)
    for line in missing or ["nothing"]:
        console.print(f"{'missing':<20}{line}", highlight=False, markup=False)


_EXTRAS = {"jupyterlab": "lab", "ipykernel": "lab", "nbval": "test", "pytest": "test"}
