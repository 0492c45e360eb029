"""When recorded events happened: a week of earthquakes, or a log of your own with a column of instants."""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import accumulate, chain
from os import PathLike
from pathlib import Path

from labkit.arrivals import WEEK, Arrivals
from labkit.checks import number
from labkit.event import ID, TYPE, TYPE_RULE, Event
from labkit.log import Part, Reading, parts
from labkit.log.instants import NUMBER
from labkit.log.outlying import outlying
from labkit.log.read import FIX, counted, late_rows, name_of
from labkit.log.rows import Row, open_rows, parts_of
from labkit.wire import RESERVED

__all__ = ["earthquakes", "from_log"]

RECORDED = "event.recorded"


def earthquakes(min_magnitude: float | None = None, duration: float = WEEK) -> Arrivals:
    """The seismic events that the USGS published for one week of 2018, with t = 0 at the first one kept.

    >>> earthquakes()
    <Arrivals earthquakes: 1,707 events over 604,800 s from 2018-01-31T01:49:59.650Z>
    >>> earthquakes(min_magnitude=4.5).events[0].data["place"]
    '50km NNW of Sangiang, Indonesia'
    """
    table = _Table(Part(open_rows(earthquakes_path()), Reading("occurred_at")))
    ids = [f"evt_{cell}" for cell in table.column("id")]
    types = [f"{kind.replace(' ', '_')}.detected" for kind in table.column("kind")]
    data = table.data(without={"id", "occurred_at", "kind"})
    events = [(table.instants[n], ids[n], types[n], data[n]) for n in range(len(ids))]
    kept = _at_least([table], min_magnitude, events)
    return _recorded("earthquakes", kept, duration, {"min_magnitude": min_magnitude}, [])


def from_log(*logs: str | PathLike[str], time_column: str | None = None, time_format: str | None = None,
             day_first: bool = False, time_zone: str = "UTC", type_column: str | None = None,
             duration: float | None = None, min_magnitude: float | None = None) -> Arrivals:  # fmt: skip
    """The events of your own log, one per row, with t = 0 at the earliest. docs/logs.md says what a log can be.

    A log is a file with CSV or JSON lines; several are read in order, and "-" is standard input. The instants are those
    of `time_column`, or of the column found to hold them. The column `id` is used if every cell is valid, and the valid
    cells of `type` (or `type_column`); all else becomes data. Without a `duration` the run ends one mean gap after the
    last event, and after at least 1 s: events at 0, 10 and 20 s make 30 s, at a rate of one per 10 s. `notes` says what
    was guessed or changed. Raises ValueError, with the file, the row and the value, for a value that is not an instant,
    or that is decades away from all others.
    """
    reading = Reading(time_column, time_format, day_first, time_zone, type_column)
    tables, notes = list[_Table](), list[str]()
    for part in parts(logs, reading):
        tables.append(_Table(part))
        notes += part.notes()
    kind = type_column or "type"
    if duration is None:
        _check_far(tables)
    own_ids = _ids(tables, notes)
    types, whole = _types(tables, kind, notes)
    ids = own_ids or [f"evt_{number}" for number in _numbered(tables)]
    times = parts_of(tables[0].part.column, tables[0].rows.columns)
    used = {*times} | ({"id"} if own_ids else set()) | ({kind} if whole else set())
    data = chain.from_iterable(table.data(without=used) for table in tables)
    instants = chain.from_iterable(table.instants for table in tables)
    events = _at_least(tables, min_magnitude, list(zip(instants, ids, types, data, strict=True)))
    name = name_of(logs)
    params = {"file": name, "time_column": tables[0].part.column, "min_magnitude": min_magnitude}
    return _recorded(name, events, duration, params, notes)


class _Table:
    """All rows of a log's part."""

    def __init__(self, part: Part) -> None:
        found = list(part)
        self.part, self.rows = part, part.rows
        self.numbers = [number for number, *_ in found]
        self.instants = [instant for _, instant, _ in found]
        self.cells = [cells for *_, cells in found]

    def column(self, name: str) -> list[str]:
        return list(map(self.rows.cell(name), self.cells))

    def data(self, without: set[str]) -> Sequence[Mapping[str, object]]:
        if self.rows.json:
            return [{name: value for name, value in _items(row) if name not in without} for row in self.cells]
        kept = {name: _numbers(self.column(name)) for name in self.rows.columns if name not in without}
        return [{name: values[n] for name, values in kept.items()} for n in range(len(self.cells))]


def _items(row: Row) -> Iterator[tuple[str, object]]:
    return iter(row.items() if isinstance(row, Mapping) else ())


def _numbered(tables: Sequence[_Table]) -> Iterator[int]:
    """The number of each row, with those of later files after those of earlier ones."""
    before = 0
    for table in tables:
        yield from (before + number for number in table.numbers)
        before += table.numbers[-1]


_Row = tuple[int, str, str, Mapping[str, object]]  # an event's instant in microseconds, id, type and data


def _recorded(
    name: str, events: Sequence[_Row], duration: float | None, params: Mapping[str, object], notes: list[str]
) -> Arrivals:
    """Sort by instant, count seconds from the first, and drop what falls after the horizon."""
    instants = [instant for instant, *_ in events]
    first, last = min(instants), max(instants)
    if late := sum(at < latest for at, latest in zip(instants, accumulate(instants, max), strict=True)):
        notes.append(late_rows(late))
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


def _at_least(tables: Sequence[_Table], min_magnitude: float | None, events: Sequence[_Row]) -> Sequence[_Row]:
    """The events to keep."""
    if min_magnitude is None:
        return events
    least, found = number("min_magnitude", min_magnitude), list[float]()
    for table in tables:
        for row, cell in zip(table.numbers, table.column(table.rows.named("magnitude")), strict=True):
            if not NUMBER.fullmatch(cell):
                table.rows.fail(f"row {row}: magnitude must be a number for min_magnitude to filter by, got {cell!r}")
            found.append(float(cell))
    kept = [event for event, magnitude in zip(events, found, strict=True) if magnitude >= least]
    if not kept:
        tables[-1].rows.fail(f"no row has magnitude >= {least:g}; the largest is {max(found):g}")
    return kept


def _check_far(tables: Sequence[_Table]) -> None:
    """Raise ValueError, with file and row, for an instant that is decades away from all others."""
    import numpy as np

    if far := outlying(np.sort(np.concatenate([table.instants for table in tables]))):
        table = next(table for table in tables if far.instant in table.instants)
        row = table.numbers[table.instants.index(far.instant)]
        table.rows.fail(f"row {row}: {far}, so a run would be that long: {FIX}")


def _ids(tables: Sequence[_Table], notes: list[str]) -> list[str] | None:
    """The log's own ids if all are valid; otherwise None, and a note of why not."""
    if any("id" not in table.rows.columns for table in tables):
        return None
    cells = [cell for table in tables for cell in table.column("id")]
    bad = next((cell for cell in cells if not ID.fullmatch(cell)), None)
    if bad is None and len(set(cells)) == len(cells):
        return cells
    why = "repeats a value" if bad is None else f"has {bad!r}, which is not a valid event id"
    notes.append(f"Column 'id' {why}: ids are numbered by row, and the column is kept in data.")
    return None


def _types(tables: Sequence[_Table], name: str, notes: list[str]) -> tuple[list[str], bool]:
    """The type of each event, and whether all are the log's own; a note names one that is not valid."""
    if any(name not in table.rows.columns for table in tables):
        return [RECORDED] * sum(len(table.cells) for table in tables), False
    cells = [cell for table in tables for cell in table.column(name)]
    valid = {cell: cell not in RESERVED and bool(TYPE.fullmatch(cell)) for cell in dict.fromkeys(cells)}
    if bad := [cell for cell in valid if not valid[cell]]:
        rows = sum(not valid[cell] for cell in cells)
        others = ["", ", nor is 1 other"][len(bad) - 1] if len(bad) < 3 else f", nor are {len(bad) - 1:,} others"
        why = f"has {bad[0]!r}, which is not a valid event type ({TYPE_RULE}){others}"
        notes.append(f"Column {name!r} {why}: {counted(rows)} have {RECORDED!r} instead. The column is kept in data.")
    return [cell if valid[cell] else RECORDED for cell in cells], not bad


def _numbers(cells: Sequence[str]) -> Sequence[object]:
    """A column as numbers if every cell is a JSON number, as ints if all are whole; otherwise unchanged."""
    if not all(NUMBER.fullmatch(cell) for cell in cells):
        return cells
    if all(cell.lstrip("-").isdigit() for cell in cells):
        return [int(cell) for cell in cells] if all(abs(float(cell)) < 2**63 for cell in cells) else cells
    values = [float(cell) for cell in cells]
    return values if all(map(math.isfinite, values)) else cells


def earthquakes_path() -> Path:
    """Where the week of earthquakes is."""
    try:
        path = Path(str(files("labkit.data") / "earthquakes.csv"))
    except ModuleNotFoundError:
        path = Path()
    return path if path.is_file() else Path(__file__).parent.parent / "data" / "earthquakes.csv"  # not installed
