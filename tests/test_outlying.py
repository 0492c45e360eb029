"""Instants far from all others of a log: what is taken for a mistake, and what for a quiet time."""

import numpy as np
import pytest

from labkit import describe, read_log
from labkit.log.outlying import YEAR, outlying

HOUR = 3_600_000_000


def log(*instants, events=100, span=24 * HOUR):
    """Evenly spaced events of 2026, and other instants (µs)."""
    start = 56 * YEAR
    return np.sort(np.array([*instants, *np.linspace(start, start + span, events).astype(np.int64)]))


@pytest.mark.parametrize("far", [0, -50 * YEAR, 129 * YEAR])
def test_one_instant_that_is_decades_away_is_found(far):
    found = outlying(log(far))
    assert (found.instant, found.first) == (far, far < 56 * YEAR)


def test_several_at_the_same_wrong_instant_are_found_if_they_are_few():
    assert outlying(log(*[0] * 5)).instant == 0
    assert outlying(log(*[0] * 6)) is None


def test_a_wrong_instant_at_each_end_is_found_although_neither_gap_is_nine_tenths_of_the_whole():
    assert outlying(log(0, 129 * YEAR)).instant == 0


@pytest.mark.parametrize(
    "at",
    [
        log(*range(55 * YEAR, 55 * YEAR + 50), span=HOUR),
        log(46 * YEAR + HOUR, span=YEAR),
        log(33 * YEAR, span=3 * YEAR),
        log(0, events=8),
        log(54 * YEAR, 54 * YEAR + 1, span=HOUR),
    ],
    ids=["half on each side", "just under 10 years", "not long beside the rest", "few events", "two years of silence"],
)
def test_a_long_quiet_time_is_not_taken_for_a_mistake(at):
    assert outlying(at) is None


@pytest.mark.parametrize("year", [1970, 2099])
def test_describe_names_the_row_and_still_describes(tmp_path, year):
    rows = [f"2026-01-01T00:{n:02}:00Z" for n in range(60)] * 2
    rows[7] = f"{year}-01-01T00:00:00Z"
    (path := tmp_path / "mine.csv").write_text("time\n" + "\n".join(rows), encoding="utf-8")
    found = describe(read_log(path))
    assert found.events == 120
    assert f"mine.csv: row 9: {year}-01-01T00:00:00.000Z is " in found.notes[-1]
    assert found.notes[-1].endswith("the rate and the gaps depend on it: correct the row or remove it.")
