"""Sweeps on Dask: a real cluster of two worker processes, one of which is killed. `make cluster` runs this."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal
from test_cli import labkit

from labkit import Polling, Scenario, Webhook, poisson, sweep
from labkit.lenses import VirtualLens

pytestmark = pytest.mark.cluster

SCENARIOS = [Scenario(poisson(rate, 3600)) for rate in (12, 60)]
CHOSEN = [Polling(interval=60), Webhook()]


class DeadlyLens(VirtualLens):
    """The first run of repeat 2 by webhook kills its worker as it ends, before the row is sent back."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def run(self, scenario, approach):
        with open(Path(self.folder, "began"), "a") as file:
            file.write(f"{scenario.seed} {approach.name} {os.getpid()}\n")
        result = super().run(scenario, approach)
        if scenario.seed == 2 and approach == Webhook():
            with suppress(FileExistsError):
                Path(self.folder, "killed").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        return result


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster


def test_the_rows_are_those_of_a_serial_sweep(cluster, tmp_path):
    from distributed import Client

    out = tmp_path / "sweep.jsonl"
    with Client(cluster) as client:
        there = sweep(SCENARIOS, CHOSEN, repeats=5, executor=client.get_executor(), out=out)
    assert_frame_equal(there, sweep(SCENARIOS, CHOSEN, repeats=5), check_exact=True)
    assert_frame_equal(there, sweep(SCENARIOS, CHOSEN, repeats=5, out=out), check_exact=True)


def test_a_killed_worker_costs_a_repeat_and_not_a_result(cluster, tmp_path):
    from distributed import Client

    lens, out = DeadlyLens(tmp_path), tmp_path / "sweep.jsonl"
    with Client(cluster) as client:
        before = client.run(os.getpid).values()
        frame = sweep(SCENARIOS, CHOSEN, repeats=5, lens=lens, executor=client.get_executor(), out=out)
        client.wait_for_workers(2, timeout=120)
        now = client.run(os.getpid).values()
    began = [line.split() for line in (tmp_path / "began").read_text().splitlines()]
    killed = [pid for seed, name, pid in began if (seed, name) == ("2", "webhook")]
    assert len(began) > len(frame) == 20
    assert len(killed) > 2, "the run that was lost ran again"
    assert len(set(now) - set(before)) == 1, "a new worker took the killed one's place"
    assert len(out.read_text().splitlines()) == 1 + len(frame)
    assert_frame_equal(frame, sweep(SCENARIOS, CHOSEN, repeats=5), check_exact=True)


def test_the_command_line_runs_on_the_cluster(cluster, capsys, tmp_path):
    chosen = ["--trace", "poisson", "--rate", "12,60", "--duration", "3600", "--approach", "polling:interval=60"]
    status, out, err = labkit(capsys, "sweep", *chosen, "--dask", cluster.scheduler_address)
    assert (status, err) == (0, "")
    assert len(re.findall("polling interval=60 ", out)) == 2


def test_a_scheduler_that_does_not_answer_is_named(capsys, monkeypatch):
    monkeypatch.setattr("labkit.cli.sweep.CONNECT_SECONDS", 0.3)
    status, _, err = labkit(capsys, "sweep", "--duration", "3600", "--dask", "tcp://127.0.0.1:1")
    assert status == 2
    assert "tcp://127.0.0.1:1" in err
