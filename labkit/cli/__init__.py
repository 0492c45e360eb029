"""The command line: one module per command, and what they share."""

import shlex
import sys
from collections.abc import Sequence

import click

import labkit
from labkit.cli.about import approaches_command, doctor_command
from labkit.cli.compare import compare_command
from labkit.cli.contest import contest_command
from labkit.cli.copies import assignment_command, walkthroughs_command
from labkit.cli.describe import describe_command
from labkit.cli.faults import faults_command
from labkit.cli.poll import poll_command
from labkit.cli.retries import retries_command
from labkit.cli.serve import serve_group
from labkit.cli.sweep import sweep_command

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(labkit.__version__, prog_name="labkit")
def cli() -> None:
    """Measure what it costs to learn that something happened, and how late you learn it."""


for command in (compare_command, sweep_command, describe_command, faults_command, contest_command, walkthroughs_command,
                assignment_command, serve_group, poll_command, approaches_command, retries_command,
                doctor_command):  # fmt: skip
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. An error is one line on standard error: exit status 2 if the usage is wrong, otherwise 1."""
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        cli.main(given, prog_name="labkit", standalone_mode=False, obj=shlex.join(["labkit", *given]))
    except click.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
    except (click.ClickException, ValueError, OSError) as raised:
        shown = raised if isinstance(raised, click.ClickException) else click.UsageError(str(raised))
        click.echo(f"labkit: {' '.join(shown.format_message().split())}", err=True)
        sys.exit(shown.exit_code)
