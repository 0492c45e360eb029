"""Picture 4, survival: what is drawn and said is what the results hold, with the source's retries and what is lost."""

from math import nan

import numpy as np
import pytest
from made_results import made, polled, pushed, texts
from matplotlib.colors import to_rgb

from labkit import Outage, Polling, RetryProfile, Scenario, Webhook, compare, plots, poisson, profile
from labkit.plots.unreceived import DASHES
from labkit.retries import profiles

LENGTH = 1200.0


@pytest.fixture(scope="module")
def outage():
    """121 events, all of them in an outage of 20 min, polled for and by webhook with the retries of three senders."""
    events, faults = poisson(360, LENGTH, seed=1), (Outage(duration=LENGTH),)
    worlds = {name: Scenario(events, retries=profile(name), faults=faults) for name in ("svix", "slack", "github")}
    polls = compare(worlds["svix"], [Polling(interval=60)])[0]
    return [polls, *(compare(world, [Webhook()])[0] for world in worlds.values())]


def steps(figure):
    return [line for line in figure.drawing.axes[0].lines if line.get_drawstyle() == "steps-post"]


def marks(figure):
    """The hollow marks of the retries, as (seconds, share)."""
    hollow = [line for line in figure.drawing.axes[0].lines if line.get_markerfacecolor() == "white"]
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in hollow]


def test_a_line_is_the_share_not_received_within_each_latency() -> None:
    figure = plots.survival(made(Polling(), [0, 1, 2, 3], [0.5, 2, 4, nan]))
    (line,) = steps(figure)
    assert list(line.get_xdata()) == [0.01, 0.5, 1, 2]
    assert list(line.get_ydata()) == [1, 0.75, 0.5, 0.25]
    axes = figure.drawing.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlim()[0] == 0.01
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "4 days"


def test_the_whole_outage_as_a_sentence(outage) -> None:
    assert plots.survival(outage).sentence == (
        "Time until received: poll every 60 s: half within 10 min 34 s, the last within 19 min 59 s;"
        " webhook, retries of Svix: half within 35 min 5 s, the last within 35 min 5 s;"
        " webhook, retries of Slack: less than half received, the last within 6 min, lost 85 of 121;"
        " webhook, retries of GitHub: none of 121 received."
    )


def test_steps_are_at_the_retries_and_the_marks_at_the_top_of_the_steps(outage) -> None:
    """Svix's waits are 5, 300 and 1,800 s: each event of the outage is received at one of its retries."""
    svix = outage[1]
    figure = plots.survival(svix)
    late = svix.receipts.latency.to_numpy()
    expected = [(at, (late > at - 1).mean()) for at in (5.02, 305.02, 2105.02)]
    assert marks(figure) == [(pytest.approx(at, abs=0.01), pytest.approx(share)) for at, share in expected]
    assert {round(x, 2) for x in steps(figure)[0].get_xdata()} <= {0.01, 5.02, 305.02, 2105.02}


def test_a_poller_has_no_retries_and_no_key_to_them(outage) -> None:
    figure = plots.survival(outage[0])
    assert marks(figure) == []
    assert "retry of the source" not in texts(figure)
    assert "retry of the source" in texts(plots.survival(outage[1]))


def test_what_is_lost_ends_in_the_band(outage) -> None:
    figure = plots.survival(outage)
    axes = figure.drawing.axes[0]
    ends = [(line.get_xdata()[-1], line.get_ydata()[-1]) for line in axes.lines
            if len(line.get_xdata()) == 2 and line.get_xdata()[-1] > 345_600]  # fmt: skip
    assert [share for _, share in ends] == [pytest.approx(85 / 121), 1]
    assert all(x < axes.get_xlim()[1] for x, _ in ends)
    assert {"never", "70%", "100%"} <= set(texts(figure))


def test_marks_of_lines_that_have_lost_the_same_stand_side_by_side_in_the_band() -> None:
    worlds = [Scenario(poisson(60, 600), retries=profile(name), faults=(Outage(duration=600),))
              for name in ("github", "gitlab")]  # fmt: skip
    figure = plots.survival([compare(world, [Webhook()])[0] for world in worlds])
    axes = figure.drawing.axes[0]
    bands = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[-1] > 345_600]
    (one, other), edge = ([float(axes.transData.transform((line.get_xdata()[-1], 1))[0]) for line in bands],
                          axes.get_window_extent().x1)  # fmt: skip
    assert one + 16 < other < edge - 60  # the number of what is lost stands at the edge


def test_the_title_has_the_seed_of_the_events(outage) -> None:
    assert "poisson, seed 1: 121 events in 20 min, 20 ms each way, run's seed 0" in texts(plots.survival(outage))


def test_the_key_has_the_soonest_first_with_its_last_one_and_what_is_lost(outage) -> None:
    entries = [text.get_text() for text in plots.survival(outage[::-1]).drawing.legends[0].get_texts()]
    assert entries == [
        "poll every 60 s:\n19 min 59 s",
        "webhook, retries of Svix:\n35 min 5 s",
        "webhook, retries of Slack:\n6 min, 70% lost",
        "webhook, retries of GitHub:\n100% lost",
    ]


def test_the_outage_is_marked_if_the_results_have_one_length(outage) -> None:
    assert "the outage: 20 min " in texts(plots.survival(outage))
    other = compare(Scenario(poisson(60, 600), faults=(Outage(duration=600),)), [Polling()])[0]
    assert not [text for text in texts(plots.survival([*outage, other])) if text.startswith("the outage")]


def test_lines_of_one_approach_differ_in_colour_in_dashes_and_in_marker(outage) -> None:
    lines = steps(plots.survival(outage))[1:]
    greys = [float(np.dot(to_rgb(line.get_color()), (0.3, 0.59, 0.11))) for line in lines]
    assert min(abs(a - b) for n, a in enumerate(greys) for b in greys[:n]) > 0.1
    entries = plots.survival(outage).drawing.legends[0].get_lines()[1:]
    assert len({entry.get_marker() for entry in entries}) == 3
    assert [line.get_linestyle() for line in lines] == ["-", "--", "--"] and len(set(DASHES)) == len(DASHES)
    assert to_rgb(lines[0].get_color()) == to_rgb(Webhook.style.colour)


def test_a_profile_of_ones_own_is_named_by_its_retries() -> None:
    def label(*waits: float) -> str:
        return plots.survival(pushed(retries=RetryProfile(waits=waits))).sentence

    assert "webhook, 3 retries in 35 min 5 s: " in label(5, 300, 1800)
    assert "webhook, 1 retry in 5 h: " in label(18_000)
    assert "webhook, no retries: " in label()
    assert "webhook, retries of mine: " in plots.survival(pushed(retries=RetryProfile(name="mine"))).sentence


def test_each_known_sender_has_a_name_for_people() -> None:
    titles = [each.title for each in profiles().values()]
    assert titles[:4] == ["Standard Webhooks", "Svix", "Brevo", "GitHub"]
    assert len(set(titles)) == len(titles) and all(titles)


def test_the_axis_goes_on_for_what_is_later_than_four_days() -> None:
    late = made(Polling(), [0, 1], [nan, 900_001], duration=10)
    figure = plots.survival([made(Webhook(), [0], [nan]), late])
    assert figure.drawing.axes[0].get_xlim()[1] > 900_000
    assert "the last within 10 days 10 h, lost 1 of 2" in figure.sentence


def test_a_latency_of_zero_and_a_run_without_events_are_drawn() -> None:
    assert len(plots.survival([made(Webhook(), [10], [10]), polled()]).png()) > 1000
    assert "poll every 60 s: none of 0 received" in plots.survival(made(Polling(), [], [])).sentence


def test_a_picture_drawn_wrong_has_a_wrong_sentence() -> None:
    figure = plots.survival(polled())
    (line,) = steps(figure)
    line.set_ydata([1, 0.9, 0.8, 0.7])
    assert "poll every 60 s: less than half received, the last within 20.04 s, lost 2 of 3" in figure.sentence
