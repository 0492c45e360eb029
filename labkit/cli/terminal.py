"""Where the commands print."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def terminal(stderr: bool = False) -> "Console":
    """A console as wide as the terminal, or wide enough to cut nothing if the output is a file or a pipe."""
    from rich.console import Console

    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=200)
