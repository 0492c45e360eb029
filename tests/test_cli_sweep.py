"""`labkit sweep`: what an engineer types, and what it answers."""

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_cli import elsewhere, labkit

from labkit import Polling, Scenario, Webhook, confidence_intervals, poisson, sweep

__all__ = ["elsewhere"]

EVENTS = ["--trace", "poisson", "--rate", "12,60", "--duration", "3600"]
CHOSEN = ["--approach", "polling:interval=60+600", "--approach", "webhook"]


def expected(repeats=3):
    scenarios = [Scenario(poisson(rate, 3600)) for rate in (12, 60)]
    return sweep(scenarios, [Polling(interval=60), Polling(interval=600), Webhook()], repeats=repeats)


def test_a_sweep_shows_means_with_intervals_and_the_command_that_repeats_it(capsys):
    given = ["sweep", *EVENTS, *CHOSEN, "--repeats", "3"]
    status, out, err = labkit(capsys, *given)
    assert (status, err) == (0, "")
    means = confidence_intervals(expected(), "latency_mean")
    lines = [line for line in out.splitlines() if line.startswith("│")]
    for line, row in zip(lines, means.itertuples(), strict=True):
        label, rate, runs, _, latency, *_ = (cell.strip() for cell in line.strip("│").split("│"))
        assert (label, float(rate), int(runs)) == (row.label, row.per_hour, 3)
        mean, _, half = latency.partition(" ± ")
        assert float(mean) == pytest.approx(row.latency_mean, abs=0.5)
        assert float(half or 0) == pytest.approx(row.latency_mean_high - row.latency_mean, rel=0.05, abs=1e-9)
    assert max(map(len, out.splitlines()[1:-1])) <= 100
    assert f"Seed 0. The same again: {shlex.join(['labkit', *given])}" in out


def test_rows_and_intervals_are_written_as_json_and_as_csv(capsys):
    status, out, _ = labkit(capsys, "sweep", *EVENTS, *CHOSEN, "--repeats", "2", "--json", "-", "--csv", "rows")
    document, frame = json.loads(out), expected(2)
    assert status == 0
    assert [each["per_hour"] for each in document["scenarios"]] == [12, 60]
    assert (document["repeats"], document["level"], document["lens"], document["seed"]) == (2, 0.95, "virtual", 0)
    assert [row["latency_mean"] for row in document["results"]] == frame.latency_mean.tolist()
    means = confidence_intervals(frame, "latency_p95")
    assert [row["latency_p95_low"] for row in document["intervals"]] == means.latency_p95_low.tolist()
    with open("rows/runs.csv", newline="") as runs, open("rows/intervals.csv", newline="") as intervals:
        assert [float(row["requests"]) for row in csv.DictReader(runs)] == frame.requests.tolist()
        assert [float(row["latency_p95_low"]) for row in csv.DictReader(intervals)] == means.latency_p95_low.tolist()


def test_one_run_of_each_has_a_mean_and_no_interval(capsys):
    _, out, _ = labkit(capsys, "sweep", *EVENTS, *CHOSEN)
    assert out.count("±") == 1, "in the heading"
    _, out, _ = labkit(capsys, "sweep", *EVENTS, *CHOSEN, "--json", "-")
    assert {row["requests_low"] for row in json.loads(out)["intervals"]} == {None}


def test_delays_and_a_fault_s_values_are_combined_with_the_rates(capsys):
    fault = ["--fault", "outage:start=600,duration=60+600"]
    _, out, _ = labkit(capsys, "sweep", *EVENTS, "--delay", "0.02,0.5", *fault, "--approach", "webhook", "--json", "-")
    found = [(row["per_hour"], row["delay"], row["faults_0_duration"]) for row in json.loads(out)["results"]]
    assert found == [(rate, delay, length) for rate in (12, 60) for delay in (0.02, 0.5) for length in (60, 600)]


def test_standard_input_is_read_once_for_all_scenarios(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"time\n0\n60\n")))
    given = ["--trace", "-", "--delay", "0.02,0.5", "--approach", "webhook"]
    status, out, err = labkit(capsys, "sweep", *given, "--json", "-")
    assert status == 0, err
    assert [(row["delay"], row["events"]) for row in json.loads(out)["results"]] == [(0.02, 2), (0.5, 2)]


def test_the_same_command_goes_on_from_its_file_and_another_is_refused(capsys):
    given = ["sweep", *EVENTS, *CHOSEN, "--out", "sweep.jsonl", "--repeats"]
    labkit(capsys, *given, "2")
    lines = Path("sweep.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 12
    Path("sweep.jsonl").write_text("".join(lines[:5]) + lines[5][:20])
    _, out, _ = labkit(capsys, *given, "2", "--json", "-")
    assert sorted(Path("sweep.jsonl").read_text().splitlines(keepends=True)) == sorted(lines)
    assert [row["latency_mean"] for row in json.loads(out)["results"]] == expected(2).latency_mean.tolist()
    status, _, err = labkit(capsys, *given, "2", "--delay", "1")
    assert status == 2
    assert err.startswith("labkit: sweep.jsonl is the file of another sweep: scenarios[0].delay is 0.02 there, and 1.0")


def test_failed_runs_are_told_and_the_others_are_shown(capsys):
    down = ["sweep", *EVENTS, "--fault", "outage:target=source", "--approach", "polling:interval=3600"]
    status, out, err = labkit(capsys, *down, "--approach", "webhook")
    assert status == 1
    assert "polling interval=3600, scenario 0, repeat 0 failed: RuntimeError: polling interval=3600 was not" in err
    assert "2 of 4 runs failed." in err
    assert "│ webhook" in out
    status, out, err = labkit(capsys, *down, "--csv", "rows")
    assert (status, out) == (1, "")
    assert "2 of 2 runs failed." in err


def test_a_pool_that_broke_is_told_with_what_to_do(capsys, monkeypatch):
    def broken(*_, done, **__):
        done(expected(1).iloc[0].to_dict())
        raise BrokenExecutor("a process was terminated")

    monkeypatch.setattr("labkit.cli.sweep.sweep", broken)
    status, out, err = labkit(capsys, "sweep", *EVENTS, *CHOSEN, "--out", "s.jsonl")
    assert status == 1
    assert "polling interval=60" in out
    assert "The workers' pool broke (BrokenExecutor: a process was terminated): 1 of 6 runs were finished" in err
    assert "the same command goes on from s.jsonl" in err


WRONG = {
    "--rate 12,x": "it must be numbers joined by commas, such as 12,60,360, got '12,x'",
    "--rate 0": "--rate must be > 0 events per hour, got 0",
    "--repeats 0": "0 is not in the range x>=1",
    "--level 95": "level must be > 0 and < 1, got 95",
    "--approach webhook --approach webhook": "approaches must differ in their labels, got 'webhook' twice",
    "--workers 2 --dask tcp://127.0.0.1:1": "--workers 2 is for this machine: leave it out with --dask",
    "--lens real --speed 100 --workers 2": "real lens runs its approaches one after another: leave --workers 2 out",
    "--lens model --workers 1": "the model lens runs its approaches one after another: leave --workers 1 out",
    "--lens real --speed 100 --dask tcp://127.0.0.1:9": "one after another: leave --dask tcp://127.0.0.1:9 out",
    "--out nowhere/s.jsonl": "there is no folder",
}


@pytest.mark.parametrize("options", WRONG)
def test_what_is_wrong_is_one_line_with_the_value(capsys, options):
    status, out, err = labkit(capsys, "sweep", "--trace", "poisson", "--duration", "3600", *options.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert WRONG[options] in err


def test_without_dask_the_option_says_how_to_install_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    status, _, err = labkit(capsys, "sweep", *EVENTS, "--dask", "tcp://127.0.0.1:1")
    assert (status, err) == (
        2,
        "labkit: --dask tcp://127.0.0.1:1: Dask is missing; run pip install 'webhook-lab[dask]'\n",
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_after_ctrl_c_what_was_finished_is_shown_and_kept(tmp_path):
    given = [*EVENTS, "--approach", "polling:interval=5", "--repeats", "40", "--workers", "1", "--out", "sweep.jsonl"]
    program = [sys.executable, "-m", "labkit", "sweep", *given]
    sweeping = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out := Path("sweep.jsonl")).exists() or out.read_bytes().count(b"\n") < 2:
        assert sweeping.poll() is None
        time.sleep(0.01)
    sweeping.send_signal(signal.SIGINT)
    shown, errors = sweeping.communicate(timeout=120)
    kept = out.read_bytes().count(b"\n") - 1
    assert sweeping.returncode == 130
    assert f"Interrupted: {kept} of 80 runs were finished; the same command goes on from sweep.jsonl." in errors
    assert "polling interval=5" in shown
    assert "Traceback" not in errors
