"""The notebooks' hygiene: what nbval would let through, and proof that it lets nothing else through."""

import configparser
import os
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
NBVAL_MARKS = re.compile(r"#\s*(NBVAL|PYTEST_VALIDATE)_\w+")
IGNORE = "nbval-ignore-output"
MOST_CELLS = 50


def faults(notebook: NotebookNode) -> list[str]:
    """What is wrong with a notebook, a sentence each."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        if not re.fullmatch(r"[a-z][a-z0-9-]{2,60}", cell.id) or re.fullmatch(r"[0-9a-f]{8}", cell.id):
            found.append(f"{cell.id}: an id is chosen, and stays")
    for place, cell in enumerate(code):
        tags = set(cell.metadata.get("tags", []))
        if cell.execution_count != place + 1:
            found.append(f"{cell.id}: was not run in order from a restart (count {cell.execution_count})")
        shows = not cell.source.rstrip().endswith(";") and _ends_in_expression(cell.source)
        if shows and not cell.outputs:
            found.append(f"{cell.id}: its output was cleared, so nbval compares nothing")
        if "print(" in cell.source and not cell.outputs:
            found.append(f"{cell.id}: prints, and its output was cleared")
        if any(output.output_type == "error" for output in cell.outputs) and "raises-exception" not in tags:
            found.append(f"{cell.id}: ended in an error")
        if "raises-exception" in tags and not any(output.output_type == "error" for output in cell.outputs):
            found.append(f"{cell.id}: should raise, and did not")
        if NBVAL_MARKS.search(cell.source) or tags & {"nbval-skip", "nbval-raises-exception"}:
            found.append(f"{cell.id}: is not compared")
        if IGNORE in tags and (place + 1 == len(code) or IGNORE in code[place + 1].metadata.get("tags", [])):
            found.append(f"{cell.id}: real numbers are not compared, and no compared cell follows")
        if len(cell.source.splitlines()) > 15:
            found.append(f"{cell.id}: has over 15 lines")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/svg+xml" in data or ("image/png" in data and "text/plain" not in data):
                found.append(f"{cell.id}: a figure that says nothing")
            if output.get("name") == "stderr":
                found.append(f"{cell.id}: writes to stderr: {output.text[:60]}")
            if re.search(r"(/home/|/root/|/work/|[A-Z]:\\Users)", str(output)):
                found.append(f"{cell.id}: an output shows a path of the machine that it was run on")
    if len(notebook.cells) > MOST_CELLS:
        found.append(f"{len(notebook.cells)} cells; about 45 are enough")
    return found


def _ends_in_expression(source: str) -> bool:
    import ast

    body = ast.parse(source).body
    return bool(body) and isinstance(body[-1], ast.Expr) and not isinstance(body[-1].value, ast.Call | ast.Constant)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_ran(path: Path) -> None:
    assert faults(nbformat.read(path, as_version=4)) == []


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS if path.name.startswith("03")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_clearing_any_output_is_a_fault(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.outputs:
            cleared = deepcopy(notebook)
            cleared.cells[number].outputs = []
            cleared.cells[number].execution_count = None
            assert faults(cleared), f"{cell.id} could be cleared unseen"


def test_each_sanitize_rule_is_two_lines_that_nbval_reads() -> None:
    """A malformed pair is ignored by nbval, and a loose one would hide a number."""
    rules = configparser.RawConfigParser()
    rules.read(Path(__file__).with_name("nbval_sanitize.cfg"))
    assert [sorted(rules[name]) for name in rules.sections()] == [["regex", "replace"]]
    (name,) = rules.sections()
    hidden = re.sub(rules[name]["regex"], rules[name]["replace"], "mean 29.938 base64,iVBORw0KGgo= p95 56.788")
    assert hidden == "mean 29.938 base64,PNG p95 56.788"


SAMPLE = """
from labkit import Polling, Webhook, compare, earthquakes
results = compare(earthquakes(duration=7200), [Polling(interval=300), Webhook()])
print(results[0].row()["latency"]["mean"])
---
results.plot()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The sample, run by a real kernel and stored."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source.strip()) for source in SAMPLE.split("---")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path = tmp_path_factory.mktemp("sample") / "sample.ipynb"
    nbformat.write(notebook, path)
    execute = [sys.executable, "-m", "jupyter", "execute", "--inplace", str(path)]
    subprocess.run(execute, check=True, capture_output=True, timeout=120)
    return nbformat.read(path, as_version=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        pytest.param(None, None, id="as it ran"),
        pytest.param(r"^(\d+)\.(\d)", r"\1.9\2", id="a stored number"),
        pytest.param(r"mean latency", "least latency", id="a stored description of a plot"),
    ],
)
def test_nbval_finds_what_was_corrupted(
    tmp_path: Path, ran: nbformat.NotebookNode, pattern: str | None, replacement: str
) -> None:
    """Some of what a notebook stored is changed: nbval goes red, whatever the directory."""
    ran, path = deepcopy(ran), tmp_path / "sample.ipynb"
    if pattern:
        changes = 0
        for cell in ran.cells:
            for output in cell.outputs:
                if "text" in output:
                    output.text, count = re.subn(pattern, replacement, output.text)
                else:
                    output.data["text/plain"], count = re.subn(pattern, replacement, output.data["text/plain"])
                changes += count
        assert changes
    nbformat.write(ran, path)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "-c", str(ROOT / "pyproject.toml"),
         "--confcutdir", str(ROOT), "-p", "tests.conftest", str(path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == (1 if pattern else 0), run.stdout[-3000:] + run.stderr[-2000:]
