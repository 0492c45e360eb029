"""Logs of one's own: CSV and JSON lines, every form of instant, several files, standard input, one row at a time."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import from_log
from labkit.log import Part, Reading, read_log
from labkit.log import read as reading
from labkit.log.instants import DAY_FIRST, Instants, check_format, zone_of
from labkit.log.rows import HEAD, rows_of

MIDNIGHT = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds."""


# --- JSON lines


def test_json_lines_give_one_event_a_line_with_their_values_as_they_are(write):
    path = write(
        '{"id": "a-1", "at": "2026-01-01T00:00:00Z", "type": "order.paid", "lines": [1, {"x": null}], "n": 1.5}\n\n'
        '{"at": "2026-01-01T00:00:10Z", "id": "a-2", "type": "order.sent", "late": true}\n',
        "mine.jsonl",
    )
    first, second = from_log(path).events
    assert (first.id, first.type, first.occurred_at) == ("a-1", "order.paid", 0.0)
    assert first.data == {"lines": [1, {"x": None}], "n": 1.5}
    assert (second.id, second.type, second.occurred_at, second.data) == ("a-2", "order.sent", 10.0, {"late": True})


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([1767225600, 1767225601.5], "seconds"),
        ([1767225600000, 1767225601500], "milliseconds"),
        ([1767225600000000000, 1767225601500000000], "nanoseconds"),
        (["1767225600", "1767225601.5"], "seconds"),
    ],
)
def test_unix_times_in_json_may_be_numbers_or_texts(write, values, unit):
    log = read_log(write("".join(json.dumps({"n": n, "when": at}) + "\n" for n, at in enumerate(values))))
    assert (log.at - MIDNIGHT).tolist() == [0, 1_500_000]
    assert log.notes[-1] == f"Column 'when' was read as Unix {unit}."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"time": 1}\n{"time": }\n', "row 2: must be an object in JSON, got '{\"time\": }': JSON is malformed"),
        ('{"time": 1}\n[1]\n', "row 2: must be an object in JSON, got '[1]': Expected `object`, got `array`"),
        ('{"time": 1}\n{"time": NaN}\n', "row 2: must be an object in JSON"),
        ('{"time": 1}\n' + '{"a":' * 50_000 + "\n", "row 2: must be an object in JSON"),
        ('[{"time": 1},\n{"time": 2}]', 'row 1: a log in JSON must have one object per line, got \'[{"time": 1},'),
        ('\n{"time": 1}\n\n{"time": "x"}\n', "row 4: time must be Unix seconds as in other rows, got 'x'"),
        ('{"time": 1}\n{"other": 1}\n', "row 2: time must be Unix seconds as in other rows, got an empty cell"),
        ('{"time": 1}\n{"time": null}\n', "row 2: time must be Unix seconds as in other rows, got an empty cell"),
        ('{"time": 1}\n{"time": true}\n', "row 2: time must be Unix seconds as in other rows, got 'True'"),
        ('{"n": 1}\n', "no column holds instants (ISO 8601 or Unix times); the columns are 'n'; row 1 is {'n': 1}"),
        ("{}\n", "no column holds instants"),
        (b'{"time": "\xff"}\n', "row 1: must be UTF-8, got byte 0xff; save the file as UTF-8"),
    ],
)
def test_what_is_wrong_with_json_lines_is_said_with_file_row_and_value(write, content, message):
    path = write(content, "mine.jsonl")
    with pytest.raises(ValueError) as caught:
        read_log(path)
    assert str(caught.value).startswith(f"{path}: {message}")


# --- forms of instants

FORMS = {
    "/": 1, "-": 1, ".": 1, "comma": 1, "offset": 1, "to the second": 10**6, "to the minute": 60 * 10**6,
    "%d.%m.%y %H:%M:%S": 10**6, "%m/%d/%Y %I:%M %p": 60 * 10**6,
}  # fmt: skip
"""Forms, each with the microseconds that it can write."""


@given(micros=st.integers(10**14, 3 * 10**15), form=st.sampled_from(list(FORMS)))
def test_an_instant_comes_back_from_every_form(micros, form):
    """Written by Python's `strftime`, read by day-first or by its format: equal to what the form can write."""
    micros -= micros % FORMS[form]
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    east = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    written = {
        "to the second": at.strftime("%d/%m/%Y %H:%M:%S"),
        "to the minute": f"{at.day}.{at.month}.{at:%Y, %H:%M}",
        "comma": at.strftime("%d/%m/%Y %H:%M:%S,%f"),
        "offset": east.strftime("%d/%m/%YT%H:%M:%S.%f%z"),
    }
    cell = at.strftime(form) if "%" in form else written.get(form) or at.strftime(f"%d{form}%m{form}%Y %H:%M:%S.%f")
    assert Instants(check_format(form) if "%" in form else DAY_FIRST).read(cell) == micros


@pytest.mark.parametrize("cell", ["2026-01-31", "31/01/26", "31/13/2026", "31/02/2026", "1/2-2026", "31/01/2026 25:00",
                                  "31/01/2026 12", "", "٣١/٠١/٢٠٢٦", "31/01/2026 12:00 PM"])  # fmt: skip
def test_a_day_first_date_is_read_strictly(cell):
    assert Instants(DAY_FIRST).read(cell) is None


def test_the_day_comes_first_only_if_that_is_said(write):
    path = write("fecha;tipo\n01/02/2026;alta\n03/02/2026 12:30;baja\n")
    with pytest.raises(ValueError, match=r"no column holds instants .* if the day comes first, use --day-first; other"):
        read_log(path)
    first, last = read_log(path, day_first=True).at
    assert (first, last) == (MIDNIGHT + 31 * 86_400 * 10**6, MIDNIGHT + (33 * 86_400 + 12 * 3600 + 1800) * 10**6)
    swapped = read_log(write("fecha\n01/02/2026\n"), time_format="%m/%d/%Y")
    assert swapped.at.tolist() == [MIDNIGHT + 86_400 * 10**6]


def test_a_bad_cell_in_a_column_with_a_telling_name_has_the_remedy_too(write):
    with pytest.raises(ValueError, match=r"row 2: date must be ISO 8601 .*, got '31/01/2026'; if the day comes first"):
        read_log(write("date\n31/01/2026\n"), time_column="date")
    with pytest.raises(ValueError, match=r"row 3: date must be a day-first date such as .*, got '1/2'"):
        read_log(write("date\n31/01/2026\n1/2\n"), day_first=True)
    with pytest.raises(ValueError, match=r"row 2: date must be as '%d\.%m\.%Y', got '31/01/2026'"):
        read_log(write("date\n31/01/2026\n"), time_column="date", time_format="%d.%m.%Y")


@pytest.mark.parametrize("cell", ["01/02/2026 10:00", "1772445600"])
def test_a_row_of_another_form_than_those_above_it_is_not_sent_to_an_option(write, cell):
    help = "the rows above have that form, and all rows of a file must have one"
    with pytest.raises(ValueError, match=rf"row 3: at must be ISO 8601 .*, got '{cell}'; {help}$"):
        read_log(write(f"at\n2026-01-31\n{cell}\n"), time_column="at")


def test_a_unit_can_be_said_where_the_size_would_mislead(write):
    """Milliseconds of an afternoon in 1970 look like seconds."""
    path = write("at\n50000000\n50001500\n")
    assert read_log(path, time_column="at").at.tolist() == [50_000_000 * 10**6, 50_001_500 * 10**6]
    with pytest.raises(ValueError, match="row 2: at must be Unix milliseconds"):
        read_log(path, time_format="ms", time_column="at")
    assert read_log(write("at\n1767225600\n"), time_format="s").at.tolist() == [MIDNIGHT]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_format": "%d/%m"}, "time_format must be iso, s, ms, us, ns or a format with the year, such as '%d"),
        ({"time_format": "%Y %Q"}, "time_format must be a format of Python's strptime, got '%Y %Q': 'Q' is a bad"),
        ({"time_format": "%Y %"}, "time_format must be a format of Python's strptime, got '%Y %': stray %"),
        ({"time_format": ""}, "time_format must be iso, s, ms, us, ns or a format with the year"),
        ({"time_format": "s", "day_first": True}, "give time_format or day_first, not both, got 's' and True"),
        ({"time_zone": "Madrid"}, "time_zone must be UTC or the name of a zone such as Europe/Madrid, got 'Madrid'"),
        ({"time_zone": "../../etc/passwd"}, "time_zone must be UTC or the name of a zone"),
        ({"time_zone": ""}, "time_zone must be UTC or the name of a zone"),
        ({"type_column": "sort"}, "mine.csv: no column 'sort'; the columns are 'time'"),
        ({"type_column": "time+time"}, "mine.csv: no column 'time+time'; the columns are 'time'"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_value(write, options, message):
    with pytest.raises(ValueError) as caught:
        read_log(write("time\n1\n"), **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("column", ["fecha+hora", "at+z"])
def test_a_date_and_a_time_of_day_in_two_columns_are_joined(write, column):
    date, time = column.split("+")
    path = write(f"{date};{time};tipo\n01/02/2026;12:30;alta\n01/02/2026;9:05:01,5;baja\n")
    log = read_log(path, time_column=column, day_first=True)
    assert (log.at - MIDNIGHT - 31 * 86_400 * 10**6).tolist() == [32_701_500_000, 45_000_000_000]
    events = from_log(path, time_column=column, day_first=True).events
    assert [(event.occurred_at, event.data) for event in events] == [
        (0, {"tipo": "baja"}),
        (12_298.5, {"tipo": "alta"}),
    ]


def test_dates_beside_their_times_of_day_are_joined_unless_it_is_not_clear(write):
    path = write("date,time,n\n2026-02-01,12:30,1\n2026-02-01,12:31,2\n")
    assert "The instants are those of column 'date+time'." in read_log(path).notes
    assert read_log(path).at.tolist() == read_log(path, time_column="date+time").at.tolist()
    note = "Column 'date' holds dates alone, and 'time' times of day: --time-column date+time joins them."
    assert read_log(path, time_column="date").notes[-1] == read_log(path, time_format="%Y-%m-%d").notes[-1] == note
    two = write("date,from,to\n2026-02-01,12:30,12:40\n2026-02-01,12:31,12:50\n")
    assert read_log(two).notes[-1].endswith("and 'from' times of day: --time-column date+from joins them.")
    late = write("date,time\n2026-02-01,12:30\n2026-02-01,late\n")
    assert "The instants are those of column 'date'." in read_log(late).notes and note not in read_log(late).notes


def test_a_column_whose_name_has_a_plus_is_not_joined(write):
    log = read_log(write("date,at+zone\n2026-02-01,12:30\n2026-02-02,12:31\n"))
    assert "The instants are those of column 'date'." in log.notes
    assert log.at.tolist() == [read_log(write("date\n2026-02-01\n")).at[0] + day * 86_400_000_000 for day in (0, 1)]


def test_day_first_dates_are_joined_with_their_times_of_day(write):
    path = write("Fecha;Hora;Importe\n01/02/2026;12:30:00,5;69,55\n01/02/2026;12:31:00,0;7,10\n")
    assert (np.diff(read_log(path, day_first=True).at) == 59_500_000).all()
    assert from_log(path, day_first=True).events[1].occurred_at == 59.5


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("date+time", "row 3: date+time must be ISO 8601 such as 2026-01-31T12:00:00Z, got an empty cell"),
        ("date+hour", "no column 'date+hour'; the columns are 'date', 'time'"),
    ],
)
def test_a_joined_column_must_have_all_its_parts(write, column, message):
    path = write("date,time\n2026-02-01,12:30\n2026-02-01,\n")
    with pytest.raises(ValueError) as caught:
        read_log(path, time_column=column)
    assert str(caught.value) == f"{path}: {message}"


def test_a_column_whose_name_has_a_plus_is_one_column(write):
    assert read_log(write("a+b,a,b\n5,1,2\n"), time_column="a+b").at.tolist() == [5_000_000]


# --- time zones


@given(
    micros=st.integers(10**15, 2 * 10**15),
    zone=st.sampled_from(["Europe/Madrid", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_a_local_time_is_the_instant_that_pandas_says(micros, zone):
    """Oracle: pandas' own localisation; where the clocks go back, the first of the two."""
    cell = pd.Timestamp(micros, unit="us", tz=zone).tz_localize(None)
    expected = cell.tz_localize(zone, ambiguous=True)
    assert Instants("ISO 8601", zone_of(zone)).read(cell.isoformat(" ")) == expected.value // 1000


def test_an_hour_that_occurs_twice_and_one_that_is_skipped_are_counted(write):
    """In Madrid, 2026: the clocks skip 02:00 to 03:00 on 29 March, and repeat it on 25 October."""
    path = write("time\n2026-03-29 02:30\n2026-10-25 02:30\n2026-10-25 03:00\n2026-10-25T02:30+01:00\n")
    log = read_log(path, time_zone="Europe/Madrid")
    utc = [str(at) for at in log.at.astype("datetime64[us]").astype("datetime64[m]")]
    assert utc == ["2026-03-29T01:30", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:00"]
    assert log.notes[1:3] == (
        "3 rows had no UTC offset and were read as Europe/Madrid, such as '2026-03-29 02:30'.",
        "2 rows fall in an hour that the clocks of Europe/Madrid repeat or skip: read as before it.",
    )


# --- several files, standard input, one row at a time


def test_several_files_are_read_in_order_as_one_log(write):
    """With the column of the first, and rows numbered on, so that ids stay apart."""
    first = write("when,n\n2026-01-01,1\n2026-01-02,2\n", "a.csv")
    second = write('{"when": "2026-01-03", "n": "3"}\n{"when": "2026-01-04", "n": "4"}\n', "b.jsonl")
    both = from_log(first, second)
    assert [(event.id, event.occurred_at / 86_400, str(event.data["n"])) for event in both.events] == [
        ("evt_2", 0, "1"), ("evt_3", 1, "2"), ("evt_4", 2, "3"), ("evt_5", 3, "4"),
    ]  # fmt: skip
    assert both.name == "a.csv, b.jsonl"
    assert both.notes[0] == f"{first}: The instants are those of column 'when'."
    assert sum("column 'when'" in note for note in both.notes) == 1


def test_an_error_in_the_second_file_names_that_file(write):
    first, second = write("when\n2026-01-01\n", "a.csv"), write("at\n2026-01-03\n", "b.csv")
    with pytest.raises(ValueError) as caught:
        read_log(first, second)
    assert str(caught.value) == f"{second}: no column 'when'; the columns are 'at'"


def test_the_files_own_ids_must_be_unique_in_all_of_them(write):
    first, second = write("id,time\nx,1\n", "a.csv"), write("id,time\nx,2\n", "b.csv")
    both = from_log(first, second)
    assert [event.id for event in both.events] == ["evt_2", "evt_4"]
    assert "Column 'id' repeats a value: ids are numbered by row, and the column is kept in data." in both.notes


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"time\n5\n1\n")))
    log = read_log("-")
    assert (log.name, log.at.tolist()) == ("standard input", [1_000_000, 5_000_000])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"time\n5\n1\n")))
    assert from_log("-").name == "standard input"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"time\n5\nx\n")))
    with pytest.raises(ValueError, match="^standard input: row 3: time must be Unix seconds"):
        read_log("-")


def test_rows_are_read_as_they_are_used():
    """An endless log: no more of it is read than the head and the rows that were taken."""
    taken = []

    def lines():
        yield b"time\n"
        while True:
            taken.append(1)
            yield b"1767225600\n"

    part = iter(Part(rows_of(lines(), "endless"), Reading()))
    assert [next(part)[0] for _ in range(HEAD + 5)] == list(range(2, HEAD + 7))
    assert len(taken) == HEAD + 5


def test_types_are_counted_and_too_many_of_them_together(write, monkeypatch):
    rows = [f"{n},{'ab'[n % 7 == 0]}{n % 5}" for n in range(200)]
    path = write("time,kind\n" + "\n".join(rows) + "\n")
    oracle = pd.read_csv(path).kind.value_counts().to_dict()
    assert read_log(path, type_column="kind").types == oracle
    assert read_log(path).types == {}
    monkeypatch.setattr(reading, "MOST_TYPES", 3)
    counts = read_log(path, type_column="kind").types
    assert (len(counts), sum(counts.values())) == (4, 200)
    assert {name: oracle[name] for name in counts if name in oracle} == {n: c for n, c in counts.items() if n in oracle}


def test_a_log_has_the_instants_of_the_trace(write):
    """The two readers agree: the same rows, out of order, as an array and as events."""
    rows = [1_767_225_600 + 13 * n % 101 for n in range(100)]
    path = write("time\n" + "\n".join(map(str, rows)) + "\n")
    log, trace = read_log(path), from_log(path)
    assert np.allclose((log.at - log.at[0]) / 1e6, [event.occurred_at for event in trace.events])
    assert log.notes == trace.notes
