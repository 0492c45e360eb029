"""CPU time of runs of the virtual lens, another commit's against this one's: `benchmarks/paired.py f2d3c34`.

Two processes take turns, so that a busy machine slows both; a ratio over 1 says that this commit is the faster one.
"""

import io
import statistics
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent.parent
ROUNDS = 15
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


def worker(folder: str) -> subprocess.Popen[str]:
    """A process that answers an approach with the CPU-seconds of its run."""
    command = [sys.executable, "-c", WORKER, folder]
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def cpu_seconds(process: subprocess.Popen[str], approach: str) -> float:
    print(approach, file=process.stdin, flush=True)
    return float(process.stdout.readline())


def main(commit: str) -> None:
    files = subprocess.check_output(["git", "archive", commit, "labkit"], cwd=HERE)
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            archive.extractall(folder, filter="data")
        with worker(folder) as theirs, worker(str(HERE)) as ours:
            for approach in APPROACHES:
                cpu_seconds(theirs, approach), cpu_seconds(ours, approach)  # imports, caches
                pairs = [(cpu_seconds(theirs, approach), cpu_seconds(ours, approach)) for _ in range(ROUNDS)]
                ratio = statistics.median(before / now for before, now in pairs)
                print(f"{approach:21} {commit} / now {ratio:.2f}", flush=True)
            theirs.stdin.close(), ours.stdin.close()


if __name__ == "__main__":
    main(sys.argv[1])
