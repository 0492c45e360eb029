"""An instant as a log writes it, and as a Unix time: ISO 8601, Unix time, a day-first date, or a format of your own."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

ISO, DAY_FIRST = "ISO 8601", "a day-first date"
DIGITS = {"seconds": 0, "milliseconds": 3, "microseconds": 6, "nanoseconds": 9}
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")  # as in JSON, so not 007

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEAR_1 = (datetime(1, 1, 1, tzinfo=UTC) - _UNIX) // _MICROSECOND
_COMPACT_DATE = re.compile(r"(19|20)[0-9]{6}")
_DAY = re.compile(
    r"(?P<day>[0-9]{1,2})(?P<mark>[/.-])(?P<month>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4})"
    r"(?:(?:, ?| |T)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:[.,][0-9]+)?))?"
    r" ?(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


class Instants:
    """Reads cells of one form as Unix times in whole microseconds.

    `form` is `ISO`, `DAY_FIRST`, a unit of `DIGITS` or a format of `strptime`. An instant without a UTC offset is in
    `zone`: `naive` counts these, and `unsure` those in an hour that the zone's clocks repeat or skip.

    >>> Instants(ISO).read("2018-01-31T01:49:59.650Z"), Instants("milliseconds").read("1517363399650")
    (1517363399650000, 1517363399650000)
    >>> Instants(DAY_FIRST, ZoneInfo("Europe/Madrid")).read("31/01/2018 2:49:59,65")
    1517363399650000
    >>> Instants("seconds").read("1517363399650")
    """

    def __init__(self, form: str, zone: tzinfo = UTC) -> None:
        self.form, self.zone = form, zone
        self.naive, self.unsure, self.example = 0, 0, ""

    @property
    def want(self) -> str:
        """The form in words, for an error."""
        if self.form in DIGITS:
            return f"Unix {self.form} as in other rows"
        shown = {ISO: "2026-01-31T12:00:00Z", DAY_FIRST: "31/01/2026 12:00:00"}
        return f"{self.form} such as {shown[self.form]}" if self.form in shown else f"as {self.form!r}"

    def read(self, cell: str) -> int | None:
        """The instant in microseconds, or None if the cell does not have this form."""
        if self.form in DIGITS:
            found = _unix(cell, DIGITS[self.form])
        else:
            try:
                instant = self._parse(cell)
            except ValueError:
                return None
            if instant.tzinfo is None:
                instant = self._in_zone(instant, cell)
            found = (instant - _UNIX) // _MICROSECOND
        return found if found is not None and found >= _YEAR_1 else None

    def _parse(self, cell: str) -> datetime:
        if self.form == ISO:
            return datetime.fromisoformat(cell.upper())
        return _day_first(cell) if self.form == DAY_FIRST else datetime.strptime(cell, self.form)

    def _in_zone(self, instant: datetime, cell: str) -> datetime:
        self.naive += 1
        self.example = self.example or cell
        instant = instant.replace(tzinfo=self.zone)
        if self.zone is not UTC:
            self.unsure += instant.replace(fold=1).utcoffset() != instant.utcoffset()
        return instant


def form_of(cells: Sequence[str]) -> str | None:
    """The form of a column's first instant: Unix times of 1973 to 5138 show their unit by their size.

    >>> form_of(["", "2026-01-31"]), form_of(["1767225600000"]), form_of(["20260131"]), form_of(["31/01/2026"])
    ('ISO 8601', 'milliseconds', 'ISO 8601', None)
    """
    for cell in cells:
        numeric = NUMBER.fullmatch(cell) and not _COMPACT_DATE.fullmatch(cell)
        for form in DIGITS if numeric else (ISO,):
            if Instants(form).read(cell) is not None:
                return form
    return None


def remedy(cell: str) -> str:
    """What to do about a date whose form must be given; "" for any other cell.

    >>> remedy("31/01/2026"), remedy("soon")
    ("; if the day comes first, use --day-first; otherwise give its --time-format, such as '%m/%d/%Y %H:%M'", '')
    """
    if not re.match(r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2}", cell):
        return ""
    return "; if the day comes first, use --day-first; otherwise give its --time-format, such as '%m/%d/%Y %H:%M'"


def check_format(text: str) -> str:
    """The form that a time format names: a unit, `iso`, or a format of `strptime` that has the year.

    >>> check_format("ms"), check_format("%d.%m.%y")
    ('milliseconds', '%d.%m.%y')
    >>> check_format("%d/%m")
    Traceback (most recent call last):
    ...
    ValueError: time_format must be iso, s, ms, us, ns or a format with the year, such as '%d/%m/%Y', got '%d/%m'
    """
    if text in UNITS or text == "iso":
        return UNITS.get(text, ISO)
    if not re.search("%[YyGcxsD]", text):
        rule = f"iso, {', '.join(UNITS)} or a format with the year, such as '%d/%m/%Y'"
        raise ValueError(f"time_format must be {rule}, got {text!r}")
    try:
        datetime.strptime(_UNIX.strftime(text), text)
    except (ValueError, re.error) as error:
        raise ValueError(f"time_format must be a format of Python's strptime, got {text!r}: {error}") from None
    return text


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises ValueError if there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"time_zone must be UTC or the name of a zone such as Europe/Madrid, got {name!r}") from None


def _day_first(cell: str) -> datetime:
    """Read a date with the day first, then the month, and four digits of the year; a time of day may follow.

    >>> _day_first("1/2/2026 9:05")
    datetime.datetime(2026, 2, 1, 9, 5)
    """
    found = _DAY.fullmatch(cell.upper())
    if found is None:
        raise ValueError(cell)
    day, month, year, hour, minute, second, offset = found.group(
        "day", "month", "year", "hour", "minute", "second", "offset"
    )
    time = f"{hour or 0:0>2}:{minute or '00'}:{second or '00'}{offset or ''}"
    return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}T{time}")


def _unix(cell: str, digits: int) -> int | None:
    """A Unix time of this many decimal digits below the second, in microseconds; None if it is none."""
    if not NUMBER.fullmatch(cell):
        return None
    size = abs(float(cell))
    if size >= 10 ** (11 + digits) or (digits and size < 10 ** (8 + digits)):
        return None
    return round(Decimal(cell) * Decimal(10) ** (6 - digits))
