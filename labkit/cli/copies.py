"""`labkit walkthroughs` and `labkit assignment`: write notebooks for students."""

from pathlib import Path

import click

from labkit.course.assignment import write_assignment
from labkit.course.walkthroughs import write_walkthroughs

DIRECTORY = click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")


@click.command("walkthroughs")
@DIRECTORY
def walkthroughs_command(directory: Path) -> None:
    """Write copies of the walkthroughs, without outputs, to DIR.

    Predict, then run. The contents page and the students' copies of the exercises are included. Existing files are
    kept.
    """
    _show(*write_walkthroughs(directory))


@click.command("assignment")
@DIRECTORY
@click.option("--only", multiple=True, metavar="NN",
              help="Only the exercises of this walkthrough, such as 01. Repeatable.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite existing copies, and the answers in them.")
def assignment_command(directory: Path, only: tuple[str, ...], force: bool) -> None:
    """Write the students' copies of the exercises to DIR: without solutions and hidden tests.

    Each is a notebook that needs only labkit. nbgrader can grade it; docs/for-teachers.md says how. Existing files are
    kept.
    """
    _show(*write_assignment(directory, only, force))


def _show(written: list[Path], kept: list[Path]) -> None:
    for path in written:
        click.echo(path)
    for path in kept:
        click.echo(f"labkit: {path} exists, may contain answers, and was kept", err=True)
