"""Swim lanes and the timeline: arrows up and down, waits as bars, retries with their gaps."""

from math import isnan, nan

import numpy as np
import pytest
from made_results import made, polled, pushed, texts
from matplotlib.colors import to_rgb

from labkit import (
    Arrivals,
    Event,
    LongPolling,
    LostAnswer,
    Polling,
    RetryProfile,
    Scenario,
    Status,
    Stream,
    Thin,
    Webhook,
    earthquakes,
    plots,
    poisson,
)
from labkit.approaches import Approach
from labkit.experiment import Comparison
from labkit.lenses import VirtualLens
from labkit.plots.track import track_of
from labkit.plots.window import Window


def run(approach: Approach, **world: object) -> Comparison:
    scenario = Scenario(earthquakes(duration=7200), **world)
    return Comparison(scenario, (VirtualLens().run(scenario, approach),))


def marks(figure: plots.Figure, shape: int, face: str | None = None) -> list[tuple[float, float]]:
    """The (second, height) of the marks with this many corners, and of this colour."""
    axes, found = figure.drawing.axes[0], []
    for each in axes.collections:
        paths, faces = each.get_paths(), each.get_facecolor()
        shaped = len(each.get_offsets()) and len(faces) and len(paths) and len(paths[0].vertices) == shape
        if shaped and (face is None or to_rgb(faces[0]) == to_rgb(face)):
            found += [(round(float(x), 9), round(float(y), 9)) for x, y in np.asarray(each.get_offsets())]
    return sorted(found)


def shafts(figure: plots.Figure, dashed: bool) -> list[list[list[float]]]:
    """The ends of the arrows in hue, in seconds, by whether they are dashed."""
    lines = [
        each for each in figure.drawing.axes[0].collections if each.get_zorder() == 2 and hasattr(each, "get_segments")
    ]
    chosen = [each for each in lines if (each.get_linestyle()[0][1] is not None) == dashed]
    return [np.asarray(ends).round(9).tolist() for each in chosen for ends in each.get_segments()]


TRIANGLE = 4


class TestSwimLanes:
    def test_say_what_the_results_hold(self) -> None:
        """Set-up, and a poll at the window's end, are left out; a throttled attempt failed."""
        assert plots.swim_lanes([polled(), pushed()], 0, 60).sentence == (
            "In 1 minute from t = 0 s: 3 events occurred;"
            " poll every 60 s: polled 3 times (2 found something, 1 empty), mean wait 13.3 s;"
            " webhook: received 2 webhooks (3 more attempts failed), 2 retries 5 and 29 s after the previous attempt"
            " ended, mean wait 15.2 s, 1 never received."
        )

    def test_a_real_run_is_counted_as_its_ledger_counts(self) -> None:
        comparison = run(Polling(interval=300))
        start, end = 3000.0, 6000.0
        polls = [x for x in comparison[0].exchanges.itertuples() if x.kind == "poll" and start <= x.sent_at < end]
        hits = sum(x.new_events > 0 for x in polls)
        rows = comparison[0].receipts
        rows = rows[rows.occurred_at.between(start, end, inclusive="left")]
        sentence = plots.swim_lanes(comparison, start, end).sentence
        assert f"{len(rows)} events occurred" in sentence
        assert f"polled {len(polls)} times ({hits} found something, {len(polls) - hits} empty)" in sentence
        assert f"mean wait {float(f'{rows.latency.mean():.3g}'):g} s" in sentence

    def test_a_poll_is_an_arrow_up_hollow_if_it_found_nothing(self) -> None:
        figure = plots.swim_lanes(polled(), 0, 59.5)
        hue = Polling.style.colour
        (empty,), hits = marks(figure, TRIANGLE, "white"), marks(figure, TRIANGLE, hue)
        source = max(y for _, y in hits)
        assert (empty[0], empty[1]) == (0, source)
        assert [x for x, y in hits if y == source] == [30, 59]
        ((answer, _),) = [(x, y) for x, y in hits if y < source]
        assert 30.04 <= answer < 31  # a little to the right, so that it can be seen; the other one is after the window
        lengths = {round(abs(top - low), 6) for (_, low), (_, top) in shafts(figure, dashed=False)}
        assert 1 in lengths

    def test_a_webhook_is_an_arrow_down_from_its_sending_to_its_arrival(self) -> None:
        figure = plots.swim_lanes(pushed(), 0, 59.5)
        first, later = shafts(figure, dashed=False), shafts(figure, dashed=True)
        arrows = [ends for ends in first if ends[0][1] == ends[1][1] + 1]
        assert [(a[0], b[0]) for a, b in arrows] == [(10, 10.02), (20, 20), (50, 51)]
        assert [(a[0], b[0]) for a, b in later] == [(25, 26), (55, 55.5)]

    def test_a_retry_is_dashed_and_has_its_gap(self) -> None:
        waits = RetryProfile(waits=(5.0, 300.0))
        fault = Status(status=500, kinds=("delivery",), attempts=(1, 2))
        comparison = run(Webhook(), retries=waits, faults=(fault,))
        figure = plots.swim_lanes(comparison, 0, 310)
        assert [text for text in texts(figure) if text.startswith("+")] == ["+5 s", "+300 s"]
        said = "received 1 webhook (2 more attempts failed), 2 retries 5 and 300 s after the previous attempt ended"
        assert said in figure.sentence
        key = "retry, + seconds since the previous attempt ended"
        assert key in texts(figure)
        assert key not in texts(plots.swim_lanes(run(Webhook()), 0, 310))

    def test_a_source_that_waits_for_an_answer_is_a_line_from_the_sending_to_the_timeout(self) -> None:
        """The answer to the first attempt at 10 s is lost: the source waits 30 s, and its retry comes 5 s later."""
        lost, retries = LostAnswer(kinds=("delivery",), attempts=(1,)), RetryProfile(waits=(5.0,), timeout=30)
        one = Arrivals("one", (Event("evt_1", "paid", 10.0, {}),), duration=59, epoch=0, params={})
        result = VirtualLens().run(Scenario(one, retries=retries, faults=(lost,)), Webhook())
        figure = plots.swim_lanes(result, 0, 59)
        waited = [(a[0], b[0]) for a, b in shafts(figure, dashed=False) if a[1] == b[1] and b[0] - a[0] > 5]
        assert waited == [(10, 40)]
        assert "1 retry 5 s after the previous attempt ended" in figure.sentence
        assert "the source waits for the answer" in texts(figure)
        assert "the source waits for the answer" not in texts(plots.swim_lanes(run(Webhook()), 0, 310))

    def test_a_key_with_six_entries_fits_the_drawing(self) -> None:
        faults = (LostAnswer(kinds=("delivery",), attempts=(1,), every=2), Status(kinds=("poll",), every=2))
        scenario = Scenario(poisson(60, 600), faults=faults)
        figure = plots.swim_lanes([VirtualLens().run(scenario, each) for each in (Polling(interval=60), Webhook())])
        figure.png()
        (legend,) = figure.drawing.legends
        assert len(legend.get_texts()) == 6
        box = legend.get_window_extent()
        assert box.x0 > 0 and box.x1 < figure.drawing.bbox.x1

    def test_a_wait_is_a_bar_from_the_occurrence_to_the_receipt(self) -> None:
        figure = plots.swim_lanes(polled(), 0, 59.5)
        bars = [
            ends for ends in shafts(figure, dashed=False) if ends[0][1] == ends[1][1] and ends[1][0] - ends[0][0] > 5
        ]
        assert sorted((a[0], b[0]) for a, b in bars) == [(10, 30.04), (20, 30.04), (50, 59.9)]
        levels = {a[0]: a[1] for a, _ in bars}
        assert levels[10] != levels[20]  # they overlap in time
        assert levels[10] == levels[50]

    def test_what_never_came_waits_to_the_edge(self) -> None:
        figure = plots.swim_lanes(made(Polling(), [10], [nan]), 0, 50)
        bars = [ends for ends in shafts(figure, dashed=False) if ends[0][1] == ends[1][1]]
        assert [(a[0], b[0]) for a, b in bars] == [(10, 50)]
        assert "mean wait 40 s, 1 never received" in figure.sentence

    def test_a_held_request_runs_along_the_sources_line(self) -> None:
        held = plots.swim_lanes(run(LongPolling()), 0, 100)
        assert "request held open" in texts(held)
        assert "request held open" not in texts(plots.swim_lanes(run(Polling(interval=10)), 0, 100))
        stream = plots.swim_lanes(run(Stream()), 600, 700).sentence
        assert "2 events occurred; stream: received 2 messages over a held request, mean wait 0.02 s" in stream

    def test_a_thin_webhook_fetches(self) -> None:
        assert (
            "received 1 webhook and fetched 1 event, mean wait 0.06 s" in plots.swim_lanes(run(Thin()), 0, 60).sentence
        )

    def test_a_lost_answer_does_not_delay_the_arrow(self) -> None:
        """The event arrived at once, though its sender waited 30 s for the answer."""
        late = made(Webhook(), [10], [10.02], [("delivery", "hit", 10, 40, "evt_0")], brought_by=[0])
        (delivery,) = track_of(late, Window(0, 60, "")).deliveries
        assert (delivery.ended, isnan(delivery.gap)) == (10.02, True)

    def test_by_default_ten_minutes_of_the_busiest_hour(self) -> None:
        comparison = run(Polling(interval=300))
        start, _ = plots.busiest(comparison[0])
        assert plots.swim_lanes(comparison).sentence == plots.swim_lanes(comparison, start, start + 600).sentence

    def test_lanes_are_named_by_the_approaches_titles(self) -> None:
        axes = plots.swim_lanes([polled(), pushed()], 0, 60).drawing.axes[0]
        names = [text.get_text() for text in axes.get_yticklabels()]
        assert names == ["events", "source", "poll every 60 s", "waits", "source", "webhook", "waits"]
        assert axes.get_xlabel() == "minutes from t = 0 s"

    def test_quiet_minutes_are_drawn_too(self) -> None:
        figure = plots.swim_lanes([polled(), pushed()], 100, 160)
        assert "0 events occurred; poll every 60 s: no request; webhook: no request" in figure.sentence
        assert len(figure.png()) > 1000

    def test_two_thousand_events_are_drawn(self) -> None:
        at = np.linspace(0, 599, 2000).tolist()
        rows = [("delivery", "hit", sent, sent + 0.04, f"evt_{n}") for n, sent in enumerate(at)]
        figure = plots.swim_lanes(made(Webhook(), at, at, rows, 600), 0, 600)
        assert "2,000 events occurred; webhook: received 2,000 webhooks, mean wait 0 s" in figure.sentence
        assert len(figure.png()) > 1000

    def test_a_picture_drawn_wrong_has_a_wrong_sentence(self) -> None:
        figure = plots.swim_lanes(polled(), 0, 60)
        before = figure.sentence
        for each in figure.drawing.axes[0].collections:
            if each.get_zorder() == 2 and len(each.get_segments()) == 3 and each.get_alpha():
                each.set_segments([[(0.1, 0), (0.9, 0)]] * 3)
        assert figure.sentence != before

    def test_needs_frames(self) -> None:
        alone = Comparison(polled().scenario, (polled(),))[0]
        bare = type(alone)(alone.scenario, alone.approach, "virtual", None, None, alone.row())
        with pytest.raises(ValueError, match="has its row alone: its exchanges and receipts come with frames=True"):
            plots.swim_lanes(bare, 0, 60)


class TestTimeline:
    def test_draws_what_was_measured_by_hand(self) -> None:
        polls = [(0.0, 0.1, []), (2.0, 2.1, ["a"]), (4.0, 4.1, ["b", "c"])]
        figure = plots.timeline(
            [1.0, 3.0, 3.5], {"poll every 2 s": polls}, {"webhook": [(1.0, 1.1), (3.0, 3.2), (3.5, 3.6)]}
        )
        assert figure.sentence == (
            "In 5 seconds from the start: 3 events occurred;"
            " poll every 2 s: polled 3 times (2 found something, 1 empty), mean wait 0.933 s;"
            " webhook: received 3 webhooks, mean wait 0.133 s."
        )
        assert figure.drawing.axes[0].get_xlabel() == "seconds from the start"

    def test_refuses_nothing(self) -> None:
        with pytest.raises(ValueError, match="a timeline needs polls or deliveries, got neither"):
            plots.timeline([1.0])
