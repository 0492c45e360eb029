"""Comparisons and sweeps: any lens, any executor, the same rows; and what fails does not take the others with it."""

import json
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import ClassVar

import pandas as pd
import pytest
from loky import get_reusable_executor
from pandas.testing import assert_frame_equal
from test_approaches import check_described

import labkit.approaches
from labkit import (
    APPROACHES,
    Approach,
    OnDemand,
    Outage,
    Polling,
    RealLens,
    Result,
    RunError,
    Scenario,
    Status,
    Webhook,
    compare,
    earthquakes,
    plots,
    poisson,
    sweep,
)
from labkit.approaches.approach import Style
from labkit.cli import main
from labkit.course.check import check, checking
from labkit.experiment import _work
from labkit.lenses import LENSES, VirtualLens

HOUR = Scenario(poisson(60, 3600, seed=3))


class ToyLens:
    """Everybody knows everything after a second, for one request per event: twenty lines that are a lens."""

    name = "toy"
    delay = 0.0
    parallel = True

    def check(self, scenario, approach):
        if approach.name == "webhook":
            raise ValueError("the toy lens cannot run webhook: use the virtual lens")

    def run(self, scenario, approach):
        at = pd.Series([event.occurred_at for event in scenario.arrivals.events])
        exchanges = pd.DataFrame({"sent_at": at, "answered_at": at + 1, "drain": False, "consumer": "consumer-1"})
        exchanges = exchanges.assign(kind="poll", host="source", outcome="hit")
        ids = [event.id for event in scenario.arrivals.events]
        receipts = pd.DataFrame({"event_id": ids, "occurred_at": at, "received_at": at + 1, "latency": 1.0})
        receipts = receipts.assign(consumer="consumer-1", exchange=exchanges.index, copies=1)
        return Result(scenario, approach, self.name, (exchanges, receipts))


@dataclass(frozen=True)
class Faulty(Approach):
    name: ClassVar[str] = "faulty"
    when: str = "always"

    def run(self, consumer):
        raise ZeroDivisionError(f"this approach fails {self.when}")


# a lens of one's own ----------------------------------------------------------------------------


def test_a_toy_lens_works_in_a_comparison_its_picture_and_its_table():
    results = compare(HOUR, [Polling(), OnDemand()], lens=ToyLens())
    events = len(HOUR.arrivals.events)
    assert [row["requests"] for row in results.rows()] == [events, events]
    assert {row["lens"] for row in results.rows()} == {"toy"}
    assert results.table().latency_mean.tolist() == [1.0, 1.0]
    assert ", 1 s late" in results.plot().sentence
    lanes = plots.swim_lanes(results[0], 0, 600)
    assert "events occurred" in lanes.sentence


def test_what_a_lens_does_not_count_is_null():
    row = compare(HOUR, [Polling()], lens=ToyLens())[0].row()
    assert [row[name] for name in ("bytes_out", "bytes_in", "connections", "connection_seconds")] == [None] * 4


def test_a_lens_of_ones_own_is_on_the_command_line_once_it_is_in_the_table_of_lenses(monkeypatch, capsys):
    monkeypatch.setitem(LENSES, "toy", ToyLens)
    monkeypatch.setattr(dict.__getitem__(APPROACHES, "polling"), "lenses", ("virtual", "real", "toy"))
    main(["compare", "--lens", "toy", "--approach", "polling", "--duration", "86400", "--json", "-"])
    document = json.loads(capsys.readouterr().out)
    (row,) = document["results"]
    assert (row["lens"], row["bytes_in"], row["latency"]["p95"]) == ("toy", None, 1.0)


def test_an_exercises_check_takes_its_figures_like_any_other(capsys):
    with checking("interval"):
        check("the mean latency", compare(HOUR, [Polling()], lens=ToyLens())[0].row()["latency"]["mean"], 1.0)
    assert capsys.readouterr().out == "correct: interval\n"


def test_a_lens_refuses_before_anything_has_run():
    with pytest.raises(ValueError, match="the toy lens cannot run webhook: use the virtual lens"):
        compare(HOUR, [Polling(), Webhook()], lens=ToyLens())
    with pytest.raises(
        ValueError, match="lens must be 'virtual' or 'real' or 'model', or an object with .* got 'telescope'"
    ):
        compare(HOUR, [Polling()], lens="telescope")
    with pytest.raises(ValueError, match="or an object with name, delay, .* got <class '.*ToyLens'>"):
        compare(HOUR, [Polling()], lens=ToyLens)


def test_a_lens_that_returns_something_else_is_named():
    class Broken(ToyLens):
        def run(self, scenario, approach):
            return {}

    with pytest.raises(TypeError, match=r"run of the toy lens must return a labkit.Result, got \{\}"):
        compare(HOUR, [Polling()], lens=Broken())


def test_frames_that_would_give_wrong_figures_are_refused():
    exchanges, receipts = ToyLens().run(HOUR, Polling()).frames
    with pytest.raises(ValueError, match=r"each outcome must be one of empty, hit, .* got \['found'\]"):
        Result(HOUR, Polling(), "toy", (exchanges.assign(outcome="found"), receipts))
    with pytest.raises(ValueError, match="receipts must be in the order in which their events occurred"):
        Result(HOUR, Polling(), "toy", (exchanges, receipts[::-1]))


def test_frames_without_a_column_that_is_needed_are_refused_by_its_name():
    exchanges, receipts = ToyLens().run(HOUR, Polling()).frames
    with pytest.raises(ValueError, match=r"receipts must have the columns event_id, .*; missing: copies"):
        Result(HOUR, Polling(), "toy", (exchanges, receipts.drop(columns="copies")))


# an approach of one's own -----------------------------------------------------------------------


@dataclass(frozen=True)
class Newcomer(Polling):
    """Poll as everybody does, under another name."""

    name: ClassVar[str] = "newcomer"
    lenses: ClassVar[tuple[str, ...]] = ("virtual",)
    style: ClassVar[Style] = Style("#123456", "s", "//")


def test_an_approach_that_is_in_the_table_of_approaches_is_everywhere(monkeypatch, capsys):
    """On the command line, in lists, tables and pictures, and in what the lenses refuse."""
    monkeypatch.setitem(labkit.approaches.APPROACHES, "newcomer", Newcomer)
    main(["approaches"])
    listed = capsys.readouterr().out
    assert "newcomer (virtual lens only)  Poll as everybody does, under another name." in listed
    main(["compare", "--duration", "3600", "--approach", "newcomer:interval=600", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["results"][0]["approach"] == "newcomer"
    results = compare(HOUR, [Newcomer(interval=600), Webhook()])
    assert results.table().index.tolist() == ["newcomer interval=600", "webhook"]
    assert "newcomer interval=600: 6 per hour" in results.plot().sentence
    assert plots.style("newcomer interval=600") == Newcomer.style
    picture = plots.swim_lanes(results[0], 0, 600)
    assert any(label.get_text() == "newcomer\ninterval=600" for label in picture.drawing.axes[0].get_yticklabels())
    with pytest.raises(ValueError, match="newcomer is for the virtual lens, got 'real'"):
        compare(HOUR, [Newcomer()], lens=RealLens(speed=60), delay=None)
    with pytest.raises(ValueError, match=r"newcomer interval=1e-06 would send 3,600,000,000 requests"):
        compare(HOUR, [Newcomer(interval=1e-6)])


def test_such_an_approach_is_on_the_terminal_and_in_the_other_pictures_and_missed_on_the_page(
    monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(labkit.approaches.APPROACHES, "newcomer", Newcomer)
    main(["compare", "--duration", "3600", "--approach", "newcomer:interval=600"])
    assert "newcomer interval=600 │" in capsys.readouterr().out
    results = compare(HOUR, [Newcomer(interval=600), Webhook()])
    assert "newcomer interval=600" in plots.staircases(results).sentence
    assert "newcomer" in plots.crossover([*compare(HOUR, [Polling()]), *results]).sentence
    with pytest.raises(AssertionError, match=r"describe newcomer in docs/approaches.md"):
        check_described("newcomer")


def test_what_is_no_approach_is_refused():
    for wrong in (Webhook, "webhook", object()):
        with pytest.raises(TypeError, match=r"approaches must be a list of objects, such as \[Webhook\(\)\], got \["):
            compare(HOUR, [wrong])
    with pytest.raises(TypeError, match="approaches must be a list of objects, .* got Webhook"):
        compare(HOUR, Webhook())


def test_what_is_no_scenario_and_what_is_no_executor_is_refused():
    for wrong in (HOUR, [HOUR.arrivals], "HOUR", (HOUR for _ in range(1))):
        with pytest.raises(TypeError, match=r"scenarios must be a list, such as \[Scenario\(earthquakes\(\)\)\], got"):
            sweep(wrong, [Polling()])
    for wrong in (2, ThreadPoolExecutor):
        with pytest.raises(TypeError, match=r"executor must be an Executor, such as ThreadPoolExecutor\(2\), got"):
            compare(HOUR, [Polling()], executor=wrong)


# executors --------------------------------------------------------------------------------------

CHOSEN = [Polling(interval=60), Webhook(), OnDemand(interval=300)]


@pytest.fixture(params=["threads", "processes", "loky"])
def executor(request):
    if request.param == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif request.param == "processes":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        yield get_reusable_executor(2, timeout=300)  # its workers outlive a slow test


def test_any_executor_gives_equal_rows_and_frames(executor):
    here, there = compare(HOUR, CHOSEN), compare(HOUR, CHOSEN, executor=executor)
    assert here.rows() == there.rows()
    for ours, theirs in zip(here, there, strict=True):
        assert_frame_equal(ours.exchanges, theirs.exchanges, check_exact=True)
        assert_frame_equal(ours.receipts, theirs.receipts, check_exact=True)
    rows_alone = compare(HOUR, CHOSEN, executor=executor, frames=False)
    assert rows_alone.rows() == here.rows()
    with pytest.raises(ValueError, match="polling interval=60 has its row alone: .* come with frames=True"):
        _ = rows_alone[0].exchanges


def test_rows_alone_come_back_in_under_20_kb_and_a_run_of_a_week_too():
    sent = pickle.dumps(_work(VirtualLens(), Scenario(earthquakes()), Polling(interval=3600), frames=False))
    assert len(sent) < 20_000


def test_the_real_lens_refuses_an_executor():
    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="the real lens runs its approaches one after"):
        compare(poisson(3600, 1), [Polling(interval=1)], lens="real", executor=pool)


def test_a_small_comparison_needs_no_worker(monkeypatch):
    monkeypatch.setattr("labkit.experiment.OwnWorkers", None)
    assert len(compare(HOUR, CHOSEN)) == 3


def test_a_run_that_fails_is_named_with_its_scenario_and_the_others_are_there(executor):
    done = []
    with pytest.raises(RunError) as caught:
        compare(HOUR, [Polling(), Faulty(), Webhook()], executor=executor, done=done.append)
    said = str(caught.value)
    assert "faulty in poisson, seed 3: 53 events" in said
    assert "failed: ZeroDivisionError: this approach fails always; 2 finished" in said
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [caught.value.results[number].label for number in (0, 2)] == ["polling interval=60", "webhook"]
    assert sorted(result.approach.name for result in done) == ["polling", "webhook"]


def test_failures_are_in_the_order_of_the_jobs_whichever_failed_first():
    """And the message is about the first of them, as the cause is."""
    jobs = {1: ((HOUR, Webhook()), ValueError("soon")), 0: ((HOUR, Polling()), ValueError("late"))}
    error = RunError(jobs, {3: None, 2: None})
    assert (list(error.failures), list(error.results)) == ([0, 1], [2, 3])
    assert str(error).startswith("polling interval=60 in ")
    assert "ValueError: late; 1 more failed" in str(error)


def test_the_only_run_raises_its_own_exception():
    with pytest.raises(ZeroDivisionError):
        compare(HOUR, [Faulty()])


# sweeps -----------------------------------------------------------------------------------------

SCENARIOS = [replace(HOUR, delay=delay) for delay in (0.02, 1.0)]


def test_a_sweep_equals_a_comparison_scenario_by_scenario(executor):
    frame = sweep(SCENARIOS, CHOSEN, executor=executor)
    assert frame[["scenario", "repeat"]].values.tolist() == [[0, 0]] * 3 + [[1, 0]] * 3
    assert set(frame.error) == {""}
    for number, scenario in enumerate(SCENARIOS):
        expected = compare(scenario, CHOSEN).table().reset_index()
        ours = frame[frame.scenario == number].reset_index(drop=True)
        assert_frame_equal(ours[expected.columns], expected, check_exact=True)


def test_a_sweep_without_scenarios_is_empty():
    assert sweep([], CHOSEN).empty
    with pytest.raises(ValueError, match="at least one approach is needed"):
        sweep(SCENARIOS, [])


def test_repeats_draw_other_arrivals_and_other_chance_and_leave_what_was_recorded():
    recorded = Scenario(earthquakes(duration=3600))
    frame = sweep([HOUR, recorded], [OnDemand(interval=300)], repeats=3)
    made, quakes = (frame[frame.scenario == number] for number in (0, 1))
    assert frame.repeat.tolist() == [0, 1, 2] * 2
    assert made.events.tolist() == [len(poisson(60, 3600, seed=seed).events) for seed in (3, 4, 5)]
    assert quakes.events.nunique() == 1
    assert quakes.requests.nunique() > 1
    again = sweep([replace(HOUR, arrivals=poisson(60, 3600, seed=4), seed=1)], [OnDemand(interval=300, seed=1)])
    figures = [name for name in again if name not in ("scenario", "label", "repeat")]
    assert made.iloc[1][figures].to_dict() == again.iloc[0][figures].to_dict()
    shaky = replace(recorded, faults=(Status(p=0.5),))  # the scenario's seed is that of its faults
    assert sweep([shaky], [Polling(interval=60)], repeats=3).error_requests.nunique() > 1
    with pytest.raises(ValueError, match="repeats must be a whole number >= 1, got 0"):
        sweep([HOUR], CHOSEN, repeats=0)


def test_in_a_sweep_a_run_that_fails_is_a_row_with_its_words_and_the_others_stand():
    broken = replace(HOUR, faults=(Outage(target="source"),))
    frame = sweep([HOUR, broken], [Polling(interval=600), Webhook()])
    assert frame.error.tolist()[:2] == ["", ""]
    assert frame.error.iloc[2].startswith("RuntimeError: polling interval=600 was not settled")
    assert frame.label.tolist() == ["polling interval=600", "webhook"] * 2
    assert pd.isna(frame.requests.iloc[2])
    assert frame.lost.iloc[3] == frame.events.iloc[3]


def test_a_scenarios_title_has_both_seeds_where_they_differ():
    events = poisson(360, 1200, seed=1)
    assert Scenario(events).title() == "poisson, seed 1: 121 events in 20 min, 20 ms each way, run's seed 0"
    assert Scenario(events, seed=1).title() == "poisson: 121 events in 20 min, 20 ms each way, seed 1"
    assert Scenario(earthquakes(), seed=3).title() == "earthquakes: 1,707 events in 7 days, 20 ms each way, seed 3"
