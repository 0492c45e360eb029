"""Processor time of runs of the virtual lens, now and at another commit."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import Line, turns

HERE = Path(__file__).parent.parent
APPROACHES = ("Polling(interval=30)", "Webhook()", "LongPolling()", "Stream()")
WORKER = """
import sys, time
from labkit import LongPolling, Polling, Stream, Webhook, __file__, compare, poisson
assert __file__.startswith(sys.argv[1]), __file__
half_a_day = poisson(per_hour=60, duration=43_200, seed=1)
for line in sys.stdin:
    approach = eval(line)
    start = time.process_time()
    compare(half_a_day, [approach]).rows()
    print(time.process_time() - start, flush=True)
"""


def against(commit: str) -> Callable[[bool], Iterator[Line]]:
    def benchmark(short: bool) -> Iterator[Line]:
        files = subprocess.check_output(["git", "archive", commit, "labkit"], cwd=HERE)
        with TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(files)) as archive:
                archive.extractall(folder, filter="data")
            with worker(str(HERE)) as ours, worker(folder) as theirs:
                for approach in APPROACHES:
                    cpu_seconds(ours, approach), cpu_seconds(theirs, approach)  # imports, caches
                    pairs = turns(
                        lambda: cpu_seconds(ours, approach),  # noqa: B023  called at once
                        lambda: cpu_seconds(theirs, approach),  # noqa: B023
                        1 if short else 15,
                    )
                    yield Line(f"half a day of {approach}", f"the same at {commit}", "CPU-seconds", "less", pairs)
                ours.stdin.close(), theirs.stdin.close()

    return benchmark


def worker(folder: str) -> subprocess.Popen[str]:
    """A process that answers an approach with the CPU-seconds of its run."""
    command = [sys.executable, "-c", WORKER, folder]
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def cpu_seconds(process: subprocess.Popen[str], approach: str) -> float:
    print(approach, file=process.stdin, flush=True)
    return float(process.stdout.readline())
