"""`make bench` runs; what it measures depends on the machine, and is not tested."""

import doctest
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))
from benchmarks import line  # noqa: E402
from benchmarks.__main__ import BENCHMARKS  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All of them, short: the table, and the records in the file."""
    path = tmp_path_factory.mktemp("bench") / "lines.json"
    command = [sys.executable, "-m", "benchmarks", "--short", "--json", str(path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, json.loads(path.read_text())


@pytest.mark.slow
def test_every_benchmark_gives_lines_or_the_reason_why_not(run):
    table, document = run
    assert {record["benchmark"] for record in document["lines"]} == set(BENCHMARKS)
    for record in document["lines"]:
        if "reason" in record:
            assert record["reason"] in " ".join(table.split())
        else:
            assert record["what"] in table and record["peer"] in table


@pytest.mark.slow
def test_every_ratio_is_that_of_a_figure_and_its_peer_in_the_same_round(run):
    for record in run[1]["lines"]:
        if "reason" not in record:
            assert 0 <= record["ratio_min"] <= record["ratio"] <= record["ratio_max"] < math.inf
            assert record["peer_figure"] > 0 and record["better"] in ("less", "more")


def test_a_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians():
    record = line.Line("a", "b", "s", "less", [(1.0, 1.0), (8.0, 2.0), (9.0, 4.0)]).record()
    assert (record["ratio"], record["ratio_min"], record["ratio_max"]) == (2.25, 1.0, 4.0)
    assert (record["figure"], record["peer_figure"]) == (8.0, 2.0)


def test_each_of_two_is_first_in_every_second_round():
    called = []
    pairs = line.turns(lambda: called.append("figure") or 3, lambda: called.append("peer") or 2, 3)
    assert called == ["figure", "peer", "peer", "figure", "figure", "peer"]
    assert pairs == [(3, 2)] * 3


def test_the_table_says_what_was_not_measured(capsys):
    from labkit.cli.output import terminal

    terminal().print(line.table([{"benchmark": "streams", "reason": "nginx is missing"}]))
    assert "streams" in (shown := capsys.readouterr().out) and "not measured: nginx is missing" in shown


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(line).failed == 0 < doctest.testmod(line).attempted
