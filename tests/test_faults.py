"""Faults are data: each does what it says in the virtual lens, and the same in the real one."""

import math
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import labkit
from labkit import (
    FAULTS,
    Arrivals,
    Batched,
    ClockSkew,
    Disorder,
    DrippingAnswer,
    Event,
    FakeStream,
    Hybrid,
    IncompleteAnswer,
    JunkAnswer,
    LateCommit,
    LongPolling,
    LostAnswer,
    LostRequest,
    Nat,
    Outage,
    Poison,
    Polling,
    RateLimit,
    RealLens,
    Relay,
    RetryProfile,
    Scenario,
    SlowAnswer,
    Status,
    Stream,
    VirtualLens,
    Webhook,
    poisson,
)
from labkit.arrivals import EPOCH
from labkit.lenses.scaling import scaled

DELAY, DAY = 0.02, 86_400.0


def happening(instants, duration):
    events = (Event(f"evt_{n}", "tick.happened", at, {}) for n, at in enumerate(instants, start=1))
    return Arrivals("made", tuple(events), duration, EPOCH, {})


def run(approach, *faults, instants=(10, 20, 30, 40), duration=100, waits=(5, 30), timeout=30.0, **world):
    retries = RetryProfile(waits=waits, timeout=timeout)
    scenario = Scenario(happening(instants, duration), delay=DELAY, retries=retries, faults=faults, **world)
    return VirtualLens().run(scenario, approach)


def received(result):
    return result.receipts.received_at.round(6).tolist()


def sent(result, kind):
    """When the exchanges of a kind were sent, and how each ended."""
    rows = result.exchanges[result.exchanges.kind == kind]
    return [
        (round(at, 6), error or status) for at, error, status in zip(rows.sent_at, rows.error, rows.status, strict=True)
    ]


# an outage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["receiver", "source", "network"])
def test_in_an_outage_calls_are_refused_at_once_and_retried_by_the_schedule(target):
    """From 20 s up to 25 s, which is outside: the event of 20 s fails at once, and its retry 5 s later arrives."""
    result = run(Webhook(), Outage(target=target, start=20, duration=5))
    assert sent(result, "delivery") == [(10, 200), (20, "ConnectError"), (25, 200), (30, 200), (40, 200)]
    assert received(result) == [10.02, 25.02, 30.02, 40.02]


def test_a_window_is_half_open():
    """At its start an exchange is refused; one sent just before is cut on its way; at its end all is well."""
    for start, ended in ((10, "ConnectError"), (10.000001, "ReadError"), (5, 200)):
        assert sent(run(Webhook(), Outage(start=start, duration=5)), "delivery")[0] == (10, ended)


def test_a_delivery_that_is_on_its_way_when_the_receiver_goes_down_never_arrives():
    """Sent at 20 s, it would arrive at 20.02 s; the outage begins at 20.01 s, and the source notices then."""
    result = run(Webhook(), Outage(start=20.01, duration=1))
    rows = result.exchanges[result.exchanges.error == "ReadError"]
    assert rows.answered_at.round(6).tolist() == [20.01]
    assert set(result.receipts.copies) == {1}
    assert received(result)[1] == 25.03  # the retry, 5 s after the attempt had failed


def test_an_acknowledgement_that_is_on_its_way_is_cut_too_and_the_event_comes_twice():
    result = run(Webhook(), Outage(start=20.03, duration=1))
    assert result.receipts.copies.tolist() == [1, 2, 1, 1]
    assert received(result)[1] == 20.02


def test_a_call_can_time_out_instead_and_then_takes_the_callers_whole_timeout():
    result = run(Webhook(), Outage(start=20, duration=5, error="timeout"), timeout=2.0)
    rows = result.exchanges[result.exchanges.error == "ConnectTimeout"]
    assert (rows.answered_at - rows.sent_at).round(6).tolist() == [2.0]
    assert received(result)[1] == 27.02


def test_a_poller_fails_during_an_outage_and_gets_everything_by_its_cursor_after_it():
    result = run(Polling(interval=4), Outage(start=15, duration=20, target="source"))
    errors = [at for at, error in sent(result, "poll") if error == "ConnectError"]
    assert 4 <= len(errors) <= 5
    assert min(errors) >= 15
    assert max(errors) < 35
    row = result.row()
    assert (row["lost"], row["duplicates"], row["error_requests"]) == (0, 0, len(errors))


@pytest.mark.parametrize("approach", [Stream(), FakeStream(interval=1), LongPolling(wait=50)], ids=lambda a: a.name)
def test_an_open_answer_is_cut_when_the_outage_begins_and_asked_for_again_after_it(approach):
    result = run(approach, Outage(start=25, duration=10))
    first = result.exchanges[(result.exchanges.kind == "poll") & (result.exchanges.sent_at < 25)].iloc[-1]
    assert (first.error, round(first.answered_at, 6)) == ("ReadError", 25.0)
    assert result.row()["lost"] == 0
    assert received(result)[2] >= 35


@pytest.mark.parametrize("selector", [{"p": 0.0}, {"kinds": ("delivery",)}, {"every": 2}, {"attempts": (2,)}])
def test_an_outage_cuts_only_the_open_answers_that_it_hits(selector):
    result = run(Stream(), Outage(start=25, duration=10, **selector))
    assert sent(result, "poll") == [(0, "unanswered")]
    assert received(result) == [10.02, 20.02, 30.02, 40.02]


def test_an_outage_of_the_receiver_takes_its_relay_with_it_and_one_of_the_source_does_not():
    """A consumer is down with all that it hosts."""
    down, up = (
        run(Relay(interval=2), Outage(target=target, start=15, duration=10)) for target in ("receiver", "source")
    )
    assert [error for at, error in sent(down, "poll") if 15 <= at < 25] == ["ConnectError"] * 5
    assert [error for at, error in sent(up, "poll") if 15 <= at < 25] == [200] * 5
    for result in (down, up):
        assert [error for at, error in sent(result, "delivery") if at == 20] == ["ConnectError"]


def test_an_outage_without_an_end_is_cut_off_and_nothing_is_called_lost():
    with pytest.raises(RuntimeError, match="polling interval=600 was not settled .* give outage a duration"):
        run(Polling(interval=600), Outage(start=15))


@pytest.mark.parametrize(
    ("approach", "waits", "world"),
    [
        (Webhook(), (20 * DAY,), {"faults": (Status(attempts=(1,)),)}),
        (Polling(interval=600), (), {"faults": (Outage(duration=8 * DAY),)}),
        (Polling(interval=20 * DAY), (), {}),
        (Polling(interval=600), (), {"rate_limit": RateLimit(poll_interval=6 * DAY)}),
    ],
    ids=["a wait of 20 days", "an outage of 8 days", "an interval of 20 days", "X-Poll-Interval of 6 days"],
)
def test_the_drain_is_long_enough_for_what_can_still_come(approach, waits, world):
    retries = RetryProfile(waits=waits, longest_retry_after=0)
    result = VirtualLens().run(Scenario(happening([10], 100), retries=retries, **world), approach)
    assert result.row()["lost"] == 0
    assert result.receipts.latency[0] > 5 * DAY


# a lost answer ----------------------------------------------------------------------------------


def test_a_lost_acknowledgement_is_a_duplicate_after_the_senders_timeout_and_the_wait():
    result = run(Webhook(), LostAnswer(kinds=("delivery",), attempts=(1,), events=("evt_2",)), timeout=3.0)
    assert sent(result, "delivery")[1:3] == [(20, "ReadTimeout"), (28, 200)]
    assert result.receipts.copies.tolist() == [1, 2, 1, 1]
    assert received(result) == [10.02, 20.02, 30.02, 40.02]


def test_a_reset_connection_is_noticed_where_the_answer_would_have_come():
    result = run(Webhook(), LostAnswer(error="reset", attempts=(1,), events=("evt_2",)))
    rows = result.exchanges[result.exchanges.error == "ReadError"]
    assert (rows.answered_at - rows.sent_at).round(6).tolist() == [0.04]
    assert rows.bytes_in.tolist() == [0]


def test_a_poll_whose_answer_is_lost_moves_no_cursor():
    result = run(Polling(interval=10), LostAnswer(kinds=("poll",), start=9, duration=4, error="reset"))
    assert result.row()["lost"] == result.row()["duplicates"] == 0
    assert len(result.exchanges[result.exchanges.error == "ReadError"]) == 1


# a fault that waits ------------------------------------------------------------------------------


def test_a_fault_can_keep_a_sender_waiting():
    result = run(Polling(interval=100, initial_delay=15), SlowAnswer(seconds=3, kinds=("poll",), duration=20))
    assert sent(result, "poll")[0] == (15, 200)
    assert received(result)[0] == 18.04  # and the event of 16 s was not in it
    assert received(result)[1] > 100


@pytest.mark.parametrize("fault", [LostAnswer(kinds=("poll",)), Outage(start=5, error="timeout")], ids=lambda f: f.name)
def test_a_client_that_would_wait_forever_is_told_to_set_a_timeout(fault):
    class Patient(Polling):
        def run(self, consumer):
            consumer.clock.sleep_until(10)
            consumer.client("poll").get("/events", timeout=None)
            super().run(consumer)

    with pytest.raises(RuntimeError, match="a client without a timeout would wait forever, since the .*: give it"):
        run(Patient(), fault)
    assert sent(run(Patient(), SlowAnswer(seconds=3, kinds=("poll",))), "poll")[:2] == [(10, 200), (13.04, 200)]


def test_a_wait_that_is_longer_than_the_senders_timeout_ends_there():
    """The source waits for 3 s in all, the round trip included: an answer 2.96 s late comes at that very instant."""
    for seconds, copies, ended in ((2.95, 1, 200), (2.96, 2, "ReadTimeout"), (40, 2, "ReadTimeout")):
        result = run(Webhook(), SlowAnswer(seconds=seconds, attempts=(1,), events=("evt_2",)), timeout=3.0)
        assert sent(result, "delivery")[1] == (20, ended)
        assert result.receipts.copies.tolist() == [1, copies, 1, 1]
        rows = result.exchanges[result.exchanges.error == "ReadTimeout"]
        assert (rows.answered_at - rows.sent_at).round(6).tolist() == [3.0] * (copies - 1)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("slow", "start"), [(SlowAnswer(), 25.0), (LostAnswer(), 25.0), (Status(), 20.01)], ids=["late", "lost", "503"]
)
def test_an_outage_cuts_what_a_fault_makes_wait_when_it_begins(slow, start, order):
    slow = replace(slow, attempts=(1,), events=("evt_2",))
    result = run(Webhook(), *(slow, Outage(start=start, duration=1))[::order])
    rows = result.exchanges[result.exchanges.error == "ReadError"]
    assert rows.answered_at.round(6).tolist() == [start]


def test_speed_takes_a_fault_that_waits_and_never_fails_and_refuses_one_longer_than_a_clients_timeout():
    world = Scenario(poisson(60, 3600), delay=0.0, faults=(SlowAnswer(seconds=3),))
    RealLens(speed=60).check(world, Stream())
    with pytest.raises(ValueError, match="slow_answer: a client waits 30 s for an answer"):
        RealLens(speed=60).check(replace(world, faults=(SlowAnswer(seconds=30),)), Polling())
    with pytest.raises(ValueError, match="slow_answer: set-up would wait up to 3 s, and the real lens allows 1 s"):
        RealLens().check(
            replace(world, arrivals=poisson(60, 60), faults=(SlowAnswer(seconds=3, start=-90),)), Webhook()
        )


# a status of somebody else's --------------------------------------------------------------------


def test_a_status_is_answered_after_a_round_trip_and_the_host_sees_nothing():
    result = run(Webhook(), Status(status=502, every=2, attempts=(1,)))
    failed = result.exchanges[result.exchanges.status == 502]
    assert failed.sent_at.tolist() == [20, 40]
    assert (failed.answered_at - failed.sent_at).round(6).tolist() == [0.04, 0.04]
    assert set(result.receipts.copies) == {1}
    assert received(result) == [10.02, 25.06, 30.02, 45.06]


def test_a_429_of_somebody_elses_makes_a_poller_pause_for_its_retry_after():
    result = run(Polling(interval=4), Status(status=429, retry_after=17, start=12, duration=2))
    instants = [at for at, _ in sent(result, "poll")]
    (at,) = [at for at, status in sent(result, "poll") if status == 429]
    assert result.row()["error_requests"] == 1
    assert instants[instants.index(at) + 1] == round(at + 0.04 + 17, 6)


def test_its_bytes_are_those_that_http_writes():
    """As h11 writes the answer that the fault gives, and the request as a poll without a fault has it."""
    import h11

    result = run(Polling(interval=50), Status(status=503, retry_after=5, start=0, duration=1))
    first, second = result.exchanges[result.exchanges.kind == "poll"].iloc[:2].itertuples()
    assert first.bytes_out == second.bytes_out
    body = b"503 by the fault 'status'\n"
    sizes = {"Retry-After": "5", "Content-Type": "text/plain", "Content-Length": str(len(body))}
    headers = [("Server", "labkit"), ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"), *sizes.items()]
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: source\r\n\r\n")
    connection.next_event()
    head = connection.send(h11.Response(status_code=503, headers=headers, reason="Service Unavailable"))
    assert first.bytes_in == len(head) + len(body)


# NAT --------------------------------------------------------------------------------------------


def test_behind_nat_a_webhook_cannot_be_set_up_and_polling_and_a_relay_work():
    with pytest.raises(RuntimeError, match="ConnectTimeout: consumer-1 may call, but cannot be called"):
        run(Webhook(), Nat())
    for approach in (Polling(interval=5), Relay(interval=5)):
        assert run(approach, Nat()).row()["lost"] == 0


def test_nat_costs_the_caller_its_whole_timeout():
    with pytest.raises(RuntimeError, match="may call"):
        run(Webhook(), Nat(), timeout=5.0)
    calls = run(Webhook(), Nat(start=0), timeout=5.0).exchanges
    calls = calls[calls.kind == "delivery"]
    assert set(calls.error) == {"ConnectTimeout"}
    assert set((calls.answered_at - calls.sent_at).round(6)) == {5.0}


def test_nat_can_end():
    result = run(Relay(interval=5), Nat(duration=50))
    assert result.row()["lost"] == 0
    assert Nat(duration=50).end == 50
    assert Nat().end == Nat(start=5).end == math.inf


def test_set_up_that_an_outage_refuses_is_an_error_that_says_so():
    with pytest.raises(RuntimeError, match="set-up failed: ConnectError: the receiver is down from -500 s to 100 s"):
        run(Webhook(), Outage(start=-500, duration=600))


# selectors --------------------------------------------------------------------------------------


def hits(fault, approach=None, seed=0, count=400, consumers=1):
    """Which (event, attempt) a fault hits, of deliveries to a receiver that otherwise works."""
    instants = [10.0 + n for n in range(count)]
    result = run(approach or Webhook(), fault, instants=instants, duration=10 + count, seed=seed, consumers=consumers)
    return result.exchanges[result.exchanges.status == 503]


def test_every_counts_events_by_their_place_and_polls_by_their_number():
    assert hits(Status(every=3, attempts=(1,)), count=9).sent_at.tolist() == [12, 15, 18]
    polls = run(Polling(interval=10), Status(every=4)).exchanges
    assert [n + 1 for n, status in enumerate(polls[polls.kind == "poll"].status) if status == 503][:2] == [4, 8]


def test_a_batch_counts_as_one_and_has_an_id_of_its_own():
    """As docs/faults.md says: every second batch, and a batch by the id of an event in it."""
    approach = Batched(count=2, max_wait=60)
    batches = run(approach, Status(every=2, attempts=(1,), kinds=("delivery",)))
    assert sent(batches, "delivery")[:2] == [(20, 200), (40, 503)]
    hit = run(approach, Status(events=("evt_1",), attempts=(1,))).exchanges
    assert hit[hit.status == 503].sent_at.tolist() == [20]


def test_the_retries_of_a_full_batch_keep_the_waits():
    """Each failure takes a round trip, 0.04 s; the next attempt is 5 s and then 30 s after it."""
    result = run(Batched(count=2, max_wait=60), Status(kinds=("delivery",)), instants=(10, 20))
    assert sent(result, "delivery") == [(20, 503), (25.04, 503), (55.08, 503)]


def test_a_retry_that_waits_fills_up_no_batch():
    """The batch of 20 s comes again at 50.04 s; the event of 30 s waits for its own 60 s, or a companion."""
    down = Status(kinds=("delivery",), duration=25)
    alone = run(Batched(count=2, max_wait=60), down, instants=(10, 20, 30), duration=200, waits=(30,))
    assert sent(alone, "delivery") == [(20, 503), (50.04, 200), (90, 200)]
    both = run(Batched(count=2, max_wait=60), down, instants=(10, 20, 30, 40), duration=200, waits=(30,))
    assert sent(both, "delivery") == [(20, 503), (40, 200), (50.04, 200)]


def test_a_probability_hits_its_share_anew_for_each_attempt():
    """400 first attempts at 0.3: 120, give or take 4.3 standard errors; some are hit twice."""
    rows = hits(Status(p=0.3))
    first = rows[rows.sent_at.isin([10.0 + n for n in range(400)])]
    assert abs(len(first) - 120) < 4.3 * math.sqrt(400 * 0.3 * 0.7)
    assert len(rows) > len(first)


def test_chance_is_keyed_by_what_the_exchange_is_about_and_not_by_its_order():
    """Another fault before it, or another consumer beside, changes nothing; another seed does."""
    alone = hits(Status(p=0.3)).sent_at.tolist()
    assert hits(Status(p=0.3)).sent_at.tolist() == alone
    assert hits(Status(p=0.3), seed=1).sent_at.tolist() != alone
    both = hits(Status(p=0.3), consumers=2)
    assert both[both.host == "consumer-1"].sent_at.tolist() == alone
    assert both[both.host == "consumer-2"].sent_at.tolist() != alone


def test_each_kind_can_be_chosen():
    fault = Status(kinds=("delivery",), start=15, duration=10)
    rows = run(Hybrid(reconcile_interval=6), fault).exchanges
    assert set(rows[rows.status == 503].kind) == {"delivery"}


def test_the_first_fault_is_the_outermost():
    """A host that is down answers nothing; an answer that is lost, of somebody who says 503, was a 503 all the same."""
    down, busy = Outage(start=20, duration=1), Status(start=20, duration=1)
    assert sent(run(Webhook(), down, busy), "delivery")[1] == (20, "ConnectError")
    assert sent(run(Webhook(), busy, down), "delivery")[1] == (20, 503)


# bad values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Outage(duration=0), "duration must be > 0 seconds, got 0"),
        (lambda: Outage(start=math.nan), "start must be a finite number of seconds after t = 0, got nan"),
        (lambda: Outage(target="sender"), "target must be 'receiver' or 'source' or 'network', got 'sender'"),
        (lambda: Outage(error="reset"), "error must be 'refused' or 'timeout', got 'reset'"),
        (lambda: LostAnswer(p=1.5), "p must be from 0 to 1, got 1.5"),
        (lambda: LostAnswer(error="refused"), "error must be 'timeout' or 'reset', got 'refused'"),
        (lambda: Status(status=200), "status must be a whole number from 400 to 599, got 200"),
        (lambda: Status(retry_after=1.5), "retry_after must be a whole number >= 0 seconds, got 1.5"),
        (lambda: Status(kinds=("post",)), "kinds must be a tuple of poll, delivery, fetch, action, setup, got ('post"),
        (lambda: Status(kinds="poll"), "kinds must be a tuple of poll, delivery, fetch, action, setup, got 'poll'"),
        (lambda: Status(every=0), "every must be a whole number >= 1, got 0"),
        (lambda: Status(attempts=(0,)), "each of attempts must be a whole number >= 1, got 0"),
        (lambda: Status(events="evt_1"), "events must be a tuple of ids, such as ('evt_000001',), got 'evt_1'"),
        (lambda: Status(events=(3,)), "events must be a tuple of ids, such as ('evt_000001',), got (3,)"),
        (lambda: Status(attempts=1), "attempts must be a tuple, got 1"),
        (lambda: Status(kinds=(["poll"],)), "setup, got (['poll'],)"),
        (lambda: Outage(start=-math.inf, duration=5), "start must be a finite number of seconds after t = 0, got -inf"),
        (
            lambda: Scenario(happening([1, 2], 9), faults=(Status(events=("evt_2", "evt_7")),)),
            "a fault selects event 'evt_7', which none of the 2 is",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(made, said):
    with pytest.raises(ValueError) as refused:
        made()
    assert said in str(refused.value)


def test_a_scenario_takes_faults_alone():
    for wrong in (("outage",), Outage(), [Outage()]):
        with pytest.raises(TypeError, match=r"faults must be a tuple, such as \(Outage\(duration=1200\),\), got"):
            Scenario(poisson(1, 10), faults=wrong)


def test_a_record_says_what_was_set():
    assert Outage(start=20, duration=5).record() == {"name": "outage", "start": 20, "duration": 5}


def test_every_fault_is_public_and_described():
    page = (Path(labkit.__file__).parents[1] / "docs" / "faults.md").read_text()
    for fault in FAULTS.values():
        assert getattr(labkit, fault.__name__) is fault
        assert f"| `{fault.__name__}` |" in page, f"describe {fault.__name__} in docs/faults.md"


def test_a_fault_is_named_on_the_command_line_as_its_class_in_lower_case():
    for name, fault in FAULTS.items():
        assert name == re.sub("(?<!^)(?=[A-Z])", "_", fault.__name__).lower()


# one fault, one scenario, two lenses ------------------------------------------------------------

APPROACHES = {
    "webhook": Webhook(),
    "hybrid": Hybrid(reconcile_interval=1.2),
    "polling": Polling(interval=0.4, fixed="rate", initial_delay=0.2),
    "stream": Stream(),
}
BREAKS = {
    "the receiver is down": Outage(target="receiver", start=0.9, duration=0.7),
    "the source is down": Outage(target="source", start=0.9, duration=0.7),
    "answers are lost": LostAnswer(error="reset", every=3, attempts=(1, 3, 6)),
    "somebody says 503": Status(every=2, attempts=(1, 4, 6), kinds=("poll", "delivery")),
}
INSTANTS = [0.3, 0.5, 0.98, 1.34, 1.5, 1.75, 2.1, 2.3]
WORLD = Scenario(happening(INSTANTS, 2.6), delay=0.0, retries=RetryProfile(waits=(0.45, 0.8, 1.8), timeout=1.0))


@cache
def both():
    """Each approach under each fault, in both lenses; the real runs are four at a time."""
    jobs = {(a, f): (replace(WORLD, faults=(BREAKS[f],)), APPROACHES[a]) for a in APPROACHES for f in BREAKS}
    return in_both_lenses(jobs, at_a_time=4)


def in_both_lenses(jobs, at_a_time):
    """The results of each named (scenario, approach) in the real lens and in the virtual one."""
    with ThreadPoolExecutor(at_a_time) as pool:
        real = {name: pool.submit(RealLens().run, *job) for name, job in jobs.items()}
        return {name: (real[name].result(), VirtualLens().run(*job)) for name, job in jobs.items()}


@cache
def unbroken(approach):
    return VirtualLens().run(WORLD, APPROACHES[approach]).exchanges.drop(columns="connection").to_csv()


@pytest.mark.slow
@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_fault_gives_the_same_receipts_attempts_and_losses_on_both_clocks(approach, fault):
    ours, theirs = both()[approach, fault]
    check_equal(ours, theirs)
    assert ours.exchanges.drop(columns="connection").to_csv() != unbroken(approach)  # it was hit


def check_equal(ours, theirs):
    """Equal receipts, attempts and losses, at instants that differ by what the machine needs."""
    for column in ("event_id", "copies"):
        assert ours.receipts[column].tolist() == theirs.receipts[column].tolist()
    late = (ours.receipts.received_at - theirs.receipts.received_at)[ours.receipts.copies > 0]
    assert (late > -0.01).all() and late.median() < 0.3  # one receipt may be late by a stall of the machine
    attempts, expected = (
        Counter((row.kind, row.outcome, row.status, row.error) for row in result.counted.itertuples())
        for result in (ours, theirs)
    )
    assert attempts == expected
    for name in ("lost", "duplicates", "recovered", "error_requests"):
        assert ours.row()[name] == theirs.row()[name]


# each other fault, with one approach --------------------------------------------------------------

POLLING = APPROACHES["polling"]
FIRST = {"attempts": (1,), "every": 3}
CASES = {
    "nat": (Webhook(), Nat(start=0.9, duration=0.7)),
    "lost_request": (Webhook(), LostRequest(**FIRST)),
    "lost_answer": (Webhook(), LostAnswer(**FIRST)),
    "slow_answer": (POLLING, SlowAnswer(seconds=0.25, every=2)),
    "dripping_answer": (Webhook(), DrippingAnswer(seconds=0.02, **FIRST)),
    "dripping_answer, polls": (POLLING, DrippingAnswer(seconds=0.001, every=3)),
    "incomplete_answer": (POLLING, IncompleteAnswer(every=3)),
    "incomplete_answer, truncated": (Webhook(), IncompleteAnswer(error="truncated", **FIRST)),
    "junk_answer": (POLLING, JunkAnswer(every=3)),
    "junk_answer, status line": (Webhook(), JunkAnswer(part="status_line", **FIRST)),
    "status in bursts": (POLLING, Status(start=0.3, duration=0.4, period=1.2)),
    "poison": (Webhook(), Poison(every=3)),
    "disorder": (Webhook(), Disorder(seconds=0.6, every=3)),
    "clock_skew": (Webhook(), ClockSkew(start=0.9, duration=0.7)),
    "late_commit": (POLLING, LateCommit(seconds=0.7, every=3)),
}


@cache
def each_case():
    """Each case in both lenses; the real runs are four at a time."""
    return in_both_lenses(
        {case: (replace(WORLD, faults=(fault,)), approach) for case, (approach, fault) in CASES.items()}, at_a_time=4
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_the_same_on_both_clocks(case):
    ours, theirs = each_case()[case]
    check_equal(ours, theirs)
    without = VirtualLens().run(WORLD, CASES[case][0])
    columns = ["answered_at", "status", "error", "outcome"]
    assert theirs.exchanges[columns].to_csv() != without.exchanges[columns].to_csv()  # it was hit


def test_every_fault_that_the_real_lens_can_run_is_tried_there():
    tried = {fault.name for fault in (*BREAKS.values(), *(fault for _, fault in CASES.values()))}
    assert tried == {name for name, fault in FAULTS.items() if "real" in fault.lenses}


# what speed scales ------------------------------------------------------------------------------


def test_speed_divides_a_faults_window_and_the_sources_timeouts():
    retries = RetryProfile(waits=(60,), timeout=30, longest_retry_after=600)
    world = Scenario(
        poisson(60, 3600), delay=0.0, retries=retries, faults=(Outage(start=600, duration=300), Outage(start=900))
    )
    quick, _ = scaled(world, Webhook(), 60)
    assert [(fault.start, fault.duration) for fault in quick.faults] == [(10, 5), (15, math.inf)]
    assert (quick.retries.timeout, quick.retries.waits, quick.retries.longest_retry_after) == (0.5, (1,), 10)


def test_the_real_lens_refuses_faults_after_which_a_retry_may_come_after_its_drain():
    """Down from 20 to 40 s: an event of 21 s is retried at 26 and 326 s, and the drain ends at 180 s."""
    world = Scenario(happening([21, 36], 60), delay=0.0, faults=(Outage(start=20, duration=20),))
    with pytest.raises(ValueError, match=r"may be due 266 s after the horizon, .* waits 120 s: use speed 3 or more"):
        RealLens().check(world, Webhook())
    RealLens(speed=3).check(world, Webhook())
    RealLens().check(world, Polling(interval=1))
    for fault in (
        Outage(start=22, duration=18),
        Outage(start=20, duration=20, kinds=("poll",)),
        Status(start=20, duration=20, attempts=(1,)),
    ):
        RealLens().check(replace(world, faults=(fault,)), Webhook())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Outage(start=20, duration=1, error="timeout"), Outage(start=30, duration=30)),  # retried at 20 + 30 + 3 s
        (Outage(start=20, duration=1), Outage(start=24, duration=30)),  # retried at 20 + 3 × 1.5 s at the latest
    ],
    ids=["timeout", "jitter"],
)
def test_that_refusal_knows_how_long_an_attempt_takes_and_how_the_waits_vary(first, second):
    retries = RetryProfile(waits=(3, 200), jitter=0.5)
    world = Scenario(happening([20], 60), delay=0.0, retries=retries, faults=(first, second))
    with pytest.raises(ValueError, match="a retry may be due"):
        RealLens().check(world, Webhook())


@pytest.mark.parametrize(
    ("approach", "fault", "said"),
    [
        (Polling(), LostAnswer(), "lost_answer: a client waits 30 s for an answer, which speed 60 does not divide"),
        (Polling(), Outage(error="timeout"), "outage: a client waits 30 s"),
        (Polling(), Status(retry_after=60), "status: Retry-After is in whole seconds, which speed 60 does not divide"),
        (Stream(), Outage(), "outage: after a failure stream pauses for 1 s, which speed 60 does not divide"),
        (LongPolling(), Status(), "status: after a failure long_polling pauses for 1 s"),
    ],
)
def test_speed_refuses_a_scenario_in_which_a_time_that_it_cannot_divide_would_matter(approach, fault, said):
    world = Scenario(poisson(60, 3600), delay=0.0, faults=(fault,))
    with pytest.raises(ValueError) as refused:
        RealLens(speed=60).check(world, approach)
    assert str(refused.value).startswith(said)
    assert "use the virtual lens" in str(refused.value)
    scaled(world, approach, 1)


def test_a_lost_acknowledgement_is_fine_at_any_speed_since_the_sources_timeout_is_divided():
    world = Scenario(poisson(60, 3600), delay=0.0, faults=(LostAnswer(kinds=("delivery",)),))
    RealLens(speed=60).check(world, Webhook())
