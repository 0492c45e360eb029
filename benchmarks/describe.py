"""`labkit describe` on ten million rows: time and peak memory, beside reading the same rows with Python's csv alone."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, CHUNK = 10_000_000, 100_000
FLOOR = "import csv, sys\nfor row in csv.reader(open(sys.argv[1], newline='')): pass"


def write(path: Path, rows: int) -> None:
    """A CSV file of events with exponential gaps of 0.3 s, in milliseconds."""
    import numpy as np

    rng, start = np.random.default_rng(0), np.datetime64("2026-01-01T00:00:00.000")
    with path.open("w", encoding="utf-8") as file:
        file.write("id,occurred_at,type\n")
        for first in range(0, rows, CHUNK):
            at = start + np.cumsum(rng.exponential(300, CHUNK)).astype("timedelta64[ms]")
            start = at[-1]
            kinds = rng.choice(["order.paid", "order.sent", "order.cancelled"], CHUNK)
            lines = zip(range(first, first + CHUNK), at.astype(str), kinds, strict=True)
            file.write("".join(f"o-{n},{instant}Z,{kind}\n" for n, instant, kind in lines))


def measured(*command: str) -> tuple[float, float]:
    """Seconds of CPU that a command takes, and the largest peak of memory (MB) of the commands so far."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / scale


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.csv")
        write(path, rows)
        floor, _ = measured("-c", FLOOR, str(path))
        began = time.perf_counter()
        plot = str(Path(folder, "log.png"))
        took, peak = measured("-m", "labkit", "describe", str(path), "--plot", plot)
        wall = time.perf_counter() - began
    cpu = f"{took:.0f} s of CPU, {took / floor:.1f} times csv alone"
    print(f"labkit describe, {rows:,} rows: {wall:.0f} s ({cpu}), {peak:.0f} MB at most")


if __name__ == "__main__":
    main()
