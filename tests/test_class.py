"""A class on one machine: real runs that start together in one folder share no port and no file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SEATS = 4
RUN = """
import json, sys
from labkit import EventSource, Webhook, WebSocket, compare, poisson, serve

source = EventSource()
server = serve(source.app)
events = poisson(per_hour=36_000, duration=1, seed=int(sys.argv[1]))
results = compare(events, [Webhook(), WebSocket()], lens="real")
print(json.dumps([server.port, [[row[key] for key in ("events", "lost", "duplicates")] for row in results.rows()]]))
server.stop()
source.close()
"""


@pytest.mark.slow
def test_real_runs_side_by_side_share_no_port_and_no_file(tmp_path: Path) -> None:
    """Each consumer receives every event of its own run once, and nothing is left in the folders that all share."""
    shared, temporary = tmp_path / "shared", tmp_path / "tmp"
    shared.mkdir()
    temporary.mkdir()
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(seat)],
            cwd=shared,
            env=os.environ | {"TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seat in range(SEATS)
    ]
    outputs = [run.communicate(timeout=200) for run in runs]
    assert not [errors[-2000:] for run, (_, errors) in zip(runs, outputs, strict=True) if run.returncode]
    results = [json.loads(output) for output, _ in outputs]
    assert len({port for port, _ in results}) == SEATS
    for _, rows in results:
        for events, lost, duplicates in rows:
            assert events > 2
            assert (lost, duplicates) == (0, 0)
    assert not [*shared.iterdir(), *temporary.iterdir()]
