"""`labkit advise` on the week of earthquakes and on a million events, beside reading the same events alone."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.describe import CHUNK, measured, write
from benchmarks.line import Line

ROWS = 1_000_000
FLOOR = (
    "import sys\nfrom labkit import earthquakes, from_log\nfrom_log(*sys.argv[1:]) if sys.argv[1:] else earthquakes()"
)
PEER = "reading the same events"


def advise(short: bool) -> Iterator[Line]:
    """Both in a process of their own. Peak memory is the whole process's, interpreter and libraries included."""
    rounds, rows = (1, CHUNK // 10) if short else (3, ROWS)
    week = [(_advised("earthquakes"), measured("-c", FLOOR)) for _ in range(rounds)]
    yield Line("labkit advise of the week of earthquakes", PEER, "s of CPU", "less", [(a[0], b[0]) for a, b in week])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.csv")
        write(path, rows)
        found, alone = _advised(str(path)), measured("-c", FLOOR, str(path))
    yield Line(f"labkit advise of {rows:,} events", PEER, "s of CPU", "less", [(found[0], alone[0])])
    yield Line("peak memory of the same", PEER, "MB", "less", [(found[1], alone[1])])


def _advised(log: str) -> tuple[float, float]:
    return measured("-m", "labkit", "advise", log, "--deadline", "60")
