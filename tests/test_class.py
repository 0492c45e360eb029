"""A class at once: several kernels with real runs on one machine, in one folder, do not get in each other's way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SEATS = 6

EXECUTE = """
import os, sys
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

# by files: kernels that start in one moment take each other's TCP ports, which Jupyter chooses and only then binds
own = {"transport": "ipc", "ip": f"tmp/{sys.argv[1]}"} if os.name == "posix" else {}
notebook = nbformat.read("00_start_here.ipynb", as_version=4)
NotebookClient(notebook, config=Config({"KernelManager": own}), timeout=60).execute()
nbformat.write(notebook, sys.argv[1])
"""
RUN = """
from labkit import Polling, Webhook, WebSocket, compare, poisson, serve, EventSource
source = EventSource()
server = serve(source.app)
events = poisson(per_hour=7200, duration=4, seed={seat})
results = compare(events, [Polling(interval=1), Webhook(), WebSocket()], lens="real")
print(server.port, [(row["lost"], row["duplicates"], row["events"]) for row in results.rows()])
server.stop()
source.close()
"""


@pytest.fixture
def folder(tmp_path):
    """The course's folder as a hub's users share it: everybody's working directory."""
    shutil.copy(NOTEBOOKS / "00_start_here.ipynb", tmp_path)
    return tmp_path


def ended(processes):
    """What each process said; all of them must have ended well."""
    said = [process.communicate(timeout=200) for process in processes]
    failed = [err[-2000:] for process, (_, err) in zip(processes, said, strict=True) if process.returncode]
    assert not failed, "\n\n".join(failed)
    return [out for out, _ in said]


def started(folder, *command):
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_class_of_kernels_runs_the_same_notebook_on_real_sockets_at_once(folder):
    """Each copy's outputs are there, none is an error, and nothing is left in the folder but the copies."""
    names = [f"seat-{seat}.ipynb" for seat in range(SEATS)]
    ended([started(folder, "-c", EXECUTE, name) for name in names])
    for name in names:
        cells = [cell for cell in json.loads((folder / name).read_text())["cells"] if cell["cell_type"] == "code"]
        assert all(cell["execution_count"] for cell in cells)
        assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]
    assert {path.name for path in folder.iterdir()} <= {"00_start_here.ipynb", ".ipynb_checkpoints", "tmp", *names}


@pytest.mark.slow
def test_real_runs_side_by_side_share_no_port_and_no_file(folder):
    """Six processes at once, each with servers of its own: everybody hears everything, once."""
    said = ended([started(folder, "-c", RUN.format(seat=seat)) for seat in range(SEATS)])
    ports = {line.split()[0] for line in said}
    assert len(ports) == SEATS
    for line in said:
        for lost, duplicates, events in eval(line.partition(" ")[2]):
            assert (lost, duplicates) == (0, 0) and events > 2
    assert not list((folder / "tmp").glob("labkit-*"))
