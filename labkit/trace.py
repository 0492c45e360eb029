"""When recorded events happened: a week of earthquakes, or any CSV file with a column of instants."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import NoReturn

from labkit.arrivals import WEEK, Arrivals
from labkit.checks import number
from labkit.event import ID, TYPE, Event
from labkit.wire import RESERVED

__all__ = ["earthquakes", "from_csv"]

TIME_COLUMNS = ("occurred_at", "timestamp", "time", "created_at", "datetime", "date")
"""Names that say "when it happened", the most telling first."""
RECORDED = "event.recorded"
ISO = "ISO 8601"
DIGITS = {"seconds": 0, "milliseconds": 3, "microseconds": 6, "nanoseconds": 9}

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1 = (datetime(1, 1, 1, tzinfo=UTC) - _UNIX) // timedelta(microseconds=1)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")  # as in JSON, so not 007
_COMPACT_DATE = re.compile(r"(19|20)[0-9]{6}")


def earthquakes(min_magnitude: float | None = None, duration: float = WEEK) -> Arrivals:
    """The seismic events that the USGS published for one week of 2018, with t = 0 at the first one kept.

    >>> earthquakes()
    <Arrivals earthquakes: 1,707 events over 604,800 s from 2018-01-31T01:49:59.650Z>
    >>> earthquakes(min_magnitude=4.5).events[0].data["place"]
    '50km NNW of Sangiang, Indonesia'
    """
    table = _parse(_earthquakes_csv(), "earthquakes.csv")
    instants, _ = table.instants("occurred_at")
    ids = [f"evt_{cell}" for cell in table.column("id")]
    types = [f"{kind.replace(' ', '_')}.detected" for kind in table.column("kind")]
    data = table.data(without={"id", "occurred_at", "kind"})
    events = [(instants[n], ids[n], types[n], data[n]) for n in _at_least(table, min_magnitude)]
    return _recorded("earthquakes", events, duration, {"min_magnitude": min_magnitude}, [])


def from_csv(path: str | PathLike[str], time_column: str | None = None, duration: float | None = None,
             min_magnitude: float | None = None) -> Arrivals:  # fmt: skip
    """The events of your own CSV file, one per row, with t = 0 at the earliest.

    The instants are ISO 8601 or Unix times, in `time_column` or in the column found to hold them. The columns `id` and
    `type` are used if every cell is valid; all others become data. The delimiter is `,`, `;` or a tab, whichever gives
    the header the most columns. Without a `duration` the run ends one mean gap after the last event, and after at least
    1 s: events at 0, 10 and 20 s make 30 s, at a rate of one per 10 s. `notes` says what was guessed or changed.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a directory, not a CSV file")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    table = _parse(path.read_bytes(), str(path))
    column = table.time_column() if time_column is None else table.named(time_column)
    instants, notes = table.instants(column)
    if time_column is None:
        notes.insert(0, f"The instants are those of column {column!r}.")
    own_ids = _own(table, "id", "ids are numbered by row", notes)
    own_types = _own(table, "type", f"all are {RECORDED!r}", notes)
    ids = own_ids or [f"evt_{row}" for row, _ in table.rows]
    types = own_types or [RECORDED] * len(table.rows)
    data = table.data(without={column} | ({"id"} if own_ids else set()) | ({"type"} if own_types else set()))
    events = [(instants[n], ids[n], types[n], data[n]) for n in _at_least(table, min_magnitude)]
    params = {"file": path.name, "time_column": column, "min_magnitude": min_magnitude}
    return _recorded(path.name, events, duration, params, notes)


@dataclass(frozen=True)
class _Table:
    """The cells of a CSV file. Rows are numbered as in a spreadsheet: the header is row 1."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]

    def fail(self, message: str) -> NoReturn:
        raise ValueError(f"{self.file}: {message}")

    def named(self, name: str) -> str:
        if name not in self.columns:
            self.fail(f"no column {name!r}; the columns are {_list(self.columns)}")
        return name

    def column(self, name: str) -> list[str]:
        at = self.columns.index(name)
        return [cells[at].strip() for _, cells in self.rows]

    def data(self, without: set[str]) -> list[dict[str, object]]:
        kept = {name: _numbers(self.column(name)) for name in self.columns if name not in without}
        return [{name: values[n] for name, values in kept.items()} for n in range(len(self.rows))]

    def time_column(self) -> str:
        """The column of instants: the one with a telling name, or the only one in which every cell is an instant."""
        shares = {name: _share(self.column(name), name.lower() in TIME_COLUMNS) for name in self.columns}
        telling = [name for name in self.columns if name.lower() in TIME_COLUMNS and shares[name] > 0]
        if telling:
            return min(telling, key=lambda name: TIME_COLUMNS.index(name.lower()))
        fitting = [name for name in self.columns if shares[name] == 1]
        if len(fitting) > 1:
            self.fail(f"several columns hold instants: {_list(fitting)}; name one with --time-column NAME")
        best = max(self.columns, key=lambda name: shares[name])
        if shares[best] == 0:
            (row, cells), names = self.rows[0], _list(self.columns)
            found = f"the columns are {names}; row {row} is {cells}; write instants as 2026-01-31T12:00:00Z"
            self.fail(f"no column holds instants (ISO 8601 or Unix times); {found}")
        if _unit_of([best]):
            self.fail(f"row 1 must be a header that names the columns, got {best!r}")
        return best

    def instants(self, name: str) -> tuple[list[int], list[str]]:
        """Unix times in whole microseconds, and notes of what was guessed."""
        cells = self.column(name)
        unit = _unit_of(cells) or ISO
        want = "ISO 8601 such as 2026-01-31T12:00:00Z" if unit == ISO else f"Unix {unit} as in other rows"
        found = []
        for (row, _), cell in zip(self.rows, cells, strict=True):
            instant = _microseconds(cell, unit)
            if instant is None:
                self.fail(f"row {row}: {name} must be {want}, got {repr(cell) if cell else 'an empty cell'}")
            found.append(instant)
        if unit != ISO:
            return found, [f"Column {name!r} was read as Unix {unit}."]
        naive = [cell for cell in cells if not datetime.fromisoformat(cell.upper()).tzinfo]
        note = f"{_rows(len(naive))} had no UTC offset and were read as UTC, such as {(naive or [''])[0]!r}."
        return found, [note] if naive else []


def _parse(raw: bytes, file: str) -> _Table:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise ValueError(f"{file}: row {row}: must be UTF-8, got byte {raw[error.start]:#04x}") from None
    if not text.strip():
        raise ValueError(f"{file}: is empty; it must have a header and a row for each event")
    header = io.StringIO(text.lstrip("\r\n"), "").readline()
    delimiter = max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark))))
    rows: list[tuple[int, list[str]]] = []
    row = 0
    try:
        for row, cells in enumerate(csv.reader(io.StringIO(text, ""), delimiter=delimiter, strict=True), 1):
            if cells:
                rows.append((row, cells))
    except csv.Error as error:
        raise ValueError(f"{file}: row {row + 1}: {error}") from None
    columns = tuple(name.strip() or f"column_{n}" for n, name in enumerate(rows[0][1], 1))
    table = _Table(file, columns, tuple(rows[1:]))
    if repeated := [name for name in columns if columns.count(name) > 1]:
        table.fail(f"row 1: names of columns must be unique, got {repeated[0]!r} twice")
    if not table.rows:
        table.fail(f"no rows after the header {list(columns)}")
    for row, cells in table.rows:
        if len(cells) != len(columns):
            table.fail(f"row {row}: must have {len(columns)} cells as the header has, got {len(cells)}: {cells}")
    return table


_Row = tuple[int, str, str, Mapping[str, object]]  # an event's instant in microseconds, id, type and data


def _recorded(
    name: str, events: Sequence[_Row], duration: float | None, params: Mapping[str, object], notes: list[str]
) -> Arrivals:
    """Sort by instant, count seconds from the first, and drop what falls after the horizon."""
    instants = [instant for instant, *_ in events]
    first, last = min(instants), max(instants)
    if late := sum(at < latest for at, latest in zip(instants, accumulate(instants, max), strict=True)):
        notes.append(f"{_rows(late)} came after a later row; all rows were sorted by time.")
    if duration is None:
        mean_gap = math.ceil((last - first) / max(len(events) - 1, 1))
        duration = max((last - first + mean_gap) / 1e6, 1.0)
    duration = number("duration", duration, "seconds", above=0)
    ordered = [Event(i, t, (at - first) / 1e6, d) for at, i, t, d in sorted(events, key=lambda row: row[0])]
    within = tuple(event for event in ordered if event.occurred_at < duration)
    if len(within) < len(ordered):
        notes.append(f"The first {len(within):,} of {len(ordered):,} rows fall before the end, {duration:g} s.")
    try:
        return Arrivals(name, within, duration, first / 1e6, params, tuple(notes))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _at_least(table: _Table, min_magnitude: float | None) -> Sequence[int]:
    """The indices of the rows to keep."""
    if min_magnitude is None:
        return range(len(table.rows))
    least = number("min_magnitude", min_magnitude)
    cells = table.column(table.named("magnitude"))
    for (row, _), cell in zip(table.rows, cells, strict=True):
        if not _NUMBER.fullmatch(cell):
            table.fail(f"row {row}: magnitude must be a number for min_magnitude to filter by, got {cell!r}")
    kept = [n for n, cell in enumerate(cells) if float(cell) >= least]
    if not kept:
        table.fail(f"no row has magnitude >= {least:g}; the largest is {max(map(float, cells)):g}")
    return kept


def _own(table: _Table, name: str, instead: str, notes: list[str]) -> list[str] | None:
    """The file's own ids or types if all are valid; otherwise None, and a note of why not."""
    if name not in table.columns:
        return None
    cells = table.column(name)
    form, refused = (ID, ()) if name == "id" else (TYPE, RESERVED)
    bad = next((cell for cell in cells if cell in refused or not form.fullmatch(cell)), None)
    if bad is None and (name != "id" or len(set(cells)) == len(cells)):
        return cells
    why = "repeats a value" if bad is None else f"has {bad!r}, which is not a valid event {name}"
    notes.append(f"Column {name!r} {why}: {instead}, and the column is kept in data.")
    return None


def _share(cells: Sequence[str], any_number: bool) -> float:
    """The share of cells that are instants. Numbers before 1973 count only in a column with a telling name."""
    unit = _unit_of(cells)
    least = 1e14 if unit == "seconds" and not any_number else -math.inf
    found = [_microseconds(cell, unit) for cell in cells] if unit else []
    return sum(instant is not None and instant >= least for instant in found) / len(cells)


def _unit_of(cells: Sequence[str]) -> str | None:
    """The unit of a column's first instant: Unix times of 1973 to 5138 show theirs by their size."""
    for cell in cells:
        numeric = _NUMBER.fullmatch(cell) and not _COMPACT_DATE.fullmatch(cell)
        for unit in DIGITS if numeric else (ISO,):
            if _microseconds(cell, unit) is not None:
                return unit
    return None


def _microseconds(cell: str, unit: str) -> int | None:
    """The Unix time of a cell in microseconds, or None if it is not an instant in this unit.

    >>> _microseconds("2018-01-31T01:49:59.650Z", ISO), _microseconds("1517363399650", "milliseconds")
    (1517363399650000, 1517363399650000)
    >>> _microseconds("1517363399650", "seconds")
    """
    if unit == ISO:
        try:
            instant = datetime.fromisoformat(cell.upper())
        except ValueError:
            return None
        found = (instant.replace(tzinfo=instant.tzinfo or UTC) - _UNIX) // timedelta(microseconds=1)
    elif _NUMBER.fullmatch(cell):
        size, digits = abs(float(cell)), DIGITS[unit]
        if size >= 10 ** (11 + digits) or (digits and size < 10 ** (8 + digits)):
            return None
        found = round(Decimal(cell) * Decimal(10) ** (6 - digits))
    else:
        return None
    return found if found >= _YEAR_1 else None


def _numbers(cells: Sequence[str]) -> Sequence[object]:
    """A column as numbers if every cell is a JSON number, as ints if all are whole; otherwise unchanged."""
    if not all(_NUMBER.fullmatch(cell) for cell in cells):
        return cells
    if all(cell.lstrip("-").isdigit() for cell in cells):
        return [int(cell) for cell in cells] if all(abs(float(cell)) < 2**63 for cell in cells) else cells
    values = [float(cell) for cell in cells]
    return values if all(map(math.isfinite, values)) else cells


def _earthquakes_csv() -> bytes:
    try:
        return (files("labkit.data") / "earthquakes.csv").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):  # a checkout that is not installed
        return (Path(__file__).parent.parent / "data" / "earthquakes.csv").read_bytes()


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
