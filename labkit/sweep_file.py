"""A sweep's file: a line of JSON that says which sweep it is, then one per run, appended as the run finishes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from os.path import commonprefix
from pathlib import Path
from typing import Any

from labkit.approaches import Approach
from labkit.lenses import Lens
from labkit.scenario import Scenario
from labkit.sqlite import own

ROW = {"scenario": int, "label": str, "repeat": int, "error": str}
"""What each row has."""
ABSENT = object()
"""In place of a member that one of two records lacks."""


class SweepFile:
    """The file at `path` for the sweep that a record describes. `rows` are those that earlier drivers wrote.

    A last line without its end was cut off when that driver was killed: it is removed. Raises ValueError, and leaves
    the file as it is, if it holds another sweep, or no sweep; and OSError while another driver has it, since both
    would append each row. A lock on the file `path`.lock ends with its process.
    """

    def __init__(self, path: str | Path, sweep: Mapping[str, Any]) -> None:
        self.path, self._lock = path, own(path, "sweep")
        try:
            self.rows = self._read(sweep)
            self._file = open(path, "ab")  # noqa: SIM115  closed by `close`
        except BaseException:
            self._lock.close()
            raise

    def _read(self, sweep: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows that are there, after the header, which is written if the file is new."""
        header = _line({"sweep": sweep})
        with open(self.path, "ab+") as file:
            file.seek(0)
            written = file.read()
            lines = written[: written.rfind(b"\n") + 1].splitlines(keepends=True)
            if not lines and not header.startswith(written):
                raise self._no_sweep(1, written)
            rows = []
            for number, line in enumerate(lines, start=1):
                document = self._document(number, line)
                if document.keys() == {"sweep"}:  # files of one sweep that were joined have several headers
                    self._check(document["sweep"], json.loads(header)["sweep"])
                elif number == 1 or not all(isinstance(document.get(name), kind) for name, kind in ROW.items()):
                    raise self._no_sweep(number, line)
                else:
                    rows.append(document)
            file.truncate(sum(map(len, lines)))
            if not lines:
                file.write(header)
        return rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row. Once this returns it outlives the process, and not a power failure."""
        self._file.write(_line(row))
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self._lock.close()

    def _check(self, there: Any, here: Any) -> None:
        if there != here:
            differs = _difference(there, here)
            raise ValueError(f"{self.path} is the file of another sweep: {differs}; use another file, or delete it")

    def _document(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            document = json.loads(line)
        except ValueError:
            raise self._no_sweep(number, line) from None
        if not isinstance(document, dict):
            raise self._no_sweep(number, line)
        return document

    def _no_sweep(self, number: int, line: bytes) -> ValueError:
        got = f"line {number} is {line[:40]!r}"
        return ValueError(f"{self.path} is not the file of a sweep: {got}; use another file, or delete the line")


def identity(lens: Lens, scenarios: Sequence[Scenario], approaches: Sequence[Approach]) -> dict[str, Any]:
    """What rows of the same sweep have in common, however often it is repeated."""
    return {
        "labkit": version("webhook-lab"),
        "lens": {"name": lens.name, **vars(lens)},
        "approaches": [{"name": each.name, **asdict(each)} for each in approaches],
        "scenarios": [
            {**each.record(), "events_sha256": sha256(repr(each.arrivals.events).encode()).hexdigest()}
            for each in scenarios
        ],
    }


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, default=repr).encode() + b"\n"


def _difference(there: Any, here: Any, place: str = "") -> str:
    """The first member in which two records differ.

    >>> _difference({"delays": [0.02, 0.5]}, {"delays": [0.02, 1.0]})
    'delays[1] is 0.5 there, and 1.0 here'
    >>> _difference({"delays": [0.02, 0.5]}, {"delays": [0.02]})
    'delays[1] is 0.5 there, and absent here'
    """
    if type(there) is type(here) and isinstance(here, dict | list):
        old, new = _members(there), _members(here)
        both = {name: (old.get(name, ABSENT), new.get(name, ABSENT)) for name in old | new}
        name = next(name for name, (one, other) in both.items() if one != other)
        return _difference(*both[name], f"{place}{name}".lstrip("."))
    texts = ["absent" if value is ABSENT else json.dumps(value) for value in (there, here)]
    start = max(0, len(commonprefix(texts)) - 50)  # noqa: RUF071  texts, not paths, and long ones may differ late
    there, here = (text[start : start + 100] for text in texts)
    return f"{place or 'sweep'} is {there} there, and {here} here"


def _members(value: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """Each value by its place."""
    if isinstance(value, dict):
        return {f".{name}": member for name, member in value.items()}
    return {f"[{number}]": member for number, member in enumerate(value)}
