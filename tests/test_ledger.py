"""The book of exchanges and receipts, held against entries made by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.ledger import Ledger


def enter(ledger, sent_at=0.0, status=200, error="", sender="me", host="source", kind="poll", answered_at=None):
    """One exchange of 100 bytes out and 200 in, opened and closed."""
    exchange = ledger.open(kind, sender, host, "GET", "/events", sent_at)
    ledger.count(exchange, 100, 200, 0)
    ledger.close(exchange, sent_at + 1 if answered_at is None else answered_at, status, error)
    return exchange


@pytest.fixture
def ledger():
    ledger = Ledger()
    ledger.add_consumer("me")
    return ledger


@pytest.mark.parametrize(
    ("status", "error", "brings", "outcome"),
    [
        (200, "", True, "hit"),
        (200, "", False, "empty"),
        (204, "", False, "empty"),
        (304, "", False, "empty"),
        (429, "", False, "throttled"),
        (400, "", False, "error"),
        (404, "", False, "error"),
        (503, "", False, "error"),
        (0, "ConnectError", False, "error"),
        (0, "ReadTimeout", False, "error"),
        (200, "ReadTimeout", False, "error"),
        (0, "ReadTimeout", True, "hit"),
    ],
)
def test_each_exchange_has_one_outcome(ledger, status, error, brings, outcome):
    """What brought an event is a hit, even if the sender never heard so; a 304 is empty, a 429 throttled."""
    exchange = enter(ledger, status=status, error=error)
    if brings:
        ledger.happened("evt_1", 0.0)
        ledger.arrived("me", "evt_1", 0.5, exchange)
    assert ledger.exchanges(10).outcome.tolist() == [outcome]


def test_an_exchange_under_way_at_the_end_is_an_unanswered_error(ledger):
    ledger.open("poll", "me", "source", "GET", "/", 3.0)
    row = ledger.exchanges(10).iloc[0]
    assert (row.outcome, row.error, row.status, row.bytes_in) == ("error", "unanswered", 0, 0)
    assert math.isnan(row.answered_at)


def test_an_exchange_is_closed_once(ledger):
    with pytest.raises(KeyError):
        ledger.close(enter(ledger), 2.0, 200)


def test_the_drain_begins_at_the_horizon(ledger):
    """Half-open: what is sent at the horizon itself is drain already, wherever its answer falls."""
    for sent_at in (-1.0, 0.0, 9.999, 10.0, 10.001):
        enter(ledger, sent_at)
    assert ledger.exchanges(10).drain.tolist() == [False, False, False, True, True]


def test_an_exchange_belongs_to_the_consumer_at_either_end(ledger):
    """A poll to its sender, a delivery to its host."""
    ledger.add_consumer("you")
    enter(ledger, sender="me", host="source")
    enter(ledger, sender="source", host="you", kind="delivery")
    assert ledger.exchanges(10).consumer.tolist() == ["me", "you"]


def test_an_event_counts_as_new_once_and_every_copy_is_counted(ledger):
    """The receipt is the first arrival; duplicates are seen before any deduplication."""
    ledger.happened("evt_1", 1.0)
    first, second = enter(ledger, 2), enter(ledger, 4)
    assert ledger.arrived("me", "evt_1", 3.0, first)
    assert not ledger.arrived("me", "evt_1", 5.0, second)
    assert not ledger.arrived("me", "evt_1", 5.0, second)
    row = ledger.receipts().iloc[0]
    assert (row.received_at, row.latency, row.exchange, row.copies) == (3.0, 2.0, first, 3)
    assert ledger.exchanges(10).new_events.tolist() == [1, 0]
    assert ledger.exchanges(10).outcome.tolist() == ["hit", "empty"]


def test_receipts_are_in_the_order_of_the_events_not_of_their_arrival(ledger):
    for number, at in enumerate([1.0, 2.0, 3.0]):
        ledger.happened(f"evt_{number}", at)
    for number in (2, 0):
        ledger.arrived("me", f"evt_{number}", 9.0 - number, enter(ledger))
    receipts = ledger.receipts()
    assert receipts.event_id.tolist() == ["evt_0", "evt_1", "evt_2"]
    assert receipts.occurred_at.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(receipts.received_at, [9, math.nan, 7])
    assert receipts.exchange.tolist() == [1, -1, 0]
    assert receipts.copies.tolist() == [1, 0, 1]


def test_each_consumer_has_rows_of_its_own(ledger):
    ledger.add_consumer("you")
    ledger.happened("evt_1", 0.0)
    ledger.arrived("you", "evt_1", 2.0, enter(ledger, sender="you"))
    receipts = ledger.receipts()
    assert receipts.consumer.tolist() == ["me", "you"]
    assert receipts.copies.tolist() == [0, 1]
    assert not ledger.complete()
    ledger.arrived("me", "evt_1", 3.0, enter(ledger))
    assert ledger.complete()


def test_an_event_that_never_happened_cannot_arrive(ledger):
    with pytest.raises(ValueError, match="me received event 'evt_9', which never happened"):
        ledger.arrived("me", "evt_9", 0.0, enter(ledger))


def test_an_event_happens_once(ledger):
    ledger.happened("evt_1", 0.0)
    with pytest.raises(ValueError, match="event evt_1 happened already"):
        ledger.happened("evt_1", 1.0)


def test_an_empty_book_has_the_same_columns(ledger):
    """Nothing sent, nothing happened: frames without rows."""
    empty, exchanges, receipts = Ledger(), ledger.exchanges(1), ledger.receipts()
    assert len(exchanges) == len(receipts) == len(empty.exchanges(1)) == 0
    enter(ledger)
    ledger.happened("evt_1", 0.0)
    assert list(ledger.exchanges(1).columns) == list(exchanges.columns)
    assert list(ledger.receipts().columns) == list(receipts.columns)


def test_every_column_is_documented():
    """The tables in the docstrings name exactly the columns that there are."""
    ledger = Ledger()
    ledger.add_consumer("me")
    for table, frame in ((Ledger.exchanges, ledger.exchanges(1)), (Ledger.receipts, ledger.receipts())):
        rows = [line.split("|")[1] for line in table.__doc__.splitlines() if line.strip().startswith("| ")][1:]
        named = [name.strip() for cell in rows for name in cell.split(",") if "(index)" not in name]
        assert named == list(frame.columns)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=30))
def test_a_book_of_any_arrivals_adds_up(arrivals):
    """Copies, new events and receipts are counts of the same arrivals, by dictionaries."""
    ledger = Ledger()
    ledger.add_consumer("me")
    for number in range(5):
        ledger.happened(f"evt_{number}", 0.0)
    for _ in range(6):
        enter(ledger)
    first = {}
    for at, (event, exchange) in enumerate(arrivals):
        assert ledger.arrived("me", f"evt_{event}", float(at), exchange) == (event not in first)
        first.setdefault(event, (at, exchange))
    receipts = ledger.receipts()
    assert receipts.copies.tolist() == [sum(event == n for event, _ in arrivals) for n in range(5)]
    assert receipts.exchange.tolist() == [first.get(n, (None, -1))[1] for n in range(5)]
    assert ledger.exchanges(1).new_events.tolist() == [sum(e == n for _, e in first.values()) for n in range(6)]
    assert ledger.complete() == (len(first) == 5)
