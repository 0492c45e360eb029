"""Outages and retries in the model lens, against the virtual lens and by hand."""

import math
from dataclasses import replace
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_rows import (
    PROFILES,
    RESTING,
    adaptives,
    check_same,
    check_same_or_refused,
    happening,
    history_of,
    lists,
    long_polls,
    pollings,
    pushes,
    scenarios,
)

from labkit import (
    Batched,
    Doorbell,
    Hybrid,
    Leased,
    Outage,
    Polling,
    Relay,
    RetryProfile,
    Scenario,
    Stream,
    Thin,
    Webhook,
    profile,
)
from labkit.clock import NANO, nanoseconds
from labkit.lenses import ModelLens, VirtualLens
from labkit.lenses.model.outages import Windows

fractions = st.one_of(st.integers(0, 60).map(lambda n: n / 2), st.integers(0, 30 * NANO).map(lambda n: n / NANO))
durations = st.one_of(st.sampled_from([0.5, 1.0, 10.0, 60.0, 300.0]), st.integers(100, 60_000).map(lambda n: n / 1000))


def outage(duration, up, **fields):
    """An outage that recurs `up` seconds after its end, if ever."""
    return Outage(duration=duration, period=round(duration + up, 9), **fields)


outages = st.builds(
    outage,
    start=fractions,
    duration=durations,
    up=st.sampled_from([math.inf, math.inf, 10.37, 61.3]),  # long enough for a poll, and at no multiple of an interval
    target=st.sampled_from(["receiver", "source", "network"]),
    error=st.sampled_from(["refused", "timeout"]),
    kinds=st.sampled_from([(), (), (), ("poll",), ("delivery", "fetch"), ("action", "setup")]),
)


@st.composite
def broken(draw):
    """A scenario with outages, which may overlap, and a retry profile."""
    faults, retries = st.lists(outages, min_size=1, max_size=3).map(tuple), st.sampled_from([*PROFILES, RESTING])
    return replace(draw(scenarios), faults=draw(faults), retries=draw(retries), seed=draw(st.integers(0, 2)))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(scenario=broken(), approach=st.one_of(pollings, lists, adaptives, long_polls, st.just(Stream())))
def test_any_small_scenario_with_outages_polled_is_as_in_the_virtual_lens(scenario, approach):
    check_same_or_refused(scenario, approach)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(scenario=broken(), approach=pushes)
def test_any_small_scenario_with_outages_pushed_is_as_in_the_virtual_lens(scenario, approach):
    check_same_or_refused(scenario, approach)


def test_an_answer_that_arrives_as_an_outage_begins_is_lost():
    """By hand: a poll at 9.96 s is cut at 10 s, one at 15 s is refused, and one at 20 s is answered at 20.04 s."""
    scenario = Scenario(happening([9.0], 22), faults=(Outage(start=10, duration=10),))
    found = history_of(scenario, Polling(5, initial_delay=9.96))
    assert found.received_at.tolist() == [20.04]
    assert (found.sent.requests, found.sent.errors, found.sent.connections) == (3, 2, 2)


@pytest.mark.parametrize("start", [10.0, 15.02, 20.0, 20.02, 20.04, 59.98, 60.0, 60.03])
def test_a_stream_is_resumed_after_an_outage_as_in_the_virtual_lens(start):
    """Cut in silence, in a heartbeat, on the way of two events, and about the horizon, with events before and after."""
    scenario = Scenario(happening([1.0, 20.0, 20.02, 31.0, 59.99], 60), faults=(Outage(start=start, duration=9.5),))
    check_same(scenario, Stream())


@pytest.mark.parametrize(
    "approach", [Webhook(), Hybrid(900), Relay(60), Thin(), Batched(3, 400)], ids=lambda each: each.label
)
@pytest.mark.parametrize("retries", PROFILES, ids=lambda each: each.name or "uneven")
def test_an_outage_of_twenty_minutes_is_as_in_the_virtual_lens(approach, retries):
    """An event every five minutes, and three that the outage cuts: on the way there, on the way back, at its end."""
    occurred = [0.0, 299.96, 299.97, 299.99, 1200.0, *(300.0 * n + 1 for n in range(12))]
    down = (Outage(start=300, duration=1200, error="timeout"), Outage(start=2000, duration=50, target="source"))
    scenario = Scenario(happening(sorted(occurred), 3600), faults=down, retries=retries)
    ModelLens().check(scenario, approach)
    check_same(scenario, approach)


def test_a_delivery_is_attempted_at_the_instants_of_its_profile():
    """By hand: down until 1,200 s, so that the attempts at 0, 5 and 305 s are refused, and that at 2,105 s arrives.

    By Brevo's waits, the one of 0 s comes at 600 and 4,200 s, and one of 700 s as the rest that begins at 600 s ends.
    """
    scenario = Scenario(happening([0.0, 700.0], 3600), faults=(Outage(duration=1200),))
    found = history_of(scenario, Webhook())
    assert found.received_at.tolist() == [2105.02, 2805.02]
    found = history_of(replace(scenario, retries=profile("brevo")), Webhook())
    assert found.received_at.tolist() == [4200.02, 1200.02]


doorbells = st.builds(Doorbell, st.sampled_from([0.0, 0.5, 4.0, 7.0, 30.0]))
leases = st.builds(
    Leased,
    ttl=st.sampled_from([4.0, 10.1]),
    renew_before=st.sampled_from([0.1, 2.0]),
    retry_wait=st.sampled_from([0.5, 1.0, 3.3]),
    forgotten=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    reconcile_interval=st.sampled_from([0.0, 3.0]),
    seed=st.integers(0, 3),
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(scenario=broken(), approach=st.one_of(doorbells, leases))
def test_any_small_scenario_with_outages_by_notice_or_lease_is_as_in_the_virtual_lens(scenario, approach):
    check_same_or_refused(scenario, approach)


def test_polls_that_never_find_an_event_do_not_matter_once_a_delivery_brings_it():
    """By hand: the poll at 0.5 s waits until the next outage cuts it at 11.37 s, and the next one is sent 0.5 s later.

    It waits until 22.74 s, and so on for ever. The delivery is sent again 5 s after 11.37 s, and arrives.
    """
    down = outage(1.0, 10.37, start=0.0, target="receiver", error="timeout")
    scenario = Scenario(happening([0.0], 1), delay=0.0, faults=(down,))
    check_same(scenario, Hybrid(0.5))
    assert history_of(scenario, Hybrid(0.5)).received.tolist() == [16_370_000_000]


def test_a_verification_takes_the_connection_that_brought_the_410_even_at_the_same_instant():
    """By hand, without delay: a renewal at 3.4 s is refused, one at 3.9 s is answered 410, and verified at once."""
    scenario = Scenario(happening([0.0], 8), delay=0.0, faults=(Outage(start=0.0, duration=3.631),))
    check_same(scenario, Leased(ttl=4.0, renew_before=0.1, retry_wait=0.5, forgotten=0.0, reconcile_interval=3.0))


def test_a_notice_that_fails_is_sent_again_with_the_next_event_and_stands_for_both():
    """By hand: refused at 10 s, again with the event at 12 s, and by the second one's first wait at 17 s.

    The polls at 20.0 and 40.04 s find nothing: by then the notice at 17 s has had all events read.
    """
    scenario = Scenario(happening([10.0, 12.0, 30.0], 60), faults=(Outage(start=9, duration=6),))
    check_same(scenario, Doorbell(20))
    found = history_of(scenario, Doorbell(20))
    assert found.received_at.tolist() == [17.06, 17.06, 30.06]
    assert (found.sent.requests, found.sent.errors, found.sent.empty) == (4 + 2 + 2, 2, 2 + 2)


def test_a_poll_reads_what_a_failed_notice_stood_for():
    """By hand: refused at 10 s; the poll at 14 s brings the event, and the notice at 15 s finds nothing."""
    scenario = Scenario(happening([10.0], 20), faults=(Outage(start=9, duration=3, kinds=("delivery", "fetch")),))
    check_same(scenario, Doorbell(14))
    assert history_of(scenario, Doorbell(14)).received_at.tolist() == [14.04]


def test_a_notice_and_a_poll_that_read_at_the_same_time_after_the_horizon_are_refused():
    """The notice reads from 6.5 to 9.5 s, and the poll from 4 to 7 s brings the event."""
    scenario = Scenario(happening([0.0], 1), delay=1.5, faults=(Outage(duration=0.5),))
    with pytest.raises(ValueError, match="at 6.5 s a notice and a poll read at the same time: use the virtual lens"):
        ModelLens().check(scenario, Doorbell(4))


def test_a_lease_that_ends_in_an_outage_loses_what_occurs_until_the_url_is_verified():
    """By hand: the lease ends at 10 - 0.5 - 9 × 0.02 = 9.32 s, and the renewals at 7.32, 8.32, … 15.32 s fail.

    That at 16.32 s is answered 410, and the verification is sent at 16.36 s: from 16.42 s on there is a lease again.
    The event at 9.31 s fails twice, and its third attempt is sent at 20.31 s.
    """
    world = {"faults": (Outage(start=7, duration=9),), "retries": RetryProfile(waits=(1, 10))}
    scenario = Scenario(happening([9.31, 9.32, 16.42, 16.43], 20), **world)
    check_same(scenario, Leased(10, 2, 1))
    found = history_of(scenario, Leased(10, 2, 1))
    assert found.received_at.tolist() == pytest.approx([20.33, math.nan, math.nan, 16.45], abs=0, nan_ok=True)
    assert (found.sent.requests, found.sent.errors, found.setup) == (2 + 1 + 9 + 2, 2 + 9 + 1, 6)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_what_occurs_after_a_forgotten_renewal_is_left_to_the_polls(share):
    scenario = Scenario(happening(range(0, 300, 7), 300))
    for approach in (Leased(20, 5, forgotten=share), Leased(20, 5, forgotten=share, reconcile_interval=100)):
        check_same(scenario, approach)
    assert history_of(scenario, approach).polled.any()


milliseconds = st.integers(1, 30_000).map(lambda n: n / 1000)


@settings(max_examples=50, deadline=None)
@given(
    outage=st.builds(outage, start=milliseconds, duration=milliseconds, up=st.one_of(st.just(math.inf), milliseconds)),
    instants=st.lists(st.integers(0, 100 * NANO)),
    shift=st.integers(-1, 1),
)
def test_windows_are_those_of_the_fault(outage, instants, shift):
    """At any instant, and a nanosecond before and after each bound of the first ones."""
    windows, end = Windows((outage,), "poll", 30.0, ("consumer-1", "source")), 200 * NANO
    starts = [nanoseconds(start) for start in takewhile(lambda start: start < 200, outage.starts())]
    ends = [start + nanoseconds(outage.duration) for start in starts]
    for at in (each + shift for each in (*instants, *starts[:5], *ends[:5]) if 0 < each < 100 * NANO):
        active = outage.active(at / NANO)
        assert (windows.hold(at) is not None) == active
        assert min(windows.cut(at), end) == next((start for start in starts if start > at), end)
        assert windows.change(at) > at
        unchanged = range(at, min(windows.change(at), end))
        assert all(outage.active(each / NANO) == active for each in (unchanged[len(unchanged) // 2], unchanged[-1]))


def test_retries_end_in_an_outage_without_an_end():
    scenario = Scenario(happening([1.0, 30.0], 60), faults=(Outage(start=20),), retries=RetryProfile(waits=(5, 30)))
    for approach in (Webhook(), Thin(), Batched(2, 3.0), Doorbell(0.0), Leased(40, 5, 9)):
        check_same(scenario, approach)


@pytest.mark.parametrize(
    "down", [Outage(start=10), Outage(start=10, duration=1, period=60, error="timeout")], ids=["endless", "recurring"]
)
def test_polls_that_never_succeed_do_not_matter_if_no_event_is_wanted_any_more(down):
    scenario = Scenario(happening([5.0], 100), faults=(down,))
    check_same(scenario, Polling(60, types=("b",), filtered="client"))


def test_a_run_whose_relay_lacks_an_event_is_settled_by_a_poll_that_finds_nothing():
    """The event at 5 s is lost before the relay. Each poll from 3,600 s on is cut as the next outage begins."""
    lost = Outage(start=0.5, duration=10, target="source")
    again = Outage(start=20, duration=1, period=2, error="timeout")
    retries = RetryProfile(waits=())
    check_same(Scenario(happening([5.0], 20), faults=(lost,), retries=retries), Relay(3600))
    for lens in (ModelLens(), VirtualLens()):
        with pytest.raises(RuntimeError, match="was not settled"):
            lens.run(Scenario(happening([5.0], 20), faults=(lost, again), retries=retries), Relay(3600))


@pytest.mark.parametrize(
    ("approach", "outage"),
    [
        (Polling(7200), Outage(start=20)),
        (Polling(7200, "rate"), Outage(duration=1, period=7200)),
        (Relay(7200), Outage(start=20)),
        (Doorbell(7200), Outage(start=20)),
        (Leased(100, 5, 7200, reconcile_interval=7200), Outage(start=20)),
    ],
    ids=["endless", "recurring", "relay", "doorbell", "leased"],
)
def test_polls_that_never_succeed_are_an_error_as_in_the_virtual_lens(approach, outage):
    """The recurring outage begins as each poll is sent."""
    scenario = Scenario(happening([1.0, 30.0], 60), faults=(outage,))
    messages = set()
    for lens in (ModelLens(), VirtualLens()):
        with pytest.raises(RuntimeError, match="was not settled") as error:
            lens.run(scenario, approach)
        messages.add(str(error.value))
    assert len(messages) == 1
