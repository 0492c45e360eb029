"""When events happen: made by a rule (`labkit.arrivals`) or recorded (`labkit.trace`)."""

import csv
import hashlib
import io
import math
import pickle
import statistics
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import arrivals as made
from labkit.arrivals import EARLIEST, EPOCH, LATEST, WEEK, Arrivals, bursty, daily, poisson, switching
from labkit.event import ID, Event, timestamp
from labkit.trace import earthquakes, from_log

SEEDS = range(100)
GENERATORS = [poisson, bursty, daily, switching]
each_generator = pytest.mark.parametrize("make", GENERATORS, ids=lambda make: make.__name__)
Z = NormalDist().inv_cdf(1 - (1 - (1 - 0.001) ** (1 / (4 * len(SEEDS)))) / 2)
"""Šidák: 400 checks together fail by chance once in a thousand."""


def instants(arrivals):
    return [event.occurred_at for event in arrivals.events]


def gaps(arrivals):
    return [later - earlier for earlier, later in pairwise(instants(arrivals))]


# --- Arrivals


def test_a_repr_is_one_short_line():
    assert repr(earthquakes()) == ("<Arrivals earthquakes: 1,707 events over 604,800 s from 2018-01-31T01:49:59.650Z>")


def test_the_rate_is_events_over_duration():
    assert earthquakes().rate == 1707 / 604_800


@pytest.mark.parametrize("make", [earthquakes, *GENERATORS], ids=lambda make: make.__name__)
def test_arrivals_can_be_sent_to_another_process(make):
    arrivals = make(duration=50_000)
    assert arrivals.events
    assert pickle.loads(pickle.dumps(arrivals)) == arrivals


def test_events_out_of_order_are_refused():
    events = (Event("evt_1", "a", 2.0, {}), Event("evt_2", "a", 1.0, {}))
    with pytest.raises(ValueError, match=r"in order of occurred_at, got evt_2 at 1\.0 s after evt_1 at 2\.0 s"):
        Arrivals("x", events, 10, EPOCH, {})


@pytest.mark.parametrize("at", [-1.0, 10.0, math.inf])
def test_events_outside_the_duration_are_refused(at):
    with pytest.raises(ValueError, match=rf"0 <= occurred_at < 10 s, got evt_1 at {at} s"):
        Arrivals("x", (Event("evt_1", "a", at, {}),), 10, EPOCH, {})


@pytest.mark.parametrize(("epoch", "duration"), [(LATEST - 60, 61), (LATEST, 1), (-1e12, LATEST - EARLIEST + 1)])
def test_a_run_that_ends_after_the_year_9000_begins_is_refused(epoch, duration):
    """By a late epoch or a long duration. An epoch before 1970-01-02 counts as that day: the run is moved there."""
    message = "^a run must end before the year 9000, Unix time 221845392000, got 221845392001$"
    with pytest.raises(ValueError, match=message):
        Arrivals("x", (), duration, epoch, {})


@pytest.mark.parametrize(("epoch", "duration"), [(LATEST - 60, 60), (-1e12, LATEST - EARLIEST)])
def test_a_run_may_end_with_the_year_8999(epoch, duration):
    assert datetime(9000, 1, 1, tzinfo=UTC).timestamp() == LATEST
    assert Arrivals("x", (), duration, epoch, {}).duration == duration


# --- the week of earthquakes: the figures of data/README.md


@pytest.mark.parametrize(
    ("min_magnitude", "count", "mean_gap", "cv2"),
    [(None, 1707, (353.678, 0.0005), 0.9999), (2.5, 297, (2030.2, 0.05), 1.10), (4.5, 85, (7102.4, 0.05), 1.34)],
)
def test_the_earthquakes_have_the_figures_of_the_data_readme(min_magnitude, count, mean_gap, cv2):
    """Each figure to its last printed digit."""
    week = earthquakes(min_magnitude)
    found = gaps(week)
    assert len(week.events) == count
    assert statistics.mean(found) == pytest.approx(mean_gap[0], abs=mean_gap[1])
    digits = 4 if min_magnitude is None else 2
    assert round(statistics.variance(found) / statistics.mean(found) ** 2, digits) == cv2


def test_the_kinds_of_earthquake_become_types():
    types = [event.type for event in earthquakes().events]
    assert {kind: types.count(kind) for kind in set(types)} == {
        "earthquake.detected": 1679,
        "explosion.detected": 15,
        "quarry_blast.detected": 13,
    }


@pytest.mark.parametrize("min_magnitude", [None, 4.5])
def test_each_earthquake_has_its_rows_instant_to_the_microsecond(min_magnitude):
    """An oracle of its own: the CSV read with DictReader, instants as exact fractions of a second."""
    text = (Path(__file__).parent.parent / "data" / "earthquakes.csv").read_text(encoding="utf-8")
    rows = [
        row
        for row in csv.DictReader(io.StringIO(text))
        if min_magnitude is None or float(row["magnitude"]) >= min_magnitude
    ]
    week = earthquakes(min_magnitude)
    start = datetime.fromisoformat(rows[0]["occurred_at"])
    assert week.epoch == float(Fraction((start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1), 1000))
    for row, event in zip(rows, week.events, strict=True):
        milliseconds = (datetime.fromisoformat(row["occurred_at"]) - start) // timedelta(milliseconds=1)
        assert event.occurred_at == float(Fraction(milliseconds, 1000))
        assert timestamp(week.epoch + event.occurred_at) == row["occurred_at"]
        assert event.id == f"evt_{row['id']}"
        assert ID.fullmatch(event.id)
        assert event.data == {
            "updated_at": row["updated_at"],
            "magnitude": float(row["magnitude"]),
            "magnitude_type": row["magnitude_type"],
            "place": row["place"],
            "longitude": float(row["longitude"]),
            "latitude": float(row["latitude"]),
            "depth_km": float(row["depth_km"]),
        }


def test_the_horizon_is_half_open():
    """The second earthquake happens 616.010 s after the first."""
    assert len(earthquakes(duration=616.010).events) == 1
    assert len(earthquakes(duration=616.010001).events) == 2
    assert earthquakes(duration=616.010).notes == ("The first 1 of 1,707 rows fall before the end, 616.01 s.",)


def test_a_magnitude_above_all_is_an_error_that_gives_the_largest():
    with pytest.raises(ValueError, match=r"earthquakes\.csv: no row has magnitude >= 9; the largest is 6\.4"):
        earthquakes(9)


# --- generated arrivals


@pytest.mark.parametrize(
    ("make", "count", "digest"),
    [
        (poisson, 1665, "a28c23a1abad50f502a8821c0f70c24bc998b5429e2e061bb681ac99c4f8c17c"),
        (bursty, 1486, "f6e5a19afe9f9bba2ab110aebf01639d7951cee74963ff81dfedbfe755a0ed2d"),
        (daily, 1632, "74f52361d3860a682fa5108caf7e01f164aaca5ff97fd772c8e477d3a3f564d7"),
        (switching, 4472, "9aa7ab5ba2ea887542ef00087348ffde6a224b271156f0950fe63dd7946391e8"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_seed_gives_the_same_instants_on_every_python(make, count, digest):
    """SHA-256 over the instants in whole microseconds; equal on Python 3.11 to 3.13."""
    found = ",".join(str(round(at * 1e6)) for at in instants(make()))
    assert (found.count(",") + 1, hashlib.sha256(found.encode()).hexdigest()) == (count, digest)


@each_generator
def test_same_seed_same_arrivals_another_seed_others(make):
    assert make(seed=3) == make(seed=3)
    assert len({tuple(instants(make(seed=seed))) for seed in range(20)}) == 20


@each_generator
def test_made_events_are_well_formed(make):
    arrivals = make(duration=86_400, seed=1)
    assert arrivals.name == make.__name__
    assert arrivals.epoch == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert arrivals.params["seed"] == 1
    assert arrivals.events[0].occurred_at > 0
    for number, event in enumerate(arrivals.events, start=1):
        assert (event.id, event.type, event.data) == (f"evt_{number:06}", "tick.happened", {"number": number})
        assert event.occurred_at == round(event.occurred_at, 6) < 86_400
    assert instants(arrivals) == sorted(instants(arrivals))


@pytest.mark.parametrize("make", [poisson, daily, switching], ids=lambda make: make.__name__)
def test_a_longer_run_begins_as_the_shorter_one(make):
    short, long = make(duration=100_000), make(duration=200_000)
    assert instants(short) == [at for at in instants(long) if at < 100_000]


def test_a_made_event_that_rounds_to_the_end_is_left_out():
    """Each of a run's instants in turn as the end: about half are reached only by rounding up."""
    found = instants(poisson(duration=20_000))
    for count, end in enumerate(found):
        assert instants(poisson(duration=end)) == found[:count]


@pytest.mark.parametrize("make", [poisson, daily], ids=lambda make: make.__name__)
def test_counts_are_poisson_with_the_mean_that_was_asked_for(make):
    """Over whole days both are exactly Poisson(1,680); 100 seeds each, and all of them together."""
    mean = 10 * 168
    scores = [(len(make(seed=seed).events) - mean) / math.sqrt(mean) for seed in SEEDS]
    assert max(map(abs, scores)) < Z
    assert abs(sum(scores)) / math.sqrt(len(SEEDS)) < Z
    spread = sum(score**2 for score in scores)  # chi-squared with 100 degrees of freedom: variance 200
    assert abs(spread - len(SEEDS)) / math.sqrt(2 * len(SEEDS)) < Z


def test_poisson_gaps_are_exponential():
    """Kolmogorov-Smirnov over 20 seeds together; the bound is that of one check at 0.1%."""
    from scipy import stats

    found = [gap for seed in range(20) for gap in gaps(poisson(per_hour=30, seed=seed))]
    assert stats.kstest(found, "expon", args=(0, 120)).pvalue > 0.001


@pytest.mark.parametrize(("size", "spread"), [(10, 1), (3, 0), (1, 1)])
def test_bursts_have_the_mean_rate_and_size_that_were_asked_for(size, spread):
    """Bursts are Poisson(λT/size), sizes geometric: Var N = λT(2·size - 1). Longer gaps part them."""
    mean, weeks = 5 * 168, len(SEEDS)
    runs = [bursty(per_hour=5, seed=seed, size=size, spread=spread) for seed in SEEDS]
    events = sum(len(run.events) for run in runs)
    assert abs(events - weeks * mean) / math.sqrt(weeks * mean * (2 * size - 1)) < Z
    clusters = sum(1 + sum(gap > spread for gap in gaps(run)) for run in runs)
    merged = weeks * WEEK * (mean / size / WEEK) ** 2 * spread  # two bursts within `spread` of each other look as one
    assert abs(clusters + merged - weeks * mean / size) / math.sqrt(weeks * mean / size) < Z


def test_bursts_cluster_as_their_law_says():
    """Hourly counts: the variance is 2·10 - 1 = 19 times the mean (Poisson: once); error from replicates."""

    def dispersion(run):
        hours = [0] * 168
        for at in instants(run):
            hours[int(at // 3600)] += 1
        return statistics.variance(hours) / 10

    for make, expected in ((bursty, 19), (poisson, 1)):
        found = [dispersion(make(seed=seed)) for seed in SEEDS]
        error = statistics.stdev(found) / math.sqrt(len(found))
        assert abs(statistics.mean(found) - expected) < Z * error
        assert error < expected / 10


def test_a_spread_of_zero_makes_ties():
    found = gaps(bursty(spread=0))
    assert sum(gap == 0 for gap in found) > 0.8 * len(found)


def test_a_burst_is_no_longer_than_its_spread():
    """One burst at most in most of these runs: all events within 5 s, some beyond 4.5 s."""
    runs = [instants(bursty(per_hour=1, duration=3600, seed=seed, size=100, spread=5)) for seed in range(1000)]
    lengths = [run[-1] - run[0] for run in runs if run]
    short = [length for length in lengths if length <= 5]
    assert len(lengths) - len(short) <= 3  # two bursts in one hour at 0.01 an hour: 0.05 expected
    assert max(short) > 4.5


def test_the_day_has_its_peak_at_six_and_its_trough_at_eighteen():
    """Means over the 6 h around each are 10·6·(1 ± 0.8·2√2/π) = 103.2 and 16.8; counts are Poisson."""
    peak = trough = 0
    for seed in SEEDS:
        for at in instants(daily(seed=seed)):
            hour = at / 3600 % 24
            peak += 3 <= hour < 9
            trough += 15 <= hour < 21
    share = 0.8 * 2 * math.sqrt(2) / math.pi
    for count, mean in ((peak, 60 * (1 + share)), (trough, 60 * (1 - share))):
        mean *= 7 * len(SEEDS)
        assert abs(count - mean) / math.sqrt(mean) < Z


def test_without_swing_the_day_is_level_and_with_all_of_it_the_evening_is_silent():
    evening = sum(15 <= at / 3600 % 24 < 21 for at in instants(daily(swing=0, per_hour=100)))
    assert abs(evening - 4200) / math.sqrt(4200) < 4
    near_trough = [at for at in instants(daily(swing=1, per_hour=100)) if abs(at / 3600 % 24 - 18) < 0.25]
    assert len(near_trough) < 4  # rate·(1 - cos) over half an hour a day: 0.25 expected in the week


@pytest.mark.parametrize("dwell", [3600, (7200, 1800)])
def test_switching_has_the_mean_and_variance_of_its_law(dwell):
    """A Markov-modulated Poisson process from its stationary start: the variance is exact."""
    quiet, busy = dwell if isinstance(dwell, tuple) else (dwell, dwell)
    share, rate = busy / (quiet + busy), 1 / quiet + 1 / busy
    slow, fast = 2 / 3600, 90 / 3600
    mean = (slow + (fast - slow) * share) * WEEK
    mixing = 2 * (fast - slow) ** 2 * share * (1 - share) / rate**2
    variance = mean + mixing * (rate * WEEK - 1 + math.exp(-rate * WEEK))
    counts = [len(switching(2, 90, dwell, seed=seed).events) for seed in SEEDS]
    scores = [(count - mean) / math.sqrt(variance) for count in counts]
    assert abs(sum(scores)) / math.sqrt(len(SEEDS)) < Z
    spread = sum(score**2 for score in scores)
    assert abs(spread - len(SEEDS)) / math.sqrt(2 * len(SEEDS)) < Z


def test_the_first_state_is_drawn_by_its_share():
    """A state outlasts the run: with dwells 3 : 1 a quarter of the runs is busy from the start."""
    busy = sum(bool(switching(0, 100, (3e9, 1e9), 18_000, seed).events) for seed in range(400))
    assert abs(busy - 100) / math.sqrt(400 * 0.25 * 0.75) < 4


@pytest.mark.parametrize("name", ["per_hour", "duration"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 10**400, "ten", None, True])
@pytest.mark.parametrize("make", [poisson, bursty, daily], ids=lambda make: make.__name__)
def test_rates_and_durations_that_make_no_sense_are_named_with_their_value(make, name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be (a finite number )?> 0( seconds)?, got ") as caught:
        make(**{name: value})
    assert str(caught.value).endswith(repr(value))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bursty(size=0.5), "size must be >= 1 events, got 0.5"),
        (lambda: bursty(spread=-1), "spread must be >= 0 seconds, got -1"),
        (lambda: daily(swing=1.5), "swing must be from 0 to 1, got 1.5"),
        (lambda: daily(swing=math.nan), "swing must be a finite number from 0 to 1, got nan"),
        (lambda: switching(quiet_per_hour=-1), "quiet_per_hour must be from 0 to 60, got -1"),
        (lambda: switching(quiet_per_hour=61), "quiet_per_hour must be from 0 to 60, got 61"),
        (lambda: switching(busy_per_hour=0), "busy_per_hour must be > 0, got 0"),
        (lambda: switching(dwell=0), "dwell must be > 0 seconds, got 0"),
        (lambda: switching(dwell=(5, math.inf)), "dwell must be a finite number > 0 seconds, got inf"),
        (
            lambda: switching(dwell=(1, 2, 3)),
            "dwell must be a number of seconds or a pair (quiet, busy), got (1, 2, 3)",
        ),
        (lambda: switching(dwell=1e-9), "mean dwell must be >= 0.3024 seconds in a run of 604800 seconds, got 1e-09"),
        (lambda: switching(duration=-5), "duration must be > 0 seconds, got -5"),
        (lambda: earthquakes(duration=0), "duration must be > 0 seconds, got 0"),
        (lambda: earthquakes(math.nan), "min_magnitude must be a finite number, got nan"),
        (lambda: poisson(seed=-1), "seed must be a whole number >= 0, got -1"),
        (lambda: poisson(seed=None), "seed must be a whole number >= 0, got None"),
        (lambda: poisson(seed=1.0), "seed must be a whole number >= 0, got 1.0"),
    ],
)
def test_an_argument_out_of_range_is_named_with_its_value(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message


@each_generator
def test_too_many_events_are_refused(make, monkeypatch):
    """The cap is 2,000,000; here 1,000, of 1,680 and more."""
    assert made.MOST_EVENTS == 2_000_000
    monkeypatch.setattr(made, "MOST_EVENTS", 1000)
    with pytest.raises(ValueError, match=rf"{make.__name__} would make more than 1,000 events; .*duration=604800"):
        make()


def test_a_rate_beyond_all_measure_is_refused_and_does_not_hang():
    with pytest.raises(ValueError, match="more than 2,000,000 events"):
        poisson(per_hour=1e300)


def test_a_rate_near_zero_makes_nothing():
    assert poisson(per_hour=5e-324).events == ()


# --- a CSV file of one's own


def test_a_csv_gives_one_event_a_row(write):
    path = write(
        "id,occurred_at,type,amount,count,who\n"
        "a-1,2026-01-01T00:00:00Z,order.paid,1.5,1,Ann\n"
        'a-2,2026-01-01T00:00:10.250Z,order.sent,-2,2,"Bo, Jr"\n'
    )
    orders = from_log(path)
    assert orders.events == (
        Event("a-1", "order.paid", 0.0, {"amount": 1.5, "count": 1, "who": "Ann"}),
        Event("a-2", "order.sent", 10.25, {"amount": -2.0, "count": 2, "who": "Bo, Jr"}),
    )
    assert type(orders.events[0].data["count"]) is int
    assert (orders.name, orders.epoch) == ("mine.csv", 1_767_225_600.0)
    assert orders.params == {"file": "mine.csv", "time_column": "occurred_at", "min_magnitude": None}
    assert orders.notes == ("The instants are those of column 'occurred_at'.",)


@pytest.mark.parametrize(
    ("start", "end", "note"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.500000Z", None),
        ("2026-01-01T00:00:00z", "2026-01-01t00:00:01.5z", None),
        ("2026-01-01 01:00:00+01:00", "2025-12-31T19:00:01.5-0500", None),
        ("20260101T000000Z", "20260101T000001.5Z", None),
        ("2026-01-01T00:00:00", "2026-01-01 00:00:01.5", "2 rows had no UTC offset and were read as UTC"),
        ("2026-01-01T00:00:00Z", "2026-01-01 00:00:01.5", "1 row had no UTC offset and were read as UTC"),
        ("1767225600", "1767225601.5", "Column 'when' was read as Unix seconds."),
        ("1.7672256e9", "1767225601.5", "Column 'when' was read as Unix seconds."),
        ("1767225600000", "1767225601500", "Column 'when' was read as Unix milliseconds."),
        ("1767225600000.0", "1767225601500.0", "Column 'when' was read as Unix milliseconds."),
        ("1767225600000000", "1767225601500000", "Column 'when' was read as Unix microseconds."),
        ("1767225600000000000", "1767225601500000000", "Column 'when' was read as Unix nanoseconds."),
    ],
)
def test_instants_may_be_iso_8601_or_unix_times_of_any_unit(write, start, end, note):
    found = from_log(write(f"when\n{start}\n{end}\n"))
    assert instants(found) == [0.0, 1.5]
    assert found.epoch == 1_767_225_600.0
    assert [text for text in found.notes if note and note in text] == ([found.notes[-1]] if note else [])
    assert len(found.notes) == (2 if note else 1)


@pytest.mark.parametrize(
    ("cell", "epoch", "unit"),
    [
        ("99999999999", 99_999_999_999, "seconds"),
        ("100000000000", 1e8, "milliseconds"),
        ("99999999999000", 99_999_999_999, "milliseconds"),
        ("100000000000000", 1e8, "microseconds"),
        ("100000000000000000", 1e8, "nanoseconds"),
    ],
)
def test_a_power_of_ten_is_the_first_instant_of_the_finer_unit(write, cell, epoch, unit):
    """10^11 s is the year 5138, 10^11 ms is 1973: of the two, an event log means the second."""
    found = from_log(write(f"time\n{cell}\n"))
    assert found.epoch == epoch
    assert found.notes[-1] == f"Column 'time' was read as Unix {unit}."


def test_compact_dates_are_dates_not_unix_times(write):
    assert instants(from_log(write("date\n20260131\n20260201\n"))) == [0.0, 86_400.0]


def test_seconds_from_a_start_of_their_own_are_taken_when_the_column_is_named(write):
    path = write("at,size\n0,7\n12.5,8\n")
    assert instants(from_log(path, time_column="at")) == [0.0, 12.5]
    with pytest.raises(ValueError, match=r"mine\.csv: no column holds instants .*'at', 'size'; row 2 is \['0', '7'\]"):
        from_log(path)


@given(
    numbers=st.lists(st.integers(10**14, 4 * 10**15), min_size=1, max_size=30),
    form=st.sampled_from(["utc", "offset", "naive", "microseconds", "nanoseconds", "seconds"]),
    eol=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t"),
)
def test_instants_come_back_sorted_whatever_their_form_and_order(tmp_path_factory, numbers, form, eol, delimiter):
    """Written in any order in any form, read in order: every gap is the one written, to the microsecond."""

    def written(micros):
        utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        return {
            "utc": utc.isoformat().replace("+00:00", "Z"),
            "offset": utc.astimezone(timezone(timedelta(hours=micros % 25 - 12, minutes=30))).isoformat(),
            "naive": utc.replace(tzinfo=None).isoformat(sep=" "),
            "microseconds": str(micros),
            "nanoseconds": f"{micros}000",
            "seconds": f"{micros // 10**6}.{micros % 10**6:06}",
        }[form]

    path = tmp_path_factory.mktemp("trace") / "random.csv"
    rows = [f"{number}{delimiter}{written(number)}{delimiter}{n}" for n, number in enumerate(numbers)]
    path.write_text(eol.join([f"key{delimiter}moment{delimiter}n", *rows, ""]), encoding="utf-8", newline="")
    found = from_log(path, time_column="moment")
    expected = sorted(range(len(numbers)), key=lambda n: numbers[n])
    assert [event.data["n"] for event in found.events] == expected, "ties keep the file's order"
    assert [round(at * 1e6) for at in instants(found)] == [numbers[n] - min(numbers) for n in expected]
    assert found.epoch == pytest.approx(min(numbers) / 1e6, abs=1e-6)


def test_the_duration_ends_one_mean_gap_after_the_last_event(write):
    """0, 10 and 20 s: 30 s, so that the rate is one in 10 s."""
    found = from_log(write("time\n0\n20\n10\n"))
    assert (found.duration, found.rate) == (30.0, 0.1)


@pytest.mark.parametrize("rows", ["5\n", "5\n5\n", "5\n5.000001\n"])
def test_the_duration_is_at_least_a_second(write, rows):
    found = from_log(write(f"time\n{rows}"))
    assert found.duration == 1.0
    assert len(found.events) == rows.count("\n")


def test_a_duration_cuts_half_open_and_says_so(write):
    path = write("time\n0\n10\n20\n")
    assert instants(from_log(path, duration=20)) == [0.0, 10.0]
    assert from_log(path, duration=20).notes[-1] == "The first 2 of 3 rows fall before the end, 20 s."
    assert instants(from_log(path, duration=20.001)) == [0.0, 10.0, 20.0]
    with pytest.raises(ValueError, match="duration must be > 0 seconds, got -1"):
        from_log(path, duration=-1)


def test_rows_out_of_order_are_sorted_and_counted(write):
    found = from_log(write("time,n\n30,a\n10,b\n20,c\n40,d\n"))
    assert [event.data["n"] for event in found.events] == ["b", "c", "a", "d"]
    assert found.notes[-1] == "2 rows came after a later row; all rows were sorted by time."


def test_duplicates_are_kept(write):
    assert len(from_log(write("time,n\n1,a\n1,a\n1,a\n")).events) == 3


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("created_at,occurred_at", "occurred_at"),
        ("when,time", "time"),
        ("Date,x", "Date"),
        ("date,timestamp", "timestamp"),
    ],
)
def test_a_telling_name_is_preferred(write, header, chosen):
    path = write(f"{header}\n2026-01-01T00:00:00Z,2026-01-01T00:00:00Z\n")
    assert from_log(path).params["time_column"] == chosen


def test_the_only_column_of_instants_is_found_among_numbers_and_words(write):
    assert from_log(write("n,magnitude,seen,place\n1,4.5,2026-01-01,A\n2,5.5,2026-01-02,B\n")).params[
        "time_column"
    ] == ("seen")


def test_the_named_column_wins_and_the_other_becomes_data(write):
    path = write("occurred_at,updated\n2026-01-01T00:00:00Z,2026-01-02T00:00:00Z\n")
    found = from_log(path, time_column="updated")
    assert found.epoch == 1_767_312_000.0
    assert found.events[0].data == {"occurred_at": "2026-01-01T00:00:00Z"}


def test_a_bad_cell_in_a_telling_column_is_an_error_not_a_reason_to_take_another(write):
    path = write("occurred_at,updated\n2026-01-01T00:00:00Z,2026-01-02\nsoon,2026-01-03\n")
    with pytest.raises(ValueError, match=r"mine\.csv: row 3: occurred_at must be ISO 8601 .*, got 'soon'"):
        from_log(path)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a"], ["evt_2", "evt_3"]),
        (["a.1", "b"], ["evt_2", "evt_3"]),
        (["", "b"], ["evt_2", "evt_3"]),
        (["x" * 65, "b"], ["evt_2", "evt_3"]),
        (["evt_3", "é"], ["evt_2", "evt_3"]),
    ],
)
def test_ids_that_cannot_stand_on_the_wire_are_numbered_by_row_and_kept_in_data(write, ids, expected):
    found = from_log(write("id,time\n" + "".join(f"{own},{n}\n" for n, own in enumerate(ids))))
    assert [event.id for event in found.events] == expected
    replaced = ids != expected
    assert [event.data for event in found.events] == [{"id": own} if replaced else {} for own in ids]
    assert any("Column 'id'" in note for note in found.notes) == replaced


@pytest.mark.parametrize("type", ["Door.Opened", "a", "x" * 128])
def test_a_type_that_the_api_takes_is_kept(write, type):
    found = from_log(write(f"type,time\n{type},1\n"))
    assert (found.events[0].type, found.events[0].data) == (type, {})


@pytest.mark.parametrize("type", ["Order Paid", "..", ".a", "x" * 129, "batch", "endpoint.test"])
def test_a_type_that_the_api_refuses_is_replaced_and_stays_in_data(write, type):
    found = from_log(write(f"type,time\n{type},1\n"))
    assert (found.events[0].type, found.events[0].data) == ("event.recorded", {"type": type})
    assert f"Column 'type' has {type!r}, which is not a valid event type" in found.notes[-1]


def test_a_type_with_an_accent_does_not_take_the_others_with_it(write):
    found = from_log(write("type,time\npago,1\nenvío,2\ndevolución,3\nenvío,4\n"))
    assert [event.type for event in found.events] == ["pago", "event.recorded", "event.recorded", "event.recorded"]
    assert [event.data["type"] for event in found.events] == ["pago", "envío", "devolución", "envío"]
    assert found.notes[-1] == (
        "Column 'type' has 'envío', which is not a valid event type (words of A-Z, a-z, 0-9 and _, joined by dots),"
        " nor is 1 other: 3 rows have 'event.recorded' instead. The column is kept in data."
    )


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_log_with_an_instant_decades_away_is_refused_with_its_row(write, year):
    rows = [f"2026-01-01T00:{n:02}:00Z" for n in range(20)]
    rows[7] = f"{year}{rows[7][4:]}"
    wrong = rf"mine\.csv: row 9: {year}-01-01T00:07:00.000Z is \d\d years .*: correct the row or remove it"
    with pytest.raises(ValueError, match=wrong):
        from_log(write("time\n" + "\n".join(rows)))
    assert len(from_log(write("time\n" + "\n".join(rows)), duration=60).events) == 1


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2"], [1, -2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1e3", "2"], [1000.0, 2.0]),
        (["1", "x"], ["1", "x"]),
        (["1", ""], ["1", ""]),
        (["nan", "1"], ["nan", "1"]),
        (["inf", "1"], ["inf", "1"]),
        (["1e999", "1"], ["1e999", "1"]),
        (["1e99999999999999999999", "1"], ["1e99999999999999999999", "1"]),
        (["007", "1"], ["007", "1"]),
        (["1_000", "1"], ["1_000", "1"]),
        (["9" * 5000, "1"], ["9" * 5000, "1"]),
        (["18446744073709551616", "1"], ["18446744073709551616", "1"]),
        (["٣", "1"], ["٣", "1"]),
    ],
)
def test_a_column_is_numbers_only_where_every_cell_is_one_that_json_carries(write, cells, expected):
    found = from_log(write("time,value\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))))
    values = [event.data["value"] for event in found.events]
    assert values == expected
    assert list(map(type, values)) == list(map(type, expected))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbftime,who\n1,Ann\n2,Bo\n",
        b"time;who\r\n1;Ann\r\n2;Bo\r\n",
        b"time\twho\n1\tAnn\n2\tBo\n",
        b"\r\n\r\ntime;who\r\n1;Ann\r\n\r\n2;Bo\r\n",
        b'"time","who"\n"1","Ann"\n"2","Bo"',
        b"\n time , who \n 1 , Ann \n\n 2 , Bo \n\n\n",
    ],
    ids=["BOM", "semicolons and CRLF", "tabs", "blank lines that end in CRLF", "quotes", "spaces and blank lines"],
)
def test_dialects_that_spreadsheets_write_are_read_alike(write, content):
    found = from_log(write(content))
    assert [(event.occurred_at, dict(event.data)) for event in found.events] == [
        (0.0, {"who": "Ann"}),
        (1.0, {"who": "Bo"}),
    ]


def test_quoted_cells_may_hold_delimiters_quotes_and_lines(write):
    found = from_log(write('time;text\n1;"a;b, ""c""\nd"\n2;e\n'))
    assert [event.data["text"] for event in found.events] == ['a;b, "c"\nd', "e"]


def test_rows_are_numbered_as_a_spreadsheet_does(write):
    """Blank rows and cells with line breaks count as one row each."""
    with pytest.raises(ValueError, match=r"row 5: time must be Unix seconds as in other rows, got 'x'"):
        from_log(write('time,text\n1,"a\nb"\n\n2,c\nx,d\n'))


def test_min_magnitude_filters_before_the_first_event_is_chosen(write):
    path = write("time,magnitude\n0,1\n10,3\n25,2.5\n")
    assert instants(from_log(path, min_magnitude=2.5)) == [0.0, 15.0]
    assert from_log(path, min_magnitude=2.5).epoch == 10.0


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "is empty; it must have a header and a row for each event"),
        ("\ufeff \n\n", {}, "is empty; it must have a header and a row for each event"),
        ("time,x\n", {}, "no rows after the header ['time', 'x']"),
        ("time\n1\nsoon\n", {}, "row 3: time must be Unix seconds as in other rows, got 'soon'"),
        (
            "when\n2026-01-01\n2026-02-30\n",
            {},
            "row 3: when must be ISO 8601 such as 2026-01-31T12:00:00Z, got '2026-02-30'",
        ),
        (
            "time,x\n2026-01-01,a\n,b\n",
            {},
            "row 3: time must be ISO 8601 such as 2026-01-31T12:00:00Z, got an empty cell",
        ),
        ("t\nsoon\n", {"time_column": "t"}, "row 2: t must be ISO 8601 such as 2026-01-31T12:00:00Z, got 'soon'"),
        (
            "time\n1767225600\n1767225600000\n",
            {},
            "row 3: time must be Unix seconds as in other rows, got '1767225600000'",
        ),
        (
            "time\n1767225600000\n1767225600\n",
            {},
            "row 3: time must be Unix milliseconds as in other rows, got '1767225600'",
        ),
        ("a,b\n1,2\n", {"time_column": "c"}, "no column 'c'; the columns are 'a', 'b'"),
        (
            "a,b\n1,2\n",
            {},
            (
                "no column holds instants (ISO 8601 or Unix times); the columns are 'a', 'b'; "
                "row 2 is ['1', '2']; write instants as 2026-01-31T12:00:00Z"
            ),
        ),
        (
            "start,end,n\n2026-01-01,2026-01-02,1\n",
            {},
            "several columns hold instants: 'start', 'end'; name one with --time-column NAME",
        ),
        ("2026-01-01\n2026-01-02\n", {}, "row 1 must be a header that names the columns, got '2026-01-01'"),
        ("time,x\n1,2\n1,2,3\n", {}, "row 3: must have 2 cells as the header has, got 3: ['1', '2', '3']"),
        ("time,x\n1\n", {}, "row 2: must have 2 cells as the header has, got 1: ['1']"),
        ("time,x,x\n1,2,3\n", {}, "row 1: names of columns must be unique, got 'x' twice"),
        (b"time,x\n1,a\n2,\xff\n", {}, "row 3: must be UTF-8, got byte 0xff"),
        ("time,x\n1,a\n".encode("utf-16"), {}, "row 1: must be UTF-8, got byte 0xff"),
        ('time,x\n1,a\n2,"b\n', {}, "row 3: unexpected end of data"),
        ("time\n1\n", {"min_magnitude": 2}, "no column 'magnitude'; the columns are 'time'"),
        (
            "time,magnitude\n1,2\n2,?\n",
            {"min_magnitude": 2},
            "row 3: magnitude must be a number for min_magnitude to filter by, got '?'",
        ),
        ("time,magnitude\n1,2\n2,3\n", {"min_magnitude": 5}, "no row has magnitude >= 5; the largest is 3"),
        ("time\n-9e10\n", {}, "no column holds instants"),
        ("time\n1e400\n", {"time_column": "time"}, "row 2: time must be ISO 8601"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_file_row_and_value(write, content, options, message):
    path = write(content)
    with pytest.raises(ValueError) as caught:
        from_log(path, **options)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
        from_log(tmp_path / "none.csv")
    with pytest.raises(IsADirectoryError, match=r"is a directory, not a log"):
        from_log(tmp_path)


def test_the_earthquake_file_reads_alike_as_a_file_of_ones_own():
    path = Path(__file__).parent.parent / "data" / "earthquakes.csv"
    own, week = from_log(path, min_magnitude=2.5, duration=WEEK), earthquakes(2.5)
    assert instants(own) == instants(week)
    assert own.epoch == week.epoch
    assert [f"evt_{event.id}" for event in own.events] == [event.id for event in week.events]
