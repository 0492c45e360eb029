"""The tidy frame: the columns that name a run, and confidence intervals held against SciPy and against chance."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from labkit import OnDemand, Outage, Polling, Scenario, Webhook, confidence_intervals, earthquakes, poisson
from labkit.tidy import run_names, student_t


@given(st.floats(0.001, 0.9999), st.integers(1, 300))
def test_student_s_t_is_scipy_s(level, degrees):
    assert student_t(level, degrees) == pytest.approx(stats.t.ppf((1 + level) / 2, degrees), rel=1e-9)


def test_a_level_of_1_and_no_degree_of_freedom_are_refused():
    with pytest.raises(ValueError, match="level must be > 0 and < 1, got 1"):
        student_t(1, 5)
    with pytest.raises(ValueError, match="degrees must be a whole number >= 1, got 0"):
        student_t(0.95, 0)


def made(figures, scenario=0, label="webhook"):
    repeats = range(len(figures))
    return pd.DataFrame({"scenario": scenario, "label": label, "repeat": repeats, "error": "", "lost": figures})


def test_the_intervals_are_scipy_s_in_the_frame_s_order():
    frame = pd.concat([made([3, 1, 4, 1, 5], 1, "webhook"), made([2.0, 7.0], 1, "polling"), made([9, 2, 6], 0)])
    table = confidence_intervals(frame, "lost", level=0.9)
    assert table[["scenario", "label", "runs"]].values.tolist() == [
        [1, "webhook", 5],
        [1, "polling", 2],
        [0, "webhook", 3],
    ]
    for row, sample in zip(table.itertuples(), ([3, 1, 4, 1, 5], [2, 7], [9, 2, 6]), strict=True):
        theirs = stats.ttest_1samp(sample, 0).confidence_interval(0.9)
        assert row.lost == np.mean(sample)
        assert (row.lost_low, row.lost_high) == pytest.approx((theirs.low, theirs.high))


def test_as_many_intervals_as_the_level_says_hold_the_true_mean():
    """Of 2,000 samples of 5, 90% hold it, with a standard error of 0.67%: four of them are allowed."""
    rng = random.Random(1)
    frame = made([rng.gauss(30, 4) for _ in range(10_000)]).assign(scenario=np.arange(10_000) // 5)
    table = confidence_intervals(frame, "lost", level=0.9)
    held = ((table.lost_low < 30) & (table.lost_high > 30)).mean()
    assert held == pytest.approx(0.9, abs=4 * 0.0067)


def test_a_failed_run_and_a_figure_that_is_null_are_left_out_and_one_run_has_no_interval():
    frame = made([1.0, None, 3.0])
    frame.loc[1, "error"] = "ValueError: no"
    row = confidence_intervals(pd.concat([frame, made([5], 1)]), "lost").to_dict("records")
    assert [(each["runs"], each["lost"]) for each in row] == [(2, 2.0), (1, 5.0)]
    assert row[0]["lost_high"] == pytest.approx(2 + 12.7062)
    assert np.isnan(row[1]["lost_low"])
    with pytest.raises(ValueError, match=r"figures must be columns of the sweep, which are \['scenario', .* got last"):
        confidence_intervals(frame, "last")


def test_what_differs_between_scenarios_and_between_approaches_has_a_column():
    scenarios = [
        Scenario(poisson(12, 3600)),
        Scenario(poisson(60, 3600), delay=0.5),
        Scenario(earthquakes(duration=3600), faults=(Outage(duration=600),)),
    ]
    names = run_names(scenarios, [Polling(interval=60), Polling(interval=600, limit=5), Webhook(), OnDemand(seed=3)])
    frame = pd.DataFrame(names.values())
    assert list(names) == list(zip(frame.scenario, frame.label, strict=True))
    first = frame[~frame.duplicated("scenario")].to_dict("records")
    assert [row["trace"] for row in first] == ["poisson", "poisson", "earthquakes"]
    assert [row["per_hour"] for row in first[:2]] == [12, 60]
    assert [row["delay"] for row in first] == [0.02, 0.5, 0.02]
    assert first[2]["faults_0_duration"] == 600
    assert frame.interval.tolist()[:2] + frame.limit.tolist()[:2] == [60, 600, 100, 5]
    assert "events" not in frame
    assert "seed" not in frame
    (same,) = run_names([Scenario(poisson())], [Webhook()]).values()
    assert same == {"scenario": 0, "label": "webhook"}


def test_two_approaches_with_one_label_are_refused():
    with pytest.raises(ValueError, match="approaches must differ in their labels, got 'webhook' twice; use repeats"):
        run_names([Scenario(poisson())], [Webhook(), Polling(), Webhook()])
