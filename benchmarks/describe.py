"""`labkit describe` on ten million rows: time and peak memory, beside reading the same rows with Python's csv alone."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.line import Line

ROWS, CHUNK = 10_000_000, 100_000
FLOOR = "import csv, sys\nfor row in csv.reader(open(sys.argv[1], newline='')): pass"


def write(path: Path, rows: int) -> None:
    """A CSV file of events with exponential gaps of 0.3 s, in milliseconds."""
    import numpy as np

    rng, start = np.random.default_rng(0), np.datetime64("2026-01-01T00:00:00.000")
    with path.open("w", encoding="utf-8") as file:
        file.write("id,occurred_at,type\n")
        for first in range(0, rows, CHUNK):
            count = min(CHUNK, rows - first)
            at = start + np.cumsum(rng.exponential(300, count)).astype("timedelta64[ms]")
            start = at[-1]
            kinds = rng.choice(["order.paid", "order.sent", "order.cancelled"], count)
            lines = zip(range(first, first + count), at.astype(str), kinds, strict=True)
            file.write("".join(f"o-{n},{instant}Z,{kind}\n" for n, instant, kind in lines))


def describe(short: bool) -> Iterator[Line]:
    """Both in a process of their own. Peak memory is the whole process's, interpreter and libraries included."""
    rows = CHUNK if short else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.csv")
        write(path, rows)
        command = ("-m", "labkit", "describe", str(path), "--plot", str(Path(folder, "log.png")))
        found, alone = measured(*command), measured("-c", FLOOR, str(path))
    peer = "reading it by Python's csv alone"
    yield Line(f"labkit describe of {rows:,} rows", peer, "s of CPU", "less", [(found[0], alone[0])])
    yield Line("peak memory of the same", peer, "MB", "less", [(found[1], alone[1])])


def measured(*command: str) -> tuple[float, float]:
    """The seconds of CPU and the most MB that a Python process takes."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)"
    shown = (
        "; used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + shown, sys.executable, *command], check=True, stdout=subprocess.PIPE
    )
    took, most = map(float, done.stdout.split())
    return took, most / (1e6 if sys.platform == "darwin" else 1e3)
