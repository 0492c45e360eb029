"""A log, read once from one file or several in order: the instant of each event, and the number of each type."""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from math import inf
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.log.instants import DAY_FIRST, DIGITS, ISO, Instants, check_format, form_of, remedy, zone_of
from labkit.log.outlying import outlying
from labkit.log.rows import Row, Rows, listed, open_rows, parts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TIME_COLUMNS = ("occurred_at", "timestamp", "time", "created_at", "datetime", "date")
"""Names of a column of instants: the first of these that a log has is used."""
TIME_OF_DAY = re.compile("[0-9]{1,2}:[0-9]{2}")
MOST_TYPES = 1000
OTHERS = "(all others)"
FIX = "correct the row or remove it"
"""The number of types that are counted one by one, and the name under which all others are counted."""


@dataclass(frozen=True)
class Reading:
    """How to read a log's columns; see docs/logs.md. labkit finds what is None by itself."""

    time_column: str | None = None
    time_format: str | None = None
    day_first: bool = False
    time_zone: str = "UTC"
    type_column: str | None = None

    def __post_init__(self) -> None:
        if self.time_format is not None and self.day_first:
            raise ValueError(f"give time_format or day_first, not both, got {self.time_format!r} and True")
        zone_of(self.time_zone), self.form

    @property
    def form(self) -> str | None:
        """The form of the instants, if it was given."""
        return DAY_FIRST if self.day_first else None if self.time_format is None else check_format(self.time_format)


class Part:
    """One file of a log: iterate once over (row, instant in microseconds, cells). `notes` say what was guessed."""

    def __init__(self, rows: Rows, reading: Reading, label: str = "") -> None:
        self.rows, self.label = rows, label
        self.found = reading.time_column is None
        self.column = _time_columns(rows, reading) if reading.time_column is None else rows.named(reading.time_column)
        form = reading.form or form_of(rows.first(self.column)) or ISO
        self.guessed = reading.form is None
        self.instants = Instants(form, zone_of(reading.time_zone))
        self.zone = reading.time_zone
        if reading.type_column is not None:
            rows.named(reading.type_column, joined=False)

    def __iter__(self) -> Iterator[tuple[int, int, Row]]:
        cell, read = self.rows.cell(self.column), self.instants.read
        for number, row in self.rows:
            text = cell(row)
            instant = read(text)
            if instant is None:
                got, help = repr(text) if text else "an empty cell", remedy(text)
                if number != self.rows.head[0][0] and (help or form_of([text])):
                    help = "; the rows above have that form, and all rows of a file must have one"
                self.rows.fail(f"row {number}: {self.column} must be {self.instants.want}, got {got}{help}")
            yield number, instant, row

    def notes(self) -> list[str]:
        """What was guessed, and how often."""
        found = [f"The instants are those of column {self.column!r}."] if self.found else []
        if self.guessed and self.instants.form in DIGITS:
            found.append(f"Column {self.column!r} was read as Unix {self.instants.form}.")
        if self.instants.naive:
            rows = counted(self.instants.naive)
            found.append(f"{rows} had no UTC offset and were read as {self.zone}, such as {self.instants.example!r}.")
        if self.instants.unsure:
            rows = counted(self.instants.unsure)
            found.append(f"{rows} fall in an hour that the clocks of {self.zone} repeat or skip: read as before it.")
        for time in _times_of_day(self.rows, self.column)[:1]:
            joined = f"--time-column {self.column}+{time}"
            found.append(f"Column {self.column!r} holds dates alone, and {time!r} times of day: {joined} joins them.")
        return [self.label + note for note in found]


@dataclass(frozen=True, eq=False)
class Log:
    """The instants of a log, in order, as Unix times in microseconds, and how many events each type has.

    `types` is empty if the log has no column of types. Hours and weekdays are those of `zone`.
    """

    name: str
    at: "NDArray[np.int64]"
    types: Mapping[str, int]
    zone: tzinfo = UTC
    notes: Sequence[str] = ()


def parts(files: Sequence[str | PathLike[str]], reading: Reading) -> Iterator[Part]:
    """The files one after another. The column of instants that was found in the first is that of all."""
    if not files:
        raise ValueError("files must name at least one log, got none")
    for file in files:
        part = Part(open_rows(file), reading, f"{file}: " if len(files) > 1 else "")
        reading = replace(reading, time_column=part.column)
        yield part


def read_log(*files: str | PathLike[str], time_column: str | None = None, time_format: str | None = None,
             day_first: bool = False, time_zone: str = "UTC", type_column: str | None = None) -> Log:  # fmt: skip
    """Read what `describe` needs of a log, in 8 bytes per event. Files are read in order; "-" is standard input.

    Raises ValueError, with the file, the row, the value and a remedy, for a value that is not an instant.
    """
    import numpy as np

    reading = Reading(time_column, time_format, day_first, time_zone, type_column)
    found, types, notes = array("q"), dict[str, int](), list[str]()
    low, high, first, last = inf, -inf, ("", 0), ("", 0)  # the first and last instant, and the file and row of each
    name = type_column or "type"
    for part in parts(files, reading):
        kind = part.rows.cell(name) if name in part.rows.columns else None
        for number, instant, row in part:
            found.append(instant)
            if instant < low:
                low, first = instant, (part.rows.file, number)
            if instant > high:
                high, last = instant, (part.rows.file, number)
            if kind is not None:
                text = kind(row)
                text = text if text in types or len(types) < MOST_TYPES else OTHERS
                types[text] = types.get(text, 0) + 1
        notes += part.notes()
    at = np.frombuffer(found, dtype=np.int64)
    if late := int(np.count_nonzero(at < np.maximum.accumulate(at))):
        notes.append(late_rows(late))
        at.sort()
    if far := outlying(at):
        file, number = first if far.first else last
        notes.append(
            f"{file}: row {number}: {far}. It is probably wrong, and the rate and the gaps depend on it: {FIX}."
        )
    return Log(name_of(files), at, types, zone_of(time_zone), tuple(notes))


def late_rows(late: int) -> str:
    """The note that rows were not in order."""
    return f"{counted(late)} came after a later row; all rows were sorted by time."


def counted(rows: int) -> str:
    """
    >>> counted(1), counted(1707)
    ('1 row', '1,707 rows')
    """
    return "1 row" if rows == 1 else f"{rows:,} rows"


def name_of(files: Sequence[str | PathLike[str]]) -> str:
    """The name of a log in these files.

    >>> name_of(["logs/mine.csv", "-"])
    'mine.csv, standard input'
    """
    return ", ".join("standard input" if str(file) == "-" else Path(file).name for file in files)


def _time_column(rows: Rows, form: str | None) -> str:
    """The column of instants: the one with a telling name, or the only one in whose head every cell is an instant."""
    heads = {name: rows.first(name) for name in rows.columns}
    shares = {name: _share(cells, form, name.lower() in TIME_COLUMNS) for name, cells in heads.items()}
    telling = [name for name in rows.columns if name.lower() in TIME_COLUMNS and shares[name] > 0]
    if telling:
        return min(telling, key=lambda name: TIME_COLUMNS.index(name.lower()))
    fitting = [name for name in rows.columns if shares[name] == 1]
    if len(fitting) > 1:
        rows.fail(f"several columns hold instants: {listed(fitting)}; name one with --time-column NAME")
    best = max(rows.columns, key=lambda name: shares[name], default="")
    if not best or shares[best] == 0:
        (row, cells), names = rows.head[0], listed(rows.columns)
        want = "ISO 8601 or Unix times" if form is None else Instants(form).want
        remedies = filter(None, (remedy(cell) for cells in heads.values() for cell in cells[:1]))
        help = next(remedies, "; write instants as 2026-01-31T12:00:00Z")
        found = f"the columns are {names}; row {row} is {cells}{help}"
        rows.fail(f"no column holds instants ({want}); {found}")
    if form_of([best]):
        rows.fail(f"row 1 must be a header that names the columns, got {best!r}")
    return best


def _time_columns(rows: Rows, reading: Reading) -> str:
    """The column of instants; if it holds dates alone and one other column their times of day, both, joined by +."""
    column = _time_column(rows, reading.form)
    times = _times_of_day(rows, column)
    return f"{column}+{times[0]}" if len(times) == 1 and reading.time_format is None else column


def _times_of_day(rows: Rows, column: str) -> list[str]:
    """The columns of times of day that can be joined to this one with +, if this one holds dates alone."""
    cells = rows.first(column)
    if form_of(cells) in DIGITS or any(":" in cell for cell in cells):
        return []
    times = (name for name in rows.columns if all(map(TIME_OF_DAY.match, rows.first(name))))
    return [name for name in times if parts_of(f"{column}+{name}", rows.columns) == [column, name]]


def _share(cells: Sequence[str], given: str | None, any_number: bool) -> float:
    """The share of cells that are instants. Numbers before 1973 count only in a column with a telling name."""
    form = given or form_of(cells)
    least = 1e14 if form == "seconds" and not (any_number or given) else -inf
    read = Instants(form).read if form else lambda cell: None
    return sum(instant is not None and instant >= least for instant in map(read, cells)) / len(cells)
