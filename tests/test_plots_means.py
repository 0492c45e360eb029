"""The picture of a sweep: its means and their intervals, by what differs between the scenarios."""

import numpy as np
import pandas as pd
import pytest

from labkit import Polling, Webhook, plots

APPROACHES = [Polling(interval=60), Webhook()]


def means(**world: list[object]) -> pd.DataFrame:
    """Two scenarios: in each 60 polls, 30 s late; 12 webhooks in the first, and 360 in the second."""
    labels = ["polling interval=60", "webhook"] * 2
    frame = pd.DataFrame({"scenario": [0, 0, 1, 1], **world, "label": labels, "runs": 4})
    for figure, values in (("requests", [60, 12, 60, 360]), ("latency_mean", [30, 0, 30, 0.02])):
        frame[figure] = np.array(values, dtype=float)
        frame[f"{figure}_low"], frame[f"{figure}_high"] = 0.9 * frame[figure], 1.1 * frame[figure]
    return frame


def test_the_sentence_says_the_drawn_means_by_what_differs() -> None:
    figure = plots.swept(means(per_hour=[12, 12, 360, 360]), APPROACHES)
    assert figure.sentence == (
        "By scenario: poll every 60 s: 60 requests at per_hour 12 and 60 at 360,"
        " 30 s late at per_hour 12 and 30 at 360;"
        " webhook: 12 requests at per_hour 12 and 360 at 360, 0.02 s late at per_hour 360."
    )
    assert [axes.get_xlabel() for axes in figure.drawing.axes] == ["per_hour"] * 2


def test_each_point_has_its_interval() -> None:
    requests, _ = plots.swept(means(per_hour=[12, 12, 360, 360]), APPROACHES).drawing.axes
    bars = [bar for lines in requests.collections for bar in lines.get_segments()]
    for end in ([[12, 54], [12, 66]], [[360, 324], [360, 396]]):
        assert any(np.allclose(bar, end) for bar in bars)


def test_the_axis_holds_both_ends_of_a_wide_interval() -> None:
    wide = means(per_hour=[12, 12, 360, 360])
    wide.loc[1, ["requests_low", "requests_high"]] = 1.0, 2000.0
    low, high = plots.swept(wide, APPROACHES).drawing.axes[0].get_ylim()
    assert low < 1 and high > 2000
    wide.loc[1, "requests_low"] = -10.0  # which has no place on a log axis
    assert 1 < plots.swept(wide, APPROACHES).drawing.axes[0].get_ylim()[0] < 12


@pytest.mark.parametrize("world", [{"name": ["a", "a", "b", "b"]}, {"rate": [1, 1, 2, 2], "delay": [1, 1, 2, 2]}, {}])
def test_scenarios_that_differ_in_no_single_number_stand_by_their_place_in_the_table(world: dict[str, list]) -> None:
    sentence = plots.swept(means(**world), APPROACHES).sentence
    assert "12 requests at scenario, as in the table 0 and 360 at 1" in sentence


def test_of_runs_that_all_failed_there_is_no_picture() -> None:
    failed = means()
    failed[["requests", "latency_mean"]] = np.nan
    assert plots.swept(failed, APPROACHES) is None
