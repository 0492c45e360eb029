"""The notebooks' hygiene: what nbval would not notice, and that it notices everything else."""

import configparser
import json
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbFile, get_sanitize_patterns

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
NBVAL_MARKS = re.compile(r"#\s*(NBVAL|PYTEST_VALIDATE)_\w+")
IGNORE = "nbval-ignore-output"
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
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
    rules.read(SANITIZE)
    assert [sorted(rules[name]) for name in rules.sections()] == [["regex", "replace"]]
    (name,) = rules.sections()
    hidden = re.sub(rules[name]["regex"], rules[name]["replace"], "mean 29.938 base64,iVBORw0KGgo= p95 56.788")
    assert hidden == "mean 29.938 base64,PNG p95 56.788"


@pytest.mark.parametrize(
    ("pattern", "replacement", "equal"),
    [
        pytest.param(r"(\d+)\.(\d)", r"\1.9\2", False, id="a number"),
        pytest.param(r"mean latency", "least latency", False, id="a description of a plot"),
        pytest.param(r"base64,[A-Za-z0-9+/=]+", "base64,iVBORw0KGgo=", True, id="the bytes of a plot"),
    ],
)
def test_nbval_notices_a_change_of_any_stored_output(
    request: pytest.FixtureRequest, pattern: str, replacement: str, equal: bool
) -> None:
    """By our settings, and without a kernel: what a cell stored is compared with the same after a change."""
    file = IPyNbFile.from_parent(request.session, path=ROOT / "notebooks" / "01_polling.ipynb")
    file.sanitize_patterns.update(get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8")))
    cells = [(each, each.cell.outputs) for each in file.collect() if each.cell.outputs and not each.options["skip"]]
    changed = 0
    for cell, stored in cells:
        assert cell.compare_outputs(stored, stored)
        new = nbformat.from_dict(json.loads(re.sub(pattern, replacement, json.dumps(stored))))
        if new != stored:
            assert cell.compare_outputs(new, stored) == equal
            changed += 1
    assert changed
