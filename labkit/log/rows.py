"""A log's rows, one after another: CSV or JSON lines, from a file or from standard input."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import NoReturn

import msgspec

HEAD = 1000
"""Rows that are looked at, before any is used, to find the columns."""

Row = Sequence[str] | Mapping[str, object]
"""The cells of a CSV row in the order of the header, or the object of a line of JSON."""


@dataclass(frozen=True)
class Rows:
    """A log's numbered rows, which can be iterated over once. `head` are the first of them.

    They are numbered as in a spreadsheet: the header is row 1. In JSON lines, a row is a line.
    """

    file: str
    columns: tuple[str, ...]
    json: bool
    head: Sequence[tuple[int, Row]]
    rest: Iterator[tuple[int, Row]]

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        return chain(self.head, self.rest)

    def fail(self, message: str) -> NoReturn:
        """Raise ValueError with the file's name before the message."""
        raise ValueError(f"{self.file}: {message}")

    def named(self, name: str, joined: bool = True) -> str:
        """The name, if a column has it. If `joined`, it may join columns with +, such as a date and a time of day."""
        if not {*(parts_of(name, self.columns) if joined else [name])} <= {*self.columns}:
            self.fail(f"no column {name!r}; the columns are {listed(self.columns)}")
        return name

    def cell(self, name: str) -> Callable[[Row], str]:
        """A function that takes a column's cell out of a row, as text; "" if JSON has no such name, or null."""
        if len(several := parts_of(name, self.columns)) > 1:
            cells = [self.cell(part) for part in several]
            return lambda row: " ".join(found) if all(found := [cell(row) for cell in cells]) else ""
        if self.json:
            return lambda row: _text(row.get(name)) if isinstance(row, Mapping) else ""
        at = self.columns.index(name)
        return lambda row: "" if isinstance(row, Mapping) else row[at].strip()

    def first(self, name: str) -> list[str]:
        """A column's cells in the head."""
        return list(map(self.cell(name), (row for _, row in self.head)))


def open_rows(file: str | PathLike[str]) -> Rows:
    """The rows of the file at this path; of standard input if it is "-"."""
    path = Path(file)
    if str(file) == "-":
        return rows_of(_open(None), "standard input")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a directory, not a log")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    return rows_of(_open(path), str(path))


def rows_of(raw: Iterable[bytes], file: str) -> Rows:
    """The rows of these lines. Raises ValueError, with file, row and value, for what is neither CSV nor JSON lines."""
    lines = _decoded(raw, file)
    blank = 0
    for first in lines:
        if first.strip():
            break
        blank += 1
    else:
        raise ValueError(f"{file}: is empty; it must have a header and a row for each event")
    lines = chain([first], lines)
    if first.lstrip().startswith("["):
        raise ValueError(f"{file}: row {blank + 1}: a log in JSON must have one object per line, got {first[:40]!r}")
    json = first.lstrip().startswith("{")
    if json:
        rows: Iterator[tuple[int, Row]] = _json(lines, blank + 1, file)
        head = list(islice(rows, HEAD))
        columns = tuple(dict.fromkeys(name for _, row in head for name in row))
        return Rows(file, columns, json, head, rows)
    delimiter = max(",;\t", key=lambda mark: _width(first, mark))
    cells = _csv(lines, blank + 1, file, delimiter)
    columns = tuple(name.strip() or f"column_{n}" for n, name in enumerate(next(cells)[1], 1))
    rows = _full(cells, file, len(columns))
    if repeated := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(f"{file}: row 1: names of columns must be unique, got {repeated[0]!r} twice")
    head = list(islice(rows, HEAD))
    if not head:
        raise ValueError(f"{file}: no rows after the header {list(columns)}")
    return Rows(file, columns, json, head, rows)


def _open(path: Path | None) -> Iterator[bytes]:
    with nullcontext(sys.stdin.buffer) if path is None else path.open("rb") as file:
        yield from file


def _decoded(raw: Iterable[bytes], file: str) -> Iterator[str]:
    for number, line in enumerate(raw, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            got = f"{line[error.start]:#04x}; save the file as UTF-8"
            raise ValueError(f"{file}: row {number}: must be UTF-8, got byte {got}") from None
        yield text


def _width(line: str, delimiter: str) -> int:
    """How many cells a line has; 0 if it cannot be read, which `_csv` reports."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        return 0


def _csv(lines: Iterable[str], start: int, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank; blank ones are counted."""
    row = start - 1
    try:
        for row, cells in enumerate(csv.reader(lines, delimiter=delimiter, strict=True), start):
            if cells:
                yield row, cells
    except csv.Error as error:
        raise ValueError(f"{file}: row {row + 1}: {error}") from None


def _full(cells: Iterable[tuple[int, list[str]]], file: str, width: int) -> Iterator[tuple[int, list[str]]]:
    for row, found in cells:
        if len(found) != width:
            got = f"{len(found)}: {found}"
            raise ValueError(f"{file}: row {row}: must have {width} cells as the header has, got {got}")
        yield row, found


def _json(lines: Iterable[str], start: int, file: str) -> Iterator[tuple[int, dict[str, object]]]:
    decode = msgspec.json.Decoder(dict[str, object]).decode
    for row, line in enumerate(lines, start):
        if line.isspace():
            continue
        try:
            yield row, decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            got = line.strip()[:60]
            raise ValueError(f"{file}: row {row}: must be an object in JSON, got {got!r}: {error}") from None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def parts_of(name: str, columns: Sequence[str]) -> list[str]:
    """The columns that a name joins: one, unless it has a + and is not itself the name of a column.

    >>> parts_of("date+time", ("date", "time")), parts_of("a+b", ("a+b",))
    (['date', 'time'], ['a+b'])
    """
    return [name] if name in columns else name.split("+")


def listed(names: Sequence[str]) -> str:
    """Names in an error.

    >>> listed(("a", "b"))
    "'a', 'b'"
    """
    return ", ".join(map(repr, names))
