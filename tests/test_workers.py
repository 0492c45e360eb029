"""Jobs in an executor: few at a time, and what is lost with a worker is no result."""

import subprocess
import sys
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from itertools import count, islice

import pytest

from labkit import Polling, Scenario, Webhook, poisson, sweep
from labkit.workers import MOST_WAITING, finished

HOUR = [Scenario(poisson(60, 3600))]


class Losing(Executor):
    """Runs each job at once, and fails the second one as an executor does that has lost its worker."""

    def __init__(self, failure):
        self.failure, self.numbers = failure, count()

    def submit(self, work, *job):
        future = Future()
        if next(self.numbers) != 1:
            future.set_result(work(*job))
        elif self.failure is CancelledError:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_exception(self.failure)
        return future


def test_an_endless_list_of_jobs_is_taken_piece_by_piece():
    taken = []
    jobs = ((taken.append(number) or number,) for number in count())
    with ThreadPoolExecutor(2) as pool:
        results = finished(lambda number: number**2, jobs, pool)
        assert all(future.result() == number**2 for number, future in islice(results, 2000))
        results.close()
    assert len(taken) < 2000 + 2 * MOST_WAITING


@pytest.mark.parametrize("failure", [RuntimeError("the worker died 4 times"), CancelledError])
def test_a_run_that_was_lost_with_its_worker_is_a_row_and_is_not_in_the_file(tmp_path, failure):
    out = tmp_path / "sweep.jsonl"
    frame = sweep(HOUR, [Polling(interval=600), Webhook()], executor=Losing(failure), out=out)
    assert frame.error.str.contains("the worker died 4 times|CancelledError").tolist() == [False, True]
    assert len(out.read_text().splitlines()) == 2
    assert sweep(HOUR, [Polling(interval=600), Webhook()], out=out).error.tolist() == ["", ""]


def test_a_pool_that_broke_ends_the_sweep_and_the_file_has_what_was_finished(tmp_path):
    out, seen = tmp_path / "sweep.jsonl", []
    with pytest.raises(BrokenExecutor, match="out of memory"):
        sweep(HOUR, [Webhook()], repeats=3, executor=Losing(BrokenExecutor("out of memory")), out=out, done=seen.append)
    assert [row["label"] for row in seen] == ["webhook"] * (len(out.read_text().splitlines()) - 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there, a process does not learn that its parent has ended")
def test_the_workers_of_a_killed_process_end_too():
    """A worker holds the output that it was given: as long as one lives, there is no end of file."""
    code = (
        "import os; from labkit.workers import OwnWorkers; pool = OwnWorkers(1);"
        "print(pool.submit(os.getppid).result() == os.getpid(), flush=True); os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("True\n", -9)
