"""The picture of a recommendation: the options' own figures, what falls short in grey, and the deadline."""

import pytest

from labkit import Need, RateLimit, advise, plots

PLAIN = ("batched",)


def test_each_option_stands_at_its_own_figures() -> None:
    advice = advise(Need(deadline=30, consumers=3, without=PLAIN), 20, thorough=False)
    figure = plots.advised(advice)
    (polling,) = [option for option, _ in advice.runners_up if option.approach.name == "polling"]
    for option in (advice.recommendation, polling):
        cost, late = option.expected["requests_per_hour"], option.expected["latency"]["mean"]
        points = [line.get_xydata().tolist() for line in figure.drawing.axes[0].lines]
        assert [pytest.approx((cost, late))] in points
    assert "too late is above 30 s" in figure.sentence and "rejected" not in figure.sentence


def test_an_option_that_falls_short_says_why() -> None:
    advice = advise(Need(deadline=60, rate_limit=RateLimit(30), without=PLAIN), 360, thorough=False)
    said = plots.advised(advice).sentence
    assert "rejected: 58 requests in 3600 s, and the source allows 30" in said


def test_reading_on_demand_has_no_point_and_without_any_point_there_is_no_picture() -> None:
    advice = advise(Need(deadline=30, reads=2, without=("polling", "webhook", "batched")), 20, thorough=False)
    assert advice.recommendation.approach.name == "on_demand"
    assert plots.advised(advice) is None
