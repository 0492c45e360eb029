"""The one parser of `Retry-After`, and limits that must fit each other."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import wire
from labkit.source.outbox import BATCH_BYTES

NOW = 1_700_000_000
DAY = 86_400.0


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        (formatdate(NOW + 120, usegmt=True), 120),
        ("Tuesday, 14-Nov-23 22:15:20 GMT", 120),  # RFC 850's form, and asctime's: both must be read (RFC 9110, 5.6.7)
        ("Tue Nov 14 22:15:20 2023", 120),
        ("86400", DAY),
        ("86401", DAY),
        ("1000000000", DAY),
        ("9" * 30, DAY),
        ("9" * 5000, DAY),  # Python's int takes 4,300 digits, a header has more
        ("Tue, 14 Nov 2999 22:15:20 GMT", DAY),
        ("0", 0),
        # in the past, or junk
        ("-5", 0),
        ("", 0),
        ("soon", 0),
        ("1e9", 0),
        ("120.5", 0),
        ("120, 240", 0),
        ("nan", 0),
        ("٣٠", 0),
        ("٣٠".encode().decode("latin-1"), 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Tue, 14 Nov 23", 0),
        ("Tue, 31 Feb 2023 22:15:20 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_a_limit_and_junk_is_0(header: str, wait: float) -> None:
    assert wire.retry_after(header, NOW, DAY) == wait


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process can be set on POSIX alone")
def test_a_date_without_a_zone_is_utc_wherever_the_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-5")
    time.tzset()
    try:
        assert wire.retry_after("Tue Nov 14 22:15:20 2023", NOW, DAY) == 120
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{0,12}( [-+A-Z0-9]{0,6})?"))
def test_whatever_the_header_the_wait_is_within_the_limit(header: str) -> None:
    assert 0 <= wire.retry_after(header, NOW, 3600.0) <= 3600


def test_what_one_side_may_send_the_other_side_takes() -> None:
    head = b'{"type":"batch","timestamp":"2018-01-31T01:49:59.650000Z","data":{"events":[]}}'
    assert BATCH_BYTES + len(head) + wire.LARGEST_BATCH < wire.LARGEST_BODY  # with a comma after each event
