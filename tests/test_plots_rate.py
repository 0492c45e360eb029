"""The picture of the load: what is drawn is the load, and what is said is what is drawn."""

import numpy as np
import pytest
from made_results import polled, pushed

from labkit import plots
from labkit.load import FanOut

HERD = {"at once": FanOut(60, 60).load(120), "spread": FanOut(60, 60, spread=60).load(120)}


def test_draws_each_load_on_the_same_scale_with_its_mean():
    figure = plots.load(HERD)
    above, below = figure.drawing.axes
    for axes, load in zip((above, below), HERD.values(), strict=True):
        (bars,) = axes.patches
        values, edges, _ = bars.get_data()
        assert np.array_equal(values, load)
        assert edges[[0, 1, -1]] == pytest.approx([0, 1 / 60, 2])
        assert axes.lines[0].get_ydata()[0] == 1
    assert above.get_ylim() == below.get_ylim()
    assert below.get_xlabel() == "minutes from t = 0 s"


def test_says_peak_and_mean_of_what_is_drawn():
    figure = plots.load(HERD)
    said = "at once: at most 60, 1 on average; spread: at most 1, 1 on average"
    assert figure.sentence == f"Load, in requests per second: {said}."
    values, edges, baseline = (bars := figure.drawing.axes[1].patches[0]).get_data()
    bars.set_data(values * 3, edges, baseline)
    assert "spread: at most 3, 3 on average" in figure.sentence


def test_results_have_their_own_loads_titles_and_hues():
    figure = plots.load([polled(), pushed()], seconds=30)
    said = "poll every 60 s: at most 2, 1.5 on average; webhook: at most 3, 2.5 on average"
    assert figure.sentence == f"Load, in requests per 30 s: {said}."
    faces = [axes.patches[0].get_facecolor()[:3] for axes in figure.drawing.axes]
    assert faces[0] != faces[1]


def test_a_logarithmic_scale_begins_at_1_and_says_so():
    figure = plots.load(HERD, log=True)
    assert figure.drawing.axes[0].get_ylim()[0] == pytest.approx(1)
    assert figure.sentence.startswith("Load, in requests per second (log scale): at once: at most 60")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({}, "a picture of loads needs at least one load, and each needs at least 2 intervals"),
        ({"short": FanOut(1, 60).load(1)}, "a picture of loads needs at least one load, and each needs at least 2"),
        (
            HERD | {"other": FanOut(1, 60).load(60, 2)},
            "all loads must have intervals of the same length, got {'at once': 1.0, 'spread': 1.0, 'other': 2.0} s",
        ),
    ],
    ids=["none", "one interval", "two lengths"],
)
def test_refuses(what, message):
    with pytest.raises(ValueError) as caught:
        plots.load(what)
    assert str(caught.value).startswith(message)
