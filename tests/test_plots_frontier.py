"""The frontier and the crossover: what an approach costs against what it brings, with theory and in steps."""

from itertools import pairwise

import numpy as np
import pytest
from made_results import made, polled, steady, texts
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from labkit import Batched, LongPolling, Polling, RateLimit, Scenario, Stream, Thin, Webhook, WebSocket, plots
from labkit.approaches import Approach, ConditionalFeed, Feed, Hybrid
from labkit.arrivals import poisson
from labkit.experiment import Comparison
from labkit.faults import Outage
from labkit.lenses import ModelLens, VirtualLens
from labkit.plots.crossing import _error
from labkit.plots.tradeoff import GREY
from labkit.policies import RetryProfile
from labkit.result import Result
from labkit.trace import earthquakes


@pytest.fixture(scope="module")
def run() -> Comparison:
    scenario = Scenario(earthquakes(duration=21_600), delay=0.02)
    approaches = [Polling(interval=300), Polling(interval=600), Webhook()]
    return Comparison(scenario, tuple(VirtualLens().run(scenario, approach) for approach in approaches))


def dots(figure: plots.Figure, hollow: bool = False) -> set[tuple[float, float]]:
    lines = [line for line in figure.drawing.axes[0].lines if len(line.get_xdata()) == 1]
    chosen = [line for line in lines if (line.get_markerfacecolor() == "none") == hollow]
    return {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in chosen}


class TestFrontier:
    def test_draws_and_says_the_results_own_numbers(self, run: Comparison) -> None:
        figure, frame = run.plot(), run.table()
        assert dots(figure) == {(row.requests / 6, row.latency_mean) for row in frame.itertuples()}
        for result, row in zip(run, frame.itertuples(), strict=True):
            cost, mean, p95 = (f"{float(f'{x:.3g}'):g}" for x in (row.requests / 6, row.latency_mean, row.latency_p95))
            assert f"{result.approach.title}: {cost} per hour, {mean} s late (" in figure.sentence
            assert p95 == mean or f"p95 {p95} s" in figure.sentence

    def test_the_hollow_markers_are_the_approaches_closed_forms(self, run: Comparison) -> None:
        events = run[0].row()["events"]
        laws = [result.approach.theory(events / 21_600, 0.02) for result in run]
        assert dots(run.plot(), hollow=True) == {(law.requests(21_600) / 6, law.mean_latency) for law in laws}
        assert "in theory 12 per hour and 150 s" in run.plot().sentence

    @pytest.mark.parametrize("world", [{"faults": (Outage(duration=60),)}, {"rate_limit": RateLimit(requests=99)}])
    def test_none_where_something_breaks_or_is_limited(self, world) -> None:
        figure = plots.frontier(steady(Polling(), 60, 30.0, **world))
        assert not dots(figure, hollow=True) and "in theory" not in figure.sentence

    def test_whiskers_run_from_the_mean_to_the_95th_percentile(self, run: Comparison) -> None:
        row = run[0].row()
        ends = [(list(line.get_xdata()), list(line.get_ydata())) for line in run.plot().drawing.axes[0].lines]
        cost = row["requests"] / 6
        assert ([cost, cost], [row["latency"]["mean"], row["latency"]["p95"]]) in ends

    def test_the_dashed_line_is_polling_at_every_fixed_interval(self, run: Comparison) -> None:
        """Its slope is -1 as long as the network's delay is small beside the interval."""
        figure = run.plot()
        (line,) = [line for line in figure.drawing.axes[0].lines if line.get_linestyle() == "--"]
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        assert (x * (y - 0.02)).tolist() == pytest.approx([1800] * len(x))
        assert x.min() < 4 < 60 < x.max()
        assert "the polling points have the slope -0.97 (log-log)" in figure.sentence
        assert "slope" not in plots.frontier(run[0]).sentence

    @pytest.mark.parametrize("consumers", [1, 3, 10_000_000])
    def test_the_dashed_line_goes_through_the_hollow_points_of_any_number_of_consumers(self, consumers: int) -> None:
        scenario = Scenario(earthquakes(duration=21_600), consumers=consumers)
        figure = plots.frontier([ModelLens().run(scenario, each) for each in (Polling(60), Polling(600))])
        (line,) = [line for line in figure.drawing.axes[0].lines if line.get_linestyle() == "--"]
        lines = [line.get_data(), zip(*dots(figure, hollow=True), strict=True)]
        (x, y), (costs, lates) = (map(np.asarray, each) for each in lines)
        assert (x * (y - 0.02)).tolist() == pytest.approx([1800 * consumers] * 60)
        whole = 1e-3  # in theory too, the requests of six hours are a whole number per consumer
        assert (costs * (lates - 0.02)).tolist() == pytest.approx([1800 * consumers] * 2, rel=whole)
        assert x.min() < costs.min() < costs.max() < x.max()

    def test_where_the_axes_hold_no_interval_no_line_is_dashed(self) -> None:
        """18 deliveries per second, 14 s each way: one poller sends one poll per round trip at most."""
        scenario = Scenario(poisson(per_hour=64_800, duration=10), delay=14.0, retries=RetryProfile(timeout=60))
        figure = plots.frontier(VirtualLens().run(scenario, Webhook()))
        assert not [line for line in figure.drawing.axes[0].lines if line.get_linestyle() == "--"]

    def test_a_step_shows_some_points_and_keeps_the_axes(self, run: Comparison) -> None:
        every, step = plots.frontier(run), plots.frontier(run, show=["webhook"])
        limits = [(figure.drawing.axes[0].get_xlim(), figure.drawing.axes[0].get_ylim()) for figure in (every, step)]
        assert limits[0] == limits[1]
        assert len(dots(step)) == 1 and "poll every" not in " ".join(texts(step)) + step.sentence
        by_label, by_title = (plots.frontier(run, show=[name]) for name in ("polling interval=300", "poll every 300 s"))
        assert by_label.sentence == by_title.sentence
        assert len(dots(plots.frontier(run, show=["polling"]))) == 2
        with pytest.raises(ValueError, match=r"show must name results, of 'polling interval=300', .*; got 'stream'"):
            plots.frontier(run, show=["stream"])

    def test_a_rejected_point_is_grey_with_its_verdict(self, run: Comparison) -> None:
        figure = plots.frontier(run, rejected={"polling interval=600": "too late"})
        grey = [line for line in figure.drawing.axes[0].lines
                if line.get_marker() == "o" and to_rgb(line.get_color()) == to_rgb(GREY)]  # fmt: skip
        assert [float(line.get_ydata()[0]) for line in grey] == [run[1].row()["latency"]["mean"]]
        assert "poll every 600 s\n– rejected: too late" in texts(figure)
        assert ", rejected: too late;" in figure.sentence
        assert "rejected" in texts(figure) and "rejected" not in texts(plots.frontier(run))
        with pytest.raises(ValueError, match="rejected must name results"):
            plots.frontier(run, rejected={"stream": "no"})

    def test_a_rejected_point_hides_no_other(self) -> None:
        """Three approaches at one place: the rejected ones are drawn below and beside it, each with its own label."""
        rejected = {"feed": "can lose events", "conditional_feed": "can lose events"}
        results = [steady(approach, 60, 30.0) for approach in (Polling(), Feed(), ConditionalFeed())]
        figure = plots.frontier(results, rejected=rejected)
        drawn = [line for line in figure.drawing.axes[0].lines
                 if len(line.get_xdata()) == 1 and line.get_markerfacecolor() != "none"]  # fmt: skip
        assert len({tuple(line.get_xydata()[0]) for line in drawn}) == 1
        places = sorted(float(line.get_transform().transform(line.get_xydata())[0][0]) for line in drawn)
        assert all(right - left > 14 for left, right in pairwise(places))
        polling, *others = sorted(drawn, key=lambda line: line.get_marker() != Polling.style.marker)
        assert all(other.get_zorder() < polling.get_zorder() for other in others)
        assert figure.sentence.count("60 per hour, 30 s late") == 3

    def test_the_floor_is_the_networks_delay(self) -> None:
        figure = plots.frontier(steady(Webhook(), 60, 0.5, delay=0.5))
        assert [line.get_ydata()[0] for line in figure.drawing.axes[0].lines if line.get_color() == "#777777"] == [0.5]
        assert "the floor is the network's delay, 0.5 s" in figure.sentence
        assert "floor" not in plots.frontier(steady(Webhook(), 60, 0.5, delay=0)).sentence

    def test_a_latency_of_zero_is_below_the_scale(self) -> None:
        figure = plots.frontier([steady(Webhook(), 60, 0.0, delay=0), steady(Polling(), 60, 30.0, delay=0)])
        assert "webhook: 0 s, below the scale" in texts(figure)
        assert "webhook: 60 per hour, 0 s late" in figure.sentence

    def test_says_what_it_leaves_out(self) -> None:
        nothing = made(Webhook(), [10], [float("nan")], [("delivery", "error", 10, 11, "evt_0")])
        silent = made(Stream(), [10], [11])
        figure = plots.frontier([polled(), nothing, silent])
        left_out = "left out: webhook (it received nothing) and stream (it sent no request)"
        assert left_out in figure.sentence and len(dots(figure)) == 1
        assert "nothing was received" in texts(plots.frontier([nothing]))

    def test_a_label_says_what_was_lost(self) -> None:
        rows = [("poll", "hit", 30, 30.04, "")]
        figure = plots.frontier(made(Polling(), [10, 20], [30.04, float("nan")], rows, brought_by=[0, -1]))
        assert "poll every 60 s (lost 1 of 2)" in texts(figure)

    @pytest.mark.parametrize("spread", [0.0, 0.02, 0.3])
    def test_no_two_labels_overlap_however_near_the_points(self, spread: float) -> None:
        approaches: list[Approach] = [Webhook(), Stream(), Thin(), WebSocket(), Hybrid(), LongPolling()]
        steps = [1 + spread * n for n in range(len(approaches))]
        several = [steady(each, int(1000 * by), 2.0 * by) for each, by in zip(approaches, steps, strict=True)]
        figure = plots.frontier(several)
        figure.drawing.draw_without_rendering()
        axes = figure.drawing.axes[0]
        named = [text for text in axes.texts if any(each.title in text.get_text().split("\n") for each in approaches)]
        boxes = [text.get_window_extent() for text in named]
        assert sum(len(text.get_text().split("\n")) for text in named) == len(approaches)
        assert not [1 for n, box in enumerate(boxes) for other in boxes[:n] if box.overlaps(other)]
        outer = axes.get_window_extent().padded(2)
        assert all(outer.contains(*corner) for box in boxes for corner in box.corners())

    def test_names_its_axes_with_units(self, run: Comparison) -> None:
        axes = run.plot().drawing.axes[0]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_xlabel() == "requests per hour (log scale)"
        assert axes.get_ylabel() == "mean latency, seconds (log scale)"

    def test_an_axis_of_less_than_three_powers_of_10_has_ticks_at_2_and_5_too(self, run: Comparison) -> None:
        def ticks(axis, low: float, high: float) -> list[str]:
            return [tick.label1.get_text() for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
                    if tick.label1.get_text() and low <= tick.get_loc() <= high]  # fmt: skip

        figure = plots.frontier(run)
        figure.png()
        axes = figure.drawing.axes[0]
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert right / left < 1000 < high / low
        assert {"10", "20", "50"} <= set(ticks(axes.xaxis, left, right))
        assert "20" not in ticks(axes.yaxis, low, high)

    def test_is_grey_above_the_limit_where_no_label_lies_on_its_edge(self, run: Comparison) -> None:
        assert "too late" not in plots.frontier(run).sentence
        figure = plots.frontier(run, limit=180)
        axes = figure.drawing.axes[0]
        (band,) = axes.patches
        assert band.get_y() == 180 and "too late is above 180 s" in figure.sentence
        figure.png()
        at = axes.transData.transform((1, 180))[1]
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text() != "too late"]
        assert not [box for box in boxes if box.y0 < at < box.y1]
        with pytest.raises(ValueError, match="limit must be > 0 seconds, got 0"):
            plots.frontier(run, limit=0)

    def test_needs_no_frames(self, run: Comparison) -> None:
        """The command line keeps rows alone."""
        bare = [Result(each.scenario, each.approach, each.lens, None, None, each.row()) for each in run]
        assert plots.frontier(bare).sentence == plots.frontier(run).sentence


LOADS = {0.1: 600, 1: 60, 10: 6}
"""λT, and seconds per event."""


@pytest.fixture(scope="module")
def family() -> list[Result]:
    made_by = [Polling(interval=60, limit=1000), Webhook(), Thin(), Batched(max_wait=60), Stream()]
    worlds = [Scenario(poisson(3600 / gap, duration=40 * gap + 1200, seed=3)) for gap in LOADS.values()]
    return [VirtualLens().run(world, approach) for world in worlds for approach in made_by]


class TestCrossover:
    def test_draws_the_results_own_numbers_over_the_generated_load(self, family: list[Result]) -> None:
        axes, heavy = plots.crossover(family).drawing.axes
        lines = {line.get_marker(): line for line in axes.lines if len(line.get_xdata()) == 3}
        weights = {line.get_marker(): line for line in heavy.lines if len(line.get_xdata()) == 3}
        for name in ("polling", "webhook"):
            own = [result.row() for result in family if result.approach.name == name]
            marker = Polling.style.marker if name == "polling" else Webhook.style.marker
            assert np.asarray(lines[marker].get_xdata()).tolist() == pytest.approx(list(LOADS))
            assert np.asarray(lines[marker].get_ydata()).tolist() == [row["requests_per_event"] for row in own]
            sizes = [(row["bytes_out"] + row["bytes_in"]) / row["events"] for row in own]
            assert np.asarray(weights[marker].get_ydata()).tolist() == sizes
        assert axes.get_xlabel() == "load λT, events per interval (log scale)"

    def test_theory_is_a_line_where_an_approach_declares_one(self, family: list[Result]) -> None:
        axes, heavy = plots.crossover(family).drawing.axes
        curves = [line for line in axes.lines if line.get_linestyle() == "-"]
        assert len(curves) == 4  # of the stream, one request for all events, there is none
        for line in curves:
            x, y = line.get_data()
            approach = next(each.approach for each in family if each.approach.style.colour == line.get_color())
            assert y[5] == pytest.approx(approach.theory(x[5] / 60, 0.02).requests_per_event)
        assert not [line for line in heavy.lines if line.get_linestyle() == "-"]

    def test_rules_stand_where_polling_and_webhook_cross(self, family: list[Result]) -> None:
        figure = plots.crossover(family)
        for axes in figure.drawing.axes:
            (rule,) = [float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() == "--"]
            assert f"cross at λT = {rule:.3g}" in figure.sentence
            first, second = (
                next(line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata()) == 3)
                for marker in (Polling.style.marker, Webhook.style.marker)
            )
            x, gaps = np.log(first.get_xdata()), np.log(np.divide(first.get_ydata(), second.get_ydata()))
            assert float(np.interp(np.log(rule), x, gaps)) == pytest.approx(0, abs=1e-9)
        assert 0.8 < rule < 1.2

    def test_where_they_do_not_cross_it_says_so_and_draws_no_rule(self, family: list[Result]) -> None:
        rare = [each for each in family if each.scenario.duration > 20_000]
        figure = plots.crossover(rare)
        assert figure.sentence.count("polling and webhook do not cross") == 2
        assert not [line for axes in figure.drawing.axes for line in axes.lines if line.get_linestyle() == "--"]
        assert "cross" not in plots.crossover(rare, show=["polling"]).sentence

    def test_a_step_shows_some_lines_and_keeps_the_axes(self, family: list[Result]) -> None:
        every, step = plots.crossover(family), plots.crossover(family, show=["polling", "webhook"])
        for before, after in zip(every.drawing.axes, step.drawing.axes, strict=True):
            assert (before.get_xlim(), before.get_ylim()) == (after.get_xlim(), after.get_ylim())
        assert "thin" in every.sentence and "thin" not in step.sentence

    def test_the_standard_error_of_polls_is_one_over_the_root_of_the_events(self, family: list[Result]) -> None:
        """Polls are regular and events Poisson; each event of a webhook costs the same."""
        for result in family[:2]:  # at the least load: 420 polls, 21 in each twentieth of the run
            row = result.row()
            expected = row["requests_per_event"] / row["events"] ** 0.5 if result.approach.name == "polling" else 0
            assert _error(result, "requests", row["requests_per_event"]) == pytest.approx(expected, rel=0.5, abs=1e-12)

    def test_names_stand_apart(self, family: list[Result]) -> None:
        figure = plots.crossover(family)
        figure.drawing.draw_without_rendering()
        for axes in figure.drawing.axes:
            titles = [text for text in axes.texts if not text.get_text().startswith(" cross")]
            boxes = sorted((Text.get_window_extent(text) for text in titles), key=lambda box: float(box.y0))
            assert len(boxes) == 5
            assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))

    def test_needs_a_polling_result(self, family: list[Result]) -> None:
        with pytest.raises(ValueError, match="a crossover needs a result of polling, got 'webhook' and 0 more"):
            plots.crossover(family[1])

    def test_needs_an_event(self) -> None:
        with pytest.raises(ValueError, match="a crossover needs a result with at least one event, got none in 2"):
            plots.crossover([made(Polling(), [], []), made(Webhook(), [], [])])

    def test_its_key_says_what_the_bars_are(self, family: list[Result]) -> None:
        assert "measured (bar: ±1 standard error)" in texts(plots.crossover(family))
