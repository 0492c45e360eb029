"""Latencies, requests, intervals, phase and the inspection paradox: drawn and said as they were measured."""

from math import nan

import numpy as np
import pytest
from made_results import made, polled, pushed, texts
from matplotlib.colors import to_rgb

from labkit import Arrivals, Event, OnDemand, Polling, Webhook, compare, plots


def by_hand(*moments: float, duration: float) -> Arrivals:
    events = tuple(Event(f"evt_{n}", "made", at, {}) for n, at in enumerate(moments))
    return Arrivals("by hand", events, duration, epoch=0, params={})


class TestLatencies:
    def test_a_line_is_the_share_received_within_each_latency(self) -> None:
        waits = [0.5, 1.0, 2.0, 4.0]
        figure = plots.latencies(made(Polling(), [0, 1, 2, 3], [0.5, 2, 4, 7]))
        line = next(line for line in figure.drawing.axes[0].lines if line.get_drawstyle() == "steps-post")
        assert list(line.get_xdata()) == [0.5, *waits]
        assert list(line.get_ydata()) == [0, 0.25, 0.5, 0.75, 1]
        assert figure.drawing.axes[0].get_xscale() == "log"

    def test_median_and_95th_percentile_are_marked_and_said(self) -> None:
        occurred = [float(n) for n in range(20)]
        figure = plots.latencies(made(Polling(), occurred, [at + 1 + n for n, at in enumerate(occurred)]))
        assert "poll every 60 s: half within 10 s, 95% within 19 s." in figure.sentence
        dots = {(line.get_xdata()[0], line.get_ydata()[0]): line.get_markerfacecolor()
                for line in figure.drawing.axes[0].lines if len(line.get_xdata()) == 1}  # fmt: skip
        assert dots == {(10, 0.5): Polling.style.colour, (19, 0.95): "white"}

    def test_a_lost_event_keeps_the_line_below_one(self) -> None:
        figure = plots.latencies([polled(), pushed()])
        ends = [line.get_ydata()[-1] for line in figure.drawing.axes[0].lines if line.get_drawstyle() == "steps-post"]
        assert ends == [1, pytest.approx(2 / 3)]
        assert "webhook: half within 35.5 s, 95% never, lost 1 of 3" in figure.sentence
        nothing = plots.latencies(made(Webhook(), [10, 20], [nan, nan])).sentence
        assert "webhook: less than half received, lost 2 of 2" in nothing

    def test_the_key_names_the_lines_in_the_order_of_their_medians(self) -> None:
        soon = made(Webhook(), [10], [10.02])
        entries = plots.latencies([polled(), soon]).drawing.legends[0].get_texts()
        assert [text.get_text() for text in entries] == ["webhook: 0.02 s", "poll every 60 s: 10 s"]

    def test_a_latency_of_zero_stands_at_the_edge(self) -> None:
        figure = plots.latencies([made(Webhook(), [10], [10]), polled()])
        assert len(figure.png()) > 1000


class TestRequestBars:
    def test_are_split_by_outcome(self) -> None:
        """Set-up does not count, nor what is sent at the horizon; throttled is failed."""
        figure = plots.request_bars([polled(), pushed()])
        assert figure.sentence == (
            "Requests: poll every 60 s: 3 (2 brought an event, 1 empty); webhook: 5 (2 brought an event, 3 failed)."
        )
        widths = [[bar.get_width() for bar in bars] for bars in figure.drawing.axes[0].containers]
        assert widths == [[2, 2], [1, 0], [0, 3], [0, 0]]
        lefts = [[bar.get_x() for bar in bars] for bars in figure.drawing.axes[0].containers]
        assert lefts == [[0, 0], [2, 2], [3, 2], [3, 5]]
        assert [text for text in texts(figure) if text in ("brought an event", "empty", "failed", "action done")] == [
            "brought an event", "empty", "failed",
        ]  # fmt: skip

    def test_actions_are_a_part_of_their_own(self) -> None:
        results = compare(by_hand(10, 20, duration=600), [OnDemand(interval=60, act=True)])
        done = int((results[0].counted.outcome == "done").sum())
        assert done == 2 and f"{done} actions done" in plots.request_bars(results).sentence

    def test_no_label_leaves_the_axes(self) -> None:
        figure = plots.request_bars([polled(), pushed()])
        figure.png()
        axes = figure.drawing.axes[0]
        assert len(axes.texts) == 2
        assert all(text.get_window_extent().x1 <= axes.get_window_extent().x1 for text in axes.texts)

    def test_a_picture_drawn_wrong_has_a_wrong_sentence(self) -> None:
        figure = plots.request_bars(polled())
        figure.drawing.axes[0].containers[0][0].set_width(7)
        assert "8 (7 brought an event, 1 empty)" in figure.sentence


class TestIntervals:
    def test_are_the_gaps_between_polls(self) -> None:
        rows = [("poll", "empty", at, at + 0.04, "") for at in (0, 60, 180, 190)]
        figure = plots.intervals(made(Polling(), [70, 200], [180, nan], rows, duration=300))
        above, beneath = figure.drawing.axes
        assert (np.asarray(above.lines[0].get_xdata()) * 60).round(6).tolist() == [0, 60, 180]
        assert list(above.lines[0].get_ydata()) == [60, 120, 10]
        assert [round(float(ends[0][0]) * 60, 6) for ends in beneath.collections[0].get_segments()] == [70, 200]
        assert figure.sentence == (
            "In 5 minutes from t = 0 s: poll every 60 s: 3 polls, 10 to 120 s apart, half of them within 60 s;"
            " 2 events occurred."
        )

    def test_of_a_window(self) -> None:
        rows = [("poll", "empty", at, at + 0.04, "") for at in (0, 60, 180, 190)]
        figure = plots.intervals(made(Polling(), [70], [180], rows, duration=300), 50, 150)
        assert "In 1.667 minutes from t = 50 s: poll every 60 s: 1 poll, 120 to 120 s apart" in figure.sentence

    def test_refuse_a_webhook(self) -> None:
        with pytest.raises(ValueError, match="webhook has no two polls from 0 to 60 s"):
            plots.intervals(pushed())


@pytest.fixture(scope="module")
def cron():
    """Ten events in the first second of each minute, polled for at seconds 1 and 30."""
    ticks = [60 * minute + 0.05 + 0.1 * tenth for minute in range(10) for tenth in range(10)]
    pollers = [Polling(interval=60, fixed="rate", initial_delay=second) for second in (1, 30)]
    return compare(by_hand(*ticks, duration=600), pollers, delay=0)


class TestPhase:
    def test_each_events_wait_against_its_moment(self, cron) -> None:
        figure = plots.phase(cron)
        assert figure.sentence == (
            "In each 60 s: polls at second 1: mean wait 0.5 s of 100 events at seconds 0.05 to 0.95;"
            " polls at second 30: mean wait 29.5 s of 100 events at seconds 0.05 to 0.95."
        )
        waits = [line for line in figure.drawing.axes[0].lines if len(line.get_xdata()) == 4]
        assert [list(line.get_xdata())[1] for line in waits] == [1, 30]
        for line, dots in zip(
            waits, (each for each in figure.drawing.axes[0].lines if len(each.get_xdata()) > 4), strict=True
        ):
            x, y = line.get_data()
            assert np.interp(dots.get_xdata(), x[:2], y[:2]).tolist() == pytest.approx(list(dots.get_ydata()))

    def test_a_poller_that_drifts_has_no_phase(self) -> None:
        (drifting,) = compare(by_hand(10, 20, duration=3600), [Polling(interval=60)], delay=1)
        figure = plots.phase(drifting)
        assert "poll every 60 s: mean wait" in figure.sentence
        assert not [line for line in figure.drawing.axes[0].lines if len(line.get_xdata()) == 4]

    def test_refuses_other_approaches_and_several_intervals(self) -> None:
        for results in ([pushed()], [polled(), polled(Polling(interval=30))]):
            with pytest.raises(ValueError, match="results must be of Polling at one interval, got"):
                plots.phase(results)


class TestInspection:
    def test_a_random_moment_falls_into_a_long_gap(self) -> None:
        figure = plots.inspection([10, 90])
        assert figure.sentence == "Of 2 gaps: mean gap 50 s, mean around a random moment 82 s."
        rules = [line.get_xdata()[0] for line in figure.drawing.axes[0].lines]
        assert rules == [50, pytest.approx(0.1 * 10 + 0.9 * 90)]
        shares = [patch.get_data().values for patch in figure.drawing.axes[0].patches]
        assert [values[values > 0].tolist() for values in shares] == [
            [0.5, 0.5],
            [pytest.approx(0.1), pytest.approx(0.9)],
        ]
        assert to_rgb(figure.drawing.axes[0].patches[0].get_edgecolor()) != to_rgb(
            figure.drawing.axes[0].patches[1].get_edgecolor()
        )

    def test_refuses_what_is_no_gap(self) -> None:
        with pytest.raises(ValueError, match="gap must be >= 0 seconds, got -1"):
            plots.inspection([1, -1])
        with pytest.raises(ValueError, match=r"gaps must have one of > 0 seconds, got \[0\]"):
            plots.inspection([0])
