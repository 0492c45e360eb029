"""A sweep's file: what a killed driver left is kept, nothing is computed twice, and another sweep's file is refused."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from labkit import OnDemand, Outage, Polling, Result, Scenario, Webhook, poisson, sweep
from labkit.lenses import VirtualLens
from labkit.sweep_file import SweepFile

HOUR = Scenario(poisson(60, 3600, seed=3))
SCENARIOS = [replace(HOUR, delay=delay) for delay in (0.02, 1.0)]
CHOSEN = [Polling(interval=600), OnDemand(interval=600)]
WHOLE = {}


class CountingLens(VirtualLens):
    """Notes each run, in a list of the class: a lens's attributes are its options. Equal runs are computed once."""

    runs: ClassVar[list[tuple[float, str, int]]] = []
    results: ClassVar[dict[tuple[str, ...], Result]] = {}

    def run(self, scenario, approach):
        self.runs.append((scenario.delay, approach.label, scenario.seed))
        key = (scenario.title(), str(scenario.faults), approach.label)
        if key not in self.results:
            self.results[key] = super().run(scenario, approach)
        return self.results[key]


@pytest.fixture
def runs():
    CountingLens.runs.clear()
    return CountingLens.runs


def swept(out, repeats=2, scenarios=SCENARIOS, approaches=CHOSEN, **options):
    return sweep(scenarios, approaches, repeats=repeats, lens=CountingLens(), out=out, **options)


def test_each_row_is_in_the_file_when_its_run_has_finished(tmp_path, runs):
    out, lines = tmp_path / "sweep.jsonl", []
    frame = swept(out, done=lambda row: lines.append(out.read_text().splitlines()))
    assert [len(each) for each in lines] == [2, 3, 4, 5, 6, 7, 8, 9]
    rows = [json.loads(line) for line in lines[-1][1:]]
    assert [[row["scenario"], row["label"], row["repeat"]] for row in rows] == frame[
        ["scenario", "label", "repeat"]
    ].values.tolist()


def test_a_finished_sweep_is_read_and_not_run_again(tmp_path, runs):
    first = swept(tmp_path / "sweep.jsonl")
    written = (tmp_path / "sweep.jsonl").read_bytes()
    runs.clear()
    assert_frame_equal(swept(tmp_path / "sweep.jsonl"), first, check_exact=True)
    assert_frame_equal(first, swept(None), check_exact=True)
    assert len(runs) == 8, "those of the sweep without a file"
    assert (tmp_path / "sweep.jsonl").read_bytes() == written


@settings(max_examples=50)
@given(st.floats(0, 1))
@example(0.0)
@example(1.0)
def test_wherever_the_driver_was_killed_only_what_is_missing_runs(tmp_path_factory, share):
    out = tmp_path_factory.getbasetemp() / "killed.jsonl"
    if not WHOLE:
        WHOLE["frame"], WHOLE["bytes"] = swept(out), out.read_bytes()
    there = WHOLE["bytes"][: round(share * len(WHOLE["bytes"]))]
    out.write_bytes(there)
    CountingLens.runs.clear()
    assert_frame_equal(swept(out), WHOLE["frame"], check_exact=True)
    assert len(set(CountingLens.runs)) == len(CountingLens.runs) == 8 - max(0, there.count(b"\n") - 1)
    assert out.read_bytes() == WHOLE["bytes"]


def test_rows_in_any_order_give_the_same_frame(tmp_path, runs):
    out = tmp_path / "sweep.jsonl"
    frame = swept(out)
    header, *rows = out.read_text().splitlines(keepends=True)
    out.write_text("".join([header, *reversed(rows)]))
    assert_frame_equal(swept(out), frame, check_exact=True)


def test_more_repeats_run_only_the_new_ones_and_fewer_run_none(tmp_path, runs):
    out = tmp_path / "sweep.jsonl"
    swept(out, repeats=1)
    more = swept(out, repeats=3)
    assert len(runs) == len(set(runs)) == 12
    assert_frame_equal(more, swept(None, repeats=3), check_exact=True)
    runs.clear()
    assert len(swept(out, repeats=2)) == 8
    assert not runs


def test_a_run_that_failed_is_kept_and_deleting_its_line_runs_it_again(tmp_path, runs):
    out, broken = tmp_path / "sweep.jsonl", [replace(HOUR, faults=(Outage(target="source"),))]
    frame = swept(out, 1, broken, [Polling(interval=600)])
    assert frame.error[0].startswith("RuntimeError: polling interval=600 was not settled")
    assert_frame_equal(swept(out, 1, broken, [Polling(interval=600)]), frame)
    assert len(runs) == 1
    out.write_text(out.read_text().splitlines(keepends=True)[0])
    swept(out, 1, broken, [Polling(interval=600)])
    assert len(runs) == 2


def test_a_second_driver_on_the_file_is_refused_until_the_first_one_ends(tmp_path, runs):
    out = tmp_path / "sweep.jsonl"

    def second(row):
        with pytest.raises(OSError, match="sweep.jsonl is in use by another sweep: end that one, or use another file"):
            swept(out)

    first = swept(out, done=second)
    assert (len(runs), out.read_bytes().count(b"\n")) == (8, 9)
    assert_frame_equal(swept(out, done=lambda row: None), first, check_exact=True)


def test_a_run_that_is_in_the_file_twice_counts_once(tmp_path, runs):
    out, done = tmp_path / "sweep.jsonl", []
    frame = swept(out)
    header, *rows = out.read_text().splitlines(keepends=True)
    out.write_text("".join([header, *rows, *rows]))
    assert_frame_equal(swept(out, done=done.append), frame, check_exact=True)
    assert len(done) == 8


def test_joined_files_of_one_sweep_count_each_run_once(tmp_path, runs):
    """Two machines made the first and the second repeat, and a third repeat is new."""
    out = tmp_path / "sweep.jsonl"
    swept(out)
    header, *rows = out.read_text().splitlines(keepends=True)
    out.write_text("".join([header, *rows[:5], header, *rows[3:]]))
    runs.clear()
    assert_frame_equal(swept(out, repeats=3), swept(None, repeats=3), check_exact=True)
    assert len(runs) == 4 + 12, "the third repeat, and those of the sweep without a file"


def test_a_joined_file_of_another_sweep_is_refused_and_stays(tmp_path, runs):
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    swept(one, 1)
    swept(other, 1, approaches=[Polling(interval=60), CHOSEN[1]])
    written = one.read_bytes() + other.read_bytes()
    one.write_bytes(written)
    with pytest.raises(ValueError, match=r"another sweep: approaches\[0\].interval is 60 there, and 600 here"):
        swept(one, 1)
    assert one.read_bytes() == written


OTHERS = {
    "scenarios[1].delay is 1.0 there, and 2.0 here": {"scenarios": [HOUR, replace(HOUR, delay=2.0)]},
    "scenarios[0].events is 53 there, and": {"scenarios": [Scenario(poisson(60, 3600, seed=4)), SCENARIOS[1]]},
    "approaches[0].interval is 600 there, and 60 here": {"approaches": [Polling(interval=60), CHOSEN[1]]},
    'approaches[0].name is "polling" there, and "webhook" here': {"approaches": [Webhook()]},
    'approaches[2] is absent there, and {"name": "webhook"': {"approaches": [*CHOSEN, Webhook()]},
    'approaches[1] is {"name": "on_demand"': {"approaches": CHOSEN[:1]},
    "approaches[0].jitter is 0.0 there, and 0.5 here": {"approaches": [Polling(interval=600, jitter=0.5), *CHOSEN]},
}


@pytest.mark.parametrize("reason", OTHERS)
def test_the_file_of_another_sweep_is_refused_with_the_first_difference_and_stays(tmp_path, runs, reason):
    out = tmp_path / "sweep.jsonl"
    swept(out, repeats=1)
    written = out.read_bytes()
    with pytest.raises(ValueError, match="is the file of another sweep: .*; use another file, or delete it") as refused:
        swept(out, repeats=1, **OTHERS[reason])
    assert reason in str(refused.value)
    assert (len(runs), out.read_bytes()) == (4, written)


def test_other_events_under_the_same_name_are_another_sweep(tmp_path):
    first, *others = HOUR.arrivals.events
    moved = replace(HOUR.arrivals, events=(replace(first, data={"number": 0}), *others), rule=None)
    swept(tmp_path / "s.jsonl", 1, [HOUR], [Webhook()])
    with pytest.raises(ValueError, match=r"scenarios\[0\].events_sha256 is"):
        swept(tmp_path / "s.jsonl", 1, [replace(HOUR, arrivals=moved)], [Webhook()])


@pytest.mark.parametrize("text", ["notes", "notes\n", "[]\n", '{"a": 1}\n', '{"sweep": 1'])
def test_what_is_no_sweep_s_file_is_refused_and_stays(tmp_path, text):
    out = tmp_path / "notes.txt"
    out.write_text(text)
    with pytest.raises(ValueError, match="is not the file of a sweep: line 1 is "):
        SweepFile(out, {"lens": "virtual"})
    assert out.read_text() == text


@pytest.mark.parametrize(
    "line", ["{half", "[1]", '{"a": 1}', '{"scenario": 0, "label": "x", "repeat": "0", "error": ""}']
)
def test_a_line_that_is_no_row_is_named(tmp_path, line):
    out = tmp_path / "sweep.jsonl"
    swept(out, 1)
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join([*lines[:2], f"{line}\n", *lines[2:]]))
    with pytest.raises(ValueError, match=f"line 3 is b'{re.escape(line[:5])}"):
        swept(out, 1)


def test_a_row_of_no_run_of_this_sweep_is_left_out(tmp_path, runs):
    out, done = tmp_path / "sweep.jsonl", []
    frame = swept(out)
    with open(out, "a") as file:
        file.write('{"scenario": 0, "label": "webhook", "repeat": 0, "error": ""}\n')
    assert_frame_equal(swept(out, done=done.append), frame, check_exact=True)
    assert len(done) == 8


@pytest.mark.parametrize(
    ("header", "difference"),
    [
        ({"sweep": 5}, 'sweep is 5 there, and {"note": "xxx'),
        ({"sweep": {"note": "x" * 200 + "b"}}, 'note is .*xb" there, and .*xa" here'),
        ({"sweep": {"note": "x" * 200 + "a", "more": None}}, "more is null there, and absent here"),
    ],
)
def test_a_foreign_header_is_refused_with_what_differs(tmp_path, header, difference):
    out = tmp_path / "sweep.jsonl"
    out.write_text(json.dumps(header) + "\n")
    with pytest.raises(ValueError, match=f"another sweep: {difference}"):
        SweepFile(out, {"note": "x" * 200 + "a"})


DRIVER = """
import sys, time
from labkit import OnDemand, Polling, Scenario, poisson, sweep
from labkit.lenses import VirtualLens

class SlowLens(VirtualLens):
    def run(self, scenario, approach):
        time.sleep(0.3)
        return super().run(scenario, approach)

scenario = Scenario(poisson(60, 3600, seed=3))
sweep([scenario], [Polling(interval=600), OnDemand(interval=600)], repeats=5, lens=SlowLens(), out=sys.argv[1])
"""


@pytest.mark.slow
def test_a_driver_that_was_killed_goes_on_and_computes_nothing_twice(tmp_path, runs):
    out = tmp_path / "sweep.jsonl"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, out])
    while not out.exists() or out.read_bytes().count(b"\n") < 4:
        assert driver.poll() is None
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    kept = out.read_bytes().count(b"\n") - 1
    assert 3 <= kept < 10
    frame = swept(out, 5, [HOUR])
    assert len(runs) == len(set(runs)) == 10 - kept, "only what was not in the file has run"
    assert_frame_equal(frame, swept(None, 5, [HOUR]), check_exact=True)
