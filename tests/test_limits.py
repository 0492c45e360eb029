"""A source's rate limits and pauses, and that labkit's clients keep to them."""

import random
from contextlib import closing, contextmanager
from email.utils import formatdate

import pytest
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st

from labkit import (
    Aimd,
    ConditionalFeed,
    EventSource,
    Feed,
    HalveDouble,
    LongPolling,
    OnDemand,
    Polling,
    RateLimit,
    Scenario,
    poisson,
)
from labkit.approaches.consumer import Consumer
from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.lenses import VirtualLens
from labkit.lenses.scaling import scaled
from labkit.network.memory import MemoryNetwork
from labkit.source.limiter import Window

HOUR = poisson(per_hour=60, duration=3600, seed=1)
POLLERS = [
    Polling(interval=1), Polling(interval=1, fixed="rate"), Polling(interval=1, jitter=0.5), Feed(interval=1),
    ConditionalFeed(interval=1), Aimd(start=1, longest=2), HalveDouble(start=1, longest=2), LongPolling(wait=1),
    OnDemand(interval=1),
]  # fmt: skip


@pytest.mark.parametrize("approach", POLLERS, ids=repr)
def test_a_poll_interval_is_kept_by_every_poller(approach):
    """X-Poll-Interval: 60. No request is sent sooner than that after an answer."""
    result = VirtualLens().run(Scenario(HOUR, rate_limit=RateLimit(poll_interval=60)), approach)
    polls = result.exchanges
    assert len(polls) > 50
    pauses = polls.sent_at.to_numpy()[1:] - polls.answered_at.to_numpy()[:-1]
    assert pauses.min() >= 60 - 1e-6
    assert result.row()["lost"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("approach", POLLERS, ids=repr)
def test_retry_after_is_obeyed_by_every_poller(approach):
    """Ten requests per minute: a refused client comes back when the window has ended, and then is answered."""
    result = VirtualLens().run(Scenario(HOUR, rate_limit=RateLimit(requests=10, seconds=60)), approach)
    polls, row = result.exchanges, result.row()
    assert row["lost"] == 0
    throttled = polls.outcome.eq("throttled").to_numpy()
    assert throttled.sum() > 10
    assert row["error_requests"] == result.counted.outcome.eq("throttled").sum()
    assert not (throttled[1:] & throttled[:-1]).any()
    starts, counts = float("-inf"), 0
    for at, refused in zip(polls.sent_at + 0.02, throttled, strict=True):  # as they reach the source
        if at >= starts + 60 - 1e-9:
            starts, counts = at, 0
        counts += not refused
        assert counts <= 10
        assert not refused or counts == 10


def test_without_limits_the_answers_say_nothing_of_them():
    with closing(EventSource()) as source:
        answer = source.app.test_client().get("/events")
        assert "X-Poll-Interval" not in answer.headers


def test_a_refusal_says_how_long_and_spares_what_is_not_reading():
    with closing(EventSource(rate_limit=RateLimit(requests=1, seconds=60, poll_interval=59.2))) as source:
        client = source.app.test_client()
        assert client.get("/events").headers["X-Poll-Interval"] == "60"
        refused = client.get("/events")
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "60"
        assert refused.json["detail"] == "1 requests in 60 s are the most; come back in 60 s"
        assert client.get("/healthz").status_code == 200
        assert client.post("/events", json={"type": "a", "data": {}}).status_code == 201
        assert client.get("/events", environ_base={"REMOTE_ADDR": "10.0.0.7"}).status_code == 200


@given(st.integers(1, 5), st.lists(st.floats(0, 30), max_size=60), st.randoms())
def test_no_window_has_more_than_its_requests(requests, gaps, chance):
    """Against a plain recount: windows that start with their first request, for each caller."""
    window, now, starts, counts = Window(RateLimit(requests=requests, seconds=20)), 0.0, {}, {}
    for gap in gaps:
        now += gap
        caller = chance.choice("ab")
        if caller not in starts or now >= starts[caller] + 20:
            starts[caller], counts[caller] = now, 0
        counts[caller] += 1
        left = window.refuse(caller, now)
        assert (left == 0) == (counts[caller] <= requests)
        assert left == 0 or left == pytest.approx(starts[caller] + 20 - now)


def test_speed_divides_the_poll_interval_and_refuses_a_rate_limit():
    """X-Poll-Interval is whole seconds still; a 429's Retry-After is rounded up to whole seconds, and would not be."""
    scenario, _ = scaled(Scenario(HOUR, delay=0.0, rate_limit=RateLimit(0, 60, 30)), Polling(), 10)
    assert scenario.rate_limit == RateLimit(0, 6, 3)
    with pytest.raises(ValueError, match="whole seconds, which speed 10 does not divide: use the virtual lens"):
        scaled(Scenario(HOUR, delay=0.0, rate_limit=RateLimit(10, 60, 30)), Polling(), 10)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"requests": -1}, "requests must be"),
        ({"seconds": 0}, "seconds must be"),
        ({"poll_interval": -1}, "poll_inter"),
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        RateLimit(**wrong)


EPOCH = 1_700_000_000


@pytest.mark.parametrize("header", ["Retry-After", "X-Poll-Interval"])
@pytest.mark.parametrize(("value", "pause"), [("7", 7.0), ("", 0.0), ("-5", 0.0), ("soon", 0.0), ("9" * 5000, 1e9)])
def test_a_pause_is_noted_from_an_answer_and_nonsense_breaks_no_client(header, value, pause):
    with answering(lambda: Response(headers={header: value})) as (consumer, clock):
        clock.spawn(lambda: consumer.client("poll").get("/events"))
        clock.run(until=1)
        assert consumer.not_before == pytest.approx(pause, abs=0.1)


@pytest.mark.parametrize(("date", "again_at"), [(EPOCH + 120, 120.02), (EPOCH - 120, 10.06)])
def test_a_client_comes_again_at_the_date_that_retry_after_names_and_not_before(date, again_at):
    """An HTTP date, as proxies and CDNs send it; one in the past leaves the client its own interval of 10 s."""
    polled = []

    def answer():
        polled.append(round(clock.now(), 9))
        return Response(status=503, headers={"Retry-After": formatdate(date, usegmt=True)})

    with answering(answer) as (consumer, clock):
        clock.spawn(Polling(interval=10).run, consumer)
        clock.run(until=150)
    assert polled[:2] == pytest.approx([0.02, again_at])


@contextmanager
def answering(answer):
    """A consumer of a source that answers every GET /events alike, 20 ms away, and its virtual clock."""
    clock, ledger = VirtualClock(epoch=EPOCH), Ledger()
    network, app = MemoryNetwork(clock, ledger), Flask("source")
    app.get("/events")(answer)
    ledger.add_consumer("me")
    with clock:
        yield Consumer("me", network.host("source", app), clock, network, ledger), clock


def test_jitter_spreads_the_pauses_evenly_and_by_its_seed():
    """At 20% of 60 s: from 48 to 72 s, and 1.3% of latency (1 + 0.2²/3)."""
    runs = [VirtualLens().run(Scenario(HOUR), Polling(jitter=0.2, seed=seed)) for seed in (1, 1, 2)]
    pauses = [run.exchanges.sent_at.diff().dropna() - 0.04 for run in runs]
    assert pauses[0].equals(pauses[1])
    assert not pauses[0].equals(pauses[2])
    assert 48 <= pauses[0].min() < 51 and 69 < pauses[0].max() <= 72
    chance = random.Random("1/consumer-1")
    assert pauses[0].tolist() == pytest.approx([60 * chance.uniform(0.8, 1.2) for _ in pauses[0]], abs=1e-6)


def test_jitter_with_a_fixed_rate_is_refused():
    with pytest.raises(ValueError, match="jitter must be 0 with fixed='rate', which has no pauses, got 0.1"):
        Polling(fixed="rate", jitter=0.1)
    with pytest.raises(ValueError, match="jitter must be from 0 to 1 of the interval, got 1.5"):
        Polling(jitter=1.5)
