"""Each fault by hand: the instants of its attempts and receipts.

One-way delay 0.02 s; events at 10, 20, 30 and 40 s; the source waits 5 s and then 30 s before it delivers again.
"""

import math
from collections import Counter
from dataclasses import replace
from itertools import count
from random import Random

import pytest
from test_faults import happening, received, run, sent

from labkit import (
    FAULTS,
    Batched,
    ClockSkew,
    ConditionalFeed,
    Delay,
    Disorder,
    Doorbell,
    DrippingAnswer,
    Handshake,
    Hybrid,
    IncompleteAnswer,
    JunkAnswer,
    LateCommit,
    Leased,
    LongPolling,
    LostRequest,
    Outage,
    Poison,
    Polling,
    RealLens,
    Relay,
    RetryProfile,
    Scenario,
    SlowAnswer,
    Status,
    Stream,
    Thin,
    VirtualClock,
    Webhook,
)
from labkit.cli.named import parse_named
from labkit.lenses.scaling import scaled
from labkit.network.http1 import head_size, request_size
from labkit.network.memory import Pipe

SECOND = {"attempts": (1,), "events": ("evt_2",)}
"""The first attempt of the event of 20 s."""


def row(result, at):
    """The exchange that was sent at an instant."""
    (found,) = result.exchanges[result.exchanges.sent_at.round(6) == at].itertuples()
    return found


def ends(result, kind="delivery"):
    """How many exchanges ended in each way."""
    return Counter(how for _, how in sent(result, kind))


# requests and answers that are lost or late -----------------------------------------------------


def test_a_lost_request_ends_at_the_timeout_and_leaves_no_duplicate():
    result = run(Webhook(), LostRequest(**SECOND), timeout=3.0)
    assert received(result) == [10.02, 28.02, 30.02, 40.02]  # 20 + 3 + 5 + 0.02
    assert set(result.receipts.copies) == {1}
    lost = row(result, 20)
    assert (lost.error, lost.answered_at, lost.bytes_in) == ("ReadTimeout", 23, 0)
    assert lost.bytes_out == row(result, 10).bytes_out  # it was sent


def test_a_slow_answer_delays_what_is_in_it_and_the_next_poll():
    """Polled at 0 s, answered at 10.04 s with what was there at 0.02 s; polled again 15 s after that."""
    result = run(Polling(interval=15), SlowAnswer(seconds=10, duration=16))
    assert [at for at, _ in sent(result, "poll")][:3] == [0, 25.04, 40.08]
    assert received(result) == [25.08, 25.08, 40.12, 40.12]
    assert result.row()["error_requests"] == 0


def test_a_slow_acknowledgement_costs_nothing_before_the_timeout_and_a_duplicate_after_it():
    for seconds, copies in ((2.95, 1), (2.96, 2)):
        result = run(Webhook(), SlowAnswer(seconds=seconds, **SECOND), timeout=3.0)
        assert received(result) == [10.02, 20.02, 30.02, 40.02]
        assert result.receipts.copies.tolist() == [1, copies, 1, 1]


def test_a_drip_is_as_slow_as_it_has_bytes_and_a_read_timeout_does_not_end_it():
    """195 bytes at 0.5 s each are 97.5 s, and a client waits 30 s for each."""
    result = run(Polling(interval=15), DrippingAnswer(seconds=0.5, duration=1))
    first = row(result, 0)
    assert (first.status, first.error, first.bytes_in) == (200, "", 195)
    assert round(first.answered_at, 6) == round(0.04 + 195 * 0.5, 6)
    result = run(Polling(interval=15), DrippingAnswer(seconds=30, duration=1))
    assert sent(result, "poll")[0] == (0, "ReadTimeout")
    assert round(row(result, 0).answered_at, 6) == 30.04


def test_a_drip_is_ended_by_the_deadline_of_a_delivery():
    """The answer begins at 20.04 s; 59 bytes at 0.05 s each have arrived when the source gives up at 23 s."""
    result = run(Webhook(), DrippingAnswer(seconds=0.05, **SECOND), timeout=3.0)
    dripped = row(result, 20)
    assert (dripped.error, dripped.answered_at, dripped.bytes_in) == ("ReadTimeout", 23, 59)
    assert result.receipts.copies.tolist() == [1, 2, 1, 1]


def test_an_outage_cuts_a_drip():
    result = run(Polling(interval=15), DrippingAnswer(seconds=0.5, duration=1), Outage(start=25, duration=1))
    assert (row(result, 0).error, row(result, 0).answered_at) == ("ReadError", 25)
    result = run(Polling(interval=15), DrippingAnswer(seconds=0.5, duration=1), Outage(start=95, duration=1))
    assert (row(result, 0).error, row(result, 0).status, row(result, 0).answered_at) == ("ReadError", 200, 95)


def test_a_delivery_that_is_held_back_is_overtaken():
    result = run(Webhook(), Disorder(seconds=12, every=2))
    assert received(result) == [10.02, 32.02, 30.02, 52.02]
    assert ends(result) == {200: 4}
    late = run(Webhook(), Disorder(seconds=12, **SECOND), timeout=3.0)
    assert received(late)[1] == 28.02  # lost at the timeout of 3 s, and sent again 5 s later
    assert set(late.receipts.copies) == {1}


# answers that are no use ------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "raised"), [("reset", "ReadError"), ("truncated", "RemoteProtocolError")])
def test_an_incomplete_page_fails_the_poll_and_moves_no_cursor(error, raised):
    result = run(Polling(interval=15), IncompleteAnswer(error=error, duration=16))
    assert sent(result, "poll")[:3] == [(0, raised), (15.04, raised), (30.08, 200)]
    assert received(result) == [30.12, 30.12, 30.12, 45.16]
    assert row(result, 0).bytes_in == 195 - 56 // 2  # the empty page's body has 56 bytes
    assert result.row()["error_requests"] == 2
    assert result.row()["duplicates"] == 0


@pytest.mark.parametrize("fault", [IncompleteAnswer(**SECOND), JunkAnswer(part="status_line", **SECOND)])
def test_an_acknowledgement_that_breaks_is_a_duplicate_without_a_wait(fault):
    result = run(Webhook(), fault)
    assert sent(result, "delivery")[2] == (25.04, 200)  # a round trip and 5 s later
    assert result.receipts.copies.tolist() == [1, 2, 1, 1]
    assert received(result) == [10.02, 20.02, 30.02, 40.02]


@pytest.mark.parametrize("fault", [IncompleteAnswer(duration=5), JunkAnswer(duration=5)])
def test_a_stream_that_breaks_is_opened_again(fault):
    result = run(Stream(), fault)
    assert [at for at, _ in sent(result, "poll")] == [0, 3.04, 6.08]  # 3 s apart: `retry` has not arrived
    assert received(result) == [10.02, 20.02, 30.02, 40.02]


@pytest.mark.parametrize(
    "approach",
    [Polling(interval=5), LongPolling(), ConditionalFeed(interval=5), Relay(interval=5), Hybrid(reconcile_interval=5)],
    ids=lambda approach: approach.name,
)
def test_junk_is_an_error_and_is_polled_again(approach):
    result = run(approach, JunkAnswer(duration=45, kinds=("poll",)))
    junk = result.exchanges[(result.exchanges.kind == "poll") & (result.exchanges.sent_at < 45)]
    assert set(junk.error) == {"DecodingError"}
    assert set(junk.outcome) == {"error"}
    assert result.row()["lost"] == 0


def test_junk_for_a_fetch_is_a_failed_delivery():
    result = run(Thin(), JunkAnswer(kinds=("fetch",), **SECOND))
    assert ends(result) == {200: 4, 503: 1}
    assert result.row()["lost"] == 0


@pytest.mark.parametrize("fault", [JunkAnswer, lambda **when: Status(status=410, **when)])
def test_junk_for_a_sync_is_a_failed_notice_and_moves_no_cursor(fault):
    """A 410 that names no cursor is junk too. The second notice's sync fails, and its retry brings the event."""
    result = run(Doorbell(), fault(kinds=("fetch",), start=15, duration=10))
    assert ends(result) == {200: 4, 503: 1}
    assert received(result) == [10.06, 25.14, 30.06, 40.06]


def test_junk_for_a_renewal_is_a_failed_one():
    """Renewed 40 s after the first lease starts, and again every 10 s until an answer can be read."""
    junk = JunkAnswer(kinds=("action",), duration=55)
    result = run(Leased(ttl=60, renew_before=20, retry_wait=10), junk)
    actions = result.exchanges[result.exchanges.kind == "action"]
    assert actions.error.tolist()[:3] == ["DecodingError", "DecodingError", ""]
    assert result.row()["lost"] == 0


def test_a_run_that_gets_junk_to_the_end_is_cut_off_and_nothing_is_called_lost():
    with pytest.raises(RuntimeError, match="not settled .* give junk_answer a duration"):
        run(Polling(interval=600), JunkAnswer())


def test_a_receivers_junk_is_an_acknowledgement_all_the_same():
    result = run(Webhook(), JunkAnswer(kinds=("delivery",)))
    assert ends(result) == {200: 4}


# bursts and poison ------------------------------------------------------------------------------


def test_a_window_recurs_by_its_period():
    """From 10 up to 15 s, 30 to 35 s, …: half-open each time."""
    fault = Status(start=10, duration=5, period=20)
    active = {at: fault.active(at) for at in (9.999, 10, 14.999999, 15, 29.999, 30, 34.999, 35, 50.0)}
    assert list(active.values()) == [False, True, True, False, False, True, True, False, True]
    assert fault.end == math.inf
    result = run(Polling(interval=4), fault)
    assert [at for at, how in sent(result, "poll") if how == 503][:3] == [12.12, 32.32, 52.52]


def test_a_period_is_exact_where_floats_are_not():
    fault = Status(start=0.1, duration=0.1, period=0.3)
    assert all(fault.active(round(0.1 + 0.3 * n, 9)) for n in range(1000))
    assert not any(fault.active(round(0.2 + 0.3 * n, 9)) for n in range(1000))


def test_an_outage_that_recurs_cuts_each_time():
    result = run(Stream(), Outage(start=12, duration=1, period=10))
    cut = result.exchanges[result.exchanges.error == "ReadError"].answered_at.tolist()
    assert cut[:3] == [12, 22, 32]
    assert result.row()["lost"] == 0


def test_a_poison_event_is_attempted_until_the_source_gives_up_and_the_others_flow():
    result = run(Webhook(), Poison(events=("evt_2",)))
    assert [at for at, how in sent(result, "delivery") if how == 500] == [20, 25.04, 55.08]
    assert [event for event in received(result) if event == event] == [10.02, 30.02, 40.02]
    assert result.row()["lost"] == 1
    refused = run(Webhook(), Poison(events=("evt_2",), status=422))
    assert ends(refused) == {200: 3, 422: 1}


def test_a_poison_event_takes_its_batch_with_it():
    result = run(Batched(count=2, max_wait=60), Poison(events=("evt_2",)))
    assert result.receipts.copies.tolist() == [0, 0, 1, 1]


# the world --------------------------------------------------------------------------------------


def test_a_receiver_whose_clock_is_ahead_refuses_signatures_and_catches_up():
    """From 15 up to 35 s it is 600 s ahead. The event of 20 s comes again at 25 and at 55 s, that of 30 s at 35 s."""
    for seconds in (600, -600, 301.1, -300.1):
        result = run(Webhook(), ClockSkew(start=15, duration=20, seconds=seconds))
        assert sorted(at for at, how in sent(result, "delivery") if how == 401) == [20, 25.04, 30]
        assert received(result) == [10.02, 55.1, 35.06, 40.02]
    for seconds in (299, -299):
        assert ends(run(Webhook(), ClockSkew(start=15, duration=20, seconds=seconds))) == {200: 4}


def test_a_relays_clock_can_be_wrong_too_and_polls_read_no_clock():
    assert ends(run(Relay(interval=5), ClockSkew(start=15, duration=20)))[401] == 3
    for approach in (Doorbell(), Leased()):
        assert ends(run(approach, ClockSkew(start=15, duration=20)))[401] > 0
    assert ends(run(Polling(interval=5), ClockSkew()), "poll")[401] == 0


def test_an_event_that_is_committed_late_comes_after_later_ones_and_no_cursor_skips_it():
    result = run(Webhook(), LateCommit(every=2, seconds=15))
    assert received(result) == [10.02, 35.02, 30.02, 55.02]
    polled = run(Polling(interval=10, fixed="rate"), LateCommit(every=2, seconds=15))
    assert received(polled) == [10.04, 40.04, 30.04, 60.04]
    for each in (result, polled):
        assert each.row()["lost"] == each.row()["duplicates"] == 0


def test_a_run_waits_for_what_is_committed_after_the_horizon():
    """Committed at 115 s, polled every 7 s: the polls after the horizon, which find nothing, do not end the run."""
    for approach in (Polling(interval=7), Stream(), Webhook()):
        result = run(approach, LateCommit(events=("evt_4",), seconds=75))
        assert result.row()["lost"] == 0
        assert received(result)[3] >= 115.02


def test_which_events_are_late_depends_on_the_seed_alone():
    def late(seed):
        lag = run(Webhook(), LateCommit(p=0.3), instants=range(100), duration=200, seed=seed).receipts.latency
        return (lag > 40).tolist()

    assert late(0) == late(0) != late(1)
    assert abs(sum(late(0)) - 30) < 4.3 * math.sqrt(100 * 0.3 * 0.7)


def test_a_constant_delay_is_added_each_way():
    result = run(Webhook(), Delay(law="constant", mean=0.5))
    assert received(result) == [10.52, 20.52, 30.52, 40.52]
    assert round(row(result, 10).answered_at, 6) == 11.04
    busy = run(Webhook(), Delay(law="constant", mean=0.5), Status(**SECOND))
    assert round(row(busy, 20).answered_at, 6) == 21.04


LAWS = {
    "uniform": (1 / math.sqrt(3), 0.1),
    "exponential": (1.0, 0.1 * math.log(2)),
    "lognormal": (math.sqrt(math.e - 1), 0.1 * math.exp(-0.5)),
}
"""Of each law with mean 0.1 s: its standard deviation / mean, and its median in seconds."""


@pytest.mark.parametrize("law", LAWS)
def test_a_delay_follows_its_law(law):
    """10,000 draws: mean and median within 4.3 standard errors (of the share below the median: a half)."""
    chance, spread, median = Random(0), *LAWS[law]
    draws = [Delay(law=law, mean=0.1).leg(chance) for _ in range(10_000)]
    assert abs(sum(draws) / 10_000 - 0.1) < 4.3 * spread * 0.1 / 100
    assert abs(sum(draw < median for draw in draws) - 5000) < 4.3 * 50
    assert min(draws) >= 0


def test_delays_are_drawn_for_each_message_and_by_the_seed():
    first, again, other = (run(Webhook(), Delay(), seed=seed) for seed in (0, 0, 1))
    assert received(first) == received(again) != received(other)
    there = first.receipts.latency.round(6).tolist()
    sent_at, back = first.exchanges.sent_at, first.exchanges.answered_at
    ways = [round(b - a - t, 6) for a, b, t in zip(sent_at[-4:], back[-4:], there, strict=True)]
    assert len({*there, *ways}) == 8
    assert min(there + ways) > 0.02


def test_a_stream_stays_in_order_and_deliveries_need_not():
    instants = [10 + n / 10 for n in range(100)]
    streamed = received(run(Stream(), Delay(mean=1.0), instants=instants))
    assert streamed == sorted(streamed)
    delivered = received(run(Webhook(), Delay(mean=1.0), instants=instants))
    assert delivered != sorted(delivered)


def test_a_chunk_is_as_late_as_the_one_before_it_or_later():
    clock, arrived = VirtualClock(), []
    pipe = Pipe(clock, 0.0, iter([3.0, 4.0, 1.0]).__next__)
    for chunk in "abc":
        pipe.put(chunk, 1)
    while len(arrived) < 3:
        arrived += [(clock.now(), chunk) for _, chunk, _ in pipe.get(None)]
    assert arrived == [(3, "a"), (4, "b"), (4, "c")]


def test_a_delay_holds_in_its_window_and_on_a_stream_for_what_is_sent_in_it():
    """The stream was opened before; the event of 30 s is 0.5 s late."""
    result = run(Stream(), Delay(law="constant", mean=0.5, start=25, duration=10))
    assert received(result) == [10.02, 20.02, 30.52, 40.02]


def test_a_new_connection_costs_its_handshake_and_one_that_is_used_again_does_not():
    """2 round trips of 0.04 s. Events 10 s apart: each delivery has a new connection; 4 s apart: only the first."""
    rare, often = (run(Webhook(), Handshake(trips=2), instants=(10, 10 + gap)) for gap in (10, 4))
    assert received(rare) == [10.1, 20.1]
    assert received(often) == [10.1, 14.02]
    slow = run(Webhook(), Handshake(), Delay(law="constant", mean=0.5))
    assert received(slow)[0] == 10 + 3 * 0.52


@pytest.mark.parametrize("fault", [Delay(), Handshake()], ids=lambda fault: fault.name)
def test_the_real_lens_refuses_what_it_cannot_run(fault):
    world = Scenario(happening([1], 2), delay=0.0, faults=(fault,))
    said = f"{fault.name}: the real lens cannot run it, since it adds no delay to .*: use the virtual lens"
    with pytest.raises(ValueError, match=said):
        RealLens().check(world, Polling())


def test_the_real_lens_refuses_what_comes_after_its_drain():
    world = Scenario(happening([1], 2), delay=0.0, retries=RetryProfile(waits=(200,), timeout=1.0))
    late = replace(world, faults=(LateCommit(seconds=240),))
    with pytest.raises(ValueError, match="may be committed 240 s late, and a real run waits 120 s .* use speed 2 or"):
        RealLens().check(late, Polling())
    RealLens(speed=2).check(late, Polling())
    for fault in (SlowAnswer(seconds=1, duration=5), ClockSkew(duration=5), Disorder(seconds=1, duration=5)):
        with pytest.raises(ValueError, match="a retry may be due (199|200) s after the horizon"):
            RealLens().check(replace(world, faults=(fault,)), Webhook())
    RealLens().check(replace(world, faults=(SlowAnswer(seconds=0.9, duration=5),)), Webhook())


def test_speed_divides_the_times_of_a_fault_and_leaves_the_skew_as_the_tolerance_is():
    faults = (SlowAnswer(seconds=6), Status(duration=60, period=600), ClockSkew(start=600), LateCommit(seconds=60))
    world = Scenario(happening([1], 3600), delay=0.0, faults=faults)
    slow, burst, skew, late = scaled(world, Polling(), 60)[0].faults
    assert (slow.seconds, burst.duration, burst.period, late.seconds) == (0.1, 1, 10, 1)
    assert (skew.start, skew.seconds) == (10, 600)


# values and names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Poison(), "poison needs the event: give its id in events, or every=10"),
        (lambda: Poison(every=2, attempts=(1,)), "poison takes no attempts, got (1,): leave it out"),
        (lambda: ClockSkew(p=0.5), "clock_skew takes no p, got 0.5: leave it out"),
        (lambda: ClockSkew(seconds=math.inf), "seconds must be a finite number seconds ahead, got inf"),
        (lambda: LateCommit(kinds=("poll",)), "late_commit takes no kinds, got ('poll',): leave it out"),
        (lambda: LateCommit(seconds=0), "seconds must be > 0 seconds, got 0"),
        (lambda: Delay(law="normal"), "law must be 'constant' or 'uniform' or 'exponential' or 'lognormal'"),
        (lambda: Delay(mean=-1), "mean must be > 0 seconds each way, got -1"),
        (lambda: Handshake(trips=0), "trips must be a whole number from 1 to 10 round trips, got 0"),
        (lambda: SlowAnswer(seconds=0), "seconds must be > 0 seconds, got 0"),
        (lambda: DrippingAnswer(seconds=-1), "seconds must be > 0 seconds per byte, got -1"),
        (lambda: Status(duration=10, period=10), "period must be > 10 seconds, the duration, got 10"),
        (lambda: Status(period=10), "duration must be a finite number > 0 seconds, since the fault recurs, got inf"),
        (lambda: JunkAnswer(part="head"), "part must be 'body' or 'status_line', got 'head'"),
    ],
    ids=count(1),
)
def test_a_value_that_makes_no_sense_is_refused(made, said):
    with pytest.raises(ValueError) as refused:
        made()
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lost_request:kinds=delivery,p=0.1", LostRequest(kinds=("delivery",), p=0.1)),
        ("status:status=429,retry_after=60,duration=30,period=900",
         Status(status=429, retry_after=60, duration=30, period=900)),
        ("delay:law=lognormal,mean=0.2,sigma=2", Delay(law="lognormal", mean=0.2, sigma=2)),
        ("poison:events=evt_1+evt_2,status=422", Poison(events=("evt_1", "evt_2"), status=422)),
        ("clock_skew:seconds=-400,duration=60", ClockSkew(seconds=-400, duration=60)),
        ("late_commit:seconds=5,every=3", LateCommit(seconds=5, every=3)),
    ],
)  # fmt: skip
def test_the_command_line_has_it_too(text, fault):
    assert parse_named("--fault", text, FAULTS) == fault


@pytest.mark.parametrize("fault", [*FAULTS.values()], ids=FAULTS)
def test_the_docstring_says_how_it_shows(fault):
    text = " ".join(fault.__doc__.split())
    assert "n the table: " in text
    assert any(character.isdigit() for character in text.partition("n the table: ")[2])


def test_the_sizes_of_messages_are_those_that_the_sockets_count():
    import httpx

    answer = httpx.Response(200, headers={"Server": "labkit", "Content-Length": "0"})
    assert head_size(answer) == len(b"HTTP/1.1 200 OK\r\nServer: labkit\r\nContent-Length: 0\r\n\r\n")
    request = httpx.Request("GET", "http://source/events?after=", headers={"Host": "source"})
    assert request_size(request) == len(b"GET /events?after= HTTP/1.1\r\n") + sum(
        len(name) + len(value) + 4 for name, value in request.headers.raw
    ) + len(b"\r\n")
