"""What a log is like: each figure against pandas, plain loops, or what the arrivals were made to be."""

import json
import math
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import Arrivals, Event, bursty, daily, earthquakes, from_log, poisson, switching
from labkit.description import describe
from labkit.description.dispersion import LEVEL, Scale, dispersion, poisson_ratio
from labkit.description.rhythm import local, rhythm
from labkit.log import Log, read_log
from labkit.plots import sentences
from labkit.plots.account import dispersion_said

SECOND = 1_000_000
WEEK = 604_800


def log(seconds, **more):
    return Log("made", np.round(np.sort(seconds) * SECOND).astype(np.int64), more.pop("types", {}), **more)


def uniform(events, seed, length=WEEK):
    return np.random.default_rng(seed).uniform(0, length, events)


# --- rate, gaps, resolution, busiest


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=60).filter(lambda at: len(set(at)) > 1))
def test_rate_and_gaps_are_those_of_pandas(milliseconds):
    found = describe(log(np.array(milliseconds) / 1000))
    gaps = pd.Series(sorted(milliseconds)).diff().dropna() / 1000
    assert found.rate == pytest.approx(1 / gaps.mean())
    expected = [gaps.mean(), gaps.quantile(0.5), gaps.quantile(0.95), gaps.max()]
    assert found.gaps[:4] == pytest.approx(tuple(expected))
    assert found.gaps.ties == (gaps == 0).sum()
    assert found.gaps.longest_after == sorted(milliseconds)[int(gaps.to_numpy().argmax())] / 1000
    if len(gaps) > 1:
        assert found.gaps.cv2 == pytest.approx(gaps.var() / gaps.mean() ** 2)
    assert (found.counts.sum(), found.gap_counts.sum()) == (len(milliseconds), (gaps > 0).sum())


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=40))
def test_the_busiest_windows_are_those_of_a_search_by_hand(seconds):
    at = sorted(seconds)
    for each in describe(log(np.array(at, dtype=float) + 0.5)).busiest:
        counts = [sum(start <= other < start + each.window for other in at) for start in at]
        assert (each.events, each.start) == (max(counts), at[counts.index(max(counts))] + 0.5)


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [([0.000001, 2], 1e-6), ([0.25, 2.001], 0.001), ([61, 122], 1), ([60, 180], 60), ([0, 3600], 3600)],
)
def test_the_resolution_is_the_largest_unit_of_all_instants(seconds, unit):
    found = describe(log(np.array(seconds)))
    assert found.resolution == unit
    assert [each.window for each in found.busiest] == [window for window in (1, 60, 3600) if window >= unit]


def test_dates_have_the_resolution_of_a_day_in_their_own_zone():
    days = [datetime(2026, 3, day, tzinfo=ZoneInfo("Europe/Madrid")).timestamp() for day in (27, 28, 31)]
    assert describe(log(np.array(days), zone=ZoneInfo("Europe/Madrid"))).resolution == 86_400
    assert describe(log(np.array(days))).resolution == 3600


@pytest.mark.parametrize("seconds", [[5.0], [5.0, 5.0, 5.0], [5.0, 6.0]])
def test_a_log_that_is_too_small_has_no_figures_but_can_be_described(seconds):
    found = describe(log(np.array(seconds)))
    assert (found.gaps is None) == (found.rate is None) == (len(set(seconds)) == 1)
    assert (list(found.dispersion), found.rhythm) == ([], None)
    assert json.loads(json.dumps(found.record(), allow_nan=False))["events"] == len(seconds)
    assert sentences(found)


def test_arrivals_without_an_event_are_refused_by_name():
    with pytest.raises(ValueError, match="quiet: has no event to describe"):
        describe(Arrivals("quiet", (), 60, 0, {}))


# --- dispersion


def test_the_ratio_is_variance_over_mean_of_all_counts_empty_ones_too():
    """A loop over windows, with the first and the last event left out."""
    at = np.sort(np.round(uniform(400, 3), 3))
    found = dispersion((at * SECOND).astype(np.int64), 1e-6)
    assert {scale.window for scale in found} >= {60, 3600, 43_200}
    for scale in found:
        windows = int((at[-1] - at[0]) // scale.window)
        tally = Counter(int((each - at[0]) // scale.window) for each in at[1:-1])
        counts = [tally[n] for n in range(windows)]
        assert (scale.windows, scale.mean) == (windows, pytest.approx(np.mean(counts)))
        assert scale.ratio == pytest.approx(np.var(counts, ddof=1) / np.mean(counts))


@pytest.mark.parametrize(("windows", "mean"), [(13, 9), (168, 10), (1000, 50), (100_000, 5)])
def test_the_range_is_that_of_chi_squared_where_windows_are_full(windows, mean):
    """Oracle: scipy; the correction for empty windows is below 1 / mean of the distance from 1."""
    from scipy import stats

    for z in (-3, -2, 2, 3):
        expected = stats.chi2.ppf(stats.norm.cdf(z), windows - 1) / (windows - 1)
        assert poisson_ratio(windows, mean, z) - 1 == pytest.approx(expected - 1, rel=1 / mean, abs=0.002)


@pytest.mark.parametrize("events", [100, 1000])
def test_a_poisson_stream_is_out_of_its_range_once_in_a_hundred_times(events):
    """200 streams; 10 or more of them outside have a probability of 1e-4 at 1%."""
    runs = [dispersion(np.sort(uniform(events, seed) * SECOND).astype(np.int64), 1e-6) for seed in range(200)]
    outside = sum(any(scale.verdict != "poisson" for scale in scales) for scales in runs)
    assert LEVEL == 0.99
    assert min(map(len, runs)) >= 5
    assert outside < 10


def test_bursts_vary_more_and_a_timer_varies_less():
    """Bursts of 10 events within a second: 2·10 - 1 = 19 times over windows of minutes, to their standard error."""
    for scale in describe(bursty(100)).dispersion:
        assert scale.verdict == "more"
        if scale.window in (60, 300, 600):
            error = 19 * math.sqrt(2 / scale.windows + 20 / (scale.windows * scale.mean / 10))
            assert abs(scale.ratio - 19) < 4 * error
    timer = np.arange(0, WEEK, 60) + uniform(WEEK // 60, 1, 2.0)
    found = describe(log(timer)).dispersion
    assert {scale.verdict for scale in found if scale.window >= 60} == {"less"}
    assert "less than a Poisson stream's in windows of" in " ".join(sentences(describe(log(timer))))


def test_it_says_where_a_daily_rhythm_stops_being_poisson():
    """At 60 per hour and a swing of 0.8, a window of w adds 0.32 · 60 · w/3600 to the ratio: 0.32 at 60 s."""
    found = {scale.window: scale for scale in describe(daily(60, 14 * 86_400)).dispersion}
    verdicts = [found[window].verdict for window in (0.1, 1, 60, 3600, 43_200, 86_400)]
    assert verdicts == ["poisson", "poisson", "more", "more", "more", "poisson"]
    assert found[60].ratio == pytest.approx(1.32, abs=0.05)


def test_nothing_is_said_about_windows_below_the_resolution():
    whole = np.floor(uniform(5000, 2, 86_400))
    found = describe(log(whole))
    assert found.resolution == 1
    assert min(scale.window for scale in found.dispersion) == 1
    assert {scale.verdict for scale in found.dispersion} == {"poisson"}
    assert "The instants are whole multiples of 1 s." in sentences(found)


# --- rhythm


@given(
    st.lists(st.integers(0, 3 * 10**9), min_size=1, max_size=20),
    st.sampled_from(["UTC", "Europe/Madrid", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_clocks_show_what_pandas_says(seconds, name):
    at = np.sort(np.array(seconds, dtype=np.int64)) * SECOND
    shown = pd.to_datetime(at, unit="us", utc=True).tz_convert(name).tz_localize(None)
    expected = shown.astype("datetime64[us]").astype(np.int64)
    assert local(at, UTC if name == "UTC" else ZoneInfo(name)).tolist() == expected.tolist()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid"])
def test_rates_by_hour_and_weekday_are_those_of_pandas(zone):
    """Counts by groupby; the time of each hour and weekday from a grid of minutes."""
    begin = 1_767_225_600 + 3 * 3600 + 1200
    seconds = begin + uniform(3000, 5, 17 * 86_400 + 5 * 3600)
    made = log(seconds, zone=UTC if zone == "UTC" else ZoneInfo(zone))
    found = describe(made).rhythm
    events = pd.Series(1, pd.to_datetime(made.at, unit="us", utc=True).tz_convert(zone))
    grid = pd.Series(1 / 60, pd.date_range(events.index[0], events.index[-1], freq="min"))
    for rates, key in ((found.hours, lambda index: index.hour), (found.weekdays, lambda index: index.day_of_week)):
        expected = events.groupby(key(events.index)).sum() / grid.groupby(key(grid.index)).sum()
        assert rates == pytest.approx(expected.to_numpy(), rel=0.005)
    assert found.week.shape == (7, 24)


def test_a_daily_rhythm_repeats_and_chance_bursts_and_busy_spells_do_not():
    """Of 15 streams without a rhythm, 1% may be taken for one."""
    assert all(describe(daily(20, 7 * 86_400, seed)).rhythm.daily for seed in range(5))
    others = [make(20, 7 * 86_400, seed) for make in (poisson, bursty) for seed in range(5)]
    others += [switching(1, 60, duration=7 * 86_400, seed=seed) for seed in range(5)]
    assert sum(describe(each).rhythm.daily for each in others) <= 1
    assert describe(earthquakes()).rhythm.daily is False


def test_a_weekly_rhythm_takes_four_weeks():
    def workdays(weeks):
        at = uniform(200 * weeks, 1, weeks * WEEK)
        return log(at[(at // 86_400) % 7 < 5])

    assert [describe(workdays(weeks)).rhythm.weekly for weeks in (3, 6)] == [None, True]
    assert describe(poisson(10, 6 * WEEK)).rhythm.weekly is False


@pytest.mark.parametrize(("begin", "daily"), [(20, None), (23, False), (0, False)])
def test_only_whole_days_tell_of_a_daily_rhythm(begin, daily):
    """Three days and a bit: from 20:00 they have only two whole days."""
    hours = np.arange(begin, begin + (3 * 24 + 2)) * 3600.0
    assert describe(log(hours)).rhythm.daily is daily


def test_a_log_of_dates_has_weekdays_and_no_hours():
    found = describe(log(np.repeat(np.arange(0, 40), 3) * 86_400.0))
    assert found.resolution == 86_400
    record = found.record()
    assert (record["hours"], record["daily"], record["weekly"]) == ([None] * 24, None, False)
    assert min(record["weekdays"]) == pytest.approx(3 / 24, rel=0.2)
    assert not [said for said in sentences(found) if "hour of the day" in said]


@pytest.mark.parametrize(("last", "known"), [(86_399, False), (86_400, True), (101 * 365.25 * 86_400, False)])
def test_a_log_of_less_than_a_day_or_more_than_a_century_has_no_rhythm(last, known):
    assert (rhythm(np.array([0, round(last * SECOND)])) is not None) == known
    said = "The log is longer than" if last > 1e9 else "The log is too short"
    assert any(each.startswith(said) for each in sentences(describe(log(np.array([0, last]))))) != known


# --- the whole


def test_a_file_and_its_arrivals_are_described_alike(tmp_path):
    path = tmp_path / "mine.csv"
    rows = [f"2026-01-0{1 + n % 5}T{n % 24:02}:{n * 7 % 60:02}:00Z,order.{'ab'[n % 3 == 0]}" for n in range(200)]
    path.write_text("time,type\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found, trace = (describe(each).record() for each in (read_log(path), from_log(path)))
    assert found == trace
    assert found["types"] == {"order.a": 133, "order.b": 67}
    assert list(found) == [
        "log", "time_zone", "events", "first", "last", "rate_per_hour", "resolution", "gaps", "dispersion", "busiest",
        "hours", "weekdays", "daily", "weekly", "types", "notes",
    ]  # fmt: skip


def test_instants_in_the_record_are_in_the_zone_of_the_log():
    found = describe(log(np.array([1_767_225_600.25, 1_783_000_000]), zone=ZoneInfo("Europe/Madrid"))).record()
    assert (found["first"], found["last"]) == ("2026-01-01T01:00:00.250+01:00", "2026-07-02T15:46:40.000+02:00")
    assert found["time_zone"] == "Europe/Madrid"


def test_the_sentences_on_the_earthquake_week():
    said = sentences(describe(earthquakes()))
    assert said[:2] == [
        "1,707 events in 7 days, from Wed 31 Jan 2018, 01:49:59 UTC to Wed 7 Feb 2018, 01:26:13 UTC.",
        "The rate is 10.2 per hour: one every 5 min 54 s.",
    ]
    assert "Counts per window vary as a Poisson stream's in windows of 5 s to 12 h." in said


def test_each_run_of_scales_has_a_sentence_of_its_own():
    scales = [Scale(window, 100, 10, ratio, 0.8, 1.2) for window, ratio in ((2, 1), (5, 1.3), (3600, 9), (7200, 1))]
    assert list(dispersion_said(scales)) == [
        "Counts per window vary as a Poisson stream's in windows of 2 s.",
        "Counts per window vary more than a Poisson stream's in windows of 5 s to 1 h.",
        "Counts per window vary as a Poisson stream's in windows of 2 h.",
        "In windows of 1 h the variance is 9 times the mean; a Poisson stream's is 0.8 to 1.2.",
    ]


def test_types_that_a_log_s_author_made_up_are_harmless_in_a_sentence():
    nasty = {"\x1b[31mred\x07": 3, "<img src=x onerror=alert(1)>": 2, "": 1, "a\u202eb\n": 1, "x" * 100: 1}
    said = sentences(describe(log(uniform(8, 1), types=nasty)))[-1]
    assert said == (
        'The events have 5 types: \\x1b[31mred\\x07 37.5%, <img src=x onerror=alert(1)> 25.0%, "" 12.5%,'
        f" a\\u202eb\\n 12.5% and {'x' * 39}… 12.5%."
    )
    assert said.isprintable()


def test_only_the_most_frequent_types_are_named():
    types = {f"t{n}": 20 - n for n in range(12)}
    said = sentences(describe(log(uniform(20, 1), types=types)))[-1]
    assert said.startswith("The events have 12 types: t0 11.5%")
    assert said.endswith(f"t7 7.5% and others {(12 + 11 + 10 + 9) / sum(types.values()):.1%}.")


def test_an_event_at_each_instant_of_arrivals_is_one_of_the_log():
    events = tuple(Event(f"e{n}", "a.b", float(n), {}) for n in range(3))
    found = describe(Arrivals("x", events, 3, 1_767_225_600, {}))
    assert (found.first, found.last, found.types) == (1_767_225_600, 1_767_225_602, {"a.b": 3})
