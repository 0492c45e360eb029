"""The notebooks' hygiene: what nbval would not notice, and that it notices everything else."""

import ast
import configparser
import json
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbFile, get_sanitize_patterns

from labkit.course.assignment import without_hidden_tests

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
WALKTHROUGHS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
NBVAL_MARKS = re.compile(r"#\s*(NBVAL|PYTEST_VALIDATE)_\w+")
IGNORE = "nbval-ignore-output"
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
MOST_CELLS = 50
MOST_CELLS_OF_A_LESSON = 105
"""A lesson of 90 minutes is made of cells of several walkthroughs."""
MOST_LINES = 12
MOST_WORDS = {"04": 1_900}  # by walkthrough; 2,600 for the others
MISTAKES = re.compile(r"^ *# MISTAKES\n(?:.*\n)*?(?= *### END SOLUTION)", re.MULTILINE)
"""What only teachers see, below a solution: a list, and no code to read in one go. Hidden tests are lists, too."""


def faults(notebook: NotebookNode, most_cells: int = MOST_CELLS) -> list[str]:
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
        source = MISTAKES.sub("", cell.source)
        if "print(" in source and not cell.outputs:
            found.append(f"{cell.id}: prints, and its output was cleared")
        if any(output.output_type == "error" for output in cell.outputs) and "raises-exception" not in tags:
            found.append(f"{cell.id}: ended in an error")
        if "raises-exception" in tags and not any(output.output_type == "error" for output in cell.outputs):
            found.append(f"{cell.id}: should raise, and did not")
        if NBVAL_MARKS.search(cell.source) or tags & {"nbval-skip", "nbval-raises-exception"}:
            found.append(f"{cell.id}: is not compared")
        if IGNORE in tags and (place + 1 == len(code) or IGNORE in code[place + 1].metadata.get("tags", [])):
            found.append(f"{cell.id}: real numbers are not compared, and no compared cell follows")
        if len(without_hidden_tests(source).splitlines()) > 15:
            found.append(f"{cell.id}: has over 15 lines")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/svg+xml" in data or ("image/png" in data and "text/plain" not in data):
                found.append(f"{cell.id}: a figure that says nothing")
            if output.get("name") == "stderr":
                found.append(f"{cell.id}: writes to stderr: {output.text[:60]}")
            if re.search(r"(/home/|/root/|/work/|[A-Z]:\\Users)", str(output)):
                found.append(f"{cell.id}: an output shows a path of the machine that it was run on")
    if len(notebook.cells) > most_cells:
        found.append(f"{len(notebook.cells)} cells; {most_cells} are enough")
    return found


def heaviness(notebook: NotebookNode, most_words: int) -> list[str]:
    """What makes a walkthrough hard to read, a sentence each.

    The code of one cell may be folded, the last one's: it checks what the text says. It runs and is compared as every
    other cell. Its metadata are `"jupyter": {"source_hidden": true}`.
    """
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    folded = [cell.id for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    if folded not in ([], [code[-1].id]):
        found.append(f"{', '.join(folded)}: only the last cell of code may be folded, {code[-1].id}")
    for cell in code:
        if len(cell.source.splitlines()) > MOST_LINES and "Flask(" not in cell.source:
            found.append(f"{cell.id}: has over {MOST_LINES} lines, and makes no Flask app")
        if cell.id not in folded and _only_checks(cell.source):
            found.append(f"{cell.id}: in plain view, and does nothing but assert")
    words = len(re.sub(r"(?s)```.*?```|\]\([^)]*\)", " ", prose).split())
    if words >= most_words:
        found.append(f"{words} words; they must be under {most_words}")
    if re.search(r"\bto come\b", prose):
        found.append("says what is to come")
    return found


def _only_checks(source: str) -> bool:
    kinds = {type(statement) for statement in ast.parse(source).body}
    return ast.Assert in kinds and kinds <= {ast.Assert, ast.Import, ast.ImportFrom}


def _ends_in_expression(source: str) -> bool:
    body = ast.parse(source).body
    return bool(body) and isinstance(body[-1], ast.Expr) and not isinstance(body[-1].value, ast.Call | ast.Constant)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_ran(path: Path) -> None:
    most_cells = MOST_CELLS_OF_A_LESSON if path.name.startswith(("lesson_", "session_")) else MOST_CELLS
    assert faults(nbformat.read(path, as_version=4), most_cells) == []


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)
def test_a_walkthrough_is_light(path: Path) -> None:
    assert heaviness(nbformat.read(path, as_version=4), MOST_WORDS.get(path.name[:2], 2_600)) == []


@pytest.mark.parametrize(
    ("id", "change", "found"),
    [
        ("last", {}, None),
        ("first", {}, "first, last: only the last cell of code may be folded, last"),
        ("app", {"source": "app = Flask('bell')" + "\n" * 12 + "app"}, None),
        ("first", {"source": "1\n" * 12, "metadata": {}}, None),
        ("first", {"source": "1\n" * 13, "metadata": {}}, "first: has over 12 lines, and makes no Flask app"),
        ("first", {"source": "assert True", "metadata": {}}, "first: in plain view, and does nothing but assert"),
        ("app", {"source": "import math\n\nassert math"}, "app: in plain view, and does nothing but assert"),
        ("app", {"source": "two = 1 + 1\nassert two == 2"}, None),
        ("text", {"source": "six words are too many here"}, "6 words; they must be under 6"),
        ("text", {"source": "see [the first one](of many.ipynb) ```and a drawing```"}, None),
        ("text", {"source": "08 is to come"}, "says what is to come"),
    ],
)
def test_what_makes_a_walkthrough_heavy_is_noticed(id: str, change: dict[str, object], found: str | None) -> None:
    new, folded = nbformat.v4.new_code_cell, {"jupyter": {"source_hidden": True}}
    cells = [nbformat.v4.new_markdown_cell("few words", id="text"), new("1", id="first"), new("2", id="app"),
             new("assert True", id="last", metadata=folded)]  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=cells)
    (cell,) = [cell for cell in cells if cell.id == id]
    cell.update({"metadata": folded if id == "first" else cell.metadata} | change)
    assert heaviness(notebook, 6) == ([] if found is None else [found])


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
