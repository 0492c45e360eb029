"""The command line: one module per command, and what they share."""

import shlex
import sys
from collections.abc import Sequence
from importlib import import_module

import click

import labkit
from labkit.catalogue import escaped

__all__ = ["cli", "main"]

COMMANDS = {
    "compare": ("compare.compare_command", "Run approaches over the same events, side by side."),
    "sweep": ("sweep.sweep_command", "Run approaches in many scenarios, with confidence intervals."),
    "describe": ("describe.describe_command", "Say what a log is like: rate, gaps, busiest windows, rhythm."),
    "advise": ("advise.advise_command", "Recommend an approach for your events and your need."),
    "faults": ("faults.faults_command", "Run every approach under every fault: which of them hold?"),
    "contest": ("contest.contest_command", "Score a file with next_delay(history)."),
    "walkthroughs": ("copies.walkthroughs_command", "Write copies of the notebooks, without outputs."),
    "assignment": ("copies.assignment_command", "Write the students' copies of the exercises."),
    "serve": ("serve.serve_group", "Serve an event source or a webhook receiver."),
    "poll": ("poll.poll_command", "Poll a source, and show what each request brings."),
    "approaches": ("about.approaches_command", "List the approaches, with their parameters."),
    "retries": ("retries.retries_command", "List the retry profiles of known senders."),
    "doctor": ("about.doctor_command", "Show what is installed, and what is missing."),
}
"""Where each command is, and what `labkit --help` says of it: a module is imported when its command is used."""


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(".")
        command: click.Command = getattr(import_module(f"labkit.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(labkit.__version__, prog_name="labkit")
def cli() -> None:
    """Measure what it costs to learn that something happened, and how late you learn it."""


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
        click.echo(f"labkit: {escaped(' '.join(shown.format_message().split()))}", err=True)
        sys.exit(shown.exit_code)
