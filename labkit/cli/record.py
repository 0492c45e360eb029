"""`labkit serve receiver --record FILE`: received events as a log, one row per event."""

import csv
import os
import re
from pathlib import Path
from threading import Lock
from typing import Any

import click

from labkit.clock import NANO, RealClock
from labkit.event import timestamp
from labkit.receiver import UnavailableError
from labkit.signature.steps import unix_seconds

COLUMNS = ["id", "type", "occurred_at", "received_at"]


class Recorder:
    """Appends the first copy of each event to a CSV file. `pointer` says where its data has the instant.

    The instant of an event is its `timestamp`, or what a JSON pointer such as `/created` finds in its data: Unix
    seconds or RFC 3339. An event that has none there is not recorded, and a line on standard error says so.
    """

    def __init__(self, path: str, pointer: str | None, clock: RealClock) -> None:
        self._path, self._pointer, self._clock, self._lock = Path(path), pointer, clock, Lock()
        if pointer is not None:
            find({}, pointer)  # an invalid pointer is refused before the first event
        expected = ",".join(COLUMNS)
        with open(path, "a+", encoding="utf-8", opener=_private) as file:
            file.seek(0)
            header = file.readline().rstrip("\n")
        if not header:
            self._append(COLUMNS)
        elif header != expected:
            raise click.UsageError(f"--record {path}: its header must be {expected}, got {header[:80]!r}")

    def record(self, event: dict[str, Any]) -> None:
        """Write a row. Raises UnavailableError if it cannot be written: the sender is to come again."""
        place = "timestamp" if self._pointer is None else self._pointer
        instant = event["timestamp"] if self._pointer is None else find(event["data"], self._pointer)
        type = re.sub(r"[^A-Za-z0-9_.]", "_", event["type"])  # a spreadsheet must not read "=…" as a formula
        try:
            occurred_at = timestamp(unix_seconds(instant))
        except ValueError as error:
            click.echo(f"{event['id']} ({type}) is not recorded: {place}: {error}", err=True)
            return
        self._append([event["id"], type, occurred_at, timestamp(self._clock.unix_nanoseconds() / NANO)])

    def _append(self, row: list[str]) -> None:
        try:
            with self._lock, open(self._path, "a", encoding="utf-8", newline="", opener=_private) as file:
                csv.writer(file, lineterminator="\n").writerow(row)
        except OSError as error:
            raise UnavailableError(f"the log cannot be written: {error.strerror}", retry_after=1) from None


def _private(path: str, flags: int) -> int:
    """Open a file; a new one can be read by its owner only."""
    return os.open(path, flags, 0o600)


# https://www.rfc-editor.org/rfc/rfc6901
def find(document: object, pointer: str) -> object:
    """What a JSON pointer finds in a document; None if there is nothing.

    >>> find({"data": [{"a/b": 7}]}, "/data/0/a~1b")
    7
    """
    if not re.fullmatch("(/([^~/]|~[01])*)*", pointer):
        raise click.UsageError(f"--time-pointer must be a JSON pointer such as /created, got {pointer!r}")
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and re.fullmatch("0|[1-9][0-9]{0,5}", name) and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document
