"""The model lens against the virtual lens, which shares no line of its arithmetic, and against the sample paths."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sample_paths
from hypothesis import given, settings
from hypothesis import strategies as st
from model_rows import (
    AT_ONCE,
    DOWN,
    RESTING,
    UNEVEN,
    adaptives,
    check_same,
    check_same_or_refused,
    happening,
    history_of,
    is_refused,
    lists,
    long_polls,
    others,
    pollings,
    pushes,
    scenarios,
)

from labkit import (
    APPROACHES,
    Aimd,
    Arrivals,
    Batched,
    ConditionalFeed,
    Doorbell,
    Event,
    Feed,
    HalveDouble,
    Hybrid,
    Leased,
    LongPolling,
    Nat,
    Outage,
    Polling,
    RateLimit,
    Relay,
    RetryProfile,
    Scenario,
    Stream,
    Thin,
    Webhook,
    WebSocket,
    bursty,
    compare,
    earthquakes,
    poisson,
)
from labkit.arrivals import EPOCH
from labkit.cli import main
from labkit.lenses import ModelLens
from labkit.lenses.model import batched, history, pushed
from labkit.lenses.model.schedules import SCHEDULES
from labkit.policies import SwitchOff

DAY = 86_400.0


@settings(max_examples=40, deadline=None)
@given(scenario=scenarios, approach=pollings)
def test_any_small_scenario_polled_is_as_in_the_virtual_lens(scenario, approach):
    if is_refused(scenario, approach):
        assert approach.interval == 1 / 3 or approach.filtered == "client"
    else:
        check_same(scenario, approach)


@settings(max_examples=25, deadline=None)
@given(scenario=scenarios, approach=pushes)
def test_any_small_scenario_pushed_is_as_in_the_virtual_lens(scenario, approach):
    check_same(scenario, approach)


@settings(max_examples=25, deadline=None)
@given(scenario=scenarios, approach=st.one_of(lists, adaptives, long_polls, others))
def test_any_small_scenario_of_the_others_is_as_in_the_virtual_lens(scenario, approach):
    check_same_or_refused(scenario, approach)


DEFAULT = [Polling(interval=10), Polling(interval=60), Polling(interval=300), Webhook()]


EACH = [*DEFAULT, Thin(), Polling(conditional=True), Feed(), ConditionalFeed(), Relay(), Batched(), Hybrid(600)]
EACH += [Aimd(), HalveDouble(), LongPolling(), Stream(), Doorbell(), Leased(), Leased(reconcile_interval=600)]


@pytest.mark.parametrize("approach", EACH, ids=lambda each: each.label)
def test_an_hour_of_earthquakes_has_the_virtual_lens_row_to_the_last_digit(approach):
    check_same(Scenario(earthquakes(duration=3600)), approach)


@pytest.mark.slow
def test_the_default_approaches_have_the_virtual_lens_table_to_the_last_digit():
    """A day of the earthquakes; the whole week takes the virtual lens 20 s."""
    day = earthquakes(duration=86_400)
    model, virtual = (compare(day, DEFAULT, lens=lens, frames=False) for lens in ("model", "virtual"))
    assert [row | {"lens": ""} for row in model.rows()] == [row | {"lens": ""} for row in virtual.rows()]


def test_a_burst_on_small_pages_is_as_in_the_virtual_lens():
    """Up to ten pages per poll: longer than the interval, so that a fixed rate skips polls."""
    for approach in (Polling(7, limit=1), Polling(7, "rate", limit=3)):
        check_same(Scenario(bursty(600, 600, spread=0.5), delay=0.35), approach)


@pytest.mark.parametrize("occurred", [1e-9, 8.9e4, 12.345678912])
def test_an_instant_is_kept_to_the_nanosecond(occurred):
    check_same(Scenario(happening([occurred], DAY * 1.1), delay=0.0000123), Polling(interval=47.3))


def test_long_ids_and_many_events_have_their_bytes():
    """Places of one to four digits stand in ETags, and lengths of two to five in Content-Length."""
    scenario = Scenario(happening([n / 50 for n in range(1200)], 25, width=20))
    for approach in (Polling(1.0, limit=1000), Polling(10.0, limit=1000, conditional=True), Webhook()):
        check_same(scenario, approach)


@pytest.mark.parametrize("approach", [Polling(7), Webhook(), Hybrid(7), Relay(7)], ids=lambda each: each.label)
def test_consumers_are_summed_with_the_lengths_of_their_names(approach):
    scenario = Scenario(happening([0.5, 3.0, 19.99], 20), consumers=12)
    check_same(scenario, approach)


def test_ten_million_consumers_have_the_quantiles_of_their_latencies_written_out(monkeypatch):
    """Counted, or as two million numbers: the same figures. The sums are ten million times those of one consumer."""
    events = poisson(60, DAY, seed=1)
    one, many = (ModelLens().run(Scenario(events, consumers=n), Polling(30)).row() for n in (1, 10_000_000))
    assert many["requests"] == 10_000_000 * one["requests"] == 10_000_000 * 2877
    assert many["bytes_in"] == 10_000_000 * one["bytes_in"]
    thousand = Scenario(events, consumers=500)
    written = ModelLens().run(thousand, Polling(30)).row()
    monkeypatch.setattr(history, "MOST_COPIES", 0)
    assert ModelLens().run(thousand, Polling(30)).row() == written


def test_without_an_event_each_figure_is_the_virtual_lens_figure():
    for approach in (Polling(3), Polling(30, conditional=True), Webhook(), Thin(), LongPolling(6), Stream()):
        check_same(Scenario(happening([], 20)), approach)


def test_a_stream_writes_what_happens_at_one_instant_in_chunks_of_a_page():
    """250 events at 15.02 s, as a silence of 15 s ends, and one when the run has ended for all but the network."""
    check_same(Scenario(happening([15.02] * 250 + [59.999], 60)), Stream())


def test_a_notice_stands_for_what_occurs_while_the_last_one_is_in_flight():
    """1,200 events at once are two pages; what occurs during the first notice has been read as the second one comes."""
    check_same(Scenario(happening([1.0] * 1200 + [1.01, 1.05, 1.1, 1.13], 60)), Doorbell(7.0))


@pytest.mark.parametrize("ttl", [10.0, 12.345678])
def test_a_renewal_names_the_consumer_and_the_end_of_its_lease(ttl):
    """In milliseconds, or in microseconds: the answer is three characters longer."""
    check_same(Scenario(happening([0.5], 60), consumers=12), Leased(ttl, 2.0))


@pytest.mark.parametrize(
    ("approach", "module"), [(Webhook(), pushed), (Batched(5, 20.0), batched)], ids=["webhook", "batched"]
)
def test_the_attempts_of_a_run_are_computed_once_for_its_check_and_its_row(monkeypatch, approach, module):
    """Of a webhook by `play` of the attempts; of batches, whose attempts end one by one, each is ended once."""
    name = "play" if module is pushed else "ends_with"
    calls, compute = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: calls.append(1) or compute(*given))
    row = ModelLens().run(Scenario(poisson(per_hour=60, duration=3600)), approach).row()
    assert len(calls) == (1 if module is pushed else row["requests"])


def test_a_run_of_more_than_146_years_is_refused():
    long = replace(poisson(per_hour=60, duration=3600), duration=147 * 31_557_600.0)
    with pytest.raises(
        ValueError, match="the model lens computes up to 146 years, got 147 years: use the virtual lens"
    ):
        ModelLens().run(Scenario(long), Webhook())


def test_a_batch_is_divided_by_its_bytes():
    """Ten events of about 30 kB: six of them go into one request, and the other four wait for their own instant."""
    events = [Event(f"evt_{n}", "tick", n / 10, {"text": "x" * 30_000}) for n in range(10)]
    check_same(Scenario(Arrivals("made", tuple(events), 60, EPOCH, {})), Batched(100, 5.0))


def test_polls_are_those_of_the_sample_path():
    """An oracle of its own, with neither lens: the instants of receipt, and the counts, of a day."""
    scenario = Scenario(poisson(60, DAY, seed=3))
    occurred = [event.occurred_at for event in scenario.arrivals.events]
    path = sample_paths.polling(occurred, DAY, 0.02, lambda found: 47.0)
    found = history_of(scenario, Polling(47.0))
    assert found.received_at.tolist() == pytest.approx(path.received.tolist(), abs=1e-8)
    counted = path.sent < DAY
    assert (found.sent.requests, found.sent.empty) == (counted.sum(), path.empty[counted].sum())


# what it refuses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("approach", "world", "reason"),
    [
        (Polling(jitter=0.1), {}, r"a draw per poll, got 0.1 \(FanOut\(consumers, interval, jitter=0.1\) has the load"),
        (Polling(1 / 3, "rate"), {"delay": 0.5}, "an interval of whole nanoseconds"),
        (Polling(90, limit=1, types=("tick",), filtered="client"), {}, "one page per poll after the horizon"),
        (Webhook(), {"faults": (Nat(),)}, "has no fault but outages, got nat"),
        (Webhook(), {"faults": (Outage(start=-1, duration=5),)}, "outages from 0 s on, got start=-1"),
        (Webhook(), {"faults": (Outage(start=1 / 3, duration=5),)}, "starts at a whole nanosecond, got start=0.333"),
        (
            Webhook(),
            {"faults": (Outage(duration=5, period=20 / 3),)},
            "whole nanoseconds .* start=0.0 and period=6.666",
        ),
        (Webhook(), {"faults": (Outage(duration=5, p=0.5),)}, "select by kind alone, got p=0.5"),
        (Thin(), {"faults": (Outage(duration=5, kinds=("fetch",)),)}, "both delivery and fetch, got kinds=fetch"),
        (Batched(), {"delay": 1.5, "retries": RetryProfile(timeout=3)}, "a delivery takes 3 s, .* timeout is 3 s"),
        (Batched(2), {"retries": RetryProfile(in_flight=1)}, "2 deliveries are outstanding, .* allows 1"),
        (Doorbell(), {"faults": (Outage(duration=5, kinds=("fetch",)),)}, "outages of both delivery and fetch"),
        (Leased(), {"faults": (Outage(duration=5, kinds=("action",)),)}, "outages of both action and setup"),
        (
            Leased(10, 2, 1),
            {"faults": (Outage(start=5, duration=9),), "retries": RESTING},
            "without rest and off .* at ",
        ),
        (Leased(10, 2, 1), {"faults": (Outage(start=0.5, duration=75),)}, "last until the end of the run, .* at "),
        (Doorbell(), {"faults": (DOWN,), "retries": RetryProfile(off=SwitchOff(failures=1))}, "switched off at 31 s"),
        (
            Doorbell(),
            {"faults": (DOWN,), "retries": UNEVEN, "consumers": 2},
            "differs from consumer to consumer, got 2",
        ),
        (Doorbell(), {"delay": 1.0, "retries": RetryProfile(timeout=4)}, "a delivery takes 4 s, .* timeout is 4 s"),
        (Doorbell(1), {}, "at 1.02 s a notice and a poll read at the same time"),
        (Leased(forgotten=0.5), {"consumers": 2}, "forgets other renewals, got a share of 0.5 and 2 consumers"),
        (Leased(20, 2), {"delay": 8.0}, "a verification takes 32 s, and the client's timeout is 30 s"),
        (Polling(1 / 3, "rate"), {"faults": (Outage(duration=5),)}, "an interval of whole nanoseconds"),
        (Webhook(), {"faults": (DOWN,), "retries": RetryProfile(off=SwitchOff(failures=2))}, "switched off at 31 s"),
        (Webhook(), {"faults": (DOWN,), "retries": UNEVEN, "consumers": 2}, "differs from consumer to consumer, got 2"),
        (Webhook(), {"faults": (DOWN,), "retries": AT_ONCE}, "at 31 s one delivery fails, and another one is due"),
        (Webhook(), {"retries": RetryProfile(success=("204",))}, "by which 200 is a success, got success=204"),
        (Webhook(), {"rate_limit": RateLimit(requests=60)}, "rate limits, got 60 requests per 3600 s and a"),
        (Webhook(), {"retention": 60.0}, "keeps all events, got a retention of 60 s"),
        (Webhook(), {"delay": 1.5, "retries": RetryProfile(timeout=3)}, "a delivery takes 3 s, .* timeout is 3 s"),
        (Thin(), {"delay": 1.0, "retries": RetryProfile(timeout=4)}, "a delivery takes 4 s, .* timeout is 4 s"),
        (Webhook(), {"retries": RetryProfile(in_flight=1)}, "2 deliveries are outstanding at once, .* allows 1"),
    ],
)
def test_what_it_cannot_compute_is_refused_with_the_remedy(approach, world, reason):
    scenario = Scenario(happening([1.0, 1.0], 60), **world)
    for act in (ModelLens().check, ModelLens().run):
        with pytest.raises(ValueError, match=f"{reason}.*: use the virtual lens$"):
            act(scenario, approach)


@pytest.mark.parametrize(
    ("said", "approach", "world"),
    [
        (
            "A lease may end",
            Leased(ttl=10, renew_before=2),
            {"faults": (Outage(target="source", start=5, duration=9),)},
        ),
        ("only one if renewals are forgotten by chance", Leased(ttl=10, renew_before=2, forgotten=0.5), {}),
        (
            "outages of the receiver, .*, once or again and again",
            Doorbell(),
            {"faults": (Outage(duration=5, period=20),)},
        ),
    ],
)
def test_it_computes_what_the_docs_say(said, approach, world):
    page = Path(__file__).parents[1] / "docs" / "compare.md"
    assert re.search(said, " ".join(page.read_text(encoding="utf-8").split()))
    check_same(Scenario(happening([1.0, 30.0], 60), **world), approach)


def test_others_are_refused_with_a_lens_that_they_declare_subclasses_too():
    class Eager(Polling):
        pass

    for other, remedy in (
        (Eager(), "no polling: use the virtual lens"),
        (WebSocket(), "no websocket: use the real lens"),
    ):
        with pytest.raises(ValueError, match=f"and {remedy}$"):
            ModelLens().check(Scenario(happening([], 60)), other)


def test_the_lens_has_a_schedule_for_each_approach_that_names_it():
    named = {approach for approach in APPROACHES.values() if "model" in approach.lenses}
    assert named == set(SCHEDULES)


def test_a_picture_that_needs_exchanges_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="webhook has its row alone: use the virtual lens"):
        ModelLens().run(Scenario(happening([1.0], 60)), Webhook()).exchanges  # noqa: B018 - reading it raises


def test_the_command_line_compares_by_the_model(tmp_path, capsys):
    """`--approach all` is each approach that names the lens; the rows of exchanges are refused in one line."""
    made = ["compare", "--lens", "model", "--approach", "all", "--duration", "3600", "--plot", str(tmp_path / "a.svg")]
    main([*made, "--json", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["results"]
    assert {row["approach"] for row in rows} == {approach.name for approach in SCHEDULES}
    assert {row["lens"] for row in rows} == {"model"}
    with pytest.raises(SystemExit):
        main([*made, "--csv", str(tmp_path / "csv")])
    assert "labkit: --csv: the model lens has a row per approach and no exchanges: leave" in capsys.readouterr().err
    assert not (tmp_path / "csv").exists()


def test_a_poll_that_arrives_with_the_event_brings_it_before_the_webhook():
    """At 7.5 s two events and the poll are at the source: the poll is a hit, and both deliveries are empty."""
    check_same(Scenario(happening([1.0, 7.5, 7.5], 20), delay=0.5), Hybrid(7.0))
