"""Pictures with knobs: a point moves, the axes stay; with sliders and without."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_catalogue import MadeUp, english

from labkit import catalogue, plots, theory

INTERVALS = [10, 30, 60, 300, 900, 3600]
GAPS = [10, 60, 354, 3600]


def priced(interval: float = 60, every: float = 354) -> plots.Figure:
    return plots.price(interval, every)


def dots(figure: plots.Figure) -> list[tuple[float, float]]:
    """The points where you stand, panel by panel."""
    lines = [line for axes in figure.drawing.axes for line in axes.lines if len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def curves(figure: plots.Figure) -> list[list[list[float]]]:
    lines = [line for axes in figure.drawing.axes for line in axes.lines if len(line.get_xdata()) > 2]
    return [np.asarray(line.get_xydata()).tolist() for line in lines]


def frames(figure: plots.Figure) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return [(axes.get_xlim(), axes.get_ylim()) for axes in figure.drawing.axes]


class TestPrice:
    @pytest.mark.parametrize(("interval", "every"), [(60, 354), (3600, 354), (10, 3600)])
    def test_stands_and_says_what_theory_says(self, interval, every):
        law, figure = theory.Polling(1 / every, interval, 0.02), priced(interval, every)
        assert dots(figure) == [(3600 / law.period, law.mean_latency), (interval, law.empty_share)]
        assert [dot in map(tuple, curve) for dot, curve in zip(dots(figure), curves(figure), strict=True)] == [True] * 2
        assert f"every {interval:,} s: " in figure.sentence
        assert figure.sentence.endswith(f" s, empty share {law.empty_share:.0%}.")

    def test_the_sentence_is_read_off_the_picture(self):
        figure = priced()
        assert figure.sentence == "Polling every 60 s: requests per hour 60, mean latency 30 s, empty share 84%."
        next(line for line in figure.drawing.axes[1].lines if len(line.get_xdata()) == 1).set_ydata([0.5])
        assert figure.sentence.endswith("empty share 50%.")

    def test_another_interval_moves_the_points_and_nothing_else(self):
        assert dots(priced(60)) != dots(priced(300))
        assert curves(priced(60)) == curves(priced(300))
        assert frames(priced(60)) == frames(priced(300))

    def test_rarer_events_change_only_what_finds_nothing(self):
        """Ten times as rare, and as many requests, as late: 98% empty instead of 84."""
        usual, rare = priced(every=354), priced(every=3540)
        assert dots(usual)[0] == dots(rare)[0]
        assert curves(usual)[0] == curves(rare)[0]
        assert round(dots(usual)[1][1], 2) == 0.84 and round(dots(rare)[1][1], 2) == 0.98
        assert frames(usual) == frames(rare)

    def test_stands_at_an_interval_between_those_of_the_curve(self):
        assert dots(priced(61))[1] == (61, theory.Polling(1 / 354, 61, 0.02).empty_share)

    @pytest.mark.parametrize(("interval", "every", "name"), [(0, 354, "interval"), (60, 0, "mean_gap")])
    def test_refuses_what_is_not_positive(self, interval, every, name):
        with pytest.raises(ValueError, match=f"{name} must be > 0 seconds, got 0"):
            priced(interval, every)


@pytest.mark.parametrize(("interval", "every"), [(10, 10), (60, 354), (3600, 3600), (3600, 10)])
def test_no_label_lies_on_another_on_a_curve_or_outside(interval, every):
    """Whatever the knobs say, and large enough to project."""
    figure = priced(interval, every)
    figure.drawing.draw_without_rendering()
    for axes in figure.drawing.axes:
        labels = [text for text in axes.texts if text.get_text()]
        boxes = [text.get_window_extent() for text in labels]
        assert not [1 for n, box in enumerate(boxes) for other in boxes[:n] if box.overlaps(other)]
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        passed = [point for line in lines for point in line.get_path().transformed(line.get_transform()).vertices]
        assert not [1 for box in boxes for x, y in passed if box.contains(x, y)]
        assert all(figure.drawing.bbox.x0 <= box.x0 and box.x1 <= figure.drawing.bbox.x1 for box in boxes)
        assert all(text.get_fontsize() >= 12 for text in labels)


def test_no_english_is_left_in_a_made_up_language(monkeypatch):
    monkeypatch.setattr(catalogue, "_chosen", MadeUp())
    assert english(priced()) == set()


class Slider:
    """As much of a SelectionSlider as `turn` needs."""

    def __init__(self, **made: Any) -> None:
        self.made, self.value = made, made["value"]

    def observe(self, redraw: Callable[[object], None], name: str) -> None:
        assert name == "value"
        self.redraw = redraw

    def move(self, value: float) -> None:
        assert value in self.made["options"]
        self.value = value
        self.redraw({"new": value})


class TestTurn:
    def test_redraws_the_picture_that_it_showed_when_a_slider_moves(self, monkeypatch):
        sliders, said, shown = [], [], []

        def display(what: Any, raw: bool = False, display_id: bool = False) -> SimpleNamespace:
            assert raw != display_id
            (said if raw else shown).append(what)
            return SimpleNamespace(update=shown.append)

        def column(children: list[Slider]) -> SimpleNamespace:
            sliders.extend(children)
            return SimpleNamespace(_repr_mimebundle_=lambda: {"widget": "view", "text/plain": "VBox(children=…"})

        monkeypatch.setattr("IPython.display.display", display)
        monkeypatch.setitem(sys.modules, "ipywidgets", SimpleNamespace(SelectionSlider=Slider, VBox=column))
        assert plots.interact(priced, interval=INTERVALS, every=GAPS) is None
        assert said == [{"widget": "view", "text/plain": "Run this cell for its sliders."}]
        interval, every = sliders
        assert [(each.made["description"], each.value) for each in sliders] == [("interval, s", 60), ("every, s", 354)]
        interval.move(900)
        every.move(3600)
        assert [dots(figure) for figure in shown] == [dots(priced(*at)) for at in ((60, 354), (900, 354), (900, 3600))]

    def test_without_widgets_says_so_and_shows_the_picture(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
        figure = plots.interact(priced, interval=INTERVALS, every=GAPS)
        assert figure is not None and figure.sentence == priced().sentence
        assert capsys.readouterr().out == (
            "No sliders without ipywidgets (pip install ipywidgets):"
            " the picture stands at interval = 60 and every = 354.\n"
        )
