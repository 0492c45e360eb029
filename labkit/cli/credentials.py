"""Secrets and tokens that a command is given: by a file or by the environment, never on the command line."""

import os
import stat

import click

from labkit.server import TOKEN, TOKEN_RULE

token_file_option = click.option(
    "--token-file", metavar="FILE", help="A file with the source's token. Without it: the environment's LABKIT_TOKEN."
)


def given_lines(option: str, file: str | None, variable: str) -> list[str]:
    """The lines of a file that only its owner can read, or else of an environment variable; [] if neither is given."""
    if not file:
        text = os.environ.get(variable, "")
    else:
        with open(file, "rb") as opened:  # what is checked is what is read
            mode, raw = os.fstat(opened.fileno()).st_mode, opened.read()
        if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
            raise click.UsageError(
                f"{option} {file}: other users can read or write it (mode {mode & 0o777:04o}): chmod 600 {file}"
            )
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:  # which shows a byte of it
            raise click.UsageError(
                f"{option} {file}: the file must be text in UTF-8, and is not from byte {error.start} on"
            ) from None
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if file and not lines:
        raise click.UsageError(f"{option} {file}: the file is empty; write the secret into it")
    return lines


def given_token(file: str | None) -> str:
    """The token in a file or in LABKIT_TOKEN; "" if neither is given."""
    where = f"--token-file {file}" if file else "LABKIT_TOKEN"
    lines = given_lines("--token-file", file, "LABKIT_TOKEN")
    if len(lines) > 1 or not all(TOKEN.fullmatch(line) for line in lines):
        raise click.UsageError(f"{where} must hold one token, of {TOKEN_RULE}")
    return lines[0] if lines else ""
