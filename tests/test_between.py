"""Everything between asking and being told: each approach held against its own arithmetic."""

import math
import re
from dataclasses import replace

import httpx
import pytest
from flask import Flask, Response, request

from labkit import (
    Aimd,
    Batched,
    ConditionalFeed,
    Event,
    FakeStream,
    Feed,
    HalveDouble,
    Hybrid,
    LongPolling,
    OnDemand,
    Polling,
    RateLimit,
    Scenario,
    Status,
    Stream,
    Thin,
    Webhook,
    bursty,
    compare,
    earthquakes,
    poisson,
    switching,
)
from labkit import signature as signing
from labkit.approaches import Consumer
from labkit.approaches.stream import blocks, lines
from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.lenses import VirtualLens
from labkit.network.memory import MemoryNetwork
from labkit.policies import RetryProfile

DAY = earthquakes(duration=86_400)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def row(arrivals, approach, delay=0.02):
    result = VirtualLens().run(Scenario(arrivals, delay), approach)
    latency, area = result.little()
    assert latency == area
    return result.row()


def test_a_long_poll_is_as_early_as_a_webhook_while_events_are_rare():
    """One in seven minutes: nearly none falls into the blind window of two delays."""
    told, asked = row(DAY, Webhook()), row(DAY, LongPolling())
    assert told["latency"]["mean"] == 0.02
    assert 0.02 <= asked["latency"]["mean"] < 0.0205
    assert asked["latency"]["max"] <= 3 * 0.02
    assert asked["lost"] == asked["duplicates"] == 0


def test_a_long_poll_that_waits_in_vain_is_empty_after_its_wait():
    measured = row(poisson(0.001, 1000.0), LongPolling(wait=10))
    assert measured["requests"] == measured["empty_requests"] == math.ceil(1000 / 10.04)
    assert measured["connection_seconds"] == pytest.approx(1000, abs=11)


def test_a_stream_is_one_request_and_a_delay_late():
    measured = row(DAY, Stream())
    assert (measured["requests"], measured["lost"], measured["duplicates"]) == (1, 0, 0)
    assert 0.02 <= measured["latency"]["mean"] < 0.021
    assert measured["connection_seconds"] == 86_400


def test_a_stream_that_breaks_is_resumed_without_loss_or_repeat():
    """A source that ends each answer after two events; blocks without data are no events."""
    clock, ledger = VirtualClock(), Ledger()
    network, asked = MemoryNetwork(clock, ledger), []
    app = Flask("breaking")

    @app.get("/stream")
    def stream():
        last = int(request.headers.get("Last-Event-ID", "0"))
        asked.append((clock.now(), last))

        def chunks():
            yield "retry: 500\n\n: greetings\n\nid: 99\n\n" if last == 0 else "event: nothing\n\n"
            for number in (last + 1, last + 2):
                yield f'id: {number}\ndata: {{"type": "a.b", "id":\ndata: "evt_{number}"}}\n\n'
            yield 'data: {"id": "cut off'

        return Response(chunks(), mimetype="text/event-stream")

    for number in range(1, 7):
        ledger.happened(f"evt_{number}", 0.0)
    ledger.add_consumer("me")
    consumer = Consumer("me", network.host("source", app), clock, network, ledger)
    with clock:
        clock.spawn(Stream().run, consumer)
        clock.run(until=1.5)
    receipts = ledger.receipts()
    assert asked == [(0.02, 0), (0.56, 2), (1.1, 4)]
    assert receipts.copies.tolist() == [1] * 6


def test_a_feed_that_overflows_loses_events_and_a_cursor_does_not():
    """Bursts of 30 on average, and 10 in the list."""
    storms = bursty(per_hour=60, duration=20_000, size=30, spread=0.0)
    feed, cursor = row(storms, Feed(interval=300, last=10)), row(storms, Polling(interval=300, limit=10))
    assert feed["lost"] > 0
    assert feed["lost"] + feed["received"] == feed["events"]
    assert cursor["lost"] == 0
    assert row(storms, Feed(interval=300, last=1000))["lost"] == 0


@pytest.mark.parametrize(("last", "ratio"), [(10, 0.20), (100, 0.11)])
def test_an_etag_saves_most_of_a_feed(last, ratio):
    """At λT = 0.1 nine of ten answers are 304."""
    arrivals = poisson(per_hour=6, duration=100_000, seed=1)
    plain, conditional = (row(arrivals, kind(interval=60, last=last)) for kind in (Feed, ConditionalFeed))
    assert plain["requests"] == conditional["requests"]
    assert plain["latency"] == conditional["latency"]
    assert conditional["bytes_in"] / plain["bytes_in"] == pytest.approx(ratio, abs=0.07)


@pytest.mark.parametrize("per_hour", [2, 60])
def test_halving_and_doubling_is_empty_half_of_the_time_whatever_the_rate(per_hour):
    """Misses - hits = log2(last interval / first), exactly, while no clamp is met; so half are empty."""
    approach = HalveDouble(start=64, shortest=0.001, longest=1e9)
    result = VirtualLens().run(Scenario(poisson(per_hour, 200_000, seed=2)), approach)
    polls = result.exchanges
    hits, misses = (polls.outcome == "hit").sum(), (polls.outcome == "empty").sum()
    last = polls.sent_at.diff().iloc[-1] - 0.04
    assert misses - hits - (1 if polls.outcome.iloc[-1] == "empty" else -1) == round(math.log2(last / 64))
    assert result.row()["empty_share"] == pytest.approx(0.5, abs=0.05)


def test_a_thin_event_is_two_requests_and_three_delays():
    measured = row(DAY, Thin())
    assert measured["requests"] == 2 * measured["events"]
    assert measured["latency"]["mean"] == measured["latency"]["max"] == 0.06
    assert measured["lost"] == measured["duplicates"] == 0


def test_a_hybrid_recovers_what_its_webhook_lost():
    """Somebody answers 503 for every third event, and nothing is retried: reconciling brings those, and says so."""
    arrivals = poisson(per_hour=60, duration=36_000, seed=3)
    healthy = Scenario(arrivals, retries=RetryProfile(waits=()))
    scenario = replace(healthy, faults=(Status(kinds=("delivery",), every=3),))
    result = VirtualLens().run(scenario, Hybrid(reconcile_interval=3600))
    thirds = len(arrivals.events) // 3
    assert result.row()["lost"] == 0
    assert thirds * 0.9 < result.recovered(grace=60) <= thirds
    assert VirtualLens().run(healthy, Hybrid(reconcile_interval=3600)).recovered(grace=60) == 0


def test_a_batch_that_is_full_does_not_wait():
    """Storms of twenty at once, in batches of three: all but the last two of a storm go at once."""
    storm = bursty(per_hour=600, duration=3600, size=20, spread=0.0, seed=3)
    result = VirtualLens().run(Scenario(storm), Batched(count=3, max_wait=30))
    deliveries = result.exchanges[result.exchanges.kind == "delivery"]
    assert deliveries.new_events.max() == 3
    at_once = (result.receipts.latency.round(6) == 0.02).mean()
    assert 0.85 < at_once < 1
    assert result.receipts.latency.max() <= 30.021
    assert result.row()["lost"] == result.row()["duplicates"] == 0


def test_a_batch_that_fails_comes_again_and_each_event_has_one_effect():
    class Stumbling(Batched):
        def subscribe(self, consumer):
            receive, stumbled = consumer.receive, []

            def once(event, carrier):
                receive(event, carrier)
                if not stumbled:
                    stumbled.append(event)
                    raise RuntimeError("after the first of the batch")

            object.__setattr__(consumer, "receive", once)
            super().subscribe(consumer)

    result = VirtualLens().run(Scenario(poisson(360, 3600, seed=3)), Stumbling(count=5, max_wait=60))
    measured = result.row()
    assert measured["lost"] == 0
    assert measured["duplicates"] == 1


def test_a_304_saves_next_to_nothing_beside_a_cursor():
    """No request, no time, and under 90 bytes of an empty answer; of a whole list (above) it saves most."""
    plain, conditional = (row(DAY, Polling(conditional=choice)) for choice in (False, True))
    assert plain["requests"] == conditional["requests"]
    assert plain["latency"] == conditional["latency"]
    weights = [(each["bytes_out"] + each["bytes_in"]) / each["requests"] for each in (plain, conditional)]
    assert 0 < weights[0] - weights[1] < 90 < 0.25 * weights[0]


def test_a_304_is_an_empty_poll_and_a_new_event_ends_it():
    result = VirtualLens().run(Scenario(DAY), Polling(conditional=True))
    polls = result.exchanges
    assert set(polls.status) == {200, 304}
    assert set(polls.outcome[polls.status == 304]) == {"empty"}
    after_a_hit = polls.outcome.shift(fill_value="hit") == "hit"
    empty = polls.outcome == "empty"
    assert set(polls.status[empty & after_a_hit]) == {200}  # another cursor is another question
    assert set(polls.status[empty & ~after_a_hit]) == {304}


def test_a_fake_push_is_betrayed_by_its_latency():
    """Uniform between d and every + d, where the stream is d late; what it asks and holds is the same."""
    fake, true = row(DAY, FakeStream(interval=5)), row(DAY, Stream())
    assert fake["requests"] == true["requests"] == 1
    assert fake["connection_seconds"] == true["connection_seconds"]
    assert fake["lost"] == fake["duplicates"] == 0
    error = 5 / math.sqrt(12 * fake["events"])
    assert abs(fake["latency"]["mean"] - (2.5 + 0.02)) < 4 * error
    assert 4 < fake["latency"]["max"] <= 5.04  # the first event happens before the connection is there
    assert true["latency"]["max"] <= 0.04


def test_an_action_is_a_post_of_the_consumers_once_an_event():
    """Counted as what it is: no empty request, no hit. It is done once however often it is asked for."""
    acting = VirtualLens().run(Scenario(DAY), OnDemand(interval=600, act=True))
    actions = acting.counted[acting.counted.kind == "action"]
    assert 200 < len(actions) <= acting.row()["events"] == 211
    assert set(actions.method) == {"POST"}
    assert set(actions.outcome) == {"done"}
    polls = acting.counted[acting.counted.kind == "poll"]
    assert acting.row()["requests"] == len(polls) + len(actions)
    assert acting.row()["empty_requests"] == (polls.outcome == "empty").sum()


@pytest.mark.parametrize(("dwell", "wins"), [((21_600.0, 3600.0), True), ((120.0, 20.0), False)])
def test_aimd_beats_the_best_fixed_interval_where_the_rate_switches_slowly_and_not_where_it_switches_fast(dwell, wins):
    """2 events an hour when quiet and 120 when busy; +20 s and half, from 5 to 600 s; at equal requests.

    Six hours quiet and one busy can be followed; two minutes and twenty seconds cannot: then it is later, as on any
    source without a memory.
    """
    ratios = []
    for seed in range(3):
        arrivals = switching(2, 120, dwell, duration=86_400, seed=seed)
        adaptive = row(arrivals, Aimd(add=20, shortest=5, longest=600))
        fixed = row(arrivals, Polling(interval=arrivals.duration / adaptive["requests"] - 0.04))
        assert fixed["requests"] == pytest.approx(adaptive["requests"], abs=1)
        ratios.append(adaptive["latency"]["mean"] / fixed["latency"]["mean"])
    assert max(ratios) < 1 if wins else min(ratios) > 1, ratios


@pytest.mark.parametrize("approach", [Stream(), FakeStream(interval=1), LongPolling(), Polling()], ids=repr)
def test_any_text_goes_over_any_way(approach):
    """What other splitters of lines take for an end: U+2028, U+0085, a form feed; and a byte order mark."""
    text = "a\u2028b\x85c\x0cd\ufeffe\x1cf"
    events = (Event("evt_1", "said", 10.0, {"text": text}), Event("evt_2", "said", 11.0, {"text": "after"}))
    measured = row(replace(poisson(1, 60), events=events), approach)
    assert (measured["received"], measured["lost"], measured["error_requests"]) == (2, 0, 0)


def test_a_stream_reads_fields_as_html_has_them():
    """9.2.5 and 9.2.6: CR, LF or both end a line, a byte order mark is passed over, `data` alone is empty."""
    wire = b"\xef\xbb\xbfid: 1\r\ndata: a\r\n\r\n" + b"data\n\n" + b"retry: 5\rdata: b\r\rdata: c\n\n"
    expected = [{"id": "1", "data": "a"}, {"data": ""}, {"retry": "5", "data": "b"}, {"data": "c"}]
    for size in range(1, len(wire)):
        chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
        assert list(blocks(lines(chunks))) == expected


@pytest.mark.parametrize("wait", [25, 29.97, 60])
def test_a_long_poll_is_waited_for_longer_than_the_source_keeps_it(wait):
    """Whatever the wait and the delay: an empty answer is no error."""
    measured = row(poisson(0.001, 600.0), LongPolling(wait=wait), delay=5)
    assert measured["error_requests"] == 0
    assert measured["requests"] == math.ceil(600 / (wait + 10))


def test_a_fake_stream_is_not_silent_for_longer_than_a_stream():
    """A comment at least every 15 s, so that nobody takes it for dead."""
    measured = row(poisson(0.001, 600.0), FakeStream(interval=10))
    assert (measured["requests"], measured["error_requests"]) == (1, 0)
    with pytest.raises(ValueError, match="interval must be from 0.001 to 15 seconds, got 60"):
        FakeStream(interval=60)


def test_a_thin_receiver_hands_on_the_sources_wish_to_be_left_alone(capfd):
    """503 with Retry-After: the delivery comes back when the window is over, and nothing is lost or logged."""
    result = VirtualLens().run(Scenario(DAY, rate_limit=RateLimit(requests=5, seconds=3600)), Thin())
    fetches = result.exchanges[result.exchanges.kind == "fetch"]
    assert (fetches.status == 429).sum() > 10
    refused = fetches[fetches.status == 429].sent_at.to_numpy()
    later = fetches.sent_at.to_numpy()
    assert all(not ((later > at + 0.05) & (later < at + 1)).any() for at in refused)
    assert result.row()["lost"] == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: LongPolling(limit=0), "limit must be a whole number from 1 to 1000 events per page, got 0"),
        (lambda: Feed(last=True), "last must be a whole number from 1 to 1000 events, got True"),
        (lambda: OnDemand(act="yes"), "act must be True or False, got 'yes'"),
        (lambda: Polling(jitter="x"), "jitter must be a finite number from 0 to 1 of the interval, got 'x'"),
        (lambda: Polling(types="abc"), "types must be a tuple of event types such as 'earthquake.detected', got 'abc'"),
        (lambda: Webhook(types=("",)), "types must be a tuple of event types"),
        (lambda: Aimd(add=0), "add must be from 1e-06 to 1e+09 seconds, got 0"),
        (lambda: Aimd(add=-5), "add must be from 1e-06 to 1e+09 seconds, got -5"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name_and_value(made, said):
    with pytest.raises(ValueError) as caught:
        made()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "approach",
    [
        OnDemand(interval=0.001),
        Hybrid(reconcile_interval=0.001),
        LongPolling(wait=0.001),
        Aimd(0.001, 0.001, 0.001, 0.001),
    ],
    ids=repr,
)
def test_a_run_that_would_never_end_is_refused(approach):
    with pytest.raises(ValueError, match="the limit is 5,000,000"):
        compare(earthquakes(), [approach])


def test_a_connection_is_held_up_to_the_horizon_at_the_longest():
    measured = compare(poisson(3600, 5.0), [LongPolling(), Stream()]).rows()
    assert all(each["connection_seconds"] <= 5 for each in measured)


@pytest.mark.parametrize("junk", ["[]", '{"id": 7}', '{"id": "evt_2", "type": "a.b", "timestamp": "t", "data": {}}'])
def test_a_thin_receiver_takes_no_other_event_than_the_one_that_was_announced(junk):
    """503: the source is to come again, as if it could not be read."""
    clock, ledger, app = VirtualClock(), Ledger(), Flask("source")
    network = MemoryNetwork(clock, ledger)
    app.add_url_rule("/subscriptions", "subscribe", lambda: {"id": "sub_1", "secret": SECRET}, methods=["POST"])
    app.add_url_rule("/subscriptions/sub_1/verify", "verify", lambda: {"id": "sub_1"}, methods=["POST"])
    app.add_url_rule("/events/evt_1", "event", lambda: Response(junk, mimetype="application/json"))
    consumer = Consumer("me", network.host("source", app), clock, network, ledger)
    ledger.add_consumer("me")
    body = b'{"id":"evt_1","type":"a.b","timestamp":"t","data":{}}'
    with clock:
        Thin().subscribe(consumer)
        headers = signing.headers([SECRET], "evt_1", int(clock.epoch + clock.now()), body)
        with network.client("source", "delivery") as client:
            answer = client.post("http://me/hook", content=body, headers=headers | {"Content-Type": "application/json"})
    assert (answer.status_code, ledger.received) == (503, 0)
    assert answer.text.startswith("the source could not be read: the answer must be the event evt_1, got ")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("[]", "the answer 200 must have an id, or the detail of an error, got 2 bytes without them"),
        (f'{{"id": "../x", "secret": "{SECRET}"}}', "the answer 200 must have an id, or the detail of an error, got "),
        ('{"id": "sub_1"}', "the source gave no secret for http://me/hook: if it is subscribed already"),
        ('{"id": "sub_1", "secret": "abc"}', "secret must be whsec_"),
    ],
)
def test_a_source_that_answers_a_subscription_with_something_else_is_refused_before_the_run(answer, error):
    clock, ledger, app = VirtualClock(), Ledger(), Flask("source")
    network = MemoryNetwork(clock, ledger)
    app.post("/subscriptions")(lambda: Response(answer, mimetype="application/json"))
    consumer = Consumer("me", network.host("source", app), clock, network, ledger)
    with clock, pytest.raises((httpx.DecodingError, RuntimeError, ValueError), match=re.escape(error)) as refused:
        Webhook().subscribe(consumer)
    assert SECRET not in str(refused.value)
