"""`labkit assignment`: writes the exercises to hand out."""

from pathlib import Path

import click

from labkit.course.assignment import write_assignment


@click.command("assignment")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--only", multiple=True, metavar="NN",
              help="Only the exercises of this walkthrough, such as 01. Repeatable.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite existing copies, and the answers in them.")
def assignment_command(directory: Path, only: tuple[str, ...], force: bool) -> None:
    """Write the students' copies of the exercises to DIR: without solutions and hidden tests.

    Each is a notebook that needs only labkit. nbgrader can grade it; docs/for-teachers.md says how. Existing files are
    kept.
    """
    written, kept = write_assignment(directory, only, force)
    for path in written:
        click.echo(path)
    for path in kept:
        click.echo(f"labkit: {path} exists, may contain answers, and was kept", err=True)
